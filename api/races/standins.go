package races

import (
	"context"
	"slices"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// startList is a start list whose rows know the stand-ins of their bibs, and the
// runners whom they name among those who entered in person.
type startList struct {
	rows     []imports.StartListRow
	entries  []maindb.StartListRow // one for each of rows
	errors   []imports.RowError    // of the rows whose login is none, or another row's too
	standIns map[string]userdb.Runner
}

// resolve finds the stand-ins of rows, and who of those who entered in person is
// named by a login. It looks no other login up, so that answers and their timing are
// the same for logins that exist and those that do not.
func (s startLists) resolve(ctx context.Context, raceID string, rows []imports.StartListRow) (*startList, error) {
	logins, wrong := parseLogins(rows)
	entrants, err := s.entrants(ctx, raceID, logins)
	if err != nil {
		return nil, err
	}
	list := &startList{}
	standInIDs := make([]string, 0, len(rows))
	for i, row := range rows {
		if wrong[i] != "" {
			list.errors = append(list.errors, imports.RowError{Row: row.Row, Field: "login_id", Message: wrong[i]})
			continue
		}
		standInID := userdb.StandInID(raceID, race.BibKey(row.Bib))
		standInIDs = append(standInIDs, standInID)
		entry := maindb.StartListRow{
			Bib: row.Bib, Sex: row.Sex, Age: row.Age, BirthDate: row.BirthDate, Field: row.Field,
			Team: row.Team, ClearTeam: row.ClearsTeam, ClearSex: row.ClearsSex, ClearAge: row.ClearsAge || row.ClearsBirthDate,
			EntrantID: entrants[logins[i]], StandIn: maindb.RunnerAccount{UserID: standInID},
		}
		if logins[i] != "" && entry.EntrantID == "" {
			entry.LoginHash = s.loginHash(logins[i])
		}
		list.rows, list.entries = append(list.rows, row), append(list.entries, entry)
	}
	if list.standIns, err = s.runners.Runners(ctx, standInIDs); err != nil {
		return nil, err
	}
	for i := range list.entries {
		list.describeStandIn(i)
	}
	return list, nil
}

// parseLogins returns the canonical login of each row, empty for none, and what is
// wrong with it. Two spellings of one login are the same: then none of the rows has
// it.
func parseLogins(rows []imports.StartListRow) (logins, wrong []string) {
	logins, wrong = make([]string, len(rows)), make([]string, len(rows))
	uses := make(map[string]int)
	for i, row := range rows {
		if row.LoginID == "" {
			continue
		}
		login, err := auth.ParseLogin(row.LoginID)
		if err != nil {
			wrong[i] = err.Error()
			continue
		}
		logins[i] = login
		uses[login]++
	}
	for i, login := range logins {
		if uses[login] > 1 {
			wrong[i] = "must not be in another row too"
		}
	}
	return logins, wrong
}

// entrants returns the user IDs of those who entered in person by their logins, if
// any row names a login.
func (s startLists) entrants(ctx context.Context, raceID string, logins []string) (map[string]string, error) {
	if !slices.ContainsFunc(logins, func(login string) bool { return login != "" }) {
		return map[string]string{}, nil
	}
	userIDs, err := s.store.EnteredInPerson(ctx, raceID)
	if err != nil {
		return nil, err
	}
	return s.runners.LoginsOf(ctx, userIDs)
}

// describeStandIn notes in the entry what its stand-in's account will say.
func (l *startList) describeStandIn(i int) {
	entry := &l.entries[i]
	runner := corrected(l.standIns[entry.StandIn.UserID], entry.StandIn.UserID, l.rows[i])
	entry.Erased = runner.Owned
	entry.StandIn.Sex, entry.StandIn.BirthDate = runner.Sex, runner.BirthDate
}

// corrected is a stand-in after the row has corrected it, which it does not once the
// person has had it erased.
func corrected(runner userdb.Runner, id string, row imports.StartListRow) userdb.Runner {
	if runner.Owned {
		return runner
	}
	runner.UserID = id
	if row.Name != "" || row.ClearsName {
		runner.Name = row.Name
	}
	if row.Sex != "" || row.ClearsSex {
		runner.Sex = row.Sex
	}
	if !row.BirthDate.IsZero() || row.ClearsBirthDate {
		runner.BirthDate = row.BirthDate
	}
	return runner
}

// corrections returns, by ID, the stand-ins that are missing or say something else
// than the list, for the rows that were not refused. A stand-in that is added to the
// race is for another person than one that was there before. The row of a claimed
// result goes on to be that of its stand-in, which has the result again if the claim
// is withdrawn; a runner who entered in person needs no stand-in.
func (l *startList) corrections(planned []maindb.PlannedRow) map[string]userdb.Runner {
	corrections := make(map[string]userdb.Runner)
	for i, p := range planned {
		id := l.entries[i].StandIn.UserID
		known, exists := l.standIns[id]
		if p.Outcome == maindb.RowRefused || p.UserID != id && !exists || l.entries[i].EntrantID != "" {
			continue
		}
		wanted := corrected(known, id, l.rows[i])
		if p.Outcome == maindb.RowAdded && !known.Owned { // whoever it stood in for before is gone
			wanted = corrected(userdb.Runner{}, id, l.rows[i])
		}
		if wanted != known {
			row := l.rows[i]
			wanted.Anew = p.Outcome == maindb.RowAdded || row.ClearsName || row.ClearsSex || row.ClearsBirthDate
			corrections[id] = wanted
		}
	}
	return corrections
}

func rowErrors(row int, wrong []race.FieldError) []imports.RowError {
	errors := make([]imports.RowError, len(wrong))
	for i, w := range wrong {
		errors[i] = imports.RowError{Row: row, Field: w.Field, Message: w.Message}
	}
	return errors
}
