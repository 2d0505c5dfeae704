package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// bearer is the name of the access token in the OpenAPI document.
const bearer = "bearer"

// Register adds an operation to the API and turns the errors of its handler into
// problem documents: domain errors by their meaning, an unavailable database or queue
// into 503, and anything else into a 500 that hides its cause.
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

// bodyIsRead removes the deadline for reading the body, which huma sets and leaves in
// place: when it expires, net/http assumes that the caller has disconnected and cancels
// the call's context. From here on only the call's own deadline applies.
func bodyIsRead(ctx context.Context) {
	if reader, ok := ctx.Value(readerKey{}).(*http.ResponseController); ok {
		_ = reader.SetReadDeadline(time.Time{}) // a connection without deadlines has none to remove
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

// Encoded is an answer's body that may already be encoded because many readers get the
// same one. Its type still describes it in the OpenAPI document.
type Encoded interface {
	// EncodedJSON returns the body as Encode encoded it, or nil when it has not
	// been encoded yet.
	EncodedJSON() []byte
}

// Encode returns a body as JSON in the form of answers.
func Encode(body any) ([]byte, error) {
	var out bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&out, body); err != nil {
		return nil, fmt.Errorf("encode a body: %w", err)
	}
	return out.Bytes(), nil
}

// jsonFormat is huma's, except that it writes bodies that are already encoded and
// refuses requests with text that a database would not accept.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, body any) error {
			if written, ok := body.(Encoded); ok && written.EncodedJSON() != nil {
				_, err := w.Write(written.EncodedJSON())
				return err
			}
			return huma.DefaultJSONFormat.Marshal(w, body)
		},
		Unmarshal: decodeJSON,
	}
}
