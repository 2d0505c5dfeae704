package plans

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

// FileRow is a row of a file as it was read, and what the plan does with it.
type FileRow struct {
	Sheet     string            `json:"sheet,omitempty"`
	Row       int               `json:"row" doc:"As a spreadsheet numbers it; in XML the line."`
	Action    maindb.RowAction  `json:"action" enum:"added,changed,unchanged,implausible,unknown_bib,kept,name_mismatch,error,skipped" doc:"What to know of the row first. Rows with an implausible time or an unknown bib are recorded as well; those that are kept, do not fit, are wrong or skipped are not."`
	Record    maindb.RowAction  `json:"record,omitempty" enum:"added,changed,unchanged" doc:"What happens to the official record."`
	Entry     maindb.RowAction  `json:"entry,omitempty" enum:"added,changed,unchanged,error" doc:"What happens to the entry in the start list."`
	Bib       string            `json:"bib,omitempty"`
	Name      string            `json:"name,omitempty"`
	Sex       race.Sex          `json:"sex,omitempty"`
	Age       *int              `json:"age,omitempty"`
	BirthDate string            `json:"birth_date,omitempty"`
	BirthYear int               `json:"birth_year,omitempty"`
	GunTime   string            `json:"gun_time,omitempty"`
	NetTime   string            `json:"net_time,omitempty"`
	Time      string            `json:"time,omitempty" doc:"In place of gun_time and net_time when the file does not say which clock it shows. It is recorded as the time that ranks the race."`
	Status    race.ResultStatus `json:"status,omitempty"`
	Team      string            `json:"team,omitempty"`
	Division  string            `json:"division,omitempty" doc:"The division in the file. The divisions of the race follow from its own rules."`
	Event     string            `json:"event,omitempty"`
	Field     race.Field        `json:"field,omitempty"`
	Splits    map[string]string `json:"splits,omitempty" doc:"Times at points of the course or of laps, by their names. Those that belong to a timing point of the race are kept."`
	Unranked  bool              `json:"unranked,omitempty" doc:"Finished outside of the ranking."`
	Undecided string            `json:"undecided,omitempty" doc:"Why another reading of the row is possible."`
	Before    map[string]string `json:"before,omitempty" doc:"The fields that change, as they are now."`
	Message   string            `json:"message,omitempty"`
}

// collect lists all rows in the order of the file, and what each says of a result
// and an entry.
func (in *reading) collect() {
	in.rows = make([]FileRow, 0, len(in.file.Rows)+len(in.file.Errors)+len(in.file.Skipped))
	wrong := make(map[string]int)
	for _, e := range in.file.Errors {
		key := e.Sheet + "\x00" + strconv.Itoa(e.Row)
		text := strings.TrimSpace(e.Field + " " + e.Message)
		if i, there := wrong[key]; there {
			in.rows[i].Message += "; " + text
			continue
		}
		wrong[key] = len(in.rows)
		in.rows = append(in.rows, FileRow{Sheet: e.Sheet, Row: e.Row, Bib: e.Bib, Action: maindb.ActionError, Message: text})
	}
	for _, s := range in.file.Skipped {
		in.rows = append(in.rows, FileRow{Sheet: s.Sheet, Row: s.Row, Action: maindb.ActionSkipped, Message: s.Why})
	}
	read := len(in.rows)
	for i := range in.file.Rows {
		in.rows = append(in.rows, shown(&in.file.Rows[i]))
	}
	order := make([]int, len(in.rows)) // of the rows as read, to find their sources again
	for i := range order {
		order[i] = i
	}
	sheets := make(map[string]int)
	for _, c := range in.file.Columns {
		if _, seen := sheets[c.Sheet]; !seen {
			sheets[c.Sheet] = len(sheets)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(sheets[in.rows[a].Sheet], sheets[in.rows[b].Sheet]), cmp.Compare(in.rows[a].Row, in.rows[b].Row))
	})
	sorted := make([]FileRow, len(in.rows))
	for to, from := range order {
		sorted[to] = in.rows[from]
		if from >= read {
			in.take(&sorted[to], &in.file.Rows[from-read], to)
		}
	}
	in.rows = sorted
}

func shown(row *racefile.Row) FileRow {
	out := FileRow{
		Sheet: row.Sheet, Row: row.Row, Bib: row.Bib, Name: row.Name, Sex: row.Sex, BirthDate: row.BirthDate.String(), BirthYear: row.BirthYear,
		GunTime: row.Gun.String(), NetTime: row.Net.String(), Time: row.Time.String(), Status: row.Status, Team: row.Team,
		Division: row.Division, Event: row.Event, Field: row.Field, Unranked: row.Unranked, Undecided: row.Undecided,
	}
	if row.Age != race.UnknownAge {
		out.Age = new(row.Age)
	}
	if len(row.Splits) > 0 {
		out.Splits = make(map[string]string, len(row.Splits))
		for _, split := range row.Splits {
			out.Splits[split.Name] = cmp.Or(split.Time.String(), "0:00")
		}
	}
	return out
}

// take notes what a row says of a result and an entry.
func (in *reading) take(to *FileRow, row *racefile.Row, at int) {
	skip := func(why string) { to.Action, to.Message = maindb.ActionSkipped, why }
	switch {
	case in.eventFrom != "only" && in.eventFrom != "" && row.Event == "":
		skip("does not say which race of the file it belongs to")
		return
	case in.eventFrom != "only" && in.eventFrom != "" && row.Event != in.event:
		skip("belongs to another race of the file")
		return
	case in.eventFrom == "" && len(in.file.Events) > 1:
		skip("the file holds several races: choose one by event")
		return
	case in.takesResults && row.Unranked:
		skip("finished outside of the ranking, which a record here cannot say: enter the runner without a result")
	}
	fail := func(wrong race.FieldError) {
		to.Action, to.Message = maindb.ActionError, wrong.Field+" "+wrong.Message
		in.errors = append(in.errors, racefile.RowError{Sheet: row.Sheet, Row: row.Row, Field: wrong.Field, Message: wrong.Message, Bib: row.Bib})
	}
	var result race.ResultRow
	if in.takesResults && !row.Unranked {
		var wrong []race.FieldError
		if result, wrong = in.result(row); len(wrong) > 0 {
			fail(wrong[0])
			return
		}
	}
	if in.takesList {
		entry, wrong := in.entry(row)
		if len(wrong) > 0 {
			fail(wrong[0])
			return
		}
		in.entries, in.entryAt = append(in.entries, entry), append(in.entryAt, at)
	}
	if in.takesResults && !row.Unranked {
		in.results, in.resultAt = append(in.results, result), append(in.resultAt, at)
	}
}

// result returns what a row states of a result. A status that only follows from the
// time is not stated: the file has no word for it.
func (in *reading) result(row *racefile.Row) (race.ResultRow, []race.FieldError) {
	result := race.ResultRow{Row: row.Row, Bib: row.Bib}
	for _, clock := range []struct {
		time race.Time
		to   **race.Time
	}{{row.Gun, &result.Gun}, {row.Net, &result.Net}} {
		if clock.time != 0 {
			*clock.to = new(clock.time)
		}
	}
	if row.Time != 0 {
		if in.race.Ranking.Basis == race.Net {
			result.Net = cmp.Or(result.Net, new(row.Time))
		} else {
			result.Gun = cmp.Or(result.Gun, new(row.Time))
		}
	}
	if row.Status != "" && !row.Implied {
		result.Status = new(row.Status)
	}
	if row.Sequence != "" {
		n, err := strconv.Atoi(row.Sequence)
		if err != nil || n < 1 {
			return result, []race.FieldError{{Field: "sequence", Message: "must be a whole number from 1 to 2147483647"}}
		}
		result.Sequence = &n
	}
	for _, split := range row.Splits {
		result.Splits = append(result.Splits, race.Reading{Point: split.Name, Time: split.Time})
	}
	return result, result.Check()
}

const maxNameLength = 200

// entry returns what a row states of an entry. The birth date counts more than an
// age, and an age more than a year of birth.
func (in *reading) entry(row *racefile.Row) (imports.StartListRow, []race.FieldError) {
	entry := imports.StartListRow{
		Row: row.Row, Bib: row.Bib, Sex: row.Sex, Age: row.Age, BirthDate: row.BirthDate,
		Field: row.Field, LoginID: strings.ToLower(row.LoginID),
	}
	switch {
	case !row.BirthDate.IsZero():
		entry.Age = race.UnknownAge
	case row.Age == race.UnknownAge && row.BirthYear > 0:
		entry.Age = in.race.Date.Year - row.BirthYear
	}
	var err error
	if entry.Name, err = race.Line(strings.Join(strings.Fields(row.Name), " ")); err != nil {
		return entry, []race.FieldError{{Field: "name", Message: err.Error()}}
	}
	entry.Name = race.Visible(entry.Name)
	if utf8.RuneCountInString(entry.Name) > maxNameLength {
		return entry, []race.FieldError{{Field: "name", Message: "must have at most 200 characters"}}
	}
	if entry.Team, err = race.ParseTeam(row.Team); err != nil {
		return entry, []race.FieldError{{Field: "team", Message: err.Error()}}
	}
	if err := race.CheckAge(entry.Age); err != nil {
		return entry, []race.FieldError{{Field: "birth_year", Message: "must give an age from 0 to 120"}}
	}
	return entry, nil
}
