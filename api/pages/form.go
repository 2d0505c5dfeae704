package pages

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// form is what a reader has sent, and what is wrong with it. A page with a form shows
// what form.value returns, so that a refused form comes back with what was in it.
type form struct {
	values  url.Values
	sent    bool              // the reader has sent it; otherwise it is new
	wrong   map[string]string // by field: what would be right
	order   []string          // of the fields that are wrong
	problem string            // what is wrong with the form as a whole
	status  int
	headers http.Header
}

// inMemory is how much of uploaded files is kept in memory; the rest is in files.
const inMemory = 1 << 20

// read reads the form of a POST.
func (f *form) read(r *http.Request) error {
	err := r.ParseForm()
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "multipart/form-data" {
		err = r.ParseMultipartForm(inMemory)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return huma.NewError(http.StatusRequestEntityTooLarge, "the form is too large")
	}
	if err != nil {
		return huma.Error400BadRequest("the form could not be read")
	}
	f.values, f.sent = r.PostForm, true
	for name, values := range f.values {
		if slices.ContainsFunc(values, func(v string) bool { return !server.IsText(v) }) {
			return huma.Error422UnprocessableEntity("the form must be UTF-8 text without NUL characters")
		}
		for i, text := range values { // browsers count the end of a line as one character and send two
			values[i] = strings.ReplaceAll(text, "\r\n", "\n")
			if !strings.Contains(name, "password") { // calls refuse what is dropped here: whoever pasted it cannot see what to take out
				values[i] = strings.Map(race.DropOverride, values[i])
			}
		}
	}
	return nil
}

// get returns a field without the space around it.
func (f *form) get(name string) string { return strings.TrimSpace(f.values.Get(name)) }

// value returns what a field shows: what was sent, or for a new form what there is.
func (f *form) value(name, there string) string {
	if f.sent {
		return f.values.Get(name)
	}
	return there
}

// checked reports whether a box is ticked, or would be in a new form.
func (f *form) checked(name string, there bool) bool {
	if f.sent {
		return f.values.Get(name) != ""
	}
	return there
}

// key returns the hidden value by which a form that is sent twice is known.
func (f *form) key() string {
	if given := f.get("key"); given != "" {
		return given
	}
	return uuid.NewString()
}

// refused reports whether something is wrong.
func (f *form) refused() bool { return len(f.wrong) > 0 || f.problem != "" }

// blame says what would be right in a field, for what only the page can know.
func (v *visit) blame(field, text string) {
	v.form.add(field, text)
	v.form.status = http.StatusUnprocessableEntity
}

func (f *form) add(field, text string) {
	if _, known := f.wrong[field]; !known {
		f.order = append(f.order, field)
		f.wrong[field] = text
	}
}

// refused puts what is wrong with the input of a call beside the fields, which have the
// names that the API gives them, and reports whether there was such a thing. Any other
// error is not about the form: return it.
func (v *visit) refused(err error) bool {
	var status huma.StatusError
	var conflict *race.ConflictError
	var invalid *race.InvalidError
	if err == nil || !errors.As(err, &status) && !errors.As(err, &conflict) && !errors.As(err, &invalid) && !errors.Is(err, race.ErrStale) {
		return false
	}
	problem, headers := server.Problem(v.http.Context(), err)
	switch {
	case problem.Status >= http.StatusInternalServerError, problem.Status == http.StatusNotFound:
		return false
	case problem.Status == http.StatusUnauthorized && !v.anyone: // the session has ended
		return false
	case problem.Status == http.StatusUnauthorized: // of a login: browsers have no dialogue for it
		problem.Status, headers = http.StatusUnprocessableEntity, nil
	}
	v.form.status, v.form.headers = problem.Status, headers
	for _, detail := range problem.Errors {
		_, field, inside := strings.Cut(detail.Location, ".") // body.name, query.name
		if !inside {
			field = detail.Location
		}
		v.form.add(field, v.says(detail.Message))
	}
	if len(problem.Errors) == 0 {
		v.form.problem = v.says(problem.Detail)
	}
	return true
}

// fieldID is the ID of a field's element.
func fieldID(name string) string { return "field-" + name }

// describing names the elements that explain a field, for those who hear it.
func describing(v *visit, f field) templ.Attributes {
	ids, attributes := []string{}, templ.Attributes{}
	if v.form.wrong[f.name] != "" {
		ids = append(ids, fieldID(f.name)+"-wrong")
		attributes["aria-invalid"] = "true"
	}
	if f.help != "" {
		ids = append(ids, fieldID(f.name)+"-help")
	}
	if len(ids) > 0 {
		attributes["aria-describedby"] = strings.Join(ids, " ")
	}
	return attributes
}

// saysFile is no file of texts: its keys are what the API says.
const saysFile = "says.ko.json"

// koreanSays has what the API says in Korean, by the English text, which is the API's.
// A test finds texts that nothing says any more.
var koreanSays = sync.OnceValues(func() (map[string]string, error) {
	found := map[string]string{}
	text, err := texts.ReadFile("texts/" + saysFile)
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal(text, &found)
})

var (
	figures = regexp.MustCompile(`\d+`)
	quotes  = regexp.MustCompile(`"[^"]*"`)
)

// says returns a message of the API in the language of the page. Where a message holds
// numbers or quotations, the table has %d and %q for them.
func (l *locale) says(message string) string {
	if l.tag == tags[0] {
		first, size := utf8.DecodeRuneInString(message)
		return string(unicode.ToUpper(first)) + message[size:]
	}
	known, err := koreanSays()
	if err != nil {
		return message // a test reads the table
	}
	if text, ok := known[message]; ok {
		return text
	}
	held := quotes.FindAllString(message, -1)
	pattern := quotes.ReplaceAllString(message, "%q")
	numbers := figures.FindAllString(pattern, -1)
	if text, ok := known[figures.ReplaceAllString(pattern, "%d")]; ok {
		for _, n := range numbers {
			text = strings.Replace(text, "%d", n, 1)
		}
		for _, q := range held {
			text = strings.Replace(text, "%q", q, 1)
		}
		return text
	}
	for _, open := range openSays() {
		if held := open.pattern.FindStringSubmatch(message); held != nil {
			text := open.text
			for _, some := range held[1:] {
				text = replaceFirst(text, some)
			}
			return text
		}
	}
	return l.T("wrong", "Message", message)
}

// openSay is a text with parts that can be anything, %s in the table.
type openSay struct {
	pattern *regexp.Regexp
	text    string
}

var openSays = sync.OnceValue(func() (list []openSay) {
	known, err := koreanSays()
	if err != nil {
		return nil // a test reads the table
	}
	for _, message := range slices.Sorted(maps.Keys(known)) {
		if strings.Contains(message, "%s") {
			pattern := strings.NewReplacer("%s", "(.+)", "%d", `(\d+)`, "%q", `("[^"]*")`).Replace(regexp.QuoteMeta(message))
			list = append(list, openSay{regexp.MustCompile("^" + pattern + "$"), known[message]})
		}
	}
	return list
})

var verb = regexp.MustCompile(`%[sdq]`)

// replaceFirst puts a value where the first verb of a text is.
func replaceFirst(text, value string) string {
	at := verb.FindStringIndex(text)
	if at == nil {
		return text // the translation says less
	}
	return text[:at[0]] + value + text[at[1]:]
}

// field is an input of a form with its label. Its name is the API's.
type field struct {
	name     string
	label    string
	kind     string // of the input; empty: text
	help     string // what would be right, before anything is wrong
	there    string // what a new form shows
	fill     string // the purpose, for password managers and autofill: autocomplete
	mode     string // of the keyboard: inputmode
	required bool
	max      int // characters; 0: any number
	choices  []option
	list     []string // what a text field proposes; anything else can be typed
}

// option is one of several values.
type option struct{ value, label string }

func (f field) limit() string { return strconv.Itoa(f.max) }

func (f field) inputKind() string {
	if f.kind == "" {
		return "text"
	}
	return f.kind
}

// typed returns what an input shows. Passwords are never sent back.
func (f field) typed(v *visit) string {
	if f.kind == "password" {
		return ""
	}
	return v.form.value(f.name, f.there)
}

// String keeps what was typed out of logs.
func (f *form) String() string { return fmt.Sprintf("form with %d fields", len(f.values)) }
