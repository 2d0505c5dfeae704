package activities_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// sweptRace is a race as the sweep sees it.
type sweptRace struct {
	marked  maindb.StandingsMark
	current maindb.StandingsMark // with the credits' part
	open    bool
	looks   int
	// recomputed, when set, is the mark from the second look on.
	recomputed *maindb.StandingsMark
}

type sweptRaces map[string]*sweptRace

func (s sweptRaces) RacesToSweep(_ context.Context, after maindb.SweepPosition, _ int) ([]string, maindb.SweepPosition, error) {
	var ids []string
	if !after.OnlyOpen() {
		ids = append(ids, "gone")
	}
	for id, race := range s {
		if !after.OnlyOpen() || race.open {
			ids = append(ids, id)
		}
	}
	after.Part++
	return ids, after, nil
}

func (s sweptRaces) StandingsMarks(_ context.Context, ids []string) (map[string]maindb.StandingsMarks, error) {
	marks := map[string]maindb.StandingsMarks{}
	for _, id := range ids {
		r := s[id]
		if r == nil {
			continue
		}
		r.looks++
		if r.looks > 1 && r.recomputed != nil {
			r.marked = *r.recomputed
		}
		current := r.current
		current.CreditRevisions = 0
		marks[id] = maindb.StandingsMarks{Marked: r.marked, Current: current}
	}
	return marks, nil
}

func (s sweptRaces) CreditRevisionsOfRaces(_ context.Context, ids []string) (map[string]int64, error) {
	revisions := map[string]int64{}
	for _, id := range ids {
		if r := s[id]; r != nil {
			revisions[id] = r.current.CreditRevisions
		}
	}
	return revisions, nil
}

func sweep(t *testing.T, races sweptRaces, wake func(raceID string) error) (activities.Swept, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	sweeps := activities.NewSweeps(activities.SweepConfig{LookBack: time.Hour, Settle: time.Millisecond}, races, races,
		func(_ context.Context, raceID string) error { return wake(raceID) }, time.Now,
		activities.NewStandingsMetrics(prometheus.NewRegistry()))
	env.RegisterActivity(sweeps)
	var swept activities.Swept
	value, err := env.ExecuteActivity(sweeps.WakeStaleStandings)
	if err == nil {
		err = value.Get(&swept)
	}
	return swept, err
}

func TestTheSweepWakesStaleStandings(t *testing.T) {
	t.Parallel()
	mark := func(records, credits int64) maindb.StandingsMark {
		return maindb.StandingsMark{RecordRevisions: records, CreditRevisions: credits}
	}
	settled := mark(5, 5)
	halfway := mark(5, 4)
	races := sweptRaces{
		"fresh":       {marked: settled, current: settled},
		"a credit":    {marked: halfway, current: settled},
		"a record":    {marked: mark(4, 5), current: settled},
		"never":       {current: settled},
		"settings":    {marked: settled, current: maindb.StandingsMark{RecordRevisions: 5, CreditRevisions: 5, RaceChangedAt: time.Unix(1, 0)}},
		"a window":    {marked: settled, current: settled, open: true},
		"on its way":  {marked: halfway, current: mark(9, 9), recomputed: &settled},
		"caught up":   {marked: halfway, current: settled, recomputed: &settled},
		"empty, new ": {},
	}
	var mu sync.Mutex
	var woken []string
	swept, err := sweep(t, races, func(raceID string) error {
		mu.Lock()
		defer mu.Unlock()
		woken = append(woken, raceID)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, activities.Swept{Checked: 10, Stale: 4, Windows: 1}, swept)
	require.ElementsMatch(t, []string{"a credit", "a record", "never", "settings", "a window"}, woken)
}

func TestASweepThatCannotWakeFails(t *testing.T) {
	t.Parallel()
	var woken atomic.Int32
	_, err := sweep(t, sweptRaces{
		"a": {current: maindb.StandingsMark{RecordRevisions: 1}}, "b": {current: maindb.StandingsMark{RecordRevisions: 1}},
	}, func(string) error {
		woken.Add(1)
		return errors.New("temporal is away")
	})
	require.ErrorContains(t, err, "temporal is away")
	require.EqualValues(t, 2, woken.Load()) // the one's failure is not the other's
}

// manyRaces fills main_db and user_db with n races that changed a moment ago, each
// with a record, a credit of it and an up-to-date mark.
func manyRaces(t *testing.T, main, user *sql.DB, n int, at time.Time) {
	t.Helper()
	exec := func(db *sql.DB, statement string, args ...any) {
		_, err := db.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	const numbers = `(SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n AS n
		FROM digit a, digit b, digit c, digit d, digit e, digit f) AS numbers`
	for _, db := range []*sql.DB{main, user} {
		exec(db, "CREATE TABLE digit (n INT NOT NULL PRIMARY KEY)")
		exec(db, "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
	}
	exec(main, `INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis, divisions_basis, ties,
			divisions, scoring, points, capacity, status, created_at, updated_at)
		SELECT CONCAT('race-', n), 'o', 'n', 'c', '2026-04-20', 10000000, 'gun', 'gun', 'share', '[]', 'fixed', 1, 0, 'provisional', ?, ?
		FROM `+numbers+` WHERE n < ?`, at, at, n)
	exec(main, `INSERT INTO official_record (record_id, race_id, revision, bib, bib_key, held_bib, status, removed, created_at, updated_at)
		SELECT CONCAT('record-', n), CONCAT('race-', n), 1, '1', '1', '1', 'OK', FALSE, ?, ? + INTERVAL n MICROSECOND
		FROM `+numbers+` WHERE n < ?`, at, at, n)
	exec(main, `INSERT INTO standings_mark (race_id, record_revisions, credit_revisions, race_changed_at)
		SELECT CONCAT('race-', n), 1, 1, ? FROM `+numbers+` WHERE n < ?`, at, n)
	exec(user, `INSERT INTO credit (record_id, race_id, revision, status, points, rule, edition, reason, workflow_id, updated_at)
		SELECT CONCAT('record-', n), CONCAT('race-', n), 1, 'rejected', 0, '', '', '', '', ? FROM `+numbers+` WHERE n < ?`, at, n)
	for _, db := range []*sql.DB{main, user} { // statistics, as a server that runs for a while has them
		exec(db, "DROP TABLE digit")
	}
	exec(main, "ANALYZE TABLE race, official_record, standings_mark")
	exec(user, "ANALYZE TABLE credit")
}

// stopsHalfway is a worker that dies in the middle of a sweep.
type stopsHalfway struct {
	*maindb.Store
	pages, after int
}

func (s *stopsHalfway) RacesToSweep(ctx context.Context, after maindb.SweepPosition, limit int) ([]string, maindb.SweepPosition, error) {
	s.pages++
	if s.pages > s.after {
		return nil, after, errors.New("killed")
	}
	return s.Store.RacesToSweep(ctx, after, limit)
}

// TestTheSweepOf100000Races needs pages: compared one by one, 12,000 races took
// 7.9 s, and 24,000 never ended within the heartbeat timeout of 10 s.
func TestTheSweepOf100000Races(t *testing.T) {
	t.Parallel()
	const n = 100_000
	main, _ := mysqltest.New(t, maindb.Migrations())
	user, _ := mysqltest.New(t, userdb.Migrations())
	at := time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)
	manyRaces(t, main, user, n, at.Add(-time.Minute))
	_, err := user.ExecContext(t.Context(), "UPDATE credit SET revision = 2 WHERE record_id IN ('record-7', 'record-99999')")
	require.NoError(t, err)

	store := &stopsHalfway{Store: maindb.New(main, time.Now), after: 50}
	var mu sync.Mutex
	var woken []string
	sweeps := activities.NewSweeps(activities.SweepConfig{LookBack: time.Hour, Settle: time.Millisecond}, store, userdb.New(user, time.Now),
		func(ctx context.Context, raceID string) error {
			mu.Lock()
			defer mu.Unlock()
			woken = append(woken, raceID)
			_, err := main.ExecContext(ctx, "UPDATE standings_mark SET credit_revisions = 2 WHERE race_id = ?", raceID)
			return err
		}, func() time.Time { return at }, activities.NewStandingsMetrics(prometheus.NewRegistry()))

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterActivity(sweeps)
	var last converter.EncodedValues
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) { last = details })
	_, err = env.ExecuteActivity(sweeps.WakeStaleStandings)
	require.ErrorContains(t, err, "killed")
	require.Equal(t, []string{"race-7"}, woken)

	var progress any
	require.NoError(t, last.Get(&progress))
	env.SetHeartbeatDetails(progress)
	store.after = 1000
	store.pages = 0
	start := time.Now()
	value, err := env.ExecuteActivity(sweeps.WakeStaleStandings)
	require.NoError(t, err)
	var swept activities.Swept
	require.NoError(t, value.Get(&swept))
	t.Logf("half of %d records and %d changed settings took %s in %d pages", n, n, time.Since(start), store.pages)
	require.Equal(t, []string{"race-7", "race-99999"}, woken)
	require.Equal(t, 2, swept.Stale)
	require.GreaterOrEqual(t, swept.Checked, n, "resumed, with what the first attempt had found")
	require.Equal(t, 153, store.pages, "it resumed: the whole takes 203")
}
