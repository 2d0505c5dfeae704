package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout is how long a dependency may take to answer. It is short because
// callers of /readyz usually wait only a few seconds themselves.
const checkTimeout = 2 * time.Second

// Check asks one thing that the program depends on whether it answers.
type Check struct {
	Name string // as /readyz shows it
	Ping func(ctx context.Context) error
}

// Running is a check that fails once stopping is closed, so that no new requests
// are sent to a program that is shutting down.
func Running(stopping <-chan struct{}) Check {
	return Check{Name: "running", Ping: func(context.Context) error {
		select {
		case <-stopping:
			return errStopping
		default:
			return nil
		}
	}}
}

var errStopping = errors.New("the program is stopping")

// Handler answers GET /healthz (200 while the process serves at all), /readyz (200
// when every check passes, else 503, with the state of each as a JSON object), and
// /metrics. Why a check fails is logged when it begins to fail and is not in the
// answer, since /readyz is public.
func Handler(gatherer prometheus.Gatherer, log *slog.Logger, checks ...Check) http.Handler {
	ready := &readiness{log: log, checks: checks, failing: make([]bool, len(checks))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"}, log)
	})
	mux.Handle("GET /readyz", ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return mux
}

// readiness runs the checks and remembers how each last went.
type readiness struct {
	log    *slog.Logger
	checks []Check

	mu      sync.Mutex
	failing []bool
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	errs := r.run(req.Context())
	status, states := http.StatusOK, make(map[string]string, len(errs))
	for i, check := range r.checks {
		states[check.Name] = "ok"
		if errs[i] != nil {
			states[check.Name], status = "unavailable", http.StatusServiceUnavailable
		}
		r.note(req.Context(), i, errs[i])
	}
	writeJSON(w, status, states, r.log)
}

// run runs all checks at once and returns the error of each.
func (r *readiness) run(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]error, len(r.checks))
	var all sync.WaitGroup
	for i, check := range r.checks {
		all.Go(func() { errs[i] = check.Ping(ctx) })
	}
	all.Wait()
	return errs
}

func (r *readiness) note(ctx context.Context, i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.failing[i] != (err != nil)
	r.failing[i] = err != nil
	switch {
	case changed && err != nil:
		r.log.WarnContext(ctx, "not ready", "check", r.checks[i].Name, "error", err)
	case changed:
		r.log.InfoContext(ctx, "ready again", "check", r.checks[i].Name)
	}
}

func writeJSON(w http.ResponseWriter, status int, body any, log *slog.Logger) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Debug("cannot write the answer: the caller has gone", "error", err)
	}
}

// ProfilesConfig says where a program can be profiled.
type ProfilesConfig struct {
	Addr string `env:"PPROF_ADDR" check:":port" help:"where /debug/pprof is served; must not be public; off when empty"`
}

// ServeProfiles serves net/http/pprof until ctx ends. It has its own listener,
// because a profile slows the program down and reveals its internals. It returns an
// error if it cannot listen.
func ServeProfiles(ctx context.Context, cfg ProfilesConfig, log *slog.Logger) error {
	if cfg.Addr == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("PPROF_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // heap, goroutine and the like too
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // ends only when it is closed
	log.InfoContext(ctx, "serving profiles", "addr", listener.Addr().String())
	return nil
}
