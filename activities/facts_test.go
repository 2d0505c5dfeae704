package activities_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

func TestATicketSavesTheNextActivityARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads, revision := 0, 2
		credits := activities.NewCredits(fakeFacts(func(recordID string) (scoring.Facts, error) {
			reads++
			return factsThat(func(f *scoring.Facts) { f.Record.Revision = revision })(recordID)
		}), nil, activities.NewMetrics(prometheus.NewRegistry()))
		validate := func() activities.FactsTicket {
			validated, err := credits.ValidateParticipant(t.Context(), second)
			require.NoError(t, err)
			return validated.Facts
		}
		compute := func(ticket activities.FactsTicket, want race.CreditStatus, wantReads int) {
			t.Helper()
			award, err := credits.ComputePoints(t.Context(), activities.ComputeInput{CreditInput: second, Facts: ticket})
			require.NoError(t, err)
			require.Equal(t, want, award.Status)
			require.Equal(t, wantReads, reads)
		}
		ticket := validate()
		compute(ticket, race.Credited, 1)
		compute(ticket, race.Credited, 1)
		compute("", race.Credited, 2) // who has no ticket reads
		compute("another worker's", race.Credited, 3)

		ticket = validate()
		time.Sleep(time.Second)
		revision = 3
		compute(ticket, race.Superseded, 5) // as does who comes late
	})
}

func TestATicketSaysNothingOfTheRunner(t *testing.T) {
	t.Parallel()
	credits := activities.NewCredits(factsThat(nil), nil, activities.NewMetrics(prometheus.NewRegistry()))
	validated, err := credits.ValidateParticipant(t.Context(), second)
	require.NoError(t, err)
	validated.Facts = ""
	payload, err := json.Marshal(validated)
	require.NoError(t, err)
	require.JSONEq(t, `{"runner_id":"runner","bib":"34"}`, string(payload))
}

// A release without tickets scheduled ComputePoints with a CreditInput, and such
// an activity may still wait when this release takes over.
func TestAnInputWithoutATicketIsStillRead(t *testing.T) {
	t.Parallel()
	payload, err := json.Marshal(second)
	require.NoError(t, err)
	var in activities.ComputeInput
	require.NoError(t, json.Unmarshal(payload, &in))
	require.Equal(t, activities.ComputeInput{CreditInput: second}, in)
}
