package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// boston is the sample race in the system, with its book.
type boston struct {
	*system
	organizer *caller
	runner    *caller // has the first row's bib
	raceID    string
	rows      []row
	ids       map[string]string // record ID by bib
	book      *book
}

// startBoston enters the first n rows of the sample race, with an account for
// the first of them.
func startBoston(t *testing.T, s *system, n int) *boston {
	t.Helper()
	b := &boston{
		system: s, organizer: s.signUp(t, "organizer"), runner: s.signUp(t, "runner"),
		rows: bostonRows(t, n), ids: map[string]string{}, book: newBook(t),
	}
	b.rows[0].login = b.runner.login
	b.raceID = b.organizer.createRace(t, marathon("Boston Marathon 2004"))
	b.runner.call(t, http.MethodPost, "/v1/races/"+b.raceID+"/participants", payload{}).into(t, http.StatusCreated, nil)
	got := b.organizer.importStartList(t, b.raceID, startList(b.rows))
	require.Equal(t, imported{Added: n - 1, Changed: 1, Errors: got.Errors}, got)
	require.Empty(t, got.Errors)
	b.book.users = s.participants(t, b.raceID)
	require.Len(t, b.book.users, n)
	require.Equal(t, b.runner.userID, b.book.users[bibKey(b.rows[0].bib)])
	return b
}

// importAll posts all rows and enters them in the book.
func (b *boston) importAll(t *testing.T) {
	t.Helper()
	got := b.organizer.importResults(t, b.raceID, "", results(b.rows))
	require.Equal(t, imported{Added: len(b.rows), Errors: got.Errors}, got)
	require.Empty(t, got.Errors)
	for _, r := range b.organizer.records(t, b.raceID) {
		b.ids[r.Bib] = r.RecordID
	}
	for _, r := range b.rows {
		b.book.enter(t, b.ids[r.bib], 1, b.book.marathonOutcome(t, r))
	}
}

func (b *boston) check(t *testing.T) {
	t.Helper()
	b.settled(t, b.organizer, b.raceID, b.book)
}

// first returns the first row for which is holds.
func (b *boston) first(t *testing.T, is func(row) bool) row {
	t.Helper()
	i := slices.IndexFunc(b.rows, is)
	require.GreaterOrEqual(t, i, 0)
	return b.rows[i]
}

// change patches the record of a bib and enters the outcome.
func (b *boston) change(t *testing.T, bib string, fields map[string]any, o outcome) {
	t.Helper()
	id := b.ids[bib]
	fields["reason"] = "end-to-end test"
	got := b.organizer.correct(t, b.raceID, id, b.book.revision[id], fields)
	b.book.enter(t, id, got.Revision, o)
}

// TestBoston imports 1,100 real results, more than one page of a list or one batch of rows
// holds, and corrects them in every way that an organizer can. After each step the ledger
// equals the book.
func TestBoston(t *testing.T) {
	t.Parallel()
	b := startBoston(t, sharedSystem(t), 1100)
	b.importAll(t)
	b.check(t)
	b.allFound(t, b.raceID, b.book)
	// The steps build on each other, so they are not subtests.
	b.onlyRunnersHavePoints(t)
	b.sameFileChangesNothing(t)
	b.dryRunChangesNothing(t)
	b.correctedTimeMovesTheDifference(t)
	b.correctedFileChangesOneRow(t)
	b.disqualificationAndItsUndoing(t)
	b.twoPatchesSwapTwoBibs(t)
	b.removedRecordLosesItsPoints(t)
	b.unknownBibHealsByTheStartList(t)
	b.missingTimeHealsByACorrection(t)
	b.runnerSeesTheOwnPoints(t)
	b.allFound(t, b.raceID, b.book)
}

func (b *boston) onlyRunnersHavePoints(t *testing.T) {
	t.Helper()
	for _, field := range []string{"wheelchair", "handcycle"} {
		r := b.first(t, func(r row) bool { return r.field == field })
		got := b.organizer.record(t, b.raceID, b.ids[r.bib])
		require.Equal(t, "credited", got.Credit.Status)
		require.NotNil(t, got.Credit.Points)
		require.Zero(t, *got.Credit.Points)
		require.Contains(t, got.Credit.Reason, field)
	}
	got := b.organizer.record(t, b.raceID, b.ids[b.rows[0].bib])
	require.NotNil(t, got.Credit.Points)
	require.Positive(t, *got.Credit.Points)
	require.Equal(t, creditID(b.raceID, got.RecordID, 1), b.traced(t, got.Credit.TraceURL))
}

func (b *boston) sameFileChangesNothing(t *testing.T) {
	t.Helper()
	got := b.organizer.importStartList(t, b.raceID, startList(b.rows))
	require.Equal(t, imported{Unchanged: len(b.rows), Errors: got.Errors}, got)
	got = b.organizer.importResults(t, b.raceID, "", results(b.rows))
	require.Equal(t, imported{Unchanged: len(b.rows), Errors: got.Errors}, got)
	require.Empty(t, got.Errors)
	b.check(t)
	b.found(t, b.book.revisions, fmt.Sprintf("RaceId = '%s'", b.raceID))
}

func (b *boston) dryRunChangesNothing(t *testing.T) {
	t.Helper()
	rows := slices.Clone(b.rows)
	rows[5].gun = "5:55:55"
	rows = append(rows, row{bib: "77777", gun: "3:00:00", status: "OK"}, row{bib: "88888", gun: "3:75:00", status: "OK"})
	got := b.organizer.importResults(t, b.raceID, "?dry_run=true", results(rows))
	require.Equal(t, imported{Added: 1, Changed: 1, Unchanged: len(b.rows) - 1, Errors: got.Errors}, got)
	require.Len(t, got.Errors, 1)
	require.Equal(t, len(rows)+1, got.Errors[0].Row)
	require.Equal(t, "gun_time", got.Errors[0].Field)
	b.check(t)
}

func (b *boston) correctedTimeMovesTheDifference(t *testing.T) {
	t.Helper()
	r := &b.rows[0]
	require.Equal(t, "runner", r.field)
	r.gun = "4:20:30.4"
	b.change(t, r.bib, map[string]any{"gun_time": r.gun}, b.book.marathonOutcome(t, *r))
	b.check(t)
	// The correction is based on a revision that is no longer the latest.
	b.organizer.patch(t, b.raceID, b.ids[r.bib], 1, map[string]any{"gun_time": "1:00:00", "reason": "late"}).
		problem(t, http.StatusPreconditionFailed)
	b.check(t)
}

func (b *boston) correctedFileChangesOneRow(t *testing.T) {
	t.Helper()
	i := slices.IndexFunc(b.rows, func(r row) bool { return r.field == "runner" && r.sex == "F" && r.bib != b.rows[0].bib })
	b.rows[i].gun, b.rows[i].net = "3:59:59.9", "3:59:59"
	got := b.organizer.importResults(t, b.raceID, "", results(b.rows))
	require.Equal(t, imported{Changed: 1, Unchanged: len(b.rows) - 1, Errors: got.Errors}, got)
	b.book.enter(t, b.ids[b.rows[i].bib], 2, b.book.marathonOutcome(t, b.rows[i]))
	b.check(t)
}

func (b *boston) disqualificationAndItsUndoing(t *testing.T) {
	t.Helper()
	r := b.rows[10]
	r.status = "DQ"
	b.change(t, r.bib, map[string]any{"status": "DQ"}, b.book.marathonOutcome(t, r))
	b.check(t)
	got := b.organizer.record(t, b.raceID, b.ids[r.bib])
	require.Equal(t, "DQ", got.Status)
	require.Equal(t, r.gun, got.GunTime)
	r.status = "OK"
	b.change(t, r.bib, map[string]any{"status": "OK"}, b.book.marathonOutcome(t, r))
	b.check(t)
}

// twoPatchesSwapTwoBibs: between the two, the first record waits for its bib.
func (b *boston) twoPatchesSwapTwoBibs(t *testing.T) {
	t.Helper()
	x, y := b.rows[20], b.rows[21]
	b.change(t, x.bib, map[string]any{"bib": y.bib},
		outcome{status: "rejected", reason: fmt.Sprintf("bib %s is held by another record", y.bib)})
	b.check(t)

	// Times stay with the record, everything else comes with the bib.
	xAsY, yAsX := y, x
	xAsY.gun, xAsY.net, yAsX.gun, yAsX.net = x.gun, x.net, y.gun, y.net
	b.change(t, y.bib, map[string]any{"bib": x.bib}, b.book.marathonOutcome(t, yAsX))
	waiting := b.ids[x.bib]
	b.book.enter(t, waiting, b.book.revision[waiting]+1, b.book.marathonOutcome(t, xAsY))
	b.check(t)
	b.ids[x.bib], b.ids[y.bib] = b.ids[y.bib], b.ids[x.bib]
	b.rows[20], b.rows[21] = yAsX, xAsY
}

func (b *boston) removedRecordLosesItsPoints(t *testing.T) {
	t.Helper()
	r := b.rows[30]
	id := b.ids[r.bib]
	got := b.organizer.remove(t, b.raceID, id, 1, "posted by mistake")
	require.Less(t, got.status, 300, got.String())
	b.book.enter(t, id, 2, outcome{status: "credited", reason: "removed"})
	b.check(t)
	// The bib is free for a new record.
	posted := b.organizer.postRecord(t, b.raceID, map[string]any{"bib": r.bib, "gun_time": r.gun, "net_time": r.net})
	b.book.enter(t, posted.RecordID, posted.Revision, b.book.marathonOutcome(t, r))
	b.ids[r.bib] = posted.RecordID
	b.check(t)
}

func (b *boston) unknownBibHealsByTheStartList(t *testing.T) {
	t.Helper()
	late := row{bib: "99123", sex: "F", age: 41, gun: "3:33:33", status: "OK", field: "runner"}
	posted := b.organizer.postRecord(t, b.raceID, map[string]any{"bib": "0" + late.bib, "gun_time": late.gun})
	require.Equal(t, 1, posted.Revision)
	b.book.enter(t, posted.RecordID, 1, outcome{status: "rejected", reason: "no participant with bib"})
	b.check(t)
	got := b.organizer.record(t, b.raceID, posted.RecordID)
	require.Equal(t, "rejected", got.Credit.Status)
	require.Equal(t, "no participant with bib 0"+late.bib, got.Credit.Reason)
	require.Equal(t, creditID(b.raceID, posted.RecordID, 1), b.traced(t, got.Credit.TraceURL))

	list := b.organizer.importStartList(t, b.raceID, startList([]row{late}))
	require.Equal(t, 1, list.Added)
	b.book.users = b.participants(t, b.raceID)
	b.book.enter(t, posted.RecordID, 2, b.book.marathonOutcome(t, late))
	b.check(t)
	got = b.organizer.record(t, b.raceID, posted.RecordID)
	require.Equal(t, "credited", got.Credit.Status)
	require.Len(t, got.Revisions, 2)
	require.Contains(t, got.Revisions[1].Reason, "start list")
}

func (b *boston) missingTimeHealsByACorrection(t *testing.T) {
	t.Helper()
	r := row{bib: "99124", sex: "M", age: 55, net: "3:21:00", status: "OK", field: "runner"}
	require.Equal(t, 1, b.organizer.importStartList(t, b.raceID, startList([]row{r})).Added)
	b.book.users = b.participants(t, b.raceID)
	posted := b.organizer.postRecord(t, b.raceID, map[string]any{"bib": r.bib, "net_time": r.net})
	b.ids[r.bib] = posted.RecordID
	b.book.enter(t, posted.RecordID, 1, b.book.marathonOutcome(t, r))
	b.check(t)
	r.gun = "3:25:00"
	b.change(t, r.bib, map[string]any{"gun_time": r.gun}, b.book.marathonOutcome(t, r))
	b.check(t)
}

func (b *boston) runnerSeesTheOwnPoints(t *testing.T) {
	t.Helper()
	mine := b.runner.points(t)
	require.Equal(t, b.book.totals()[b.runner.userID], mine.TotalPoint)
	var sum int64
	var lines []line
	for _, item := range mine.Items {
		require.Equal(t, b.raceID, item.RaceID)
		sum += item.Points
		entry := "credit"
		if item.Points < 0 {
			entry = "reversal"
		}
		lines = append(lines, line{item.RecordID, item.Revision, entry, b.runner.userID, item.Points})
		require.Equal(t, creditID(item.RaceID, item.RecordID, item.Revision), b.traced(t, item.TraceURL))
	}
	require.Equal(t, mine.TotalPoint, sum)
	want := slices.DeleteFunc(slices.Clone(b.book.lines), func(l line) bool { return l.userID != b.runner.userID })
	require.Equal(t, sorted(want), sorted(lines))
	b.found(t, b.book.credited[b.runner.userID], fmt.Sprintf("RunnerId = '%s'", b.runner.userID))
}
