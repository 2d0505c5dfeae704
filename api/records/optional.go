package records

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// text is a string of a body that may be absent, null or there, which are three
// different things to a correction.
type text struct {
	given bool
	null  bool
	value string
}

// UnmarshalJSON is called only when the field is there.
func (t *text) UnmarshalJSON(data []byte) error {
	t.given = true
	if t.null = bytes.Equal(data, []byte("null")); t.null {
		return nil
	}
	return json.Unmarshal(data, &t.value)
}

// number is the same for a whole number; null is 0.
type number struct {
	given bool
	value int
}

// UnmarshalJSON is called only when the field is there.
func (n *number) UnmarshalJSON(data []byte) error {
	n.given = true
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	return json.Unmarshal(data, &n.value)
}

// Schema lets null pass, for the API's description and its validation.
func (text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

// Schema lets null pass, for the API's description and its validation.
func (number) Schema(huma.Registry) *huma.Schema {
	least := 1.0
	return &huma.Schema{Type: huma.TypeInteger, Nullable: true, Minimum: &least}
}
