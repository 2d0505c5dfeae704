package e2e_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestOutages stops one part at a time. Records are accepted as long as main_db is up,
// and are credited without help when the part is back.
//
//nolint:paralleltest // it shares the system with other tests
func TestOutages(t *testing.T) {
	s := sharedSystem(t)
	b := startBoston(t, s, 50)
	rows := b.rows

	t.Run("user_db", func(t *testing.T) {
		require.NoError(t, s.userLink.cut())
		got := s.anonymous().call(t, http.MethodPost, "/v1/login",
			inJSON(t, map[string]string{"login_id": b.runner.login, "password": "does not matter"}))
		unavailable(t, got)
		b.postWhileDown(t, rows[0])
		b.importWhileDown(t, rows[1:10])
		s.showsTheOutage(t, creditID(b.raceID, b.ids[rows[0].bib], 1))
		require.NoError(t, s.userLink.restore(t.Context()))
		b.back(t, rows[1:10])
	})
	t.Run("queue", func(t *testing.T) {
		require.NoError(t, s.Kill(stack.SQS))
		b.postWhileDown(t, rows[10])
		b.importWhileDown(t, rows[11:20])
		require.NoError(t, s.StartPart(t.Context(), stack.SQS))
		b.back(t, rows[11:20])
	})
	t.Run("temporal", func(t *testing.T) {
		require.NoError(t, s.Kill(stack.Temporal))
		b.postWhileDown(t, rows[20])
		b.importWhileDown(t, rows[21:30])
		require.NoError(t, s.StartPart(t.Context(), stack.Temporal))
		b.back(t, rows[21:30])
	})
	t.Run("worker", func(t *testing.T) {
		require.NoError(t, s.StopPart(stack.Worker))
		b.postWhileDown(t, rows[30])
		b.importWhileDown(t, rows[31:40])
		require.NoError(t, s.StartPart(t.Context(), stack.Worker))
		b.back(t, rows[31:40])
	})
	t.Run("main_db and user_db", func(t *testing.T) {
		require.NoError(t, s.Kill(stack.MariaDB))
		unavailable(t, b.organizer.call(t, http.MethodPost, recordsOf(b.raceID),
			inJSON(t, map[string]any{"bib": rows[40].bib, "gun_time": rows[40].gun})))
		unavailable(t, b.organizer.call(t, http.MethodPost, recordsOf(b.raceID)+"/import", results(rows[40:])))
		unavailable(t, s.anonymous().call(t, http.MethodGet, "/v1/races/"+b.raceID, payload{}))
		require.NoError(t, s.StartPart(t.Context(), stack.MariaDB))
		b.importWhileDown(t, rows[40:])
		b.back(t, rows[40:])
	})
}

// unavailable checks the answer of a part that is down.
func unavailable(t *testing.T, got answer) {
	t.Helper()
	got.problem(t, http.StatusServiceUnavailable)
	seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, seconds)
}

// postWhileDown posts a single record, which is accepted and pending.
func (b *boston) postWhileDown(t *testing.T, r row) {
	t.Helper()
	posted := b.organizer.postRecord(t, b.raceID, map[string]any{"bib": r.bib, "gun_time": r.gun, "net_time": r.net})
	require.Equal(t, "pending", posted.Credit.Status)
	b.ids[r.bib] = posted.RecordID
	b.book.enter(t, posted.RecordID, posted.Revision, b.book.marathonOutcome(t, r))
}

// importWhileDown imports rows, which are accepted.
func (b *boston) importWhileDown(t *testing.T, rows []row) {
	t.Helper()
	got := b.organizer.importResults(t, b.raceID, "", results(rows))
	require.Equal(t, imported{Added: len(rows), Errors: got.Errors}, got)
	require.Empty(t, got.Errors)
}

// back checks that everything is credited after all, the imported rows too.
func (b *boston) back(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range b.organizer.records(t, b.raceID) {
		b.ids[r.Bib] = r.RecordID
	}
	for _, r := range rows {
		b.book.enter(t, b.ids[r.bib], 1, b.book.marathonOutcome(t, r))
	}
	b.check(t)
}
