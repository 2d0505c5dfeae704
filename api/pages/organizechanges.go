package pages

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const changesPerPage = 50

// changes shows who changed what in a race.
func (s *site) changes(ctx context.Context, v *visit) (page, error) {
	only, err := v.oneOf("action", changeGroups...)
	if err != nil {
		return page{}, err
	}
	items, cursor, err := s.Changes.OfRace(ctx, only, "", v.part(changesPerPage))
	if err != nil {
		return page{}, err
	}
	known, err := s.staffNames(ctx)
	if err != nil {
		return page{}, err
	}
	rows := make([]logRow, len(items))
	for i, c := range items {
		rows[i] = logRow{LoggedChange: c, who: known[c.Actor.ID], fields: fieldsOf(c)}
		if rows[i].who == "" {
			rows[i].who = known[c.Actor.UserID]
		}
	}
	return page{title: v.T("organize.changes"), body: changesBody(v, server.RaceFrom(ctx), rows, only, v.next(cursor))}, nil
}

// myChanges shows what the caller changed, and what was changed about them.
func (s *site) myChanges(ctx context.Context, v *visit) (page, error) {
	items, cursor, err := s.Changes.Mine(ctx, v.part(changesPerPage))
	if err != nil {
		return page{}, err
	}
	var ids []string
	for _, c := range items {
		if c.RaceID != "" {
			ids = append(ids, c.RaceID)
		}
	}
	names, err := s.racesByID(ctx, ids)
	if err != nil {
		return page{}, err
	}
	rows := make([]logRow, len(items))
	for i, c := range items {
		rows[i] = logRow{LoggedChange: c, race: names[c.RaceID].Name, fields: fieldsOf(c)}
		if c.Actor.ID == v.caller.UserID || c.Actor.UserID == v.caller.UserID { // an API key of theirs
			rows[i].who = v.T("mychanges.you")
		}
	}
	return page{title: v.T("mychanges.title"), body: myChangesBody(v, rows, v.next(cursor))}, nil
}

// changesFile sends the changes of a race, or all of them to operators.
func (s *site) changesFile(ctx context.Context, v *visit) (page, error) {
	format := changes.CSV
	if v.get("format") == string(changes.NDJSON) {
		format = changes.NDJSON
	}
	raceID := v.get("race_id")
	if raceID != "" && !server.IsID(raceID) {
		return page{}, race.ErrNotFound
	}
	send, err := s.Changes.Export(ctx, format, v.get("action"), v.get("actor"), raceID)
	if err != nil {
		return page{}, err
	}
	return page{}, &reply{send: send}
}

// staffNames returns the names of the race's owner and staff by user ID. The change log
// names nobody else: those who claim or dispute results do it for the owner alone.
func (s *site) staffNames(ctx context.Context) (map[string]string, error) {
	of := server.RaceFrom(ctx)
	members, err := s.Races.Staff(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	ids := []string{of.OrganizerID}
	for _, m := range members {
		ids = append(ids, m.UserID)
	}
	known, err := s.Accounts.Runners(ctx, ids)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(known))
	for id, runner := range known {
		names[id] = runner.Name
	}
	return names, nil
}

// changeGroups are what actions of the change log begin with.
var changeGroups = []string{"race.", "record.", "import.", "staff.", "claim.", "dispute.", "key.", "webhook.", "task."}

type logRow struct {
	changes.LoggedChange
	who    string
	race   string // the name of its race, where the list is of several
	fields []changedField
}

type changedField struct{ name, before, after string }

// fieldsOf lists the fields of a change, by name.
func fieldsOf(c changes.LoggedChange) []changedField {
	var before, after map[string]json.RawMessage
	if json.Unmarshal(c.Before, &before) != nil || json.Unmarshal(c.After, &after) != nil {
		return nil // a state of another form: the action says enough
	}
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	var fields []changedField
	for name := range names {
		fields = append(fields, changedField{name, plain(before[name]), plain(after[name])})
	}
	slices.SortFunc(fields, func(a, b changedField) int { return strings.Compare(a.name, b.name) })
	return fields
}

// longestValue is how much of a value the change log shows, in bytes: a list of
// divisions is long.
const longestValue = 300

// plain writes a value of the change log for people.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = string(value)
	}
	if text == "null" {
		return ""
	}
	if len(text) > longestValue {
		text = strings.ToValidUTF8(text[:longestValue], "") + "…"
	}
	return text
}
