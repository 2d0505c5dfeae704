package plans

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

// Options is how a file is to be read. They are kept with the plan, so that the
// file is read in the same way when the plan is applied.
type Options struct {
	Name      string                      `json:"name,omitempty"`
	Kind      string                      `json:"kind,omitempty"`
	Event     string                      `json:"event,omitempty"`
	DateOrder string                      `json:"date_order,omitempty"`
	Override  string                      `json:"override,omitempty"`
	Mapping   map[string]racefile.Meaning `json:"mapping,omitempty"`
	// Remembered says that the mapping is one that the organizer gave before.
	Remembered bool `json:"remembered,omitempty"`
}

// reading is a file that was read for a race.
type reading struct {
	race      race.Race
	options   Options
	file      *racefile.File
	event     string
	eventFrom string // only, requested, name or distance; empty: the file names no races
	questions []racefile.Question
	notes     []string
	rows      []FileRow // in the order of the file
	errors    []racefile.RowError

	results      []race.ResultRow
	resultAt     []int // the place of each in rows
	entries      []imports.StartListRow
	entryAt      []int
	takesList    bool // the file makes a start list
	takesResults bool
}

// read reads a file. The error is the answer to the caller.
func (p planner) read(ctx context.Context, r race.Race, data []byte, options Options) (*reading, error) {
	file, err := p.parse(ctx, r, data, &options)
	if err != nil {
		return nil, err
	}
	return newReading(r, file, options)
}

// readAgain reads the file of a plan with the options that it was planned with.
func (p planner) readAgain(r race.Race, data []byte, options Options) (*reading, error) {
	file, err := parse(r, data, options)
	if err != nil {
		return nil, fileProblem(err)
	}
	return newReading(r, file, options)
}

func parse(r race.Race, data []byte, options Options) (*racefile.File, error) {
	return racefile.Read(options.Name, bytes.NewReader(data), racefile.Options{
		MaxRows: imports.DefaultMaxRows, MaxBytes: MaxFile, RaceDate: r.Date, Mapping: options.Mapping, DateOrder: options.DateOrder,
	})
}

func newReading(r race.Race, file *racefile.File, options Options) (*reading, error) {
	in := &reading{race: r, options: options, file: file, questions: slices.Clone(file.Questions), errors: slices.Clone(file.Errors)}
	if err := in.settleKind(); err != nil {
		return nil, err
	}
	if err := in.chooseEvent(); err != nil {
		return nil, err
	}
	in.collect()
	in.takeNotes()
	return in, nil
}

// parse reads the file with the mapping of the request, or with the one that the
// organizer gave for a file with the same headers.
func (p planner) parse(ctx context.Context, r race.Race, data []byte, options *Options) (*racefile.File, error) {
	file, err := parse(r, data, *options)
	if _, unreadable := errors.AsType[*racefile.FileError](err); err != nil && !unreadable {
		return nil, fileProblem(err)
	}
	if options.Mapping != nil {
		return file, fileProblem(err)
	}
	known, storeErr := p.store.Mappings(ctx, r.OrganizerID)
	if storeErr != nil {
		return nil, storeErr
	}
	for shape, mapping := range known {
		if file != nil && shape != shapeOf(file) {
			continue
		}
		meanings := make(map[string]racefile.Meaning, len(mapping))
		for header, meaning := range mapping {
			meanings[header] = racefile.Meaning(meaning)
		}
		mapped := *options
		mapped.Mapping = meanings
		if again, err := parse(r, data, mapped); err == nil && shapeOf(again) == shape {
			options.Mapping, options.Remembered = meanings, true
			return again, nil
		}
	}
	return file, fileProblem(err)
}

// shapeOf identifies the headers of a file, whatever their case.
func shapeOf(f *racefile.File) string {
	headers := make([]string, len(f.Columns))
	for i, c := range f.Columns {
		headers[i] = racefile.HeaderKey(c.Header)
	}
	text, err := json.Marshal(headers)
	if err != nil {
		panic(err) // strings always encode
	}
	sum := sha256.Sum256(text)
	return string(sum[:])
}

// fileProblem is the answer to a file that cannot be read; nil for no error.
func fileProblem(err error) error {
	if err == nil {
		return nil
	}
	if tooMany, ok := errors.AsType[*racefile.TooManyRowsError](err); ok {
		return huma.NewError(http.StatusRequestEntityTooLarge, tooMany.Error()+": split it")
	}
	if unreadable, ok := errors.AsType[*racefile.FileError](err); ok {
		return huma.Error422UnprocessableEntity("the file cannot be read", &huma.ErrorDetail{Location: "body", Message: unreadable.Message})
	}
	return err
}

// settleKind decides what is taken from the file.
func (in *reading) settleKind() error {
	results := in.file.Kind == racefile.Results
	switch in.options.Kind {
	case "results":
		if !results {
			return server.Invalid("query.kind", "must be startlist, or left out: no column of the file holds times")
		}
		in.takesResults = true
	case "startlist":
		if results && !in.file.HasStartList {
			return server.Invalid("query.kind", "must be results, or left out: the rows of the file name nobody")
		}
		in.takesList = true
	default:
		in.takesResults, in.takesList = results, !results || in.file.HasStartList
	}
	return nil
}

func (in *reading) kind() string {
	switch {
	case in.takesResults && in.takesList:
		return "both"
	case in.takesResults:
		return "results"
	}
	return "start_list"
}

// chooseEvent decides which of several races in the file this one is.
func (in *reading) chooseEvent() error {
	events, wanted := in.file.Events, plain(in.options.Event)
	if wanted != "" {
		for _, event := range events {
			if plain(event) == wanted {
				in.event, in.eventFrom = event, "requested"
				return nil
			}
		}
		if len(events) == 0 {
			return server.Invalid("query.event", "must be left out: the file does not say which race a row belongs to")
		}
		return server.Invalid("query.event", "must be one of those that the file names: "+quotedList(events))
	}
	switch len(events) {
	case 0:
		return nil
	case 1:
		in.event, in.eventFrom = events[0], "only"
		return nil
	}
	for from, fits := range map[string]func(string) bool{
		"name":     func(event string) bool { return plain(event) == plain(in.race.Name) },
		"distance": func(event string) bool { return isDistance(event, in.race.Distance) },
	} {
		matching := slices.DeleteFunc(slices.Clone(events), func(event string) bool { return !fits(event) })
		if len(matching) == 1 && (in.eventFrom == "" || from == "name") {
			in.event, in.eventFrom = matching[0], from
		}
	}
	if in.event == "" {
		in.questions = append(in.questions, racefile.Question{
			Column: headerOf(in.file, racefile.EventColumn), Message: "the file holds several races: which one is this?", Option: "event", Answers: events,
		})
	}
	return nil
}

// undecidedEvent reports whether the file holds several races and nothing says which
// one this is.
func (in *reading) undecidedEvent() bool { return in.event == "" && len(in.file.Events) > 1 }

func headerOf(f *racefile.File, m racefile.Meaning) string {
	for _, c := range f.Columns {
		if c.Meaning == m {
			return c.Header
		}
	}
	return string(m)
}

func quotedList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	return strings.Join(quoted, ", ")
}

// takeNotes collects what a reader of the plan should know about the file as a whole.
func (in *reading) takeNotes() {
	count := func(has func(*racefile.Row) bool) (n int) {
		for i := range in.file.Rows {
			if has(&in.file.Rows[i]) {
				n++
			}
		}
		return n
	}
	note := func(format string, args ...any) { in.notes = append(in.notes, fmt.Sprintf(format, args...)) }
	if n := count(func(r *racefile.Row) bool { return r.Time != 0 }); n > 0 && in.takesResults {
		note("The file does not say which clock its times are of: they are recorded as the %s time, which ranks the race. A mapping can say otherwise.",
			in.race.Ranking.Basis)
	}
	if basis := in.race.Ranking.DivisionsBasis; in.takesResults && basis == race.Net && in.race.Ranking.Basis == race.Gun &&
		count(func(r *racefile.Row) bool { return r.Gun != 0 || r.Time != 0 }) > 0 && count(func(r *racefile.Row) bool { return r.Net != 0 }) == 0 {
		note("The file has no net times, which rank the divisions of the race: nobody gets a place in a division by it.")
	}
	if in.takesList {
		in.noteAges(count, note)
	}
	if in.eventFrom == "only" {
		if stated, ok := distanceOf(in.event); ok && !isDistance(in.event, in.race.Distance) {
			note("The file names the race %q, about %.1f km, but this race has %.1f km: is it the right file?",
				in.event, stated/1000, in.race.Distance.Metres()/1000)
		}
	}
	if n := count(func(r *racefile.Row) bool { return r.Undecided != "" }); n > 0 {
		note("Rows that could be read in another way: %d. Each says which.", n)
	}
}

// noteAges says where ages do not follow from birth dates.
func (in *reading) noteAges(count func(func(*racefile.Row) bool) int, note func(format string, args ...any)) {
	if n := count(func(r *racefile.Row) bool {
		return r.BirthDate.IsZero() && r.Age == race.UnknownAge && r.BirthYear > 0
	}); n > 0 {
		note("Rows with only a year of birth: %d. Their age is taken as the year of the race less that year, which is one too high for those born later in the year.", n)
	}
	if n := count(func(r *racefile.Row) bool {
		return !r.BirthDate.IsZero() && r.Age != race.UnknownAge && r.BirthDate.AgeOn(in.race.Date) != r.Age
	}); n > 0 {
		note("Rows whose age is not that on the day of the race by the birth date: %d. The birth date counts.", n)
	}
}

// distanceOf returns the length that the name of a race states, in metres.
func distanceOf(event string) (float64, bool) {
	name := plain(event)
	switch name {
	case "marathon", "fullmarathon", "full", "mara", "maraton", "maratona", "풀", "풀코스", "마라톤":
		return 42_195, true
	case "half", "halfmarathon", "halbmarathon", "semi", "semimarathon", "mediamaraton", "mezzamaratona", "하프", "하프코스":
		return 21_097.5, true
	}
	text := strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(event), "")), ",", ".")
	for _, unit := range []struct {
		suffix string
		metres float64
	}{{"km", 1000}, {"k", 1000}, {"miler", 1609.344}, {"miles", 1609.344}, {"mile", 1609.344}, {"mi", 1609.344}, {"m", 1}, {"", 1}} {
		number, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err == nil && n*unit.metres >= 100 && !math.IsInf(n, 0) { // "1" and "2" are numbers of races
			return n * unit.metres, true
		}
	}
	return 0, false
}

// isDistance reports whether the name of a race states that length, within half a
// per cent: a marathon may be written as 42.2 km.
func isDistance(event string, d race.Distance) bool {
	const tolerance = 0.005
	stated, ok := distanceOf(event)
	return ok && math.Abs(stated-d.Metres()) <= tolerance*d.Metres()
}

// meanings are the meanings that a mapping may name.
func meanings() []string {
	var names []string
	for _, m := range racefile.Meanings() {
		names = append(names, string(m))
	}
	return names
}

// parseMapping reads a mapping as the caller writes it: nil when there is none.
func parseMapping(text string) (map[string]racefile.Meaning, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var mapping map[string]racefile.Meaning
	if err := json.Unmarshal([]byte(text), &mapping); err != nil || mapping == nil {
		return nil, server.Invalid("query.mapping", `must be a JSON object of headers and meanings, for example {"Zeit":"net_time"}`)
	}
	for _, meaning := range slices.Sorted(maps.Values(mapping)) {
		if !slices.Contains(racefile.Meanings(), meaning) {
			return nil, server.Invalid("query.mapping", "each meaning must be one of "+strings.Join(meanings(), ", "))
		}
	}
	return mapping, nil
}
