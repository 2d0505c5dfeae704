// Package server handles what all calls have in common: authentication, authorization,
// idempotency keys, problem documents, pages, the OpenAPI document and its
// documentation page. The calls themselves are in the packages beside it.
package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// Config is what the server needs.
type Config struct {
	Verifier  Verifier
	Standings Standings        // nil: an access token is good until it expires
	Now       func() time.Time // nil: time.Now
	// UseKey finds the API key whose secret has a hash, or returns race.ErrNotFound; nil:
	// there are none.
	UseKey      func(ctx context.Context, secretHash string) (maindb.APIKey, error)
	KeyLimit    auth.KeyConfig
	Races       RaceReader
	Keys        KeyStore
	Fingerprint func(data []byte) Hash // keyed
	Log         *slog.Logger
	Registry    prometheus.Registerer
	Traces      trace.TracerProvider // nil: nothing is traced
	Health      http.Handler         // answers /healthz, /readyz and /metrics
	Version     string
	PublicURL   string // where callers reach the API; empty if unknown
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Replica        Replica // of main_db, for public reads; nil: there is none
}

// requestTimeout bounds a call, so that a database that hangs leads to a 503. An import
// of 50,000 rows, the longest call, takes seconds.
const requestTimeout = 60 * time.Second

// New returns the router and the API on it, to which the other packages below api
// add their operations.
func New(cfg Config) (*chi.Mux, huma.API) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	router := chi.NewMux()
	if cfg.Traces != nil {
		router.Use(traced(cfg.Traces))
	}
	router.Use(forwarded(cfg.TrustedProxies), observe(cfg.Log, cfg.Registry), secure,
		checkText, preflight(router), heads(router), authenticate(cfg.Verifier, newAPIKeys(cfg), newEnded(cfg.Standings, cfg.Log, cfg.Now)))
	if cfg.Replica != nil {
		router.Use(replicated(cfg.Replica, router, cfg.Now))
	}
	router.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, huma.Error404NotFound("this path does not exist: see /docs"))
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, huma.Error405MethodNotAllowed("this path does not have this method: see /docs"))
	})
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		router.Method(http.MethodGet, path, cfg.Health)
	}
	docs := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Mrmrthon API", SwaggerJSON: "/openapi.json", BasePath: "/docs",
		SettingsUI: map[string]string{"validatorUrl": "null"}, // the page must work without the internet
	})
	router.Method(http.MethodGet, "/docs", docs)
	router.Method(http.MethodGet, "/docs/*", docs)

	api := humachi.New(router, openAPI(cfg))
	idempotent := idempotency{api: api, keys: cfg.Keys, fingerprint: cfg.Fingerprint, log: cfg.Log}
	api.UseMiddleware(crossOrigin, bounded, authorize(api, cfg.Races, cfg.Log), checkInput(api), unwrapUpload(api), idempotent.middleware)
	router.Get("/openapi.json", serveOpenAPI(api))
	return router, api
}

// bounded gives each call a deadline, except streams, which last until the reader
// disconnects. A handler that exceeds it answers 503 (see translate).
func bounded(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if Access[op.Method+" "+op.Path].Streams {
		next(ctx)
		return
	}
	limited, cancel := context.WithTimeout(ctx.Context(), requestTimeout)
	defer cancel()
	next(huma.WithContext(ctx, limited))
}

// heads answers HEAD wherever anyone may GET, as caches and link previews ask. The
// server leaves the body out by itself.
func heads(routes chi.Routes) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				path := cmp.Or(r.URL.RawPath, r.URL.Path)
				rule := Access["GET "+routes.Find(chi.NewRouteContext(), http.MethodGet, path)]
				if rule.Who == Anyone && !rule.Streams {
					chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// secure sets the security headers for browsers.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
