package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
)

// version is the form of the body that this package writes and reads.
const version = 1

// Message says that a revision of an official record was posted. It holds IDs and what is public, never
// personal data.
type Message struct {
	RaceID   string // UUID, lower case
	RecordID string // UUID, lower case
	Revision int    // from 1
	Label    Label
	Trace    Trace
}

// Label is how people refer to a record; both fields are optional. Label and trace
// travel as attributes of the message rather than in its body, so that a worker of
// an earlier release, which refuses unknown fields, still accepts the message.
type Label struct {
	Bib      string
	RaceName string // cut to 80 characters
}

// Trace is the W3C trace context of a message; empty when nothing is traced.
type Trace struct {
	Parent string // the span that the message is a part of, or
	Link   string // one that many messages come from: each begins a trace of its own
}

// The names of the message attributes.
const (
	parentAttribute   = "traceparent"
	linkAttribute     = "tracelink"
	bibAttribute      = "bib"
	raceNameAttribute = "race_name"
	// ReasonAttribute says why a message is on the dead-letter queue. Messages that the queue itself moved
	// there, after too many receives, do not have it.
	ReasonAttribute = "reason"
)

// attributeNames are the attributes that a receive asks for.
func attributeNames() []string {
	return []string{parentAttribute, linkAttribute, bibAttribute, raceNameAttribute}
}

// attributes returns the label and the trace as message attributes, nil when there are none.
func attributes(label Label, trace Trace) map[string]types.MessageAttributeValue {
	var all map[string]types.MessageAttributeValue
	for name, value := range map[string]string{
		parentAttribute: trace.Parent, linkAttribute: trace.Link,
		bibAttribute: printable(label.Bib, 16), raceNameAttribute: printable(label.RaceName, 80),
	} {
		if value == "" {
			continue
		}
		if all == nil {
			all = map[string]types.MessageAttributeValue{}
		}
		all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	return all
}

// fromAttributes reads what attributes wrote.
func fromAttributes(m types.Message) (Label, Trace) {
	text := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
	return Label{text(bibAttribute), text(raceNameAttribute)}, Trace{text(parentAttribute), text(linkAttribute)}
}

// printable makes text acceptable as an attribute: valid UTF-8 without control characters, at most so many
// characters, and empty rather than blank.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most])
	}
	return strings.TrimSpace(text)
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

// Decode reads a body. It is strict: an error means that the message is not ours or is broken. The error
// names fields, never their values.
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

// split parses a body into its fields and checks that each known field is there once, that there are no
// others, and that the version is known.
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
			return nil, fmt.Errorf("the field %s appears twice", shorten(name))
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
		return nil, errors.New("unexpected data after the JSON object")
	}
	return fields, checkNames(fields)
}

// checkNames looks at the version first, because another version may well have other fields.
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

// shorten quotes a field's name, cut so that a whole body passed off as a name does not reach a log.
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
