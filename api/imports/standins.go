package imports

import (
	"context"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// StandIns finds the accounts that stand in for the runners of a start list.
type StandIns struct {
	// Entrants returns the user IDs of those who entered a race in person.
	Entrants func(ctx context.Context, raceID string) (userIDs []string, err error)
	Runners  *userdb.Accounts
	// LoginHash returns the keyed hash of a login, by which its account finds the
	// invitation.
	LoginHash func(login string) string
}

// ResolvedList is a start list whose rows know the stand-ins of their bibs, and the
// runners whom they name among those who entered in person.
type ResolvedList struct {
	Rows    []StartListRow
	Entries []maindb.StartListRow // one for each of Rows
	Errors  []RowError            // of the rows whose login is none, or another row's too

	standIns map[string]userdb.Runner
}

// Resolve finds the stand-ins of rows, and who of those who entered in person is
// named by a login. It looks no other login up, so that answers and their timing are
// the same for logins that exist and those that do not.
func (s StandIns) Resolve(ctx context.Context, raceID string, rows []StartListRow) (*ResolvedList, error) {
	logins, wrong := parseLogins(rows)
	entrants, err := s.entrants(ctx, raceID, logins)
	if err != nil {
		return nil, err
	}
	list := &ResolvedList{}
	standInIDs := make([]string, 0, len(rows))
	for i, row := range rows {
		if wrong[i] != "" {
			list.Errors = append(list.Errors, RowError{Row: row.Row, Field: "login_id", Message: wrong[i]})
			continue
		}
		standInID := userdb.StandInID(raceID, race.BibKey(row.Bib))
		standInIDs = append(standInIDs, standInID)
		entry := maindb.StartListRow{
			Bib: row.Bib, Sex: row.Sex, Age: row.Age, BirthDate: row.BirthDate, Field: row.Field,
			Team: row.Team, ClearTeam: row.ClearsTeam, ClearSex: row.ClearsSex, ClearAge: row.ClearsAge || row.ClearsBirthDate,
			StandIn: maindb.RunnerAccount{UserID: standInID},
		}
		entrant := entrants[logins[i]]
		entry.EntrantID = entrant.UserID
		if logins[i] != "" && (entry.EntrantID == "" || !entrant.OwnsLogin()) {
			entry.LoginHash = s.LoginHash(logins[i])
		}
		list.Rows, list.Entries = append(list.Rows, row), append(list.Entries, entry)
	}
	if list.standIns, err = s.Runners.Runners(ctx, standInIDs); err != nil {
		return nil, err
	}
	for i := range list.Entries {
		list.describeStandIn(i)
	}
	return list, nil
}

// parseLogins returns the canonical login of each row, empty for none, and what is
// wrong with it. Two spellings of one login are the same: then none of the rows has
// it.
func parseLogins(rows []StartListRow) (logins, wrong []string) {
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

// entrants returns the accounts of those who entered in person by their logins, if any
// row names a login.
func (s StandIns) entrants(ctx context.Context, raceID string, logins []string) (map[string]userdb.Account, error) {
	entrants := make(map[string]userdb.Account)
	if !slices.ContainsFunc(logins, func(login string) bool { return login != "" }) {
		return entrants, nil
	}
	userIDs, err := s.Entrants(ctx, raceID)
	if err != nil {
		return nil, err
	}
	accounts, err := s.Runners.LoginsOf(ctx, userIDs)
	for _, account := range accounts {
		entrants[account.LoginID] = account
	}
	return entrants, err
}

// describeStandIn notes in the entry what its stand-in's account will say.
func (l *ResolvedList) describeStandIn(i int) {
	entry := &l.Entries[i]
	runner := corrected(l.standIns[entry.StandIn.UserID], entry.StandIn.UserID, l.Rows[i])
	entry.Erased = runner.Owned
	entry.StandIn.Sex, entry.StandIn.BirthDate = runner.Sex, runner.BirthDate
}

// corrected is a stand-in after the row has corrected it, which it does not once the
// person has had it erased.
func corrected(runner userdb.Runner, id string, row StartListRow) userdb.Runner {
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

// Corrections returns, by ID, the stand-ins that are missing or say something else
// than the list, for the rows that were not refused. A stand-in that is added to the
// race is for another person than one that was there before. The row of a claimed
// result goes on to be that of its stand-in, which has the result again if the claim
// is withdrawn; a runner who entered in person needs no stand-in.
func (l *ResolvedList) Corrections(planned []maindb.PlannedRow) map[string]userdb.Runner {
	corrections := make(map[string]userdb.Runner)
	for i, p := range planned {
		id := l.Entries[i].StandIn.UserID
		known, exists := l.standIns[id]
		if p.Outcome == maindb.RowRefused || p.UserID != id && !exists || p.UserID == l.Entries[i].EntrantID {
			continue
		}
		wanted := corrected(known, id, l.Rows[i])
		if p.Outcome == maindb.RowAdded && !known.Owned { // whoever it stood in for before is gone
			wanted = corrected(userdb.Runner{}, id, l.Rows[i])
		}
		if wanted != known {
			row := l.Rows[i]
			wanted.Replaces = p.Outcome == maindb.RowAdded || row.ClearsName || row.ClearsSex || row.ClearsBirthDate
			corrections[id] = wanted
		}
	}
	return corrections
}

// InOrder returns the accounts to correct in the order of the list, so that two
// imports at once do not deadlock, and what they said before: nothing if they are
// new.
func (l *ResolvedList) InOrder(corrections map[string]userdb.Runner) (wanted, before []userdb.Runner) {
	for _, entry := range l.Entries {
		id := entry.StandIn.UserID
		if standIn, needed := corrections[id]; needed {
			wanted = append(wanted, standIn)
			old := l.standIns[id]
			old.UserID = id
			before = append(before, old)
		}
	}
	return wanted, before
}

// Known returns what the account of a stand-in says so far.
func (l *ResolvedList) Known(id string) userdb.Runner { return l.standIns[id] }
