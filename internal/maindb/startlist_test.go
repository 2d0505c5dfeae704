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

// row is a start-list row that names a runner's account, or none.
func row(bib, userID string) maindb.StartListRow {
	r := maindb.StartListRow{
		Bib: bib, Age: race.UnknownAge, Field: race.Runner, StandIn: maindb.RunnerAccount{UserID: standIn(bib)},
	}
	if userID != "" {
		r.Account = &maindb.RunnerAccount{UserID: userID}
	}
	return r
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
	ann := newID()
	first := row("0042", "")
	first.Sex, first.Age = race.Female, 40
	linked := row("7", ann)
	linked.Account.Sex, linked.Account.BirthDate = race.Male, race.Date{Year: 2000, Month: time.January, Day: 1}
	list := []maindb.StartListRow{first, linked}

	planned, revised := b.imports(t, r.ID, list...)
	require.Equal(t, []maindb.RowOutcome{added, added}, outcomes(planned))
	require.Zero(t, revised)
	require.Equal(t, map[string]string{"0042": standIn("42"), "7": ann}, b.bibs(t, r.ID))
	p, err := b.store.Participant(t.Context(), r.ID, ann)
	require.NoError(t, err)
	require.Equal(t, race.Male, p.Sex, "by the account")
	require.Equal(t, 26, p.Age, "by the account")

	var before, after time.Time
	updatedAt := "SELECT MAX(updated_at) FROM participant WHERE race_id = ?"
	require.NoError(t, b.db.QueryRowContext(t.Context(), updatedAt, r.ID).Scan(&before))
	planned, _ = b.imports(t, r.ID, list...)
	require.Equal(t, []maindb.RowOutcome{unchanged, unchanged}, outcomes(planned))
	require.NoError(t, b.db.QueryRowContext(t.Context(), updatedAt, r.ID).Scan(&after))
	require.Equal(t, before, after, "nothing was written")
}

func TestStartListRowsLeaveOutWhatTheyDoNotSay(t *testing.T) {
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

func TestStartListCorrectionsHealRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann := newID()
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
	ann, ben, cem := newID(), newID(), newID()
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
		"a runner with an account takes the place of the stand-in, and gives up a bib")
	require.Equal(t, map[string]string{"1": ben, "2": standIn("2"), "3": cem, "4": ann}, b.bibs(t, r.ID))
}

func TestStartListGivesBibsToThoseWhoEntered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann, ben := newID(), newID()
	for _, userID := range []string{ann, ben} {
		_, err := b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: userID, Sex: race.Female})
		require.NoError(t, err)
	}
	require.NoError(t, b.store.CancelEntry(t.Context(), r.ID, ben))
	planned, _ := b.imports(t, r.ID, row("1", ann), row("2", ben))
	require.Equal(t, []maindb.RowOutcome{changed, changed}, outcomes(planned))
	p, err := b.store.Participant(t.Context(), r.ID, ben)
	require.NoError(t, err)
	require.Equal(t, race.Entered, p.Status)
	require.Equal(t, race.Female, p.Sex)
	require.Equal(t, "2", p.Bib)
}

func TestStartListOfClaimedStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	b.imports(t, r.ID, row("1", ""))
	owner := standIn("1") // has a login by now, and moves to another bib
	b.imports(t, r.ID, row("9", owner))
	require.Equal(t, map[string]string{"9": owner}, b.bibs(t, r.ID))

	former := row("1", "")
	former.Claimed = true
	planned, _ := b.imports(t, r.ID, former)
	require.Equal(t, []maindb.RowOutcome{refused}, outcomes(planned))
	planned, _ = b.imports(t, r.ID, row("8", owner), former)
	require.Equal(t, []maindb.RowOutcome{changed, refused}, outcomes(planned))
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
	planned, _ = b.imports(t, r.ID, row("1", newID()), row("2", ""))
	require.Equal(t, []maindb.RowOutcome{changed, unchanged}, outcomes(planned), "no new place is taken")
}

func TestImportStartListRefusesAnOutdatedPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	list := []maindb.StartListRow{row("1", "")}
	planned, err := b.store.PlanStartList(t.Context(), r.ID, list)
	require.NoError(t, err)
	b.imports(t, r.ID, row("1", newID()))
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
	former := row("1", "")
	former.Sex, former.Age, former.Field = race.Female, 40, race.Wheelchair
	wrong := row("2", newID())
	wrong.Sex, wrong.Age = race.Female, 41
	b.imports(t, r.ID, former, wrong)
	records := []race.Record{b.post(t, r.ID, finish("1", 9000)), b.post(t, r.ID, finish("2", 9000))}
	b.outbox(t)

	ann, ben := newID(), newID()
	born := row("2", ben)
	born.Account.Sex, born.Account.BirthDate = race.Male, race.Date{Year: 2000, Month: time.January, Day: 1}
	planned, revised := b.imports(t, r.ID, row("1", ann), born) // instead of the stand-in, and of an account named by mistake
	require.Equal(t, []maindb.RowOutcome{changed, changed}, outcomes(planned))
	require.Equal(t, 2, revised)
	p, err := b.store.Participant(t.Context(), r.ID, ann)
	require.NoError(t, err)
	require.Equal(t, race.Participant{
		ID: p.ID, RaceID: r.ID, UserID: ann, Bib: "1", Age: race.UnknownAge, Field: race.Runner, Status: race.Entered,
	}, p)
	p, err = b.store.Participant(t.Context(), r.ID, ben)
	require.NoError(t, err)
	require.Equal(t, race.Male, p.Sex)
	require.Equal(t, 26, p.Age)
	var stated bool
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT age_stated FROM participant WHERE user_id = ?", ben).Scan(&stated))
	require.False(t, stated, "the age follows the day of the race again")
	facts, err := b.store.Facts(t.Context(), records[0].ID)
	require.NoError(t, err)
	require.Equal(t, ann, facts.Entrant.UserID)
	require.Empty(t, facts.Entrant.Sex)

	planned, _ = b.imports(t, r.ID, row("3", ann), row("1", "")) // the stand-in is for somebody else than the first time
	require.Equal(t, []maindb.RowOutcome{changed, added}, outcomes(planned))
	someone := row("1", "")
	someone.StandIn.Sex, someone.StandIn.BirthDate = race.Female, race.Date{Year: 1980, Month: time.May, Day: 1}
	b.exec(t, "DELETE FROM participant WHERE user_id = ?", standIn("1"))
	b.imports(t, r.ID, someone)
	p, err = b.store.Participant(t.Context(), r.ID, standIn("1"))
	require.NoError(t, err)
	require.Empty(t, p.Sex, "what the account says of who had the bib before")
	require.Equal(t, race.UnknownAge, p.Age)
}

func TestAStartListDisplacesNobodyWhoEnteredInPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	ann, ben, cem := newID(), newID(), newID()
	for _, userID := range []string{ann, ben} {
		_, err := b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: userID, Sex: race.Female})
		require.NoError(t, err)
	}
	b.imports(t, r.ID, row("1", ann), row("2", ben))
	planned, revised := b.imports(t, r.ID, row("1", cem), row("3", ""))
	require.Equal(t, []maindb.RowOutcome{refused, added}, outcomes(planned))
	require.Equal(t, "bib", planned[0].Wrong[0].Field)
	require.Zero(t, revised)
	require.Equal(t, map[string]string{"1": ann, "2": ben, "3": standIn("3")}, b.bibs(t, r.ID))

	planned, _ = b.imports(t, r.ID, row("1", cem), row("4", ann))
	require.Equal(t, []maindb.RowOutcome{added, changed}, outcomes(planned), "who moves away in the list gives the bib up")
	require.NoError(t, b.store.CancelEntry(t.Context(), r.ID, ben))
	planned, _ = b.imports(t, r.ID, row("2", cem))
	require.Equal(t, []maindb.RowOutcome{changed}, outcomes(planned), "as does who cancels")

	claimed := row("3", newID()) // the stand-in of bib 3 is somebody's own by now
	claimed.Claimed = true
	planned, _ = b.imports(t, r.ID, claimed)
	require.Equal(t, []maindb.RowOutcome{refused}, outcomes(planned))

	require.NoError(t, b.store.CancelEntry(t.Context(), r.ID, standIn("3")))
	again := row("3", "")
	again.Claimed = true
	planned, _ = b.imports(t, r.ID, again)
	require.Equal(t, []maindb.RowOutcome{refused}, outcomes(planned), "whoever cancelled is not entered for somebody else")
}
