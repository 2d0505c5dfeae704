package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// loaded is the part of an import's answer that concerns decisions.
type loaded struct {
	ImportID  string `json:"import_id"`
	Added     int    `json:"added"`
	Changed   int    `json:"changed"`
	Unchanged int    `json:"unchanged"`
	Kept      []struct {
		Bib     string            `json:"bib"`
		Says    map[string]string `json:"says"`
		Message string            `json:"message"`
	} `json:"kept"`
	Implausible []struct {
		Bib     string `json:"bib"`
		Message string `json:"message"`
	} `json:"implausible"`
	PlacesMoved []struct {
		Bib         string `json:"bib"`
		PlaceBefore int    `json:"place_before"`
		PlaceAfter  int    `json:"place_after"`
	} `json:"places_moved"`
}

// decisions is a marathon whose files and decisions contradict each other.
type decisions struct {
	*system
	t         *testing.T
	organizer *caller
	raceID    string
	tables    tables
}

// finisher is the expected outcome of a record.
type finisher struct {
	place, millis int // no place: it is neither ranked nor credited
}

func startDecisions(t *testing.T, name string) decisions {
	t.Helper()
	s := sharedSystem(t)
	d := decisions{system: s, t: t, organizer: s.signUp(t, "organizer"), tables: readTables(t)}
	d.raceID = d.organizer.createRace(t, marathon(name))
	list := "bib,sex,age\n"
	for bib := 1; bib <= 4; bib++ {
		list += fmt.Sprintf("%d,F,30\n", bib)
	}
	require.Equal(t, 4, d.organizer.importStartList(t, d.raceID, inCSV(list)).Added)
	return d
}

func (d decisions) load(query, file string) (got loaded) {
	d.t.Helper()
	d.organizer.call(d.t, http.MethodPost, recordsOf(d.raceID)+"/import"+query, inCSV(file)).into(d.t, http.StatusOK, &got)
	return got
}

// holder returns the record of a bib.
func (d decisions) holder(bib string) record {
	d.t.Helper()
	for _, r := range d.organizer.records(d.t, d.raceID) {
		if r.Bib == bib {
			return r
		}
	}
	d.t.Fatalf("no record has bib %s", bib)
	return record{}
}

// comeTo waits until the race's credits are settled and its standings have that status
// and those places and points, which the test computes itself. Then it checks that each
// record is credited once, at its latest revision, and that ledger, credits and totals
// agree.
func (d decisions) comeTo(status string, factor int64, want map[string]finisher) {
	t := d.t
	t.Helper()
	points := func(bib string) int64 {
		if want[bib].place == 0 {
			return 0
		}
		return factor * d.tables.ageGrade(t, "F", "Marathon", 30, int64(want[bib].millis))
	}
	eventually(t, patience, func() error {
		if p := d.organizer.credits(t, d.raceID); p.Pending > 0 {
			return fmt.Errorf("credits: %+v", p)
		}
		now := d.anonymous().standings(t, d.raceID, "runner")
		if now.Status != status || len(now.Items) != len(want) {
			return fmt.Errorf("version %d is %s and has %d rows", now.Version, now.Status, len(now.Items))
		}
		for _, row := range now.Items {
			var shown int64
			if row.Points != nil {
				shown = *row.Points
			}
			if row.Place != want[row.Bib].place || shown != points(row.Bib) {
				return fmt.Errorf("bib %s has place %d and %d points, not %d and %d",
					row.Bib, row.Place, shown, want[row.Bib].place, points(row.Bib))
			}
		}
		return nil
	})
	lines, err := d.ledger(t.Context(), d.raceID)
	require.NoError(t, err)
	sums := map[string]int64{}
	for _, l := range lines {
		sums[l.recordID] += l.points
	}
	for _, r := range d.organizer.records(t, d.raceID) {
		require.Equal(t, points(r.Bib), sums[r.RecordID], "the ledger of bib %s", r.Bib)
		credits, err := tryCount(t.Context(), d.userDB, "SELECT COUNT(*) FROM credit WHERE record_id = ? AND revision = ? AND points = ?",
			r.RecordID, r.Revision, points(r.Bib))
		require.NoError(t, err)
		require.Equal(t, 1, credits, "credits of bib %s", r.Bib)
	}
	require.NoError(t, d.balanced(t.Context()))
}

// TestDecisionsOutrankFiles plays the evening of a race: results, publication, a
// disqualification, the same file again, the jury reverses its decision and restores it,
// and in the end the race is voided as a mistake.
func TestDecisionsOutrankFiles(t *testing.T) {
	t.Parallel()
	d := startDecisions(t, "Decisions")
	const file = "bib,gun_time,status\n1,2:40:00,OK\n2,2:50:00,OK\n3,3:00:00,OK\n4,,DNF\n"
	const minute = 60_000
	first := d.load("", file)
	require.Equal(t, 4, first.Added)
	d.organizer.call(t, http.MethodPost, "/v1/races/"+d.raceID+"/finalize", inJSON(t, map[string]int{"protest_window_s": 0})).
		into(t, http.StatusAccepted, nil)
	finish := map[string]finisher{"1": {1, 160 * minute}, "2": {2, 170 * minute}, "3": {3, 180 * minute}, "4": {}}
	d.comeTo(string(race.Official), 1, finish)

	winner := d.holder("1")
	d.organizer.correct(t, d.raceID, winner.RecordID, winner.Revision, map[string]any{"status": "DQ", "reason": "cut the course"})
	jury := map[string]finisher{"1": {}, "2": {1, 170 * minute}, "3": {2, 180 * minute}, "4": {}}
	d.comeTo(string(race.Official), 1, jury)

	for _, again := range []string{file, "bib,gun_time\n1,2:40:00\n2,2:50:00\n3,3:00:00\n"} { // the second says it without a status
		for _, query := range []string{"?dry_run=true", "", "?official=true&reason=final"} {
			got := d.load(query, again)
			require.Zero(t, got.Added+got.Changed)
			require.Len(t, got.Kept, 1)
			require.Equal(t, "1", got.Kept[0].Bib)
			require.Equal(t, "OK", got.Kept[0].Says["status"])
			require.Equal(t, "kept: decided by hand", got.Kept[0].Message)
		}
	}
	d.comeTo(string(race.Official), 1, jury)

	imports := recordsOf(d.raceID) + "/import"
	d.organizer.call(t, http.MethodPost, imports+"?override=1&official=true", inCSV(file)).problem(t, http.StatusUnprocessableEntity)
	d.organizer.call(t, http.MethodPost, imports+"?override=1&reason=appeal", inCSV(file)).problem(t, http.StatusConflict)
	preview := d.load("?override=1&dry_run=true", file)
	require.Len(t, preview.PlacesMoved, 3)
	require.Equal(t, []int{0, 1}, []int{preview.PlacesMoved[0].PlaceBefore, preview.PlacesMoved[0].PlaceAfter})
	override := d.load("?override=1&official=true&reason=appeal", file)
	require.Equal(t, []int{1, 3}, []int{override.Changed, override.Unchanged})
	d.comeTo(string(race.Official), 1, finish)

	undo := func(importID string) answer {
		return d.organizer.call(t, http.MethodPost, "/v1/races/"+d.raceID+"/imports/"+importID+"/undo", inJSON(t, map[string]string{"reason": "no appeal"}))
	}
	undo(override.ImportID).into(t, http.StatusOK, nil)
	d.comeTo(string(race.Official), 1, jury)
	require.Len(t, d.load("", file).Kept, 1, "the decision is in force again")
	undo(first.ImportID).problem(t, http.StatusConflict)

	d.organizer.call(t, http.MethodPost, "/v1/races/"+d.raceID+"/void", inJSON(t, map[string]string{"reason": "a trial"})).into(t, http.StatusOK, nil)
	d.comeTo(string(race.Void), 0, jury)
	d.organizer.call(t, http.MethodPost, imports, inCSV(file)).problem(t, http.StatusConflict)
}

// TestAnImplausibleTime follows a time written as h:mm from the import to its points
// after somebody has confirmed it, and back.
func TestAnImplausibleTime(t *testing.T) {
	t.Parallel()
	d := startDecisions(t, "Implausible")
	const second, minute = 1000, 60_000
	const file = "bib,gun_time\n1,2:40:00\n2,2:45\n"
	for _, query := range []string{"?dry_run=true", ""} {
		got := d.load(query, file)
		require.Equal(t, 2, got.Added)
		require.Len(t, got.Implausible, 1)
		require.Equal(t, "2", got.Implausible[0].Bib)
		require.Contains(t, got.Implausible[0].Message, "write 2:45:00")
	}
	d.comeTo(string(race.Provisional), 1, map[string]finisher{"1": {1, 160 * minute}, "2": {}})
	held := d.holder("2")
	require.Equal(t, "rejected", held.Credit.Status)
	require.Contains(t, held.Credit.Reason, "implausible")

	d.organizer.patch(t, d.raceID, held.RecordID, held.Revision, map[string]any{"confirm_time": true}).problem(t, http.StatusUnprocessableEntity)
	confirmed := d.organizer.correct(t, d.raceID, held.RecordID, held.Revision, map[string]any{"confirm_time": true, "reason": "seen it"})
	d.comeTo(string(race.Provisional), 1, map[string]finisher{"1": {2, 160 * minute}, "2": {1, 165 * second}})
	require.Len(t, d.load("", "bib,gun_time\n2,2:45:00\n").Kept, 1, "a confirmation is a decision")

	right := d.load("?override=2&reason=read+again", "bib,gun_time\n2,2:45:00\n")
	require.Equal(t, 1, right.Changed)
	d.comeTo(string(race.Provisional), 1, map[string]finisher{"1": {1, 160 * minute}, "2": {2, 165 * minute}})
	require.Equal(t, 1, d.load("", "bib,gun_time\n2,2:45\n").Changed)
	d.comeTo(string(race.Provisional), 1, map[string]finisher{"1": {1, 160 * minute}, "2": {}})
	require.Greater(t, d.holder("2").Revision, confirmed.Revision, "another time needs another confirmation")

	slow := d.load("", "bib,gun_time\n1,2:40:00\n2,30:00:00\n")
	require.Len(t, slow.Implausible, 1)
	require.Contains(t, slow.Implausible[0].Message, "slower than a walk")
	require.Equal(t, "30:00:00", d.holder("2").GunTime, "it is kept")
	d.comeTo(string(race.Provisional), 1, map[string]finisher{"1": {1, 160 * minute}, "2": {}})
}
