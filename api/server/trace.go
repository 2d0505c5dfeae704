package server

import (
	"net/http"

	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traced begins a trace with each request. It is named for the route, never for
// the URL, which may hold personal data. A caller's own trace is linked to, not
// continued: nobody outside decides what of ours is kept.
func traced(provider trace.TracerProvider) func(http.Handler) http.Handler {
	tracer := provider.Tracer("github.com/mrmrthon/mrmrthon/api/server")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/healthz", "/readyz", "/metrics": // asked all the time
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

// describe says what only the router knows.
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
