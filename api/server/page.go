package server

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

// Page is the part of a list that a caller requests. Embed it in the input of a call
// that lists, read one item more than Limit, and pass the items to Cut.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The maximum number of items to return."`
	Cursor string `query:"cursor" maxLength:"500" doc:"The next_cursor of the previous page. Leave it out for the first page."`
}

// Seek reads the position after which the page begins: the values by which the list is
// ordered, as Cut wrote them. It leaves them unchanged for the first page.
func (p Page) Seek(position ...any) error { return ReadCursor(p.Cursor, position...) }

// Cut drops the item that was read beyond the page and returns the cursor of the
// next page, which is empty on the last one. The function position returns the
// values that Seek reads.
func Cut[T any](p Page, found []T, position func(last T) []any) (items []T, next string) {
	if len(found) <= p.Limit {
		return found, ""
	}
	items = found[:p.Limit]
	return items, Cursor(position(items[p.Limit-1])...)
}

// Cursor encodes a position in a list (IDs, words, numbers and dates) as an opaque
// cursor.
func Cursor(position ...any) string {
	parts := make([]string, len(position))
	for i, value := range position {
		if date, ok := value.(race.Date); ok {
			parts[i] = date.String()
			continue
		}
		switch v := reflect.ValueOf(value); v.Kind() {
		case reflect.String:
			parts[i] = v.String()
		case reflect.Int, reflect.Int64:
			parts[i] = strconv.FormatInt(v.Int(), 10)
		default:
			panic("server: a cursor cannot hold this type")
		}
	}
	return EncodeCursor(parts...)
}

// ReadCursor decodes a cursor into pointers to the types that Cursor was given. Strings
// must be IDs, those of a type of their own words, numbers must not be negative, and an
// int must fit an INT column, so that a handwritten cursor never reaches a database. The
// empty cursor leaves the position unchanged; a malformed one is a 422 problem.
func ReadCursor(cursor string, position ...any) error {
	parts, err := decodeCursor(cursor, len(position))
	if err != nil || parts == nil {
		return err
	}
	for i, to := range position {
		if !readPart(parts[i], to) {
			return BadCursor()
		}
	}
	return nil
}

// word is the form of a name in a cursor, as that of a kind of notice.
var word = regexp.MustCompile(`^[a-z][a-z._-]{0,63}$`)

func readPart(part string, to any) (valid bool) {
	if date, ok := to.(*race.Date); ok {
		var err error
		*date, err = race.ParseDate(part)
		return err == nil
	}
	v := reflect.ValueOf(to).Elem()
	switch v.Kind() {
	case reflect.String:
		v.SetString(part)
		if v.Type() == reflect.TypeFor[string]() {
			return IsID(part)
		}
		return word.MatchString(part)
	case reflect.Int:
		n, err := strconv.ParseInt(part, 10, 32)
		v.SetInt(n)
		return err == nil && n >= 0 && strconv.FormatInt(n, 10) == part
	case reflect.Int64:
		n, err := strconv.ParseInt(part, 10, 64)
		v.SetInt(n)
		return err == nil && n >= 0
	default:
		return false
	}
}

// EncodeCursor encodes the position of the last item of a page.
func EncodeCursor(parts ...string) string {
	position, err := json.Marshal(parts)
	if err != nil {
		panic(err) // strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(position)
}

// decodeCursor returns the parts that EncodeCursor was given, or nil for the empty
// cursor. A malformed cursor is a 422 problem.
func decodeCursor(cursor string, parts int) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	position, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, BadCursor()
	}
	var decoded []string
	if json.Unmarshal(position, &decoded) != nil || len(decoded) != parts {
		return nil, BadCursor()
	}
	for _, part := range decoded {
		for i := range len(part) {
			if part[i] < ' ' || part[i] > '~' { // IDs, numbers and dates are printable ASCII
				return nil, BadCursor()
			}
		}
	}
	return decoded, nil
}

// BadCursor is the answer to a malformed cursor.
func BadCursor() error {
	return Invalid("query.cursor", "must be the next_cursor of an earlier page of this list")
}

// Invalid is the answer 422 about one part of a request, as in query.limit or
// body.reason.
func Invalid(location, message string) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: location, Message: message})
}

// ByteOrderMark tells Excel that a CSV is UTF-8. Opened by a double click, one
// without it is read in the system's own encoding, which garbles Korean names on
// most machines. Our own import skips it, as do the usual CSV libraries.
const ByteOrderMark = "\ufeff"

// ETag writes a revision as an ETag.
func ETag(revision int) string { return strconv.Quote(strconv.Itoa(revision)) }

// SpreadsheetText keeps a spreadsheet from running what somebody entered as a
// formula. Our own reader of files undoes it.
func SpreadsheetText(cell string) string { return racefile.SpreadsheetText(cell) }

// TimeOrNil returns nil for the zero time, which JSON leaves out.
func TimeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
