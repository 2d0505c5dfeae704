package main

import (
	"context"
	"log/slog"
)

// errorsOnly is what the Temporal SDK logs to. In an outage it warns of every
// poll and every local attempt, of thousands of workflows; that there is one is
// logged by us, once. With LOG_LEVEL=debug all of it is shown.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, level) && (level >= slog.LevelError || h.Handler.Enabled(ctx, slog.LevelDebug))
}

func (h errorsOnly) WithAttrs(attributes []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attributes)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler { return errorsOnly{h.Handler.WithGroup(name)} }
