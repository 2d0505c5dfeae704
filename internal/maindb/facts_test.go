package maindb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// addRace writes a marathon that ranks and scores by net time.
func (b *testBundle) addRace(t *testing.T) (raceID string) {
	t.Helper()
	raceID = uuid.NewString()
	b.exec(t, `INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis, divisions_basis,
		ties, divisions, scoring, points, capacity, status, created_at, updated_at)
		VALUES (?, 'organizer', 'A Marathon', '', '2026-04-20', 42195000, 'net', 'net', 'share', '[]', 'agegrade-2025', 7, 0,
		'provisional', ?, ?)`, raceID, b.clock.Now(), b.clock.Now())
	return raceID
}

// addRecord writes a record of a bib as it is after a number of revisions.
func (b *testBundle) addRecord(t *testing.T, raceID, bib string, revision int, holdsBib bool) (recordID string) {
	t.Helper()
	recordID = uuid.NewString()
	var held any
	if holdsBib {
		held = race.BibKey(bib)
	}
	b.exec(t, `INSERT INTO official_record (record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status,
		removed, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 10200000, 10190000, 'OK', FALSE, ?, ?)`,
		recordID, raceID, revision, bib, race.BibKey(bib), held, b.clock.Now(), b.clock.Now())
	return recordID
}

func (b *testBundle) addEntrant(t *testing.T, raceID, bib string, age any, status race.EntryStatus) (userID string) {
	t.Helper()
	userID = uuid.NewString()
	b.exec(t, `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at,
		updated_at) VALUES (?, ?, ?, ?, ?, 'F', ?, 'runner', ?, ?, ?)`,
		"p-"+userID[:30], raceID, userID, bib, race.BibKey(bib), age, status, b.clock.Now(), b.clock.Now())
	return userID
}

func (b *testBundle) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := b.db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

func TestFactsOfARecordWithItsEntrant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	recordID := b.addRecord(t, raceID, "0042", 3, true)
	userID := b.addEntrant(t, raceID, "42", 35, race.Entered)

	facts, err := b.store.Facts(t.Context(), recordID)
	require.NoError(t, err)
	require.Equal(t, scoring.Facts{
		Record: race.Record{
			ID: recordID, RaceID: raceID, Revision: 3, HoldsBib: true,
			Result: race.Result{Bib: "0042", Gun: 10_200_000, Net: 10_190_000, Status: race.Finished},
		},
		ChangedAt: b.clock.Now(),
		Race: race.Race{
			ID: raceID, Status: race.Provisional, Scoring: "agegrade-2025", Points: 7, Distance: 42_195_000,
			Ranking: race.Ranking{Basis: race.Net, DivisionsBasis: race.Net, Ties: race.TiesShare},
		},
		Entrant: &race.Participant{
			ID: "p-" + userID[:30], RaceID: raceID, UserID: userID, Bib: "0042",
			Sex: race.Female, Age: 35, Field: race.Runner, Status: race.Entered,
		},
	}, facts)
}

func TestFactsOfARecordThatNobodyRan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID, other := b.addRace(t), b.addRace(t)
	recordID := b.addRecord(t, raceID, "42", 1, false)
	b.addEntrant(t, raceID, "42", 35, race.Cancelled)
	b.addEntrant(t, other, "42", 35, race.Entered)

	facts, err := b.store.Facts(t.Context(), recordID)
	require.NoError(t, err)
	require.Nil(t, facts.Entrant)
	require.False(t, facts.Record.HoldsBib)

	unknownAge := b.addRecord(t, raceID, "43", 1, true)
	b.addEntrant(t, raceID, "43", nil, race.Entered)
	facts, err = b.store.Facts(t.Context(), unknownAge)
	require.NoError(t, err)
	require.Equal(t, race.UnknownAge, facts.Entrant.Age)

	_, err = b.store.Facts(t.Context(), uuid.NewString())
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestLatestRevisionsGoThroughRecordsInTheOrderOfTheirChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	var want []string
	for i := range 6 {
		want = append(want, b.addRecord(t, raceID, fmt.Sprint(i+1), i+1, true))
		if i%2 == 0 { // pairs share a moment
			b.clock.Advance(time.Second)
		}
	}
	end := b.clock.Now().Add(time.Second)
	b.clock.Advance(time.Minute)
	b.addRecord(t, raceID, "99", 1, true) // too fresh

	var got []string
	after := maindb.LatestRevision{ChangedAt: end.Add(-time.Hour)}
	for {
		page, err := b.store.LatestRevisions(t.Context(), after, end, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			got = append(got, r.RecordID)
			require.Equal(t, raceID, r.RaceID)
		}
		after = page[len(page)-1]
	}
	require.ElementsMatch(t, want, got)
}

func TestRequeueAddsWhatIsNotInTheOutbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	waiting := maindb.LatestRevision{RecordID: b.addRecord(t, raceID, "1", 2, true), RaceID: raceID, Revision: 2}
	lost := maindb.LatestRevision{RecordID: b.addRecord(t, raceID, "2", 3, true), RaceID: raceID, Revision: 3}
	b.exec(t, "INSERT INTO outbox (race_id, record_id, revision, created_at) VALUES (?, ?, 2, ?), (?, ?, 1, ?)",
		raceID, waiting.RecordID, b.clock.Now(), raceID, lost.RecordID, b.clock.Now())

	for _, want := range []int{1, 0} {
		added, err := b.store.Requeue(t.Context(), []maindb.LatestRevision{waiting, lost})
		require.NoError(t, err)
		require.Equal(t, want, added)
	}
	var revision int
	require.NoError(t, b.db.QueryRowContext(t.Context(),
		"SELECT revision FROM outbox WHERE record_id = ? ORDER BY outbox_id DESC LIMIT 1", lost.RecordID).Scan(&revision))
	require.Equal(t, 3, revision)

	added, err := b.store.Requeue(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, added)
}
