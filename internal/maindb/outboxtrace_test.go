package maindb_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

// TestTheOutboxKeepsTheTrace: of one record's change the trace goes on, from a
// change of many each has a trace of its own that leads back to it.
func TestTheOutboxKeepsTheTrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	defer span.End()
	trace := tracecontext.TraceParent(ctx)
	require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, trace)
	taken := func() maindb.OutboxRow {
		var row maindb.OutboxRow
		n, err := b.store.SendOutbox(t.Context(), 10, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
			require.Len(t, rows, 1)
			row = rows[0]
			return rows, nil
		})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		return row
	}
	parent, link := trace, ""
	want := func(r race.Record) maindb.OutboxRow {
		return maindb.OutboxRow{RaceID: raceID, RecordID: r.ID, Revision: r.Revision, TraceParent: parent, TraceLink: link, Bib: "1", RaceName: "Spring Marathon"}
	}
	check := func(r race.Record) {
		t.Helper()
		row := taken()
		row.ID = 0
		require.Equal(t, want(r), row)
	}

	posted, _, err := b.store.PostRecord(ctx, raceID, newID(), finish("1", 8000), organizer)
	require.NoError(t, err)
	check(posted)
	corrected, _, err := b.store.PatchRecord(ctx, raceID, posted.ID, 1, maindb.RecordPatch{Gun: new(race.Time(8_001_000))}, organizer)
	require.NoError(t, err)
	check(corrected)

	parent, link = "", trace
	file := fileOf(raceID, []race.Result{finish("1", 8002)})
	file.OverrideAll = true
	_, err = b.store.ImportResults(ctx, file, organizer)
	require.NoError(t, err)
	imported := b.record(t, posted)
	check(imported)
	n, err := b.store.Requeue(ctx, []maindb.LatestRevision{{RecordID: posted.ID, RaceID: raceID, Revision: imported.Revision}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	check(imported)

	parent, link = "", ""
	b.patch(t, imported, maindb.RecordPatch{Gun: new(race.Time(8_003_000))})
	check(b.record(t, posted))
}

// TestOutboxRowsOfAProgramThatKnowsNoTraces: the API of before the column runs
// beside today's while one replaces the other.
func TestOutboxRowsOfAProgramThatKnowsNoTraces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID, recordID := newID(), newID()
	_, err := b.db.ExecContext(t.Context(),
		"INSERT INTO outbox (race_id, record_id, revision, created_at) VALUES (?, ?, 1, NOW(6))", raceID, recordID)
	require.NoError(t, err)
	n, err := b.store.SendOutbox(t.Context(), 10, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
		require.Equal(t, []maindb.OutboxRow{{ID: rows[0].ID, RaceID: raceID, RecordID: recordID, Revision: 1}}, rows)
		return rows, nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
