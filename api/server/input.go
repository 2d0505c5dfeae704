package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/spelling"
)

// Input is checked here, once, before any handler sees it: text is UTF-8 without the
// NUL character, IDs in a path are UUIDs, and query parameters are those of the call. A
// database would refuse other text with an error that quotes it, which would lead to a
// 500 and to free text in the log. Text that calls store does not override its direction
// (race.CheckDirection), passwords excepted, which nobody is shown. What has one line is
// read by race.Line besides.
//
// Files are the exception, since their reader detects the encoding.

const notText = "must be UTF-8 text without NUL characters"

// IsText reports whether s is UTF-8 without the NUL character.
func IsText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// IsID reports whether s is a UUID in its usual form.
func IsID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// checkText refuses a path or a query that is not text. It runs before the router and
// so covers pages too.
func checkText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsText(r.URL.Path) {
			writeProblem(w, Invalid("path", notText))
			return
		}
		if r.URL.RawQuery != "" {
			if err := checkQueryText(r.URL.RawQuery); err != nil {
				writeProblem(w, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func checkQueryText(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return Invalid("query", "must be name=value pairs with valid percent-encoding, joined by &")
	}
	for name, values := range query {
		if !IsText(name) {
			return Invalid("query", "parameter names "+notText)
		}
		if slices.ContainsFunc(values, func(v string) bool { return !IsText(v) }) {
			return Invalid("query."+shortened(name), notText)
		}
	}
	return nil
}

// checkInput refuses what huma accepts although the operation's description rules it
// out: malformed IDs in the path, header values that are not text, and query parameters
// that are unknown or given twice.
func checkInput(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		for _, p := range op.Parameters {
			switch {
			case p.In == "path" && isIDName(p.Name) && !IsID(ctx.Param(p.Name)):
				writeError(api, ctx, huma.Error404NotFound(noSuchThing))
				return
			case p.In == "header" && !IsText(ctx.Header(p.Name)):
				writeError(api, ctx, Invalid("header."+p.Name, notText))
				return
			}
		}
		location := ctx.URL()
		query := location.Query()
		errs := queryErrors(op, query)
		if op.Method != http.MethodGet { // which stores a reason, or the name of a file
			errs = append(errs, directionErrors(query)...)
		}
		if len(errs) > 0 {
			writeError(api, ctx, huma.Error422UnprocessableEntity("validation failed", errs...))
			return
		}
		next(ctx)
	}
}

// isIDName reports whether a path parameter is an ID of ours. Message IDs are the
// queue's and may have any form.
func isIDName(name string) bool {
	return name == "id" || strings.HasSuffix(name, "_id") && name != "message_id"
}

// queryErrors names every query parameter that the operation does not have, and every
// one that is given twice, since it would be a guess which value counts.
func queryErrors(op *huma.Operation, query url.Values) (errs []error) {
	if len(query) == 0 {
		return nil
	}
	known, lists := []string{}, map[string]bool{}
	for _, p := range op.Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
			lists[p.Name] = p.Schema != nil && p.Schema.Type == huma.TypeArray
		}
	}
	slices.Sort(known)
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		location := "query." + shortened(name)
		switch {
		case !slices.Contains(known, name):
			errs = append(errs, &huma.ErrorDetail{Location: location, Message: unknownParameter(name, known)})
		case len(query[name]) > 1 && !lists[name]:
			errs = append(errs, &huma.ErrorDetail{Location: location, Message: "must be given only once"})
		}
	}
	return errs
}

// directionErrors names every query parameter whose value overrides the direction of text.
func directionErrors(query url.Values) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			if err := race.CheckDirection(value); err != nil {
				errs = append(errs, &huma.ErrorDetail{Location: "query." + shortened(name), Message: err.Error()})
			}
		}
	}
	return errs
}

func unknownParameter(name string, known []string) string {
	message := "is not a parameter of this call"
	if nearest := spelling.Nearest(strings.ToLower(name), known); nearest != "" {
		message += ": did you mean " + nearest + "?"
	}
	if len(known) == 0 {
		return message + "; it has none"
	}
	return message + "; it has " + strings.Join(known, ", ")
}

// shortened bounds how much of a caller's parameter name the answer quotes.
func shortened(name string) string {
	const longest = 40
	if len(name) <= longest {
		return name
	}
	return strings.ToValidUTF8(name[:longest], "") + "…"
}

// decodeJSON is huma's, but refuses what encoding/json would repair.
func decodeJSON(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("must be UTF-8 text")
	}
	return huma.DefaultJSONFormat.Unmarshal(data, into)
}

// checkBody refuses in any text of a decoded body what checkText would: JSON can hold a
// NUL character, as \u0000.
func checkBody(input reflect.Value) error {
	body := input.FieldByName("Body")
	if !body.IsValid() {
		return nil
	}
	return checkTexts(body, "body")
}

// bodies describes the bodies that Valid has seen.
var bodies = struct {
	sync.Mutex
	huma.Registry
}{Registry: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)}

// Valid checks the body of a call that a page makes: what its description in the
// OpenAPI document rules out is refused with the error that the call would answer.
func Valid(body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a body: %w", err)
	}
	var fields any
	if err := json.Unmarshal(text, &fields); err != nil {
		return fmt.Errorf("decode a body: %w", err)
	}
	bodies.Lock()
	defer bodies.Unlock()
	schema := huma.SchemaFromType(bodies.Registry, reflect.TypeOf(body))
	found := &huma.ValidateResult{}
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	huma.Validate(bodies.Registry, schema, path, huma.ModeWriteToServer, fields, found)
	if len(found.Errors) > 0 {
		return huma.Error422UnprocessableEntity("validation failed", found.Errors...)
	}
	return checkTexts(reflect.ValueOf(body), "body")
}

// checkTexts refuses the first text in a value that holds a NUL character, or overrides
// its direction and is no password.
func checkTexts(value reflect.Value, location string) error {
	switch value.Kind() {
	case reflect.String:
		if strings.IndexByte(value.String(), 0) >= 0 {
			return Invalid(location, notText)
		}
		if err := race.CheckDirection(value.String()); err != nil && !strings.HasSuffix(location, "password") {
			return Invalid(location, err.Error())
		}
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			return checkTexts(value.Elem(), location)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			field := value.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			inner := location
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
				inner += "." + name
			}
			if err := checkTexts(value.Field(i), inner); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		if value.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range value.Len() {
			if err := checkTexts(value.Index(i), location+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			for _, of := range []reflect.Value{key, value.MapIndex(key)} {
				if err := checkTexts(of, location); err != nil {
					return err
				}
			}
		}
	default: // numbers and truth values hold no text
	}
	return nil
}

// noSuchThing does not reveal whether something exists that the caller may not see.
const noSuchThing = "this does not exist, or you may not see it"

// Revision reads If-Match: 3 or "3".
func Revision(ifMatch string) (int, error) {
	if ifMatch == "" {
		return 0, huma.NewError(http.StatusPreconditionRequired,
			"the header If-Match must name the revision that the change is based on: read it first")
	}
	written := strings.TrimSpace(ifMatch)
	if unquoted, ok := strings.CutPrefix(written, `"`); ok {
		if unquoted, ok = strings.CutSuffix(unquoted, `"`); ok {
			written = unquoted
		}
	}
	revision, err := strconv.ParseInt(written, 10, 32)
	if err != nil || revision < 1 {
		return 0, Invalid("header.If-Match", `must be a revision, for example 3 or "3"`)
	}
	return int(revision), nil
}
