package maindb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// standIn returns the user ID that stands for a bib in these tests.
func standIn(bib string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(race.BibKey(bib))).String()
}

// row is a start-list row that names a runner who entered in person, or none.
func row(bib, entrantID string) maindb.StartListRow {
	return maindb.StartListRow{
		Bib: bib, Age: race.UnknownAge, Field: race.Runner, EntrantID: entrantID, StandIn: maindb.RunnerAccount{UserID: standIn(bib)},
	}
}

// invites is a start-list row that names the login of nobody who has entered.
func invites(bib, login string) maindb.StartListRow {
	r := row(bib, "")
	r.LoginHash = login
	return r
}

// enters has a new runner enter a race, and returns their user ID.
func (b *testBundle) enters(t *testing.T, raceID string, born race.Date) string {
	t.Helper()
	userID := newID()
	_, err := b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: raceID, UserID: userID, Sex: race.Female, BirthDate: born})
	require.NoError(t, err)
	return userID
}

// imports plans and imports rows, and returns what became of each and how many
// records were revised.
func (b *testBundle) imports(t *testing.T, raceID string, rows ...maindb.StartListRow) ([]maindb.PlannedRow, int) {
	t.Helper()
	planned, err := b.store.PlanStartList(t.Context(), raceID, rows)
	require.NoError(t, err)
	revised, err := b.store.ImportStartList(t.Context(), raceID, rows, planned)
	require.NoError(t, err)
	b.clock.Advance(time.Second)
	return planned, revised
}

// bibs returns the runner of each bib of a race.
func (b *testBundle) bibs(t *testing.T, raceID string) map[string]string {
	t.Helper()
	list, err := b.store.ListParticipants(t.Context(), raceID, "", 1000)
	require.NoError(t, err)
	bibs := make(map[string]string)
	for _, p := range list {
		if p.Bib != "" {
			bibs[p.Bib] = p.UserID
		}
	}
	return bibs
}

func outcomes(planned []maindb.PlannedRow) []maindb.RowOutcome {
	var out []maindb.RowOutcome
	for _, p := range planned {
		out = append(out, p.Outcome)
	}
	return out
}

const (
	unchanged = maindb.RowUnchanged
	added     = maindb.RowAdded
	changed   = maindb.RowChanged
	refused   = maindb.RowRefused
)

func TestImportStartList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann := b.enters(t, r.ID, race.Date{Year: 2000, Month: time.January, Day: 1})
	first := row("0042", "")
	first.Sex, first.Age = race.Female, 40
	list := []maindb.StartListRow{first, row("7", ann)}

	planned, revised := b.imports(t, r.ID, list...)
	require.Equal(t, []maindb.RowOutcome{added, changed}, outcomes(planned))
	require.Zero(t, revised)
	require.Equal(t, map[string]string{"0042": standIn("42"), "7": ann}, b.bibs(t, r.ID))
	p, err := b.store.Participant(t.Context(), r.ID, ann)
	require.NoError(t, err)
	require.Equal(t, race.Female, p.Sex, "as she entered")
	require.Equal(t, 26, p.Age, "as she entered")

	var before, after time.Time
	updatedAt := "SELECT MAX(updated_at) FROM participant WHERE race_id = ?"
	require.NoError(t, b.db.QueryRowContext(t.Context(), updatedAt, r.ID).Scan(&before))
	planned, _ = b.imports(t, r.ID, list...)
	require.Equal(t, []maindb.RowOutcome{unchanged, unchanged}, outcomes(planned))
	require.NoError(t, b.db.QueryRowContext(t.Context(), updatedAt, r.ID).Scan(&after))
	require.Equal(t, before, after, "nothing was written")
}

// invitations returns the state of each invitation of a race by bib and login.
func (b *testBundle) invitations(t *testing.T, raceID string) map[string]string {
	t.Helper()
	rows, err := b.db.QueryContext(t.Context(), "SELECT bib_key, login_hash, state FROM claim WHERE race_id = ?", raceID)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	states := make(map[string]string)
	for rows.Next() {
		var bib, login, state string
		require.NoError(t, rows.Scan(&bib, &login, &state))
		states[bib+" "+login] = state
	}
	require.NoError(t, rows.Err())
	return states
}

func TestStartListInvitesLogins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	planned, _ := b.imports(t, r.ID, invites("1", "ann"), invites("2", "ben"), row("3", ""))
	require.Equal(t, []maindb.RowOutcome{added, added, added}, outcomes(planned))
	require.Equal(t, map[string]string{"1": standIn("1"), "2": standIn("2"), "3": standIn("3")}, b.bibs(t, r.ID), "nobody's account")
	require.Equal(t, map[string]string{"1 ann": "invited", "2 ben": "invited"}, b.invitations(t, r.ID))

	planned, _ = b.imports(t, r.ID, invites("1", "ann"), invites("2", "cem"), invites("3", "dov"))
	require.Equal(t, []maindb.RowOutcome{unchanged, changed, changed}, outcomes(planned))
	require.Equal(t, map[string]string{"1 ann": "invited", "2 ben": "refused", "2 cem": "invited", "3 dov": "invited"}, b.invitations(t, r.ID))
	planned, _ = b.imports(t, r.ID, invites("4", "ann"), row("2", ""))
	require.Equal(t, []maindb.RowOutcome{added, unchanged}, outcomes(planned), "a row without a login leaves the invitation")
	require.Equal(t, "refused", b.invitations(t, r.ID)["1 ann"], "the login is at another bib now")

	b.exec(t, "UPDATE claim SET state = 'declined' WHERE login_hash = 'cem'")
	planned, _ = b.imports(t, r.ID, invites("2", "cem"))
	require.Equal(t, []maindb.RowOutcome{unchanged}, outcomes(planned), "nobody is asked twice")

	ann := b.enters(t, r.ID, race.Date{})
	b.imports(t, r.ID, row("9", ann))
	planned, _ = b.imports(t, r.ID, invites("9", "eve"))
	require.Equal(t, []maindb.RowOutcome{refused}, outcomes(planned), "the bib of somebody who entered in person")
	require.NoError(t, b.store.DeleteRace(t.Context(), r.ID))
	require.Empty(t, b.invitations(t, r.ID))
}

func TestStartListRowsKeepWhatTheyDoNotMention(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	full := row("7", "")
	full.Sex, full.BirthDate = race.Female, race.Date{Year: 1980, Month: time.May, Day: 1}
	b.imports(t, r.ID, full)
	planned, _ := b.imports(t, r.ID, row("007", ""))
	require.Equal(t, []maindb.RowOutcome{changed}, outcomes(planned), "the bib as the organizer writes it")
	p, err := b.store.Participant(t.Context(), r.ID, standIn("7"))
	require.NoError(t, err)
	require.Equal(t, race.Female, p.Sex)
	require.Equal(t, 45, p.Age)
}

func TestStartListAges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	agreed, disagreed, unborn := row("1", ""), row("2", ""), row("3", "")
	agreed.Age, agreed.BirthDate = 45, race.Date{Year: 1980, Month: time.May, Day: 1}
	disagreed.Age, disagreed.BirthDate = 46, agreed.BirthDate
	unborn.BirthDate = race.Date{Year: 2026, Month: time.April, Day: 20}
	planned, _ := b.imports(t, r.ID, agreed, disagreed, unborn)
	require.Equal(t, []maindb.RowOutcome{added, refused, refused}, outcomes(planned))
	require.Equal(t, "age", planned[1].Wrong[0].Field)
	require.Equal(t, "birth_date", planned[2].Wrong[0].Field)
	require.Len(t, b.bibs(t, r.ID), 1, "the good row went in")
}

func TestStartListCorrectionsRepairRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann := b.enters(t, r.ID, race.Date{})
	record := b.post(t, r.ID, finish("0123", 5000))
	other := b.post(t, r.ID, finish("9", 5001))
	b.outbox(t)

	rows := []maindb.StartListRow{row("123", ""), row("123", ""), row("123", ""), row("123", ann)}
	rows[1].Sex = race.Female
	rows[2].Sex, rows[2].Age = race.Female, 30
	for i, want := range []maindb.RowOutcome{added, changed, changed, changed} {
		planned, revised := b.imports(t, r.ID, rows[i])
		require.Equal(t, []maindb.RowOutcome{want}, outcomes(planned))
		require.Equal(t, 1, revised)
		require.Equal(t, []string{sentAs(record.ID, i+2)}, b.outbox(t))
	}
	revisions, err := b.store.Revisions(t.Context(), record.ID)
	require.NoError(t, err)
	require.Contains(t, reasons(revisions), "start list corrected: bib 123")

	_, revised := b.imports(t, r.ID, row("9", ann))
	require.Equal(t, 2, revised, "of the bib that was given up and of the new one")
	require.Equal(t, 2, b.record(t, other).Revision)
	require.Equal(t, map[string]string{"9": ann}, b.bibs(t, r.ID))

	_, revised = b.imports(t, r.ID, row("009", ann))
	require.Zero(t, revised, "the same bib")
}

func TestStartListMovesBibs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann, ben, cem := b.enters(t, r.ID, race.Date{}), b.enters(t, r.ID, race.Date{}), b.enters(t, r.ID, race.Date{})
	b.imports(t, r.ID, row("1", ann), row("2", ben), row("3", cem), row("4", ""))

	planned, _ := b.imports(t, r.ID, row("2", ann), row("1", ben))
	require.Equal(t, []maindb.RowOutcome{changed, changed}, outcomes(planned), "a swap")
	require.Equal(t, map[string]string{"1": ben, "2": ann, "3": cem, "4": standIn("4")}, b.bibs(t, r.ID))

	planned, _ = b.imports(t, r.ID, row("3", ann))
	require.Equal(t, []maindb.RowOutcome{refused}, outcomes(planned), "taken")
	require.Equal(t, "bib", planned[0].Wrong[0].Field)

	tooOld := row("5", cem)
	tooOld.BirthDate = race.Date{Year: 1800, Month: time.May, Day: 1}
	planned, _ = b.imports(t, r.ID, row("3", ann), tooOld)
	require.Equal(t, []maindb.RowOutcome{refused, refused}, outcomes(planned), "its holder's own row was refused")

	planned, _ = b.imports(t, r.ID, row("4", ann), row("2", ""))
	require.Equal(t, []maindb.RowOutcome{changed, added}, outcomes(planned),
		"a runner who entered takes the place of the stand-in, and gives up a bib")
	require.Equal(t, map[string]string{"1": ben, "2": standIn("2"), "3": cem, "4": ann}, b.bibs(t, r.ID))
}

func TestStartListReentersNobodyWhoCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann, ben := b.enters(t, r.ID, race.Date{}), b.enters(t, r.ID, race.Date{})
	entered, err := b.store.EnteredInPerson(t.Context(), r.ID)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{ann, ben}, entered)
	require.NoError(t, b.store.CancelEntry(t.Context(), r.ID, ben))
	entered, err = b.store.EnteredInPerson(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, []string{ann}, entered)
	planned, _ := b.imports(t, r.ID, row("1", ann), row("2", ben)) // who cancelled after the logins were read
	require.Equal(t, []maindb.RowOutcome{changed, refused}, outcomes(planned))
	p, err := b.store.Participant(t.Context(), r.ID, ben)
	require.NoError(t, err)
	require.Equal(t, race.Cancelled, p.Status)
}

func TestStartListOfAnErasedStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	former := row("1", "")
	former.Erased = true
	planned, _ := b.imports(t, r.ID, former)
	require.Equal(t, []maindb.RowOutcome{refused}, outcomes(planned))
}

func TestStartListHoldsCapacity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limited := spring(19)
	limited.Capacity = 2
	r := b.created(t, limited)
	planned, _ := b.imports(t, r.ID, row("1", ""), row("2", ""), row("3", ""))
	require.Equal(t, []maindb.RowOutcome{added, added, refused}, outcomes(planned))
	require.Contains(t, planned[2].Wrong[0].Message, "capacity")
	planned, _ = b.imports(t, r.ID, invites("1", "ann"), row("2", ""))
	require.Equal(t, []maindb.RowOutcome{changed, unchanged}, outcomes(planned), "no new place is taken")
}

func TestImportStartListRefusesAnOutdatedPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann := b.enters(t, r.ID, race.Date{})
	list := []maindb.StartListRow{row("1", "")}
	planned, err := b.store.PlanStartList(t.Context(), r.ID, list)
	require.NoError(t, err)
	b.imports(t, r.ID, row("1", ann))
	_, err = b.store.ImportStartList(t.Context(), r.ID, list, planned)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)

	_, err = b.store.PlanStartList(t.Context(), newID(), list)
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestImportLargeStartList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	large := spring(19)
	large.Capacity = 0
	r := b.created(t, large)
	list := make([]maindb.StartListRow, 2500)
	for i := range list {
		list[i] = row(fmt.Sprint(i+1), "")
	}
	planned, _ := b.imports(t, r.ID, list...)
	for i, p := range planned {
		require.Equal(t, added, p.Outcome, i)
	}
	entries, err := b.store.ListParticipants(t.Context(), r.ID, "", 5000)
	require.NoError(t, err)
	require.Len(t, entries, len(list))
	require.Equal(t, "1", entries[0].Bib, "in the order of the list")
}

func TestABibThatGoesToAnotherRunnerTakesNothingWithIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann := b.enters(t, r.ID, race.Date{})
	former := row("1", "")
	former.Sex, former.Age, former.Field = race.Male, 40, race.Wheelchair
	b.imports(t, r.ID, former)
	record := b.post(t, r.ID, finish("1", 9000))
	b.outbox(t)

	planned, revised := b.imports(t, r.ID, row("1", ann)) // instead of the stand-in
	require.Equal(t, []maindb.RowOutcome{changed}, outcomes(planned))
	require.Equal(t, 1, revised)
	p, err := b.store.Participant(t.Context(), r.ID, ann)
	require.NoError(t, err)
	require.Equal(t, race.Participant{
		ID: p.ID, RaceID: r.ID, UserID: ann, Bib: "1", Sex: race.Female, Age: race.UnknownAge, Field: race.Runner, Status: race.Entered,
	}, p)
	facts, err := b.store.Facts(t.Context(), record.ID)
	require.NoError(t, err)
	require.Equal(t, ann, facts.Entrant.UserID)

	planned, _ = b.imports(t, r.ID, row("3", ann), row("1", "")) // the stand-in is for somebody else than the first time
	require.Equal(t, []maindb.RowOutcome{changed, added}, outcomes(planned))
	p, err = b.store.Participant(t.Context(), r.ID, standIn("1"))
	require.NoError(t, err)
	require.Empty(t, p.Sex, "what the stand-in says of who had the bib before")
	require.Equal(t, race.UnknownAge, p.Age)
}

func TestAStartListDisplacesNobodyWhoEnteredInPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann, ben, cem := b.enters(t, r.ID, race.Date{}), b.enters(t, r.ID, race.Date{}), b.enters(t, r.ID, race.Date{})
	b.imports(t, r.ID, row("1", ann), row("2", ben))
	planned, revised := b.imports(t, r.ID, row("1", cem), row("3", ""))
	require.Equal(t, []maindb.RowOutcome{refused, added}, outcomes(planned))
	require.Equal(t, "bib", planned[0].Wrong[0].Field)
	require.Zero(t, revised)
	require.Equal(t, map[string]string{"1": ann, "2": ben, "3": standIn("3")}, b.bibs(t, r.ID))

	planned, _ = b.imports(t, r.ID, row("1", cem), row("4", ann))
	require.Equal(t, []maindb.RowOutcome{changed, changed}, outcomes(planned), "who moves away in the list gives the bib up")
	require.NoError(t, b.store.CancelEntry(t.Context(), r.ID, ben))
	planned, _ = b.imports(t, r.ID, row("2", cem))
	require.Equal(t, []maindb.RowOutcome{changed}, outcomes(planned), "as does who cancels")
}

// An age that comes from a runner's own account tells nothing about the birth date
// but what it told on the day that the runner saw.
func TestMovingARaceDoesNotRevealBirthDates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann := b.enters(t, r.ID, race.Date{Year: 2000, Month: time.August, Day: 9})
	listed := row("1", "")
	listed.BirthDate = race.Date{Year: 2000, Month: time.August, Day: 9}
	listed.StandIn.BirthDate = listed.BirthDate
	b.imports(t, r.ID, listed, row("2", ann))
	ages := func(date race.Date) (own, byList int) {
		byBib := births(map[string]race.Date{"1": listed.BirthDate, "2": {Year: 1999, Month: time.January, Day: 1}})
		_, _, err := b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { r.Date = date; return nil }, byBib)
		require.NoError(t, err)
		p, err := b.store.Participant(t.Context(), r.ID, ann)
		require.NoError(t, err)
		q, err := b.store.Participant(t.Context(), r.ID, standIn("1"))
		require.NoError(t, err)
		return p.Age, q.Age
	}
	for date := r.Date; date.Before(race.Date{Year: 2027, Month: time.April, Day: 19}); date = race.DateOf(date.Midnight().AddDate(0, 0, 7)) {
		own, _ := ages(date)
		require.Equal(t, 25, own, date)
	}
	for date, want := range map[race.Date][2]int{
		{Year: 2026, Month: time.August, Day: 9}: {25, 26},
		{Year: 2027, Month: time.April, Day: 19}: {26, 26},
		{Year: 2025, Month: time.April, Day: 20}: {25, 24},
		{Year: 2025, Month: time.April, Day: 19}: {24, 24},
		r.Date:                                   {25, 25},
	} {
		own, byList := ages(date)
		require.Equal(t, want, [2]int{own, byList}, date)
	}
	cleared := row("2", ann)
	cleared.Age = 40
	b.imports(t, r.ID, cleared)
	cleared.Age, cleared.ClearAge = race.UnknownAge, true
	b.imports(t, r.ID, cleared)
	own, _ := ages(r.Date)
	require.Equal(t, 25, own, "what the organizer took back leaves the runner's own")
}
