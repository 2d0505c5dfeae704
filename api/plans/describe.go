package plans

import (
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// describe notes in the rows what the plan does with them, and returns the answer.
func (f *resolved) describe(planned *maindb.FilePlan, keptUntil time.Time) *ImportPlan {
	read := f.read
	staying := 0
	f.describeEntries(planned.Entries, f.list.Corrections(planned.Entries))
	for i, result := range planned.Results {
		row := &read.rows[read.resultAt[i]]
		row.Record = result.Does
		if row.Action != maindb.ActionError || result.Action == maindb.ActionError {
			row.Action, row.Message = result.Action, result.Message
		}
		for field, value := range result.Before {
			row.setBefore(field, value)
		}
		if result.Warning != "" {
			row.addMessage(result.Warning)
		}
		if status := result.StatusStays; status != "" && row.Action != maindb.ActionError {
			staying++
			row.Status = status
			row.addMessage(fmt.Sprintf("the record's status is %s and stays, since the row states none: state OK if the runner finished", status))
		}
	}
	for _, refused := range planned.Outcome.Refused {
		for _, wrong := range refused.Wrong {
			read.errors = append(read.errors, racefile.RowError{Row: refused.Row, Field: wrong.Field, Message: wrong.Message})
		}
	}
	answer := &ImportPlan{
		ImportID: f.ImportID, Hash: planned.Hash, Kind: f.Kind, KeptUntil: keptUntil,
		Format: read.file.Format, Container: read.file.Container, Encoding: read.file.Encoding, Delimiter: read.file.Delimiter,
		LineEnds: read.file.LineEnds, HeaderRow: read.file.HeaderRow, Columns: []FileColumn{}, IgnoredColumns: []string{},
		Event: read.event, EventFrom: read.eventFrom, Events: append([]string{}, read.file.Events...),
		Questions: append([]racefile.Question{}, read.questions...), Notes: append([]string{}, read.notes...),
		Errors: racefile.GroupErrors(read.errors), Official: planned.Outcome.Official, Consequences: planned.Consequences,
	}
	switch {
	case read.options.Remembered:
		answer.MappingFrom = "remembered"
	case len(read.options.Mapping) > 0:
		answer.MappingFrom = "request"
	}
	for _, c := range read.file.Columns {
		answer.Columns = append(answer.Columns, FileColumn{Sheet: c.Sheet, Header: c.Header, Meaning: c.Meaning, Sample: append([]string{}, c.Samples...)})
		if c.Meaning == racefile.IgnoredColumn && c.Header != "" {
			answer.IgnoredColumns = append(answer.IgnoredColumns, c.Header)
		}
	}
	if names := planned.Outcome.UnknownPoints; len(names) > 0 {
		answer.Notes = append(answer.Notes, fmt.Sprintf("The splits %s belong to no timing point of the race, and are not kept: set its timing_points first.", quotedList(names)))
	}
	if staying > 0 {
		answer.Notes = append(answer.Notes, fmt.Sprintf("Rows with a time and without a status, of runners whose records say that they did not finish or are not ranked: %d. "+
			"A time alone does not change that: add a column Status with OK for those who finished.", staying))
	}
	if n := planned.Outcome.SplitsLeftOutTotal; n > 0 {
		answer.Notes = append(answer.Notes, fmt.Sprintf("Splits that cannot be right: %d. They are left out, and their rows say why.", n))
	}
	answer.Counts = f.count(planned)
	return answer
}

// describeEntries notes what the plan does with the entries of the rows.
func (f *resolved) describeEntries(planned []maindb.PlannedRow, corrections map[string]userdb.Runner) {
	for i, entry := range planned {
		row := &f.read.rows[f.listAt[i]]
		switch entry.Outcome {
		case maindb.RowRefused:
			row.Entry, row.Action = maindb.ActionError, maindb.ActionError
			for _, wrong := range entry.Wrong {
				row.addMessage(wrong.Field + " " + wrong.Message)
				f.read.errors = append(f.read.errors, racefile.RowError{
					Sheet: row.Sheet, Row: row.Row, Field: wrong.Field, Message: wrong.Message, Bib: row.Bib,
				})
			}
			continue
		case maindb.RowAdded:
			row.Entry = maindb.ActionAdded
		case maindb.RowChanged:
			row.Entry = maindb.ActionChanged
		case maindb.RowUnchanged:
			row.Entry = maindb.ActionUnchanged
		}
		for field, value := range entry.Before {
			row.setBefore(field, value)
		}
		id := f.list.Entries[i].StandIn.UserID
		if wanted, corrected := corrections[id]; corrected && row.Entry != maindb.ActionAdded {
			row.Entry = maindb.ActionChanged
			old := f.list.Known(id)
			if old.Name != wanted.Name {
				row.setBefore("name", old.Name)
			}
			if old.BirthDate != wanted.BirthDate {
				row.setBefore("birth_date", old.BirthDate.String())
			}
		}
		if row.Action == "" {
			row.Action = row.Entry
		}
	}
}

func (r *FileRow) setBefore(field, value string) {
	if r.Before == nil {
		r.Before = make(map[string]string)
	}
	r.Before[field] = value
}

func (r *FileRow) addMessage(text string) {
	if r.Message != "" {
		r.Message += "; "
	}
	r.Message += text
}

// count counts the rows. What a row does to a record counts, where the file has
// results, and to an entry otherwise.
func (f *resolved) count(planned *maindb.FilePlan) RowCounts {
	c := RowCounts{Rows: len(f.read.rows), Implausible: planned.Outcome.ImplausibleTotal, UnknownBib: planned.Outcome.UnknownTotal}
	tally := func(action maindb.RowAction, added, changed, unchanged *int) {
		switch action {
		case maindb.ActionAdded:
			*added++
		case maindb.ActionChanged:
			*changed++
		case maindb.ActionUnchanged:
			*unchanged++
		default:
		}
	}
	for i := range f.read.rows {
		row := &f.read.rows[i]
		tally(row.Entry, &c.EntriesAdded, &c.EntriesChanged, &c.EntriesUnchanged)
		done := row.Record
		if !f.read.takesResults {
			done = row.Entry
		}
		tally(done, &c.Added, &c.Changed, &c.Unchanged)
		switch row.Action {
		case maindb.ActionKept:
			c.Kept++
		case maindb.ActionOtherName:
			c.NameMismatch++
		case maindb.ActionError:
			c.Errors++
		case maindb.ActionSkipped:
			c.Skipped++
		default:
		}
	}
	return c
}
