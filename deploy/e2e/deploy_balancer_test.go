package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// balancer is a load balancer for several APIs. Each call goes to one of them, or to
// another if that one refuses the connection. A call that is cut off after it was sent
// is never sent again: it is counted, and its caller's connection is closed.
type balancer struct {
	*httptest.Server
	transport *http.Transport

	mu     sync.Mutex
	apis   map[string]*sync.WaitGroup // calls under way, by base URL
	broken map[string][]error         // how calls broke off
	served map[int]int                // calls answered, by status
}

func newBalancer(t *testing.T, api string) *balancer {
	t.Helper()
	// A connection for each call: one that an API closes for being idle must not
	// look like a call that it dropped.
	b := &balancer{
		transport: &http.Transport{DisableKeepAlives: true},
		apis:      map[string]*sync.WaitGroup{}, broken: map[string][]error{}, served: map[int]int{},
	}
	b.add(api)
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// add adds an API.
func (b *balancer) add(api string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apis[api] = &sync.WaitGroup{}
}

// remove sends an API no more calls, and returns when those in progress have ended.
func (b *balancer) remove(api string) {
	b.mu.Lock()
	calls := b.apis[api]
	delete(b.apis, api)
	b.mu.Unlock()
	calls.Wait()
}

// choose picks an API for a call, none of those that refused it. done is called when the
// call has ended.
func (b *balancer) choose(refused []string) (api string, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := slices.DeleteFunc(slices.Collect(maps.Keys(b.apis)), func(api string) bool { return slices.Contains(refused, api) })
	if len(left) == 0 {
		return "", nil
	}
	api = left[rand.IntN(len(left))]
	calls := b.apis[api]
	calls.Add(1)
	return api, calls.Done
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	for refused := []string{}; ; {
		api, done := b.choose(refused)
		if api == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		err := b.pass(w, r, api, body)
		done()
		var failed *net.OpError
		switch {
		case err == nil:
			return
		case errors.As(err, &failed) && failed.Op == "dial":
			refused = append(refused, api)
		default:
			b.mu.Lock()
			b.broken[api] = append(b.broken[api], err)
			b.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
	}
}

// pass forwards the call to one API and returns its answer.
func (b *balancer) pass(w http.ResponseWriter, r *http.Request, api string, body []byte) error {
	target, err := url.Parse(api)
	if err != nil {
		return err
	}
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Scheme, out.URL.Host = "", target.Scheme, target.Host
	out.Body = io.NopCloser(bytes.NewReader(body))
	res, err := b.transport.RoundTrip(out)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.served[res.StatusCode]++
	b.mu.Unlock()
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	_, err = w.Write(text)
	return err
}

// outcome counts the calls so far: the answers by status, and those that were cut off by
// API.
func (b *balancer) outcome() (served map[int]int, broken map[string][]error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.served), maps.Clone(b.broken)
}
