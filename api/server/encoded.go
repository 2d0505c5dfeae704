package server

import (
	"bytes"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// Encoded is an answer's body that may have been written before, for readers
// that all get the same. Its type still describes it in the OpenAPI document.
type Encoded interface {
	// EncodedJSON returns the body as Encode wrote it, or nil when it is to be
	// written now.
	EncodedJSON() []byte
}

// Encode writes a body as answers are written.
func Encode(body any) ([]byte, error) {
	var out bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&out, body); err != nil {
		return nil, fmt.Errorf("encode a body: %w", err)
	}
	return out.Bytes(), nil
}

// jsonFormat is huma's, but for bodies that are written already.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, body any) error {
			if written, ok := body.(Encoded); ok && written.EncodedJSON() != nil {
				_, err := w.Write(written.EncodedJSON())
				return err
			}
			return huma.DefaultJSONFormat.Marshal(w, body)
		},
		Unmarshal: huma.DefaultJSONFormat.Unmarshal,
	}
}
