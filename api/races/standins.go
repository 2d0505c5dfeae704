package races

import (
	"context"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// startList is a start list whose rows know their accounts: the one that the
// row names, or the one that stands in for its runner.
type startList struct {
	rows     []imports.StartListRow
	entries  []maindb.StartListRow // one for each of rows
	errors   []imports.RowError    // of the rows that named no account of a runner
	standIns map[string]userdb.Runner
}

// resolve finds the accounts of rows.
func (s startLists) resolve(ctx context.Context, raceID string, rows []imports.StartListRow) (*startList, error) {
	named, err := s.namedRunners(ctx, rows)
	if err != nil {
		return nil, err
	}
	list := &startList{}
	standInIDs := make([]string, 0, len(rows))
	for i, row := range rows {
		if row.LoginID != "" && named[i] == nil {
			list.errors = append(list.errors, imports.RowError{
				Row: row.Row, Field: "login_id", Message: "must be the login of a runner's account, and of no other row's",
			})
			continue
		}
		standInID := userdb.StandInID(raceID, race.BibKey(row.Bib))
		standInIDs = append(standInIDs, standInID)
		list.rows = append(list.rows, row)
		list.entries = append(list.entries, maindb.StartListRow{
			Bib: row.Bib, Sex: row.Sex, Age: row.Age, BirthDate: row.BirthDate, Field: row.Field,
			ClearSex: row.ClearsSex, ClearAge: row.ClearsAge || row.ClearsBirthDate,
			Account: named[i], StandIn: maindb.RunnerAccount{UserID: standInID},
		})
	}
	if list.standIns, err = s.runners.Runners(ctx, standInIDs); err != nil {
		return nil, err
	}
	for i := range list.entries {
		list.describeStandIn(i)
	}
	return list, nil
}

// namedRunners returns the account that each row names, nil for none. Two
// spellings of one login name the same account: then none of the rows has it.
func (s startLists) namedRunners(ctx context.Context, rows []imports.StartListRow) ([]*maindb.RunnerAccount, error) {
	logins, uses := make([]string, len(rows)), make(map[string]int)
	var distinct []string
	for i, row := range rows {
		login, err := auth.ParseLogin(row.LoginID)
		if err != nil {
			continue // nobody can have signed up with it
		}
		logins[i] = login
		uses[login]++
		if uses[login] == 1 {
			distinct = append(distinct, login)
		}
	}
	known, err := s.runners.RunnersByLogin(ctx, distinct)
	if err != nil {
		return nil, err
	}
	named := make([]*maindb.RunnerAccount, len(rows))
	for i, login := range logins {
		if runner, found := known[login]; found && uses[login] == 1 {
			named[i] = &maindb.RunnerAccount{UserID: runner.UserID, Sex: runner.Sex, BirthDate: runner.BirthDate}
		}
	}
	return named, nil
}

// describeStandIn notes in the entry what its stand-in's account will say.
func (l *startList) describeStandIn(i int) {
	entry := &l.entries[i]
	runner := corrected(l.standIns[entry.StandIn.UserID], entry.StandIn.UserID, l.rows[i])
	entry.Claimed = runner.Owned
	entry.StandIn.Sex, entry.StandIn.BirthDate = runner.Sex, runner.BirthDate
}

// corrected is a stand-in's account after the row has corrected it, which it
// does not once the account is somebody's own.
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

// corrections returns, by ID, the accounts of stand-ins that are missing or say
// something else than the list, for the rows that were not refused. A stand-in
// that is added to the race is for another person than one that was there before.
func (l *startList) corrections(planned []maindb.PlannedRow) map[string]userdb.Runner {
	corrections := make(map[string]userdb.Runner)
	for i, p := range planned {
		if p.Outcome == maindb.RowRefused || p.UserID != l.entries[i].StandIn.UserID {
			continue
		}
		known := l.standIns[p.UserID]
		wanted := corrected(known, p.UserID, l.rows[i])
		if p.Outcome == maindb.RowAdded && !known.Owned { // whoever it stood in for before is gone
			wanted = corrected(userdb.Runner{}, p.UserID, l.rows[i])
		}
		if wanted != known {
			row := l.rows[i]
			wanted.Anew = p.Outcome == maindb.RowAdded || row.ClearsName || row.ClearsSex || row.ClearsBirthDate
			corrections[p.UserID] = wanted
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
