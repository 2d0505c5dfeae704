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

// balancer stands before several APIs as a load balancer does: each call goes
// to one of them, and to the next when that one refuses the connection. A call
// that breaks off after it was sent is never sent again: it is counted, and its
// caller finds the connection closed.
type balancer struct {
	*httptest.Server
	transport *http.Transport

	mu     sync.Mutex
	apis   []string    // base URLs
	broken []error     // how calls broke off
	served map[int]int // calls answered, by status
}

func newBalancer(t *testing.T, apis ...string) *balancer {
	t.Helper()
	// A connection for each call: one that an API closes for being idle must not
	// look like a call that it dropped.
	b := &balancer{transport: &http.Transport{DisableKeepAlives: true}, apis: apis, served: map[int]int{}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// add sends calls to an API too.
func (b *balancer) add(api string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apis = append(b.apis, api)
}

// remove sends it no more.
func (b *balancer) remove(api string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apis = slices.DeleteFunc(b.apis, func(other string) bool { return other == api })
}

// order is the order in which to try the APIs for one call.
func (b *balancer) order() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	order := slices.Clone(b.apis)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	for _, api := range b.order() {
		err := b.pass(w, r, api, body)
		var refused *net.OpError
		if errors.As(err, &refused) && refused.Op == "dial" {
			continue
		}
		if err != nil {
			b.mu.Lock()
			b.broken = append(b.broken, err)
			b.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// pass makes the call at one API and hands its answer back.
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

// outcome is how calls went so far: how many were answered with each status,
// and how those broke off that were not.
func (b *balancer) outcome() (served map[int]int, broken []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.served), slices.Clone(b.broken)
}
