package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
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

func (s sweptRaces) RacesToSweep(context.Context, time.Time) ([]string, error) {
	ids := []string{"gone"}
	for id := range s {
		ids = append(ids, id)
	}
	return ids, nil
}

func (s sweptRaces) StandingsMarks(_ context.Context, id string) (marked, current maindb.StandingsMark, err error) {
	r := s[id]
	if r == nil {
		return marked, current, race.ErrNotFound
	}
	r.looks++
	if r.looks > 1 && r.recomputed != nil {
		r.marked = *r.recomputed
	}
	current = r.current
	current.CreditRevisions = 0
	return r.marked, current, nil
}

func (s sweptRaces) Publication(_ context.Context, id string) (maindb.Publication, error) {
	if r := s[id]; r != nil && r.open {
		return maindb.Publication{RaceID: id}, nil
	}
	return maindb.Publication{}, nil
}

func (s sweptRaces) CreditTotals(_ context.Context, id string) (userdb.CreditTotals, error) {
	if r := s[id]; r != nil {
		return userdb.CreditTotals{Revisions: int(r.current.CreditRevisions)}, nil
	}
	return userdb.CreditTotals{}, nil
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

func TestTheSweepWakesWhatNobodyWoke(t *testing.T) {
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
	var woken []string
	swept, err := sweep(t, races, func(raceID string) error {
		woken = append(woken, raceID)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, activities.Swept{Checked: 10, Stale: 4, Windows: 1}, swept)
	require.ElementsMatch(t, []string{"a credit", "a record", "never", "settings", "a window"}, woken)
}

func TestASweepThatCannotWakeFails(t *testing.T) {
	t.Parallel()
	woken := 0
	_, err := sweep(t, sweptRaces{
		"a": {current: maindb.StandingsMark{RecordRevisions: 1}}, "b": {current: maindb.StandingsMark{RecordRevisions: 1}},
	}, func(string) error {
		woken++
		return errors.New("temporal is away")
	})
	require.ErrorContains(t, err, "temporal is away")
	require.Equal(t, 2, woken) // the one's failure is not the other's
}
