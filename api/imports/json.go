package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// maxUnknown is how many unknown properties of one row are listed, since a row may
// have nothing else.
const maxUnknown = 10

// jsonSource reads an array of objects, alone or as the property items of an
// object, one row after the other.
type jsonSource struct {
	decoder *json.Decoder
	wanted  columnSet
	wrapped bool
	row     int
}

func openJSON(r io.Reader, wanted columnSet) (*jsonSource, error) {
	s := &jsonSource{decoder: json.NewDecoder(r), wanted: wanted}
	s.decoder.UseNumber()
	first, err := s.token()
	if err != nil {
		return nil, err
	}
	if first == json.Delim('{') {
		s.wrapped = true
		if first, err = s.token(); err != nil {
			return nil, err
		}
		if first != "items" {
			return nil, errNotRows
		}
		if first, err = s.token(); err != nil {
			return nil, err
		}
	}
	if first != json.Delim('[') {
		return nil, errNotRows
	}
	return s, nil
}

var errNotRows = &FileError{Message: `must be an array of rows, or an object with only that array as "items"`}

func (s *jsonSource) titles() []string { return nil }

func (s *jsonSource) ignored() []IgnoredColumn { return []IgnoredColumn{} }

func (s *jsonSource) next(rec *record) error {
	if !s.decoder.More() {
		return s.end()
	}
	s.row++
	rec.row = s.row
	first, err := s.token()
	if err != nil {
		return err
	}
	if first == json.Delim('{') {
		return s.object(rec)
	}
	rec.wrong = append(rec.wrong, race.FieldError{Message: "must be an object"})
	if first == json.Delim('[') {
		return s.skip()
	}
	return nil
}

// end reads what closes the rows, and returns io.EOF if nothing follows.
func (s *jsonSource) end() error {
	closing := []json.Delim{']'}
	if s.wrapped {
		closing = append(closing, '}')
	}
	for _, want := range closing {
		got, err := s.token()
		if err != nil {
			return err
		}
		if got != want {
			return errNotRows
		}
	}
	if _, err := s.decoder.Token(); !errors.Is(err, io.EOF) {
		return &FileError{Message: "there is unexpected data after the end of the rows"}
	}
	return io.EOF
}

// object reads the properties of a row, after its opening brace.
func (s *jsonSource) object(rec *record) error {
	var taken given
	results := "" // a property that only results have
	for s.decoder.More() {
		key, err := s.token()
		if err != nil {
			return err
		}
		var value any
		if err := s.decoder.Decode(&value); err != nil {
			return s.broken(err)
		}
		name, _ := key.(string)
		c, known := findColumn(name)
		if !known {
			if len(rec.wrong) < maxUnknown {
				rec.wrong = append(rec.wrong, race.FieldError{Field: name, Message: "is not a known property"})
			}
			continue
		}
		if !s.wanted.has(c) {
			if resultColumns.has(c) {
				results = name
			}
			continue
		}
		if conflict := taken.add(c, name); conflict != "" {
			rec.wrong = append(rec.wrong, race.FieldError{Field: c.String(), Message: "the properties " + conflict})
			continue
		}
		text, problem := jsonText(c, value)
		if problem != "" {
			rec.wrong = append(rec.wrong, race.FieldError{Field: c.String(), Message: problem})
		}
		rec.cells[c] = text
	}
	if results != "" && taken.isResults(s.wanted) {
		rec.wrong = append(rec.wrong, race.FieldError{Message: notAStartList(results)})
	}
	_, err := s.token()
	return err
}

// jsonText returns a value as the text of a CSV cell, or what is wrong with it.
func jsonText(c column, value any) (text, problem string) {
	switch v := value.(type) {
	case nil:
		return "", ""
	case string:
		return strings.TrimSpace(v), ""
	case json.Number:
		if c == ageColumn || c == sequenceColumn {
			return v.String(), ""
		}
	}
	return "", "must be a string"
}

// skip reads to the end of an array, after its opening bracket.
func (s *jsonSource) skip() error {
	var value json.RawMessage
	for s.decoder.More() {
		if err := s.decoder.Decode(&value); err != nil {
			return s.broken(err)
		}
	}
	_, err := s.token()
	return err
}

func (s *jsonSource) token() (json.Token, error) {
	token, err := s.decoder.Token()
	if err != nil {
		return nil, s.broken(err)
	}
	return token, nil
}

// broken turns an error of the decoder into a *FileError, and returns an error of
// the file's reader unchanged.
func (s *jsonSource) broken(err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	where := fmt.Sprintf("the text is not valid JSON at byte %d", s.decoder.InputOffset())
	if s.row > 0 {
		where += fmt.Sprintf(", in row %d", s.row)
	}
	return &FileError{Message: where}
}
