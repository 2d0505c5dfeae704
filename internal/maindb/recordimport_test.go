package maindb_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestImportResultsTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	const total = 2500 // more than two chunks
	file := results(total)

	preview, err := b.store.PreviewImport(t.Context(), fileOf(raceID, file))
	require.NoError(t, err)
	require.Equal(t, []int{total, 0, 0}, counts(preview))
	require.Empty(t, b.outbox(t), "a preview changes nothing")

	imported, err := b.store.ImportResults(t.Context(), fileOf(raceID, file), organizer)
	require.NoError(t, err)
	require.Equal(t, []int{total, 0, 0}, counts(imported))
	require.Len(t, b.outbox(t), total)
	r, err := b.store.Race(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, race.Provisional, r.Status)

	imported, err = b.store.ImportResults(t.Context(), fileOf(raceID, file), organizer)
	require.NoError(t, err)
	require.Equal(t, []int{0, 0, total}, counts(imported))
	require.Empty(t, b.outbox(t))
}

func TestImportResultsCorrects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	kept := b.post(t, raceID, finish("001", 9000))
	corrected := b.post(t, raceID, race.Result{Bib: "2", Gun: 9_100_000, Net: 9_000_000, Status: race.Finished, Sequence: 2})
	waiting := b.post(t, raceID, finish("3", 9200))
	gone := b.post(t, raceID, finish("4", 9300))
	two := "2"
	waiting = b.patch(t, waiting, maindb.RecordPatch{Bib: &two})
	_, _, err := b.store.RemoveRecord(t.Context(), raceID, gone.ID, 1, organizer)
	require.NoError(t, err)
	b.outbox(t)
	b.clock.Advance(time.Hour)

	imported, err := b.store.ImportResults(t.Context(), fileOf(raceID, []race.Result{
		finish("1", 9000), // written differently, the same bib
		{Bib: "2", Net: 9_050_000, Status: race.Disqualified},
		finish("5", 9400), // new
	}), maindb.Change{By: organizer.By})
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 1}, counts(imported))

	require.Equal(t, kept, b.record(t, kept))
	require.Equal(t, waiting, b.record(t, waiting))
	corrected.Revision = 2
	corrected.Result = race.Result{Bib: "2", Net: 9_050_000, Status: race.Disqualified}
	require.Equal(t, corrected, b.record(t, corrected))
	revisions, err := b.store.Revisions(t.Context(), corrected.ID)
	require.NoError(t, err)
	require.Equal(t, race.Revision{
		RecordID: corrected.ID, Number: 2, Result: corrected.Result,
		Reason: "results file imported", ChangedBy: organizer.By, ChangedAt: b.clock.Now(),
		Origin: race.ByFile, ImportID: imported.ImportID,
	}, revisions[1])
	sent := b.outbox(t)
	require.Len(t, sent, 2)
	require.Contains(t, sent, sentAs(corrected.ID, 2))
}

func TestImportResultsRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.store.ImportResults(t.Context(), fileOf(newID(), results(1)), organizer)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.ImportResults(t.Context(), fileOf(b.scheduledRace(t), []race.Result{finish("1", 9000), finish("01", 9000)}), organizer)
	require.ErrorContains(t, err, "twice")
	require.Empty(t, b.outbox(t))
}

// counts returns how many rows an import added, changed and found unchanged.
func counts(i maindb.Imported) []int { return []int{i.Added, i.Changed, i.Unchanged} }

// rowsOf is a file whose rows say no more than they do here.
func rowsOf(raceID string, rows ...race.ResultRow) maindb.ResultsFile {
	for i := range rows {
		rows[i].Row = i + 2
	}
	return maindb.ResultsFile{ImportID: newID(), RaceID: raceID, Rows: rows}
}

func (b *testBundle) imported(t *testing.T, file maindb.ResultsFile) maindb.Imported {
	t.Helper()
	imported, err := b.store.ImportResults(t.Context(), file, maindb.Change{By: organizer.By, Reason: "second reading"})
	require.NoError(t, err)
	b.clock.Advance(time.Second)
	return imported
}

// holderOf returns the record that holds a bib; its ID is empty when none does.
func (b *testBundle) holderOf(t *testing.T, raceID, bib string) race.Record {
	t.Helper()
	records, err := b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{Bib: bib}, "", 10)
	require.NoError(t, err)
	for _, r := range records {
		if r.HoldsBib {
			return r
		}
	}
	return race.Record{}
}

func TestAFileDoesNotUndoADecision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	file := fileOf(raceID, []race.Result{finish("344", 9000), finish("2", 9100), finish("3", 9200), finish("4", 9300)})
	b.imported(t, file)
	file.ImportID = newID()

	dq := b.patch(t, b.holderOf(t, raceID, "344"), maindb.RecordPatch{Status: new(race.Disqualified)})
	require.True(t, dq.Decided)
	gone, _, err := b.store.RemoveRecord(t.Context(), raceID, b.holderOf(t, raceID, "2").ID, 1, organizer)
	require.NoError(t, err)
	moved := b.patch(t, b.holderOf(t, raceID, "3"), maindb.RecordPatch{Bib: new("33")})
	b.outbox(t)

	preview, err := b.store.PreviewImport(t.Context(), file)
	require.NoError(t, err)
	imported := b.imported(t, file)
	require.Equal(t, preview, imported)
	require.Equal(t, []int{0, 0, 1}, counts(imported))
	require.Empty(t, imported.ImportID, "nothing was written")
	require.Equal(t, []maindb.KeptRow{
		{
			BibRow: maindb.BibRow{Row: 1, Bib: "344"}, RecordID: dq.ID, Message: "kept: decided by hand",
			Says:   map[string]string{"gun_time": "2:30:00", "net_time": "-", "status": "OK", "sequence": "-"},
			Stands: map[string]string{"gun_time": "2:30:00", "status": "DQ"},
		},
		{
			BibRow: maindb.BibRow{Row: 2, Bib: "2"}, RecordID: gone.ID, Message: "kept: decided by hand, the record was removed",
			Says:   map[string]string{"gun_time": "2:31:40", "net_time": "-", "status": "OK", "sequence": "-"},
			Stands: map[string]string{"gun_time": "2:31:40", "status": "OK"},
		},
		{
			BibRow: maindb.BibRow{Row: 3, Bib: "3"}, RecordID: moved.ID, Message: "kept: decided by hand, the record was given another bib",
			Says:   map[string]string{"gun_time": "2:33:20", "net_time": "-", "status": "OK", "sequence": "-"},
			Stands: map[string]string{"gun_time": "2:33:20", "status": "OK", "bib": "33"},
		},
	}, imported.Kept)
	require.Empty(t, b.outbox(t))
	require.Equal(t, dq, b.record(t, dq))

	file.OverrideBibs = []string{"0344"}
	_, err = b.store.ImportResults(t.Context(), file, maindb.Change{By: organizer.By})
	var invalid *race.InvalidError
	require.ErrorAs(t, err, &invalid, "without a reason")
	imported = b.imported(t, file)
	require.Equal(t, []int{0, 1, 1}, counts(imported))
	require.Equal(t, 2, imported.KeptTotal)
	now := b.record(t, dq)
	require.Equal(t, race.Finished, now.Result.Status)
	require.False(t, now.Decided, "the file stands again")

	file.ImportID, file.OverrideBibs, file.OverrideAll = newID(), nil, true
	imported = b.imported(t, file)
	require.Equal(t, []int{2, 0, 2}, counts(imported))
	require.NotEqual(t, gone.ID, b.holderOf(t, raceID, "2").ID)
}

func TestSystemRevisionsKeepTheDecision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	a, c := b.post(t, raceID, finish("1", 9000)), b.post(t, raceID, finish("2", 9100))
	require.False(t, a.Decided, "timing software posts too")
	a = b.patch(t, a, maindb.RecordPatch{Bib: new("2")})
	b.patch(t, c, maindb.RecordPatch{Bib: new("1")}) // hands bib 2 over
	require.Equal(t, 3, b.record(t, a).Revision)
	_, revised, err := b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error { r.Distance = 42_000_000; return nil }, nil)
	require.NoError(t, err)
	require.Equal(t, 2, revised)
	a = b.record(t, a)
	require.Equal(t, 4, a.Revision)
	require.True(t, a.Decided)
	imported := b.imported(t, fileOf(raceID, []race.Result{finish("1", 9000), finish("2", 9100)}))
	require.Equal(t, 2, imported.KeptTotal, "the swap stays")

	dq, _, err := b.store.PostRecord(t.Context(), raceID, newID(), race.Result{Bib: "7", Status: race.Disqualified}, organizer)
	require.NoError(t, err)
	require.True(t, dq.Decided, "a disqualification with a reason is a jury's")
	require.Equal(t, 1, b.imported(t, fileOf(raceID, []race.Result{finish("7", 9000)})).KeptTotal)
}

func TestAFileKeepsWhatItDoesNotMention(t *testing.T) {
	t.Parallel()
	gun, net, later, none := race.Time(9_000_000), race.Time(8_990_000), race.Time(9_500_000), race.Time(0)
	full := race.Result{Bib: "7", Gun: gun, Net: net, Status: race.Finished, Sequence: 4}
	with := func(change func(*race.Result)) race.Result { r := full; change(&r); return r }
	for name, c := range map[string]struct {
		known   race.Result
		row     race.ResultRow
		want    race.Result // zero: the row is refused
		cleared []string
	}{
		"a status alone":       {full, race.ResultRow{Status: new(race.DidNotFinish)}, with(func(r *race.Result) { r.Status = race.DidNotFinish }), nil},
		"a time alone":         {full, race.ResultRow{Gun: &later}, with(func(r *race.Result) { r.Gun = later }), nil},
		"a sequence alone":     {full, race.ResultRow{Sequence: new(5)}, with(func(r *race.Result) { r.Sequence = 5 }), nil},
		"a cleared time":       {full, race.ResultRow{Net: &none}, with(func(r *race.Result) { r.Net = 0 }), []string{"net_time"}},
		"a cleared sequence":   {full, race.ResultRow{Sequence: new(0)}, with(func(r *race.Result) { r.Sequence = 0 }), []string{"sequence"}},
		"DNS takes the times":  {full, race.ResultRow{Status: new(race.DidNotStart)}, race.Result{Bib: "7", Status: race.DidNotStart, Sequence: 4}, nil},
		"a cleared status":     {with(func(r *race.Result) { r.Status = race.DidNotFinish }), race.ResultRow{Status: new(race.ResultStatus(""))}, full, []string{"status"}},
		"a time of a DQ":       {with(func(r *race.Result) { r.Status = race.Disqualified }), race.ResultRow{Gun: &later}, with(func(r *race.Result) { r.Gun, r.Status = later, race.Disqualified }), nil},
		"a time of a DNF":      {race.Result{Bib: "7", Status: race.DidNotFinish}, race.ResultRow{Gun: &gun}, race.Result{Bib: "7", Gun: gun, Status: race.DidNotFinish}, nil},
		"a time of a DNS":      {race.Result{Bib: "7", Status: race.DidNotStart}, race.ResultRow{Gun: &gun}, race.Result{}, nil},
		"OK and a time of DNS": {race.Result{Bib: "7", Status: race.DidNotStart}, race.ResultRow{Gun: &gun, Status: new(race.Finished)}, race.Result{Bib: "7", Gun: gun, Status: race.Finished}, nil},
		"below the known net":  {full, race.ResultRow{Gun: new(race.Time(8_000_000))}, race.Result{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			raceID := b.scheduledRace(t)
			posted, _, err := b.store.PostRecord(t.Context(), raceID, newID(), c.known, maindb.Change{By: organizer.By})
			require.NoError(t, err)
			c.row.Bib = "007"
			imported := b.imported(t, rowsOf(raceID, c.row))
			if c.want.Bib == "" {
				require.Len(t, imported.Refused, 1)
				require.Equal(t, posted, b.record(t, posted))
				return
			}
			require.Empty(t, imported.Refused)
			require.Equal(t, c.want, b.record(t, posted).Result)
			var cleared []string
			for _, field := range imported.Cleared {
				cleared = append(cleared, field.Field)
			}
			require.Equal(t, c.cleared, cleared)
			require.NotZero(t, imported.ChangesTotal)
			require.Equal(t, "7", imported.Changes[0].Bib)
		})
	}
}

func TestAFileWithoutRankingTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	refused := func(rows ...race.ResultRow) {
		t.Helper()
		_, err := b.store.ImportResults(t.Context(), rowsOf(raceID, rows...), organizer)
		require.ErrorIs(t, err, maindb.ErrNoRankingTime)
		_, err = b.store.PreviewImport(t.Context(), rowsOf(raceID, rows...))
		require.ErrorIs(t, err, maindb.ErrNoRankingTime)
	}
	gun, net := race.Time(9_000_000), race.Time(8_990_000)
	refused(race.ResultRow{Bib: "1"}, race.ResultRow{Bib: "2"})
	refused(race.ResultRow{Bib: "1", Status: new(race.Finished)}, race.ResultRow{Bib: "2", Status: new(race.DidNotFinish)})
	refused(race.ResultRow{Bib: "1", Net: &net}) // the race ranks by gun time
	require.Empty(t, b.outbox(t))

	out := b.imported(t, rowsOf(raceID, race.ResultRow{Bib: "1", Status: new(race.DidNotStart)}, race.ResultRow{Bib: "2", Status: new(race.Disqualified)}))
	require.Equal(t, 2, out.Added, "no row needs a time")
	require.Equal(t, 2, out.UnknownTotal)
	out = b.imported(t, rowsOf(raceID, race.ResultRow{Bib: "3", Gun: &gun}, race.ResultRow{Bib: "4"}))
	require.Equal(t, 2, out.Added, "one row has no time: it is recorded, and waits for one")
	out = b.imported(t, rowsOf(raceID, race.ResultRow{Bib: "3", Net: &net}))
	require.Equal(t, 1, out.Changed, "the time that ranks is known")
}

func TestAnOfficialRaceTakesAFileOnlyWithOfficial(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	first := fileOf(raceID, []race.Result{finish("1", 9000), finish("2", 9100), finish("3", 9200)})
	b.imported(t, first)
	_, err := b.db.ExecContext(t.Context(), `INSERT INTO participant
		(participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at, updated_at)
		SELECT CONCAT('p', held_bib), race_id, CONCAT('u', held_bib), bib, held_bib, 'F', 30, 'runner', 'entered', NOW(6), NOW(6)
		FROM official_record UNION SELECT 'p4', ?, 'u4', '4', '4', 'M', 30, 'runner', 'entered', NOW(6), NOW(6)`, raceID)
	require.NoError(t, err)
	_, err = b.db.ExecContext(t.Context(), "UPDATE race SET status = 'official'")
	require.NoError(t, err)

	first.ImportID = newID()
	require.Equal(t, 3, b.imported(t, first).Unchanged, "an unchanged file needs no leave")

	file := fileOf(raceID, []race.Result{finish("3", 8900), finish("4", 9050)})
	preview, err := b.store.PreviewImport(t.Context(), file)
	require.NoError(t, err)
	require.True(t, preview.Official)
	moves := map[string][]int{}
	for _, m := range preview.PlacesMoved {
		moves[m.Bib] = []int{m.PlaceBefore, m.PlaceAfter, m.SexPlaceBefore, m.SexPlaceAfter}
	}
	require.Equal(t, map[string][]int{"3": {3, 1, 3, 1}, "1": {1, 2, 1, 2}, "4": {0, 3, 0, 1}, "2": {2, 4, 2, 3}}, moves)
	require.Equal(t, 4, preview.PlacesTotal)

	_, err = b.store.ImportResults(t.Context(), file, organizer)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "official", conflict.Field)
	require.Contains(t, conflict.Message, "official=true")
	file.Official = true
	imported := b.imported(t, file)
	require.Equal(t, preview.PlacesTotal, preview.Consequences.PlacesMoved)
	preview.ImportID, preview.Consequences = file.ImportID, nil
	for i := range preview.PlacesMoved { // a record that is new gets its ID by the import
		preview.PlacesMoved[i].RecordID = imported.PlacesMoved[i].RecordID
	}
	require.Equal(t, preview, imported)
}

func TestAnImportHappensOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	file := fileOf(raceID, []race.Result{finish("1", 9000), finish("2", 9100)})
	file.Rows = append(file.Rows, race.ResultRow{Row: 9, Bib: "9", Gun: new(race.Time(8_000_000)), Net: new(race.Time(9_000_000))})
	first := b.imported(t, file)
	require.Len(t, first.Refused, 1)
	corrected := b.patch(t, b.holderOf(t, raceID, "1"), maindb.RecordPatch{Gun: new(race.Time(9_999_000))})
	b.outbox(t)
	require.Equal(t, first, b.imported(t, file), "its answer was lost, and it comes again")
	require.Empty(t, b.outbox(t))
	require.Equal(t, corrected, b.record(t, corrected))

	file.ImportID = newID() // an older file whose answer was lost before anything was written
	again := b.imported(t, file)
	require.Equal(t, 1, again.KeptTotal)
	require.Equal(t, corrected, b.record(t, corrected))
}

func TestImportsAndCorrectionsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	b.imported(t, fileOf(raceID, results(50)))
	records, err := b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{}, "", 50)
	require.NoError(t, err)
	var group sync.WaitGroup
	errs := make([]error, 60)
	for i := range 50 {
		group.Go(func() {
			_, _, errs[i] = b.store.PatchRecord(t.Context(), raceID, records[i].ID, records[i].Revision,
				maindb.RecordPatch{Status: new(race.Disqualified)}, organizer)
		})
	}
	for i := range 10 {
		group.Go(func() {
			later := results(50)
			for n := range later {
				later[n].Gun += race.Time(1000 * (i + 1))
			}
			_, errs[50+i] = b.store.ImportResults(t.Context(), fileOf(raceID, later), organizer)
		})
	}
	group.Wait()
	for i, err := range errs {
		if i >= 50 || !errors.Is(err, race.ErrStale) { // whose record an import changed first reads it again
			require.NoError(t, err)
		}
	}
	records, err = b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{}, "", 50)
	require.NoError(t, err)
	for i, r := range records {
		require.Equal(t, errs[i] == nil, r.Result.Status == race.Disqualified, "no correction is lost")
		require.Equal(t, errs[i] == nil, r.Decided)
	}
}

func TestUndoAnImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	b.imported(t, fileOf(raceID, []race.Result{finish("1", 9000), finish("2", 9100)}))
	jury := b.patch(t, b.holderOf(t, raceID, "2"), maindb.RecordPatch{Status: new(race.Disqualified)})
	before := b.holderOf(t, raceID, "1")
	waiting := b.post(t, raceID, finish("8", 9200))

	file := fileOf(raceID, []race.Result{finish("1", 8000), finish("2", 8100), finish("3", 8200)})
	file.OverrideAll = true
	mistake := b.imported(t, file)
	waiting = b.patch(t, waiting, maindb.RecordPatch{Bib: new("3")})
	later := b.imported(t, fileOf(raceID, []race.Result{finish("1", 8001)}))
	b.outbox(t)

	_, _, err := b.store.UndoImport(t.Context(), raceID, mistake.ImportID, "", organizer)
	var changed *maindb.ImportChangedError
	require.ErrorAs(t, err, &changed)
	require.Equal(t, []maindb.ChangedRecord{{RecordID: before.ID, Bib: "1", Revision: 3}}, changed.Changed)
	require.Empty(t, b.outbox(t))

	_, undone, err := b.store.UndoImport(t.Context(), raceID, later.ImportID, "", organizer)
	require.NoError(t, err)
	require.True(t, undone)
	require.Equal(t, finish("1", 8000), b.record(t, before).Result)
	i, undone, err := b.store.UndoImport(t.Context(), raceID, mistake.ImportID, "", organizer)
	require.NoError(t, err, "what was undone since does not count")
	require.True(t, undone)
	require.Equal(t, "undone", i.Status)
	require.Equal(t, before.Result, b.record(t, before).Result)
	require.Equal(t, jury.Result, b.record(t, jury).Result)
	require.True(t, b.record(t, jury).Decided, "the decision that the file overrode stands again")
	require.Equal(t, waiting.ID, b.holderOf(t, raceID, "3").ID, "who waits for the bib of an added record gets it")
	require.Len(t, b.outbox(t), 1+4)

	_, undone, err = b.store.UndoImport(t.Context(), raceID, mistake.ImportID, "", organizer)
	require.NoError(t, err)
	require.False(t, undone)
	read, err := b.store.RaceImport(t.Context(), raceID, mistake.ImportID)
	require.NoError(t, err)
	require.Equal(t, i.Outcome, read.Outcome)
	all, err := b.store.RaceImports(t.Context(), raceID, "", 10)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, later.ImportID, all[0].ID)
	_, _, err = b.store.UndoImport(t.Context(), b.scheduledRace(t), mistake.ImportID, "", organizer)
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestRecordsOfAnUndoneFileCanBeAddedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	const total = 1500 // more than a chunk
	first := b.imported(t, fileOf(raceID, results(total)))
	_, _, err := b.store.UndoImport(t.Context(), raceID, first.ImportID, "", organizer)
	require.NoError(t, err)
	live, err := b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{}, "", 10)
	require.NoError(t, err)
	require.Empty(t, live)
	require.Equal(t, total, b.imported(t, fileOf(raceID, results(total))).Added)
}

func TestVoidRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	file := fileOf(raceID, results(3))
	imported := b.imported(t, file)
	_, err := b.store.OpenPublication(t.Context(), raceID, organizer.By, time.Hour)
	require.NoError(t, err)
	b.outbox(t)

	r, voided, err := b.store.VoidRace(t.Context(), raceID, maindb.Change{By: organizer.By, Reason: "a trial"})
	require.NoError(t, err)
	require.True(t, voided)
	require.Equal(t, race.Void, r.Status)
	require.Equal(t, &race.Voiding{At: b.clock.Now(), By: organizer.By, Reason: "a trial"}, r.Voided)
	read, err := b.store.Race(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, r, read)
	require.Len(t, b.outbox(t), 3, "every record is credited again")
	publication, err := b.store.Publication(t.Context(), raceID)
	require.NoError(t, err)
	require.False(t, publication.Open())

	again, voided, err := b.store.VoidRace(t.Context(), raceID, maindb.Change{By: organizer.By, Reason: "twice"})
	require.NoError(t, err)
	require.False(t, voided)
	require.Equal(t, r, again)

	held := b.holderOf(t, raceID, "1")
	file.ImportID = newID()
	for name, refused := range map[string]error{
		"post":     second(b.store.PostRecord(t.Context(), raceID, newID(), finish("9", 9000), organizer)),
		"patch":    second(b.store.PatchRecord(t.Context(), raceID, held.ID, held.Revision, maindb.RecordPatch{Bib: new("9")}, organizer)),
		"remove":   second(b.store.RemoveRecord(t.Context(), raceID, held.ID, held.Revision, organizer)),
		"undo":     second(b.store.UndoImport(t.Context(), raceID, imported.ImportID, "", organizer)),
		"import":   first(b.store.ImportResults(t.Context(), file, organizer)),
		"preview":  first(b.store.PreviewImport(t.Context(), file)),
		"finalize": first(b.store.OpenPublication(t.Context(), raceID, organizer.By, time.Hour)),
		"change": second(b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error {
			r.Distance = 10_000_000
			return nil
		}, nil)),
	} {
		var conflict *race.ConflictError
		require.ErrorAs(t, refused, &conflict, name)
	}
	require.Empty(t, b.outbox(t))
	season, err := b.store.RacesOfSeason(t.Context(), 2026)
	require.NoError(t, err)
	require.NotContains(t, season, raceID)
}

func first[T any](_ T, err error) error { return err }

func second[T, U any](_ T, _ U, err error) error { return err }

func TestImplausibleRowsAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t) // a marathon by net time
	b.addEntrant(t, raceID, "1", 35, race.Entered)
	b.addEntrant(t, raceID, "2", 35, race.Entered)
	file := fileOf(raceID, []race.Result{
		{Bib: "1", Net: 130_000, Status: race.Finished},
		{Bib: "2", Net: 10_000_000, Status: race.Finished},
		{Bib: "3", Net: 4_000_000, Status: race.Finished}, // nobody is entered: it may be a handcycle
		{Bib: "4", Net: 130_000, Status: race.DidNotFinish},
	})
	preview, err := b.store.PreviewImport(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, 1, preview.ImplausibleTotal)
	require.Equal(t, "1", preview.Implausible[0].Bib)
	require.Contains(t, preview.Implausible[0].Message, "2:10 was read as 2 min 10 s; if it means 2 h 10 min write 2:10:00")
	imported, err := b.store.ImportResults(t.Context(), file, organizer)
	require.NoError(t, err)
	require.Equal(t, preview.Implausible, imported.Implausible)

	again, err := b.store.PreviewImport(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, preview.Implausible, again.Implausible, "as long as it stands")
	r, err := b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{Bib: "1"}, "", 1)
	require.NoError(t, err)
	b.patch(t, r[0], maindb.RecordPatch{ConfirmTime: new(true)})
	again, err = b.store.PreviewImport(t.Context(), file)
	require.NoError(t, err)
	require.Zero(t, again.ImplausibleTotal, "until somebody confirms it")
}

func TestAFileOfTimesAloneDoesNotHideADecision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	times := func() maindb.ResultsFile {
		gun := race.Time(9_000_000)
		return rowsOf(raceID, race.ResultRow{Bib: "1", Gun: &gun}, race.ResultRow{Bib: "2", Gun: &gun}, race.ResultRow{Bib: "3", Gun: &gun})
	}
	b.imported(t, times())
	dq := b.patch(t, b.holderOf(t, raceID, "1"), maindb.RecordPatch{Status: new(race.Disqualified)})
	b.imported(t, rowsOf(raceID, race.ResultRow{Bib: "2", Status: new(race.DidNotFinish)}))

	again := b.imported(t, times())
	require.Equal(t, []int{0, 0, 2}, counts(again), "a status from a file is no decision: the times leave it")
	require.Equal(t, []maindb.KeptRow{{
		BibRow: maindb.BibRow{Row: 2, Bib: "1"}, RecordID: dq.ID, Message: "kept: decided by hand",
		Says:   map[string]string{"gun_time": "2:30:00", "status": "OK"},
		Stands: map[string]string{"gun_time": "2:30:00", "status": "DQ"},
	}}, again.Kept)

	override := times()
	override.OverrideBibs = []string{"1"}
	require.Equal(t, []int{0, 1, 2}, counts(b.imported(t, override)))
	require.Equal(t, race.Finished, b.record(t, dq).Result.Status)
}

func TestAColumnOfDashesIsNoTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	cleared := func(bib string) race.ResultRow { return race.ResultRow{Bib: bib, Gun: new(race.Time(0))} }
	_, err := b.store.ImportResults(t.Context(), rowsOf(raceID, cleared("1"), cleared("2")), organizer)
	require.ErrorIs(t, err, maindb.ErrNoRankingTime, "new records would have no time that ranks")

	b.imported(t, fileOf(raceID, []race.Result{finish("1", 9000)}))
	out := b.imported(t, rowsOf(raceID, cleared("1")))
	require.Equal(t, 1, out.ClearedTotal, "what a record has may be cleared")
}

func TestARepeatedRequestDoesNotUndoALaterFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	old := fileOf(raceID, []race.Result{finish("1", 9000)})
	old.RetryOf = b.clock.Now()
	b.clock.Advance(time.Second)
	later := fileOf(raceID, []race.Result{finish("1", 9100)})
	b.imported(t, later)

	_, err := b.store.ImportResults(t.Context(), old, organizer)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Contains(t, conflict.Message, "Idempotency-Key")

	_, undone, err := b.store.UndoImport(t.Context(), raceID, later.ImportID, "", organizer)
	require.NoError(t, err)
	require.True(t, undone)
	require.Equal(t, 1, b.imported(t, old).Added, "the later file does not count any more")
	require.Equal(t, old.ImportID, b.imported(t, old).ImportID, "repeated again, it is what it did")
}

func TestADryRunSaysWhichPlacesMoveInAProvisionalRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	first := fileOf(raceID, []race.Result{finish("1", 9000), finish("2", 9100)})
	preview, err := b.store.PreviewImport(t.Context(), first)
	require.NoError(t, err)
	require.Empty(t, preview.PlacesMoved, "nobody has a place yet")
	b.imported(t, first)
	_, err = b.db.ExecContext(t.Context(), `INSERT INTO participant
		(participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at, updated_at)
		SELECT CONCAT('p', held_bib), race_id, CONCAT('u', held_bib), bib, held_bib, 'F', 30, 'runner', 'entered', NOW(6), NOW(6)
		FROM official_record`)
	require.NoError(t, err)

	preview, err = b.store.PreviewImport(t.Context(), fileOf(raceID, []race.Result{finish("2", 8900)}))
	require.NoError(t, err)
	require.Equal(t, 2, preview.PlacesTotal)
	require.Equal(t, []int{2, 1}, []int{preview.PlacesMoved[0].PlaceBefore, preview.PlacesMoved[0].PlaceAfter})
	require.Equal(t, "2", preview.PlacesMoved[0].Bib)
}
