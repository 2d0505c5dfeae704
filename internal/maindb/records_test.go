package maindb_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

var organizer = maindb.Change{By: "0190a000-0000-7000-8000-000000000001", Reason: "jury decision"}

// newID returns IDs that sort in the order in which they were made.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// scheduledRace creates a race without records.
func (b *testBundle) scheduledRace(t *testing.T) string {
	t.Helper()
	raceID := newID()
	_, err := b.db.ExecContext(t.Context(), `INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm,
		ranking_basis, divisions_basis, ties, divisions, scoring, points, capacity, status, created_at, updated_at)
		VALUES (?, ?, 'Spring Marathon', '', '2026-04-19', 42195000, 'gun', '', 'share', '[]', 'agegrade-2025', 0, 0,
		'scheduled', NOW(6), NOW(6))`, raceID, organizer.By)
	require.NoError(t, err)
	return raceID
}

func finish(bib string, seconds int) race.Result {
	return race.Result{Bib: bib, Gun: race.Time(seconds) * 1000, Status: race.Finished}
}

// fileOf is a file that states the results.
func fileOf(raceID string, results []race.Result) maindb.ResultsFile {
	file := maindb.ResultsFile{ImportID: uuid.Must(uuid.NewV7()).String(), RaceID: raceID}
	for i, r := range results {
		file.Rows = append(file.Rows, race.ResultRow{Row: i + 1, Bib: r.Bib, Gun: &r.Gun, Net: &r.Net, Status: &r.Status, Sequence: &r.Sequence})
	}
	return file
}

func (b *testBundle) post(t *testing.T, raceID string, result race.Result) race.Record {
	t.Helper()
	record, added, err := b.store.PostRecord(t.Context(), raceID, newID(), result, organizer)
	require.NoError(t, err)
	require.True(t, added)
	b.clock.Advance(time.Second)
	return record
}

func (b *testBundle) patch(t *testing.T, r race.Record, patch maindb.RecordPatch) race.Record {
	t.Helper()
	record, changed, err := b.store.PatchRecord(t.Context(), r.RaceID, r.ID, r.Revision, patch, organizer)
	require.NoError(t, err)
	require.True(t, changed)
	b.clock.Advance(time.Second)
	return record
}

func (b *testBundle) record(t *testing.T, r race.Record) race.Record {
	t.Helper()
	record, err := b.store.Record(t.Context(), r.RaceID, r.ID)
	require.NoError(t, err)
	return record
}

// outbox drains the outbox and returns its rows as record ID and revision.
func (b *testBundle) outbox(t *testing.T) []string {
	t.Helper()
	var got []string
	_, err := b.store.SendOutbox(t.Context(), 100_000, recordRows(&got))
	require.NoError(t, err)
	return got
}

func sentAs(recordID string, revision int) string { return fmt.Sprintf("%s/r%d", recordID, revision) }

func TestPostRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	id := newID()
	want := race.Record{
		ID: id, RaceID: raceID, Revision: 1, HoldsBib: true,
		Result: race.Result{Bib: "0042", Gun: 7_822_400, Net: 7_820_000, Status: race.Finished, Sequence: 3},
	}
	got, added, err := b.store.PostRecord(t.Context(), raceID, id, want.Result, maindb.Change{By: organizer.By})
	require.NoError(t, err)
	require.True(t, added)
	require.Equal(t, want, got)
	require.Equal(t, want, b.record(t, want))
	r, err := b.store.Race(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, race.Provisional, r.Status)

	got, added, err = b.store.PostRecord(t.Context(), raceID, id, want.Result, maindb.Change{By: organizer.By})
	require.NoError(t, err, "the same ID again")
	require.False(t, added)
	require.Equal(t, want, got)

	_, _, err = b.store.PostRecord(t.Context(), raceID, newID(), finish("42", 9000), organizer)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Contains(t, conflict.Message, "bib 42 already has the record "+id)

	_, _, err = b.store.PostRecord(t.Context(), newID(), newID(), finish("1", 9000), organizer)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.Record(t.Context(), b.scheduledRace(t), id)
	require.ErrorIs(t, err, race.ErrNotFound, "a record of another race")

	revisions, err := b.store.Revisions(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []race.Revision{{
		RecordID: id, Number: 1, Result: want.Result, ChangedBy: organizer.By, ChangedAt: b.clock.Now(), Origin: race.ByPost,
	}}, revisions)
	require.Equal(t, []string{sentAs(id, 1)}, b.outbox(t))
}

func TestPostRecordsAtOnceToAScheduledRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	var group sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		group.Go(func() {
			_, _, errs[i] = b.store.PostRecord(t.Context(), raceID, newID(), finish(fmt.Sprint(i+1), 9000), organizer)
		})
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, b.outbox(t), len(errs))
}

func TestPatchRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.post(t, b.scheduledRace(t), race.Result{Bib: "7", Gun: 7_822_000, Net: 7_821_000, Status: race.Finished})
	gun, none := race.Time(7_900_000), race.Time(0)

	second := b.patch(t, first, maindb.RecordPatch{Gun: &gun, Net: &none})
	want := first
	want.Revision, want.Result.Gun, want.Result.Net, want.Decided = 2, gun, 0, true
	require.Equal(t, want, second)
	require.Equal(t, want, b.record(t, first))

	same, changed, err := b.store.PatchRecord(t.Context(), first.RaceID, first.ID, 2, maindb.RecordPatch{Gun: &gun}, organizer)
	require.NoError(t, err)
	require.False(t, changed, "nothing to change")
	require.Equal(t, want, same)

	_, _, err = b.store.PatchRecord(t.Context(), first.RaceID, first.ID, 1, maindb.RecordPatch{Gun: &none}, organizer)
	require.ErrorIs(t, err, race.ErrStale)
	_, _, err = b.store.PatchRecord(t.Context(), first.RaceID, newID(), 1, maindb.RecordPatch{}, organizer)
	require.ErrorIs(t, err, race.ErrNotFound)

	dns := race.DidNotStart
	_, _, err = b.store.PatchRecord(t.Context(), first.RaceID, first.ID, 2, maindb.RecordPatch{Status: &dns}, organizer)
	var invalid *race.InvalidError
	require.ErrorAs(t, err, &invalid, "its time has to go too")
	require.Equal(t, "gun_time", invalid.Fields[0].Field)
	third := b.patch(t, second, maindb.RecordPatch{Status: &dns, Gun: &none})
	require.Equal(t, race.Result{Bib: "7", Status: race.DidNotStart}, third.Result)

	revisions, err := b.store.Revisions(t.Context(), first.ID)
	require.NoError(t, err)
	require.Len(t, revisions, 3)
	require.Equal(t, first.Result, revisions[0].Result)
	require.Equal(t, organizer.Reason, revisions[2].Reason)
	require.Equal(t, []string{sentAs(first.ID, 1), sentAs(first.ID, 2), sentAs(first.ID, 3)}, b.outbox(t))
}

func TestOfPatchesOnTheSameRevisionOneWins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, b.scheduledRace(t), finish("7", 9000))
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() {
			gun := race.Time(9_100_000 + i)
			_, _, errs[i] = b.store.PatchRecord(t.Context(), r.RaceID, r.ID, 1, maindb.RecordPatch{Gun: &gun}, organizer)
		})
	}
	group.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, race.ErrStale)
	}
	require.Equal(t, 1, won)
	require.Equal(t, 2, b.record(t, r).Revision)
	require.Len(t, b.outbox(t), 2)
}

func TestTwoPatchesSwapBibs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	a, c := b.post(t, raceID, finish("1", 9000)), b.post(t, raceID, finish("2", 9100))
	one, two := "1", "2"

	a = b.patch(t, a, maindb.RecordPatch{Bib: &two})
	require.False(t, a.HoldsBib, "record c still has bib 2")
	require.Equal(t, a, b.record(t, a))
	c = b.patch(t, c, maindb.RecordPatch{Bib: &one})
	require.True(t, c.HoldsBib)

	a = b.record(t, a)
	require.True(t, a.HoldsBib)
	require.Equal(t, "2", a.Result.Bib)
	require.Equal(t, 3, a.Revision)
	revisions, err := b.store.Revisions(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, race.SystemActor, revisions[2].ChangedBy)
	require.Equal(t, "bib 2 is free: record "+c.ID+" has given it up", revisions[2].Reason)
	require.Equal(t, []string{
		sentAs(a.ID, 1), sentAs(c.ID, 1), sentAs(a.ID, 2), sentAs(c.ID, 2), sentAs(a.ID, 3),
	}, b.outbox(t))
}

func TestTheLongestWaitingRecordGetsTheBib(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	holder := b.post(t, raceID, finish("1", 9000))
	waiting := make([]race.Record, 3)
	for i := range waiting {
		waiting[i] = b.post(t, raceID, finish(fmt.Sprint(10+i), 9100+i))
	}
	one := "001"
	for _, i := range []int{2, 0, 1} { // not in the order of their IDs
		waiting[i] = b.patch(t, waiting[i], maindb.RecordPatch{Bib: &one})
		require.False(t, waiting[i].HoldsBib)
	}
	gun := race.Time(9_999_000)
	waiting[2] = b.patch(t, waiting[2], maindb.RecordPatch{Gun: &gun}) // keeps its turn

	for _, i := range []int{2, 0, 1} {
		_, removed, err := b.store.RemoveRecord(t.Context(), raceID, holder.ID, holder.Revision, organizer)
		require.NoError(t, err)
		require.True(t, removed)
		next := b.record(t, waiting[i])
		require.True(t, next.HoldsBib, "record %d is next", i)
		require.Equal(t, waiting[i].Revision+1, next.Revision)
		holder = next
	}
}

func TestRemoveRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	r := b.post(t, raceID, finish("1", 9000))
	_, _, err := b.store.RemoveRecord(t.Context(), raceID, r.ID, 2, organizer)
	require.ErrorIs(t, err, race.ErrStale)

	gone, removed, err := b.store.RemoveRecord(t.Context(), raceID, r.ID, 1, organizer)
	require.NoError(t, err)
	require.True(t, removed)
	require.True(t, gone.Removed)
	require.False(t, gone.HoldsBib)
	require.Equal(t, gone, b.record(t, r))
	_, removed, err = b.store.RemoveRecord(t.Context(), raceID, r.ID, 2, organizer)
	require.NoError(t, err)
	require.False(t, removed, "it is gone already")

	bib := "5"
	_, _, err = b.store.PatchRecord(t.Context(), raceID, r.ID, 2, maindb.RecordPatch{Bib: &bib}, organizer)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	again := b.post(t, raceID, finish("1", 9050))
	require.True(t, again.HoldsBib, "its bib is free")
	require.Equal(t, []string{sentAs(r.ID, 1), sentAs(r.ID, 2), sentAs(again.ID, 1)}, b.outbox(t))
}

func TestListRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	all := make([]race.Record, 5)
	for i := range all {
		all[i] = b.post(t, raceID, finish(fmt.Sprint(i+1), 9000+i))
	}
	b.post(t, b.scheduledRace(t), finish("1", 9000))
	dnf, none := race.DidNotFinish, race.Time(0)
	all[3] = b.patch(t, all[3], maindb.RecordPatch{Status: &dnf, Gun: &none})
	removed, _, err := b.store.RemoveRecord(t.Context(), raceID, all[4].ID, 1, organizer)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		filter maindb.RecordFilter
		after  string
		limit  int
		want   []race.Record
	}{
		"all":           {limit: 10, want: all[:4]},
		"first page":    {limit: 2, want: all[:2]},
		"next page":     {after: all[1].ID, limit: 2, want: all[2:4]},
		"by status":     {filter: maindb.RecordFilter{Status: race.DidNotFinish}, limit: 10, want: all[3:4]},
		"by bib":        {filter: maindb.RecordFilter{Bib: "003"}, limit: 10, want: all[2:3]},
		"removed":       {filter: maindb.RecordFilter{Bib: "5", Removed: true}, limit: 10, want: []race.Record{removed}},
		"none":          {filter: maindb.RecordFilter{Bib: "5"}, limit: 10, want: []race.Record{}},
		"behind a page": {after: all[4].ID, limit: 10, want: []race.Record{}},
	} {
		got, err := b.store.ListRecords(t.Context(), raceID, c.filter, c.after, c.limit)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}

	byID, err := b.store.RecordsByID(t.Context(), raceID, []string{all[0].ID, removed.ID, newID()})
	require.NoError(t, err)
	require.Equal(t, map[string]race.Record{all[0].ID: all[0], removed.ID: removed}, byID)
	records, revisions, err := b.store.CountRevisions(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, []int{5, 7}, []int{records, revisions})
	latest, err := b.store.RevisionsOfRecords(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, map[string]int{all[0].ID: 1, all[1].ID: 1, all[2].ID: 1, all[3].ID: 2, removed.ID: 2}, latest)
}

func TestResultsOfARunner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := ""
	var want []string // race IDs, the newest first
	for _, date := range []string{"2024-04-15", "2025-04-21", "2026-04-20"} {
		raceID := b.addRace(t)
		b.exec(t, "UPDATE race SET race_date = ? WHERE race_id = ?", date, raceID)
		entrant := b.addEntrant(t, raceID, "7", 40, race.Entered)
		if userID == "" {
			userID = entrant
		}
		b.exec(t, "UPDATE participant SET user_id = ? WHERE user_id = ?", userID, entrant)
		b.addRecord(t, raceID, "07", 2, true)
		b.addEntrant(t, raceID, "8", 40, race.Entered)
		b.addRecord(t, raceID, "8", 1, true)
		want = append([]string{raceID}, want...)
	}
	var got []string
	var after maindb.RacePosition
	for {
		page, err := b.store.ResultsOf(t.Context(), userID, after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, result := range page {
			got = append(got, result.Race.ID)
			require.Equal(t, 2, result.Record.Revision)
			require.Equal(t, "07", result.Record.Result.Bib)
		}
		last := page[len(page)-1].Race
		after = maindb.RacePosition{Date: last.Date, ID: last.ID}
	}
	require.Equal(t, want, got)

	season, err := b.store.RacesOfSeason(t.Context(), 2025)
	require.NoError(t, err)
	require.Empty(t, season, "nobody vouches for the organizer")
	r, err := b.store.Race(t.Context(), want[1])
	require.NoError(t, err)
	for _, was := range []bool{false, true} {
		before, err := b.store.SetVerified(t.Context(), r.OrganizerID, true, maindb.Change{By: newID(), Reason: "known"})
		require.NoError(t, err)
		require.Equal(t, was, before)
	}
	season, err = b.store.RacesOfSeason(t.Context(), 2025)
	require.NoError(t, err)
	require.Equal(t, want[1:2], season)
	entrants, err := b.store.Entrants(t.Context(), season[0])
	require.NoError(t, err)
	require.Contains(t, slices.Collect(maps.Values(entrants)), maindb.Entrant{Sex: race.Female, Age: 40})
}
