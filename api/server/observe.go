package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// observe gives each request an ID, which its log lines carry, answers a panic
// with a problem, and counts and logs the request by its route: never by its
// URL or body, which may hold personal data.
func observe(log *slog.Logger, registry prometheus.Registerer) func(http.Handler) http.Handler {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "mrmrthon_http_request_duration_seconds",
		Help:    "Time to answer a request, by route, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "route", "status"})
	registry.MustRegister(durations)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start, id := time.Now(), requestID(r)
			w.Header().Set("X-Request-Id", id)
			answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			ctx := telemetry.WithLogAttrs(r.Context(), slog.String("request_id", id))
			ctx = context.WithValue(ctx, loggerKey{}, log)
			ctx = context.WithValue(ctx, readerKey{}, http.NewResponseController(w))
			defer func() {
				if cause := recover(); cause != nil {
					answerPanic(ctx, log, answer, cause)
				}
				route, took := routeOf(r), time.Since(start)
				durations.WithLabelValues(r.Method, route, strconv.Itoa(answer.Status())).Observe(took.Seconds())
				if log.Enabled(ctx, slog.LevelDebug) {
					log.DebugContext(telemetry.WithLogAttrs(ctx, pathIDs(r)...), "request", "method", r.Method, "route", route,
						"status", answer.Status(), "ms", float64(took.Microseconds())/1000)
				}
			}()
			next.ServeHTTP(answer, r.WithContext(ctx))
		})
	}
}

// requestIDForm is the form of a caller's own ID. It is logged, so there is no room for
// much else.
var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`)

// requestID is the caller's X-Request-Id if that is well-formed, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); requestIDForm.MatchString(id) {
		return id
	}
	return uuid.Must(uuid.NewV7()).String()
}

// pathIDs returns the IDs of the race and the record in a path. Anything else in their
// place is not logged.
func pathIDs(r *http.Request) (ids []slog.Attr) {
	for _, name := range []string{"race_id", "record_id"} {
		if id := chi.URLParam(r, name); IsID(id) {
			ids = append(ids, slog.String(name, id))
		}
	}
	return ids
}

func answerPanic(ctx context.Context, log *slog.Logger, answer middleware.WrapResponseWriter, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause) // this is how net/http drops a connection
	}
	log.ErrorContext(ctx, "panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if answer.Status() == 0 {
		writeProblem(answer, huma.Error500InternalServerError("something went wrong on our side; it has been logged"))
	}
}

func routeOf(r *http.Request) string {
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" {
		return pattern
	}
	return "unknown"
}

// traced begins a trace with each request, named for the route, never for the URL,
// which may hold personal data. A caller's own trace is linked, not continued, so that
// callers do not decide which of our traces are sampled.
func traced(provider trace.TracerProvider) func(http.Handler) http.Handler {
	tracer := provider.Tracer("github.com/mrmrthon/mrmrthon/api/server")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/healthz", "/readyz", "/metrics": // polled all the time
				next.ServeHTTP(w, r)
				return
			}
			ctx, span := tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindServer), linkToCaller(r))
			defer span.End()
			answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			next.ServeHTTP(answer, r.WithContext(ctx))
			describe(span, r, answer.Status())
		})
	}
}

func linkToCaller(r *http.Request) trace.SpanStartOption {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	if caller := trace.SpanContextFromContext(ctx); caller.IsValid() {
		return trace.WithLinks(trace.Link{SpanContext: caller})
	}
	return trace.WithLinks()
}

// describe adds to the span what is known only after routing.
func describe(span trace.Span, r *http.Request, status int) {
	route := routeOf(r)
	span.SetName(r.Method + " " + route)
	span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status))
	for _, id := range pathIDs(r) {
		span.SetAttributes(attribute.String(id.Key, id.Value.String()))
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
}
