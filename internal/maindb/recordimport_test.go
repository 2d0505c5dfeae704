package maindb_test

import (
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

	preview, err := b.store.PreviewImport(t.Context(), raceID, file)
	require.NoError(t, err)
	require.Equal(t, maindb.Imported{Added: total}, preview)
	require.Empty(t, b.outbox(t), "a preview changes nothing")

	imported, err := b.store.ImportResults(t.Context(), raceID, file, organizer)
	require.NoError(t, err)
	require.Equal(t, maindb.Imported{Added: total}, imported)
	require.Len(t, b.outbox(t), total)
	r, err := b.store.Race(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, race.Provisional, r.Status)

	imported, err = b.store.ImportResults(t.Context(), raceID, file, organizer)
	require.NoError(t, err)
	require.Equal(t, maindb.Imported{Unchanged: total}, imported)
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

	imported, err := b.store.ImportResults(t.Context(), raceID, []race.Result{
		finish("1", 9000), // written differently, the same bib
		{Bib: "2", Net: 9_050_000, Status: race.Disqualified}, // the row is the whole result
		finish("3", 9200), finish("4", 9300), finish("5", 9400), // given up, removed, new
	}, maindb.Change{By: organizer.By})
	require.NoError(t, err)
	require.Equal(t, maindb.Imported{Added: 3, Changed: 1, Unchanged: 1}, imported)

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
	}, revisions[1])
	sent := b.outbox(t)
	require.Len(t, sent, 4)
	require.Contains(t, sent, sentAs(corrected.ID, 2))
}

func TestImportResultsRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.store.ImportResults(t.Context(), newID(), results(1), organizer)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.ImportResults(t.Context(), b.scheduledRace(t), []race.Result{finish("1", 9000), finish("01", 9000)}, organizer)
	require.ErrorContains(t, err, "twice")
	require.Empty(t, b.outbox(t))
}
