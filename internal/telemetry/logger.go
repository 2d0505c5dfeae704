package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
)

// NewLogger returns a logger that writes one JSON object a line to w. A line
// written with a context carries the IDs in the context: those of WithLogAttrs
// (request_id), of the activity that it belongs to (workflow_id, run_id and what
// IDsOf reads from the former), and of its span (trace_id, span_id).
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(contextHandler{Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

type logAttrsKey struct{}

// WithLogAttrs returns a context whose lines carry these attributes too.
func WithLogAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, logAttrsKey{}, append(slices.Clip(logAttrs(ctx)), attrs...))
}

func logAttrs(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(logAttrsKey{}).([]slog.Attr)
	return attrs
}

// contextHandler adds the IDs in the context to each line. It collects them only
// when a line is written, so that code that logs nothing pays nothing.
type contextHandler struct {
	slog.Handler
	keys []string // of WithAttrs, which are on every line
}

// Handle writes a line. An attribute that the line or its logger already has is not
// added again.
func (h contextHandler) Handle(ctx context.Context, record slog.Record) error {
	known := contextAttrs(ctx)
	if len(known) == 0 {
		return h.Handler.Handle(ctx, record)
	}
	said := slices.Clone(h.keys)
	record.Attrs(func(attr slog.Attr) bool {
		said = append(said, attr.Key)
		return true
	})
	record = record.Clone()
	for _, attr := range known {
		if !slices.Contains(said, attr.Key) {
			record.AddAttrs(attr)
			said = append(said, attr.Key)
		}
	}
	return h.Handler.Handle(ctx, record)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	keys := slices.Clip(h.keys)
	for _, attr := range attrs {
		keys = append(keys, attr.Key)
	}
	return contextHandler{h.Handler.WithAttrs(attrs), keys}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name), h.keys}
}

// contextAttrs returns the IDs in a context.
func contextAttrs(ctx context.Context) []slog.Attr {
	attrs := slices.Clip(logAttrs(ctx))
	if activity.IsActivity(ctx) {
		execution := activity.GetInfo(ctx).WorkflowExecution
		attrs = append(attrs, slog.String("workflow_id", execution.ID), slog.String("run_id", execution.RunID))
		attrs = append(attrs, IDsOf(execution.ID)...)
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return attrs
}

// SDKNames returns a handler for the log of Temporal's SDK, which names our IDs
// differently.
func SDKNames(handler slog.Handler) slog.Handler { return sdkNames{Handler: handler} }

// sdkNames keeps attributes until a line is written: the SDK makes a logger for
// each workflow and activity, and seldom uses it.
type sdkNames struct {
	slog.Handler
	attrs []slog.Attr
}

// ourNames maps the SDK's attribute names to ours.
var ourNames = map[string]string{
	"WorkflowID": "workflow_id", "RunID": "run_id", "TraceID": "trace_id", "SpanID": "span_id",
}

func (h sdkNames) Handle(ctx context.Context, record slog.Record) error {
	line := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	add := func(attr slog.Attr) bool {
		if name, ok := ourNames[attr.Key]; ok {
			attr.Key = name
		}
		line.AddAttrs(attr)
		if attr.Key == "workflow_id" {
			line.AddAttrs(IDsOf(attr.Value.String())...)
		}
		return true
	}
	for _, attr := range h.attrs {
		add(attr)
	}
	record.Attrs(add)
	return h.Handler.Handle(ctx, line)
}

func (h sdkNames) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sdkNames{h.Handler, append(slices.Clip(h.attrs), attrs...)}
}

func (h sdkNames) WithGroup(name string) slog.Handler {
	return sdkNames{h.Handler.WithGroup(name), h.attrs}
}

// IDsOf returns the IDs that a workflow ID is made of, as logs and spans name
// them: race_id, record_id and revision of credit/<race>/<record>/r<revision>,
// race_id of standings/<race>, none of any other.
func IDsOf(workflowID string) []slog.Attr {
	parts := strings.Split(workflowID, "/")
	switch {
	case len(parts) == 4 && parts[0] == "credit":
		ids := []slog.Attr{slog.String("race_id", parts[1]), slog.String("record_id", parts[2])}
		if revision, err := strconv.Atoi(strings.TrimPrefix(parts[3], "r")); err == nil {
			ids = append(ids, slog.Int("revision", revision))
		}
		return ids
	case len(parts) == 2 && parts[0] == "standings":
		return []slog.Attr{slog.String("race_id", parts[1])}
	}
	return nil
}

// Link is the connection to something that the program depends on. It logs when the
// connection is lost and when it is back, not every failure in between.
type Link struct {
	name string
	log  *slog.Logger

	mu    sync.Mutex
	since time.Time // of the outage; zero when there is none
}

// NewLink returns a link that is up. name is in the lines that it logs.
func NewLink(name string, log *slog.Logger) *Link { return &Link{name: name, log: log} }

// Report takes the outcome of a call and logs when it differs from the last one.
func (l *Link) Report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && l.since.IsZero():
		l.since = time.Now()
		l.log.Warn("no answer from a server: work waits and is retried", "server", l.name, "error", err)
	case err == nil && !l.since.IsZero():
		l.log.Info("the server answers again", "server", l.name, "outage", time.Since(l.since).Round(time.Millisecond).String())
		l.since = time.Time{}
	}
}
