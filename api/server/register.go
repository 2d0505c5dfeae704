package server

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// bearer is the name of the access token in the OpenAPI document.
const bearer = "bearer"

// Register adds an operation to the API. It is where the errors of handlers become
// problem documents: domain errors by their meaning, a database or queue that is
// unavailable as 503, and everything else as a 500 that hides its cause.
func Register[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		bodyIsRead(ctx)
		if err := checkBody(reflect.ValueOf(in).Elem()); err != nil {
			return nil, err
		}
		out, err := handler(ctx, in)
		if err != nil {
			return nil, translate(ctx, loggerFrom(ctx), err)
		}
		return out, nil
	})
}

type readerKey struct{}

// bodyIsRead lifts the time limit for reading the body, which huma sets and does
// not lift: when it passes, net/http takes the caller for gone and cancels the
// call's context. From here on only the time limit of the call itself applies.
func bodyIsRead(ctx context.Context) {
	if reader, ok := ctx.Value(readerKey{}).(*http.ResponseController); ok {
		_ = reader.SetReadDeadline(time.Time{}) // a connection without deadlines needs none lifted
	}
}

type loggerKey struct{}

// loggerFrom returns the logger of the server that answers the request.
func loggerFrom(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return log
	}
	return slog.New(slog.DiscardHandler)
}
