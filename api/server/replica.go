package server

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
)

// Replica is a copy of main_db for public reads.
type Replica interface {
	// Prefer returns a context whose reads go to the replica, and whether it is usable.
	Prefer(ctx context.Context) (context.Context, bool)
	// MaxLag is how old its data may be.
	MaxLag() time.Duration
}

// replicated lets a replica answer what anyone may read of races, records, standings
// and the season. Everybody sees their own changes: callers with a token, and readers of
// a race that this process has just changed, read the database's own server. So does
// a request that the replica would answer with an error: it may lack what it is about.
func replicated(replica Replica, routes chi.Routes, now func() time.Time) func(http.Handler) http.Handler {
	changed := &changes{now: now, window: replica.MaxLag() + 2*time.Second, last: map[string]time.Time{}}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			found := chi.NewRouteContext()
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			pattern := routes.Find(found, method, cmp.Or(r.URL.RawPath, r.URL.Path))
			raceID := found.URLParam("race_id")
			if method != http.MethodGet {
				next.ServeHTTP(w, r)
				changed.note(pattern, raceID)
				return
			}
			rule := Access["GET "+pattern]
			public := rule.Who == Anyone && !rule.Streams && (strings.Contains(pattern, "/races") || strings.HasSuffix(pattern, "/leaderboard"))
			if !public || r.Header.Get("Authorization") != "" || changed.lately(raceID) {
				next.ServeHTTP(w, r)
				return
			}
			ctx, usable := replica.Prefer(r.Context())
			if !usable {
				next.ServeHTTP(w, r)
				return
			}
			// The router keeps the route in the context, so the second try gets its own.
			first := &firstTry{ResponseWriter: w, header: maps.Clone(w.Header())}
			ctx, route := withRoute(ctx)
			next.ServeHTTP(first, r.WithContext(ctx))
			if first.refused {
				next.ServeHTTP(w, r)
				return
			}
			first.begin()
			if outer := chi.RouteContext(r.Context()); outer != nil {
				*outer = *route // whoever observes the request asks for its route
			}
		})
	}
}

// withRoute gives a request a copy of what the router has found so far.
func withRoute(ctx context.Context) (context.Context, *chi.Context) {
	route := chi.NewRouteContext()
	if before := chi.RouteContext(ctx); before != nil {
		route.Routes, route.RoutePath, route.RouteMethod = before.Routes, before.RoutePath, before.RouteMethod
	}
	return context.WithValue(ctx, chi.RouteCtxKey, route), route
}

// changes remembers which races this process has changed lately.
type changes struct {
	now    func() time.Time
	window time.Duration

	mu   sync.Mutex
	last map[string]time.Time // by race ID; empty: a race that lists show
}

func (c *changes) note(pattern, raceID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	maps.DeleteFunc(c.last, func(_ string, at time.Time) bool { return now.Sub(at) > c.window })
	if raceID != "" {
		c.last[raceID] = now
	}
	if pattern == "/v1/races" || pattern == "/v1/races/{race_id}" {
		c.last[""] = now
	}
}

// lately reports whether the replica may not have what this process changed in a race,
// or in the list of races.
func (c *changes) lately(raceID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, noted := c.last[raceID]
	return noted && c.now().Sub(at) <= c.window
}

// firstTry passes an answer on unless it is an error that the database's own server
// may not give.
type firstTry struct {
	http.ResponseWriter
	header         http.Header
	begun, refused bool
}

func (f *firstTry) Header() http.Header { return f.header }

func (f *firstTry) WriteHeader(status int) {
	if f.begun || f.refused {
		return
	}
	switch {
	case status == http.StatusNotFound, status == http.StatusGone, status == http.StatusConflict, status >= http.StatusInternalServerError:
		f.refused = true
	default:
		f.begin()
		f.ResponseWriter.WriteHeader(status)
	}
}

// begin hands the headers over.
func (f *firstTry) begin() {
	if f.begun {
		return
	}
	f.begun = true
	to := f.ResponseWriter.Header()
	clear(to)
	maps.Copy(to, f.header)
}

func (f *firstTry) Write(p []byte) (int, error) {
	if !f.begun && !f.refused {
		f.WriteHeader(http.StatusOK)
	}
	if f.refused {
		return len(p), nil
	}
	return f.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection, for deadlines.
func (f *firstTry) Unwrap() http.ResponseWriter { return f.ResponseWriter }
