package server

import (
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
)

// Config is what the frame stands on.
type Config struct {
	Verifier    Verifier
	Races       RaceReader
	Keys        KeyStore
	Fingerprint func(data []byte) Hash // keyed
	Log         *slog.Logger
	Registry    prometheus.Registerer
	Traces      trace.TracerProvider // nil: nothing is traced
	Health      http.Handler         // answers /healthz, /readyz and /metrics
	Version     string
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
}

// requestTimeout bounds a call, so that a part that hangs is answered with 503.
// The longest one, an import of 50,000 rows, takes seconds.
const requestTimeout = 60 * time.Second

// New returns the router and the API on it, to which the packages beside this
// one add their operations.
func New(cfg Config) (*chi.Mux, huma.API) {
	router := chi.NewMux()
	if cfg.Traces != nil {
		router.Use(traced(cfg.Traces))
	}
	router.Use(forwarded(cfg.TrustedProxies), observe(cfg.Log, cfg.Registry), secure,
		checkText, authenticate(cfg.Verifier))
	router.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, huma.Error404NotFound("there is no such path: see /docs"))
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, huma.Error405MethodNotAllowed("the path has no such method: see /docs"))
	})
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		router.Method(http.MethodGet, path, cfg.Health)
	}
	docs := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Mrmrthon API", SwaggerJSON: "/openapi.json", BasePath: "/docs",
		SettingsUI: map[string]string{"validatorUrl": "null"}, // the page works without the internet
	})
	router.Method(http.MethodGet, "/docs", docs)
	router.Method(http.MethodGet, "/docs/*", docs)

	api := humachi.New(router, openAPI(cfg.Version))
	idempotent := idempotency{api: api, keys: cfg.Keys, fingerprint: cfg.Fingerprint, log: cfg.Log}
	api.UseMiddleware(bounded, authorize(api, cfg.Races, cfg.Log), checkInput(api), idempotent.middleware)
	router.Get("/openapi.json", serveOpenAPI(api))
	return router, api
}

// bounded gives each call a deadline, but for those that go on until their
// reader leaves. A handler that runs into it answers 503, as translate has it.
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

// secure sets the headers that cost nothing and close old holes.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
