package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// version is the form of the body that this package writes and reads.
const version = 1

// Message says that a revision of an official record was posted. It holds IDs only, never personal data.
type Message struct {
	RaceID   string // UUID, lower case
	RecordID string // UUID, lower case
	Revision int    // from 1
	Trace    Trace  // beside the body
}

// body is a Message on the queue.
type body struct {
	Version  int    `json:"v"`
	RaceID   string `json:"race_id"`
	RecordID string `json:"record_id"`
	Revision int    `json:"revision"`
}

// fieldNames are the body's fields, all of them required.
var fieldNames = []string{"v", "race_id", "record_id", "revision"}

// Encode returns the body of the message, or an error when a field is not what Decode accepts.
func (m Message) Encode() (string, error) {
	if err := m.check(); err != nil {
		return "", fmt.Errorf("encode message: %w", err)
	}
	text, err := json.Marshal(body{version, m.RaceID, m.RecordID, m.Revision})
	if err != nil {
		return "", fmt.Errorf("encode message: %w", err)
	}
	return string(text), nil
}

// Decode reads a body. It is strict: any error means that the message is not ours or is broken, and says
// what is wrong with it by the names of fields, never by their values.
func Decode(text string) (Message, error) {
	fields, err := split(text)
	if err != nil {
		return Message{}, fmt.Errorf("decode message: %w", err)
	}
	var b body
	if err := errors.Join(
		number(fields, "v", &b.Version), number(fields, "revision", &b.Revision),
		id(fields, "race_id", &b.RaceID), id(fields, "record_id", &b.RecordID),
	); err != nil {
		return Message{}, fmt.Errorf("decode message: %w", err)
	}
	m := Message{RaceID: b.RaceID, RecordID: b.RecordID, Revision: b.Revision}
	if err := m.check(); err != nil {
		return Message{}, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

// split takes a body apart into its fields: all of them, each once, none besides, of a known version.
func split(text string) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("the body is not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, errors.New("the body is not valid JSON")
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("the field %s is there twice", shorten(name))
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errors.New("the body is not valid JSON")
		}
		fields[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("the body is not valid JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, checkNames(fields)
}

// checkNames looks at the version first: another version may well have other fields.
func checkNames(fields map[string]json.RawMessage) error {
	var v int
	switch err := number(fields, "v", &v); {
	case err != nil:
		return err
	case v != version:
		return fmt.Errorf("unknown version in v, not %d", version)
	}
	known := map[string]bool{}
	for _, name := range fieldNames {
		if _, ok := fields[name]; !ok {
			return fmt.Errorf("the field %s is missing", name)
		}
		known[name] = true
	}
	for name := range fields {
		if !known[name] {
			return fmt.Errorf("unknown field %s", shorten(name))
		}
	}
	return nil
}

// shorten quotes a field's name, cut so that a body in disguise does not reach a log.
func shorten(name string) string {
	const most = 40
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", name)
}

func number(fields map[string]json.RawMessage, name string, to *int) error {
	raw, ok := fields[name]
	if !ok {
		return fmt.Errorf("the field %s is missing", name)
	}
	if string(raw) == "null" || json.Unmarshal(raw, to) != nil {
		return fmt.Errorf("%s is not a whole number", name)
	}
	return nil
}

func id(fields map[string]json.RawMessage, name string, to *string) error {
	if json.Unmarshal(fields[name], to) != nil {
		return fmt.Errorf("%s is not text", name)
	}
	return nil
}

func (m Message) check() error {
	switch {
	case !isUUID(m.RaceID):
		return errors.New("race_id is not a UUID in lower case")
	case !isUUID(m.RecordID):
		return errors.New("record_id is not a UUID in lower case")
	case m.Revision < 1:
		return errors.New("revision is less than 1")
	}
	return nil
}

// isUUID accepts the one form that our IDs have, of the several that uuid.Parse does.
func isUUID(text string) bool {
	parsed, err := uuid.Parse(text)
	return err == nil && parsed.String() == text
}
