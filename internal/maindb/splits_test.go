package maindb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestSplitsOfAFile imports splits, corrects one by hand, imports others, and undoes
// that import.
func TestSplitsOfAFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	_, _, err := b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error {
		r.Course = r.Course.With([]race.TimingPoint{
			{Name: "5 km", Distance: 5_000_000}, {Name: "10 km", Distance: 10_000_000}, {Name: "15 km", Distance: 15_000_000},
		})
		return nil
	}, nil)
	require.NoError(t, err)
	const minute = race.Time(60_000)
	gun := 60 * minute
	row := func(bib string, readings ...race.Reading) race.ResultRow {
		return race.ResultRow{Row: 2, Bib: bib, Gun: &gun, Splits: readings}
	}
	importRows := func(rows ...race.ResultRow) maindb.Imported {
		done, err := b.store.ImportResults(t.Context(), maindb.ResultsFile{ImportID: newID(), RaceID: raceID, Rows: rows}, organizer)
		require.NoError(t, err)
		return done
	}
	splitsOf := func() map[string]race.Splits {
		records, err := b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{}, "", 10)
		require.NoError(t, err)
		splits, err := b.store.SplitsOfRace(t.Context(), raceID)
		require.NoError(t, err)
		byBib := map[string]race.Splits{}
		for _, r := range records {
			byBib[r.Result.Bib] = splits[r.ID]
		}
		return byBib
	}
	first := importRows(
		row("1", race.Reading{Point: "5K", Time: 20 * minute}, race.Reading{Point: "15 km", Time: 61 * minute}, race.Reading{Point: "Lap 1", Time: minute}),
		row("2", race.Reading{Point: "10km", Time: 40 * minute}),
	)
	require.Equal(t, 2, first.Added)
	require.Equal(t, []string{"Lap 1"}, first.UnknownPoints)
	require.Equal(t, []maindb.SplitLeftOut{{
		BibRow: maindb.BibRow{Row: 2, Bib: "1"}, Point: "15 km", Message: "the reading at 15 km (1:01:00) is later than the finish (1:00:00)",
	}}, first.SplitsLeftOut, "it does not cost the row its finish")
	require.Equal(t, map[string]race.Splits{"1": {1: 20 * minute}, "2": {2: 40 * minute}}, splitsOf())

	same := importRows(row("2", race.Reading{Point: "10km", Time: 40 * minute}), row("1"))
	require.Equal(t, 2, same.Unchanged)
	require.Empty(t, same.ImportID)

	records, err := b.store.ListRecords(t.Context(), raceID, maindb.RecordFilter{Bib: "2"}, "", 1)
	require.NoError(t, err)
	_, _, err = b.store.PatchRecord(t.Context(), raceID, records[0].ID, 1, maindb.RecordPatch{Splits: race.Splits{2: 41 * minute}}, organizer)
	require.NoError(t, err)

	second := importRows(
		row("2", race.Reading{Point: "5 km", Time: 21 * minute}, race.Reading{Point: "10 km", Time: 40 * minute}),
		row("1", race.Reading{Point: "5 km", Time: 22 * minute}, race.Reading{Point: "10 km", Time: 42 * minute}),
	)
	require.Equal(t, 2, second.Changed)
	require.Equal(t, map[string]race.Splits{"1": {1: 22 * minute, 2: 42 * minute}, "2": {1: 21 * minute, 2: 41 * minute}}, splitsOf(),
		"a reading that a person corrected stays")
	fields := map[string]string{}
	for _, change := range second.Changes {
		fields[change.Bib+" "+change.Field] = change.Before + " → " + change.After
	}
	require.Equal(t, map[string]string{
		"2 splits.5 km": " → 0:21:00", "1 splits.5 km": "0:20:00 → 0:22:00", "1 splits.10 km": " → 0:42:00",
	}, fields)
	corrected, err := b.store.Record(t.Context(), raceID, records[0].ID)
	require.NoError(t, err)
	require.True(t, corrected.Decided)

	_, undone, err := b.store.UndoImport(t.Context(), raceID, second.ImportID, "", organizer)
	require.NoError(t, err)
	require.True(t, undone)
	require.Equal(t, map[string]race.Splits{"1": {1: 20 * minute}, "2": {2: 41 * minute}}, splitsOf())

	gun = 15 * minute
	faster := importRows(row("1"))
	require.Equal(t, 1, faster.SplitsLeftOutTotal, "a reading that no longer fits the finish is left out")
	require.Empty(t, splitsOf()["1"])
	none := importRows(race.ResultRow{Row: 2, Bib: "1", Status: new(race.DidNotStart)})
	require.Equal(t, 1, none.Changed)
}

// TestLeavingAndSplits: the export of somebody's own data has their splits, and an
// entry without a result loses its team with the account.
func TestLeavingAndSplits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	userID := b.addEntrant(t, raceID, "7", 30, race.Entered)
	_, _, err := b.store.PostRecordWithSplits(t.Context(), raceID, newID(), finish("7", 9000), race.Splits{1: 4_000_000}, organizer)
	require.NoError(t, err)
	exported, err := b.store.Export(t.Context(), userID)
	require.NoError(t, err)
	require.Len(t, exported["official_record_split"], 1)
	nobody, err := b.store.Export(t.Context(), newID())
	require.NoError(t, err)
	require.Empty(t, nobody["official_record_split"])

	later := b.scheduledRace(t)
	_, err = b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: later, UserID: userID, Team: "Family"})
	require.NoError(t, err)
	_, err = b.store.Leave(t.Context(), userID)
	require.NoError(t, err)
	entry, err := b.store.Participant(t.Context(), later, userID)
	require.NoError(t, err)
	require.Empty(t, entry.Team)
}
