package activities_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// observed returns what a histogram without labels has seen: how often, and the
// sum.
func observed(t *testing.T, from prometheus.Gatherer, name string) (n uint64, sum float64) {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			histogram := family.GetMetric()[0].GetHistogram()
			return histogram.GetSampleCount(), histogram.GetSampleSum()
		}
	}
	require.Fail(t, "there is no "+name)
	return 0, 0
}

func TestTimeFromRevisionToCreditIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	changed := true
	env, credits := environmentOf(t, activities.NewMetrics(registry),
		factsThat(func(f *scoring.Facts) { f.ChangedAt = time.Now().Add(-time.Minute) }),
		func(c race.Credit) (userdb.Applied, error) { return userdb.Applied{Changed: changed, Standing: c}, nil })
	validated, err := run[activities.Validated](t, env, credits.ValidateParticipant, second)
	require.NoError(t, err)
	in := activities.CommitInput{
		Credit: second, Award: scoring.Award{Status: race.Credited, RunnerID: "runner", Points: 700}, ChangedAt: validated.ChangedAt,
	}
	_, err = run[activities.Committed](t, env, credits.CommitPoints, in)
	require.NoError(t, err)
	n, sum := observed(t, registry, "mrmrthon_credit_seconds")
	require.EqualValues(t, 1, n)
	require.InDelta(t, 60, sum, 30)

	changed = false // it was in the ledger: how long ago says nothing
	_, err = run[activities.Committed](t, env, credits.CommitPoints, in)
	require.NoError(t, err)
	changed, in.ChangedAt = true, time.Time{} // of a workflow older than the measure
	_, err = run[activities.Committed](t, env, credits.CommitPoints, in)
	require.NoError(t, err)
	n, _ = observed(t, registry, "mrmrthon_credit_seconds")
	require.EqualValues(t, 1, n)
}

func TestStandingsLagIsThatOfTheFirstCreditNotYetIn(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.in.Latest.ComputedAt = b.now.Add(-time.Minute)
	for id, ago := range map[string]time.Duration{"r1": time.Hour, "r2": 3 * time.Second, "r3": time.Second} {
		credit := b.credits[id]
		credit.AppliedAt = b.now.Add(-ago)
		b.credits[id] = credit
	}
	b.recompute(t)
	b.recompute(t) // changes nothing, and takes nothing in
	n, sum := observed(t, b.gather, "mrmrthon_standings_lag_seconds")
	require.EqualValues(t, 1, n)
	require.InDelta(t, 3, sum, 1e-9)
}
