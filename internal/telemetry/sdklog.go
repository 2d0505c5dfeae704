package telemetry

import (
	"context"
	"log/slog"
	"slices"
)

// SDKNames returns a handler for the log of Temporal's SDK, which has names of
// its own for our IDs.
func SDKNames(handler slog.Handler) slog.Handler { return sdkNames{Handler: handler} }

// sdkNames keeps attributes until a line is written: the SDK makes a logger for
// each workflow and activity, and seldom writes with it.
type sdkNames struct {
	slog.Handler
	attrs []slog.Attr
}

// ourNames are those of the SDK's that we have another one for.
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
