package activities_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestFactsOfAMomentAgoServeTheNextStepOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads, revision := 0, 2
		credits := activities.NewCredits(fakeFacts(func(recordID string) (maindb.Facts, error) {
			reads++
			return factsThat(func(f *maindb.Facts) { f.Record.Revision = revision })(recordID)
		}), nil, activities.NewMetrics(prometheus.NewRegistry()))
		validate := func() {
			_, err := credits.ValidateParticipant(t.Context(), second)
			require.NoError(t, err)
		}
		compute := func(want race.CreditStatus, wantReads int) {
			t.Helper()
			award, err := credits.ComputePoints(t.Context(), second)
			require.NoError(t, err)
			require.Equal(t, want, award.Status)
			require.Equal(t, wantReads, reads)
		}
		validate()
		compute(race.Credited, 1)
		compute(race.Credited, 2) // a repetition reads

		validate()
		time.Sleep(time.Second)
		revision = 3
		compute(race.Superseded, 4) // so does a step that comes late
	})
}
