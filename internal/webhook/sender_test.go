package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

var message = Message{ID: "msg", Type: "result.corrected", At: time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC), Data: json.RawMessage(`{"race_id":"r"}`)}

// TestTheSpecificationsOwnLibraryVerifies sends a message with one secret and with two,
// and has each receiver verify it.
func TestTheSpecificationsOwnLibraryVerifies(t *testing.T) {
	t.Parallel()
	oldKey, oldSecret := NewSecret()
	newKey, newSecret := NewSecret()
	require.Len(t, oldKey, 32)
	require.Regexp(t, "^whsec_[A-Za-z0-9+/]{43}=$", oldSecret)
	_, stranger := NewSecret()
	for _, test := range []struct {
		keys     [][]byte
		accepts  []string
		declines string
	}{
		{[][]byte{oldKey}, []string{oldSecret}, newSecret},
		{[][]byte{newKey, oldKey}, []string{oldSecret, newSecret}, stranger},
	} {
		var got http.Header
		var body []byte
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = r.Header
			body, _ = io.ReadAll(r.Body)
		}))
		outcome, err := NewSender(Config{Loopback: true}, time.Now).Send(t.Context(), receiver.URL, test.keys, message)
		require.NoError(t, err)
		receiver.Close()
		require.True(t, outcome.Delivered())
		require.JSONEq(t, `{"type":"result.corrected","timestamp":"2026-04-20T09:00:00Z","data":{"race_id":"r"}}`, string(body))
		require.Equal(t, "msg", got.Get("Webhook-Id"))
		for _, secret := range test.accepts {
			verifier, err := standardwebhooks.NewWebhook(secret)
			require.NoError(t, err)
			require.NoError(t, verifier.Verify(body, got))
			require.Error(t, verifier.Verify(append(body, ' '), got))
		}
		verifier, err := standardwebhooks.NewWebhook(test.declines)
		require.NoError(t, err)
		require.Error(t, verifier.Verify(body, got))
	}
}

// TestSignature is the example of the specification.
func TestSignature(t *testing.T) {
	t.Parallel()
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	signature := sign([][]byte{key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature)
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://example.org/hooks", "https://hooks.example.org:8443/a?b=c", "https://EXAMPLE.org", "https://1.1.1.1/", "https://[2606:4700:4700::1111]/", "https://xn--bcher-kva.example/",
	} {
		require.NoError(t, Config{}.CheckURL(Standard, address), address)
	}
	refused := []string{
		"", "example.org", "http://example.org/", "ftp://example.org/", "https:example.org", "https://", "https://user@example.org/", "https://user:secret@example.org/",
		"https://example.org/#a", "https://example.org:22/", "https://example.org:70000/", "https://example.org\r\nHost: x/", "https://büch.example/", "https://intranet/",
		"https://localhost/", "https://a.localhost/", "https://printer.local/", "https://metadata.google.internal/", "https://example.org./x" + strings.Repeat("x", maxURL),
		// addresses in forms that only some resolvers read
		"https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://017700000001/", "https://127.0.0.1./",
		"https://169.254.169.254/latest/", "https://[fe80::1%25eth0]/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
	}
	for _, address := range refused {
		require.Error(t, Config{}.CheckURL(Standard, address), address)
	}
	require.Error(t, Config{Loopback: true}.CheckURL(Standard, "http://example.org/"))
	require.Error(t, Config{Loopback: true}.CheckURL(Standard, "https://10.0.0.1/"))
	require.NoError(t, Config{Loopback: true}.CheckURL(Standard, "http://127.0.0.1:9999/hook"))
	require.NoError(t, Config{Loopback: true}.CheckURL(Standard, "http://localhost:9999/hook"))
}

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1"} {
		require.True(t, public(netip.MustParseAddr(text)), text)
	}
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1",
		"172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
		"240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
		"2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%eth0",
	} {
		require.False(t, public(netip.MustParseAddr(text)), text)
	}
}

// resolver answers one list of addresses after the other, and the last one from then on.
type resolver struct {
	mu      sync.Mutex
	answers [][]string
	asked   int
}

func (r *resolver) lookup(context.Context, string, string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := r.answers[min(r.asked, len(r.answers)-1)]
	r.asked++
	var addrs []netip.Addr
	for _, text := range answer {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// TestNamesOfPrivateAddressesAreRefused: a host one of whose addresses is private is
// refused before anything is connected to.
func TestNamesOfPrivateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for _, addrs := range [][]string{{"127.0.0.1"}, {"::1"}, {"169.254.169.254"}, {"::ffff:10.0.0.1"}, {"1.1.1.1", "10.0.0.1"}, {"64:ff9b::7f00:1"}} {
		s := NewSender(Config{}, time.Now)
		s.lookup = (&resolver{answers: [][]string{addrs}}).lookup
		outcome, err := s.Send(t.Context(), "https://hooks.example.org/", nil, message)
		require.NoError(t, err)
		require.Equal(t, Outcome{Failure: "refused"}, outcome, addrs)
	}
}

// TestRebinding: the name is resolved once per connection, so an answer that changes after
// the check is not used; the next connection checks it.
func TestRebinding(t *testing.T) {
	t.Parallel()
	names := &resolver{answers: [][]string{{"1.1.1.1"}, {"127.0.0.1"}}}
	s := NewSender(Config{}, time.Now)
	s.lookup = names.lookup
	addrs, err := s.resolve(t.Context(), "hooks.example.org")
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("1.1.1.1")}, addrs)
	_, err = s.dial(t.Context(), "tcp", "hooks.example.org:443")
	require.ErrorIs(t, err, errRefused)
	require.Equal(t, 2, names.asked)
}

// TestTheSocketIsCheckedToo: whatever was resolved, a socket does not connect to an
// address that is not public.
func TestTheSocketIsCheckedToo(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // nothing is left to do
	dialer := net.Dialer{Control: NewSender(Config{}, time.Now).control}
	_, err = dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	require.ErrorIs(t, err, errRefused)
	dialer.Control = NewSender(Config{Loopback: true}, time.Now).control
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

// TestRedirectsAreNotFollowed, wherever they lead.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var calls []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer receiver.Close()
	outcome, err := NewSender(Config{Loopback: true}, time.Now).Send(t.Context(), receiver.URL+"/hook", nil, message)
	require.NoError(t, err)
	require.Equal(t, Outcome{Status: http.StatusTemporaryRedirect}, outcome)
	require.False(t, outcome.Delivered())
	require.Equal(t, []string{"/hook"}, calls)
}

// TestNoProxyOfTheEnvironment: a proxy would resolve the name for itself.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	transport, ok := NewSender(Config{}, time.Now).client.Transport.(*http.Transport)
	require.True(t, ok)
	require.Nil(t, transport.Proxy)
}

func TestPause(t *testing.T) {
	t.Parallel()
	var total time.Duration
	for attempt := 1; ; attempt++ {
		pause, ok := Pause(attempt, 0, 0)
		if !ok {
			require.Equal(t, 10, attempt)
			break
		}
		total += pause
	}
	require.Equal(t, 75*time.Hour+35*time.Minute+5*time.Second, total)
	for asked, want := range map[time.Duration]time.Duration{
		-time.Hour: 5 * time.Minute, time.Second: 5 * time.Minute, 10 * time.Minute: 10 * time.Minute, 1000 * time.Hour: time.Hour,
	} {
		pause, _ := Pause(2, asked, 0)
		require.Equal(t, want, pause)
	}
	pause, _ := Pause(2, 0, 1)
	require.Equal(t, 5*time.Minute+30*time.Second, pause)
	now := time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC)
	require.Equal(t, 90*time.Second, retryAfter("90", now))
	require.Equal(t, time.Hour, retryAfter("Mon, 20 Apr 2026 10:00:00 GMT", now))
	require.Zero(t, retryAfter("soon", now))
}

// TestEventsAreGathered: changes of one type in one race that follow each other are one
// event, of a bounded size; changes that are not sent make none.
func TestEventsAreGathered(t *testing.T) {
	t.Parallel()
	var g Gatherer
	add := func(position int64, action, raceID, kind, id string) {
		g.Add(position, race.Change{Action: action, RaceID: raceID, Subject: race.Subject{Kind: kind, ID: id}})
	}
	add(1, "record.corrected", "a", "record", "r1")
	add(2, "record.corrected", "b", "record", "r2")
	add(3, "record.corrected", "a", "record", "r3")
	add(4, "record.corrected", "a", "record", "r1")
	add(5, "webhook.switched_off", "a", "webhook", "w")
	add(6, "account.suspended", "", "account", "u")
	add(7, "race.published", "a", "race", "a")
	events := g.Events()
	require.Len(t, events, 3)
	require.EqualValues(t, 1, events[0].Position)
	require.JSONEq(t, `{"race_id":"a","record_ids":["r1","r3"]}`, string(events[0].Data()))
	require.JSONEq(t, `{"race_id":"a"}`, string(events[2].Data()))

	var many Gatherer
	id := "0198f3c2-7d4e-7c31-b9d0-5a1be2a4f7c3"
	for i := range 1000 {
		many.Add(int64(i), race.Change{Action: "entry.entered", RaceID: id, Subject: race.Subject{Kind: "entry", ID: id[:32] + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))}})
	}
	require.Len(t, many.Events(), 5)
	for _, e := range many.Events() {
		require.Less(t, len(e.Data()), 20_000)
	}
}
