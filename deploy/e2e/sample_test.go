package e2e_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
)

// TestSampleJob runs what `make run` runs, on fewer rows, and runs it again.
func TestSampleJob(t *testing.T) {
	t.Parallel()
	const rows = 200
	s := sharedSystem(t)
	boston, err := sample.Boston2004(rows)
	require.NoError(t, err)
	options := sample.Options{
		API: s.APIURL(), Login: "sample-" + rand.Text(), Password: rand.Text(), Race: boston, Out: io.Discard,
	}
	first, err := sample.Load(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, sample.Credits{Credited: rows, Total: rows}, first.Credits)
	require.Equal(t, rows, first.Done)
	require.Empty(t, first.Reasons)
	require.NotNil(t, first.Example)
	require.Equal(t, creditID(first.RaceID, first.Example.RecordID, 1), s.traced(t, first.Example.Credit.TraceURL))
	for _, r := range bostonRows(t, rows) {
		if r.bib == first.Example.Bib {
			points := readTables(t).ageGrade(t, r.sex, "Marathon", r.age, millisOf(t, r.gun))
			require.Equal(t, points, int64(first.Example.Credit.Points))
		}
	}

	second, err := sample.Load(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, first.RaceID, second.RaceID)
	require.Equal(t, first.Credits, second.Credits)
	require.Zero(t, second.Done)
}

// TestSameKeyMakesOneRecord: a call repeated with its Idempotency-Key gets the
// first answer and credits nothing twice.
func TestSameKeyMakesOneRecord(t *testing.T) {
	t.Parallel()
	b := startBoston(t, sharedSystem(t), 1)
	key, r := rand.Text(), b.rows[0]
	var first, second record
	for _, posted := range []*record{&first, &second} {
		b.organizer.call(t, http.MethodPost, recordsOf(b.raceID),
			inJSON(t, map[string]any{"bib": r.bib, "gun_time": r.gun}), "Idempotency-Key", key).
			into(t, http.StatusCreated, posted)
	}
	require.Equal(t, first.RecordID, second.RecordID)
	b.book.enter(t, first.RecordID, 1, b.book.marathonOutcome(t, r))
	b.check(t)
	b.organizer.call(t, http.MethodPost, recordsOf(b.raceID),
		inJSON(t, map[string]any{"bib": r.bib, "gun_time": "2:00:00"}), "Idempotency-Key", key).
		problem(t, http.StatusUnprocessableEntity)
	b.check(t)
}
