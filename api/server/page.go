package server

import (
	"encoding/base64"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// Page is the part of a list that a caller asks for.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"500" doc:"next_cursor of the page before; empty for the first."`
}

// EncodeCursor hides the position behind the last item of a page.
func EncodeCursor(parts ...string) string {
	position, err := json.Marshal(parts)
	if err != nil {
		panic(err) // strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(position)
}

// DecodeCursor returns the parts that EncodeCursor was given, nil for the empty
// cursor, and a 422 problem for one that it did not make.
func DecodeCursor(cursor string, parts int) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	position, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, BadCursor()
	}
	var decoded []string
	if json.Unmarshal(position, &decoded) != nil || len(decoded) != parts {
		return nil, BadCursor()
	}
	return decoded, nil
}

// BadCursor is the answer to a cursor that no list gave out.
func BadCursor() error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
		Location: "query.cursor", Message: "must be the next_cursor of an earlier page of this list",
	})
}
