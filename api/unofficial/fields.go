package unofficial

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

type newUnofficialBody struct {
	Date      string  `json:"date" example:"2026-05-09" doc:"YYYY-MM-DD."`
	DistanceM float64 `json:"distance_m" example:"5000" doc:"Metres, above 0 and at most 1000000, with up to three decimals."`
	Time      string  `json:"time" example:"0:21:40.5" doc:"H:MM:SS[.f] or MM:SS[.f]."`
	Title     string  `json:"title,omitempty" maxLength:"200" example:"Parkrun"`
	Note      string  `json:"note,omitempty" maxLength:"2000"`
}

type unofficialChangeBody struct {
	Date      *string  `json:"date,omitempty"`
	DistanceM *float64 `json:"distance_m,omitempty"`
	Time      *string  `json:"time,omitempty"`
	Title     *string  `json:"title,omitempty" maxLength:"200" doc:"An empty string removes it."`
	Note      *string  `json:"note,omitempty" maxLength:"2000" doc:"An empty string removes it."`
}

func newRecord(body newUnofficialBody) (race.UnofficialRecord, error) {
	var record race.UnofficialRecord
	err := changeRecord(&record, unofficialChangeBody{
		Date: &body.Date, DistanceM: &body.DistanceM, Time: &body.Time, Title: &body.Title, Note: &body.Note,
	})
	return record, err
}

// changeRecord applies what body names and returns a *race.InvalidError with
// everything that is wrong.
func changeRecord(record *race.UnofficialRecord, body unofficialChangeBody) error {
	invalid := &race.InvalidError{}
	set(invalid, "date", &record.Date, body.Date, race.ParseDate)
	set(invalid, "distance_m", &record.Distance, body.DistanceM, race.DistanceOf)
	set(invalid, "time", &record.Time, body.Time, race.ParseTime)
	set(invalid, "title", &record.Title, body.Title, parseLine)
	set(invalid, "note", &record.Note, body.Note, parseText)
	if len(invalid.Fields) > 0 {
		return invalid
	}
	return nil
}

// set reads a field that the body names.
func set[T, S any](invalid *race.InvalidError, field string, to *T, from *S, parse func(S) (T, error)) {
	if from == nil {
		return
	}
	value, err := parse(*from)
	if err != nil {
		invalid.Fields = append(invalid.Fields, race.FieldError{Field: field, Message: err.Error()})
		return
	}
	*to = value
}

func parseLine(s string) (string, error) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", errors.New("must be one line without control characters")
	}
	return parseText(s)
}

func parseText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("must be text in UTF-8")
	}
	return strings.TrimSpace(s), nil
}
