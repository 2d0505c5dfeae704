package server

import (
	"bytes"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// Encoded is the body of an answer that may already be encoded, because many
// readers get the same one. Its type still describes it in the OpenAPI document.
type Encoded interface {
	// EncodedJSON returns the body as Encode encoded it, or nil when it has not
	// been encoded yet.
	EncodedJSON() []byte
}

// Encode returns a body as JSON, in the form that answers have.
func Encode(body any) ([]byte, error) {
	var out bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&out, body); err != nil {
		return nil, fmt.Errorf("encode a body: %w", err)
	}
	return out.Bytes(), nil
}

// jsonFormat is huma's, but uses bodies that are already encoded and refuses
// requests whose text a database would not take.
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
