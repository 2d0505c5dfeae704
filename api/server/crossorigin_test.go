package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForwarded(t *testing.T) {
	t.Parallel()
	balancer := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for name, test := range map[string]struct {
		proxies []netip.Prefix
		remote  string
		header  []string
		want    string
	}{
		"nobody is trusted":                 {nil, "10.0.1.2:5000", []string{"203.0.113.7"}, "10.0.1.2:5000"},
		"a stranger is not believed":        {balancer, "198.51.100.1:5000", []string{"203.0.113.7"}, "198.51.100.1:5000"},
		"a balancer is":                     {balancer, "10.0.1.2:5000", []string{"203.0.113.7"}, "203.0.113.7:5000"},
		"not what the client wrote":         {balancer, "10.0.1.2:5000", []string{"10.0.9.9, 127.0.0.1, 203.0.113.7"}, "203.0.113.7:5000"},
		"in a header of the client's own":   {balancer, "10.0.1.2:5000", []string{"1.2.3.4", "203.0.113.7"}, "203.0.113.7:5000"},
		"a proxy behind a proxy":            {balancer, "10.0.1.2:5000", []string{"203.0.113.7, 10.0.3.4"}, "203.0.113.7:5000"},
		"only proxies: the first of them":   {balancer, "10.0.1.2:5000", []string{"10.0.3.4"}, "10.0.3.4:5000"},
		"a proxy that does not say":         {balancer, "10.0.1.2:5000", nil, "10.0.1.2:5000"},
		"nonsense stops the search":         {balancer, "10.0.1.2:5000", []string{"203.0.113.7, unknown"}, "10.0.1.2:5000"},
		"with the client's port":            {balancer, "10.0.1.2:5000", []string{"203.0.113.7:61234"}, "203.0.113.7:5000"},
		"IPv6":                              {balancer, "[fd00::1]:5000", []string{"2001:db8::7"}, "[2001:db8::7]:5000"},
		"IPv6 in brackets, with a port":     {balancer, "[fd00::1]:5000", []string{"[2001:db8::7]:443"}, "[2001:db8::7]:5000"},
		"a listener for both kinds of IP":   {balancer, "[::ffff:10.0.1.2]:5000", []string{"203.0.113.7"}, "203.0.113.7:5000"},
		"no address to speak of, of a pipe": {balancer, "pipe", []string{"203.0.113.7"}, "pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			handler := forwarded(test.proxies)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
			request.RemoteAddr = test.remote
			request.Header["X-Forwarded-For"] = test.header
			handler.ServeHTTP(httptest.NewRecorder(), request)
			require.Equal(t, test.want, got)
		})
	}
}
