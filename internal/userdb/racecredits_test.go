package userdb_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestRaceCreditsAreWhatTheLedgerSaysNow(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 2)
	corrected, rejected := uuid.NewString(), uuid.NewString()
	b.apply(t, b.credited(corrected, 1, b.runners[0], 700))
	b.apply(t, b.credited(corrected, 2, b.runners[1], 650))
	b.apply(t, b.rejected(rejected, 1, "no participant with bib 7"))
	other := b.credited(uuid.NewString(), 1, b.runners[0], 500)
	other.RaceID = uuid.NewString()
	b.apply(t, other)

	credits, err := b.store.RaceCredits(t.Context(), b.raceID)
	require.NoError(t, err)
	for id, credit := range credits {
		require.WithinDuration(t, time.Now(), credit.AppliedAt, time.Hour)
		credit.AppliedAt = time.Time{}
		credits[id] = credit
	}
	require.Equal(t, map[string]race.Credit{
		corrected: {RecordID: corrected, RaceID: b.raceID, Revision: 2, Status: race.Credited, UserID: b.runners[1], Points: 650},
		rejected:  {RecordID: rejected, RaceID: b.raceID, Revision: 1, Status: race.Rejected},
	}, credits)
}
