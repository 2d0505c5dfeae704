package userdb_test

import (
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
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

func TestACreditAndItsLines(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 2)
	recordID := uuid.NewString()
	_, err := b.store.CreditOf(t.Context(), recordID)
	require.ErrorIs(t, err, race.ErrNotFound)
	b.apply(t, b.credited(recordID, 1, b.runners[0], 700))
	second := b.credited(recordID, 3, b.runners[1], 650)
	b.apply(t, second)

	got, err := b.store.CreditOf(t.Context(), recordID)
	require.NoError(t, err)
	require.Equal(t, second, got.Credit)
	require.WithinDuration(t, time.Now(), got.CommittedAt, time.Minute)

	lines, err := b.store.LinesOfRecords(t.Context(), []string{recordID, uuid.NewString()})
	require.NoError(t, err)
	require.Len(t, lines, 1)
	type short struct {
		user     string
		revision int
		points   int64
		reversal bool
	}
	var shorts []short
	for _, l := range lines[recordID] {
		require.NotEmpty(t, l.WorkflowID)
		shorts = append(shorts, short{l.UserID, l.Revision, l.Points, l.Reversal})
	}
	require.Equal(t, []short{
		{b.runners[0], 1, 700, false}, {b.runners[0], 3, -700, true}, {b.runners[1], 3, 650, false},
	}, shorts)
}

func TestCreditSums(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 1)
	x, y, other := uuid.NewString(), uuid.NewString(), uuid.NewString()
	b.apply(t, b.credited(x, 2, b.runners[0], 700))
	b.apply(t, b.rejected(y, 1, "no participant with bib 12"))
	elsewhere := b.rejected(other, 1, "no participant with bib 12")
	elsewhere.RaceID = uuid.NewString()
	b.apply(t, elsewhere)

	crc := func(text string) int64 { return int64(crc32.ChecksumIEEE([]byte(text))) }
	all, err := b.store.CreditSums(t.Context(), "", "", 10)
	require.NoError(t, err)
	mine := userdb.CreditSum{Credited: 1, Rejected: 1, Fingerprint: crc(x+"2") + crc(y+"1")}
	require.Equal(t, map[string]userdb.CreditSum{
		b.raceID: mine, elsewhere.RaceID: {Rejected: 1, Fingerprint: crc(fmt.Sprint(other, 1))},
	}, all)
	one, err := b.store.CreditSums(t.Context(), b.raceID, "", 10)
	require.NoError(t, err)
	require.Equal(t, map[string]userdb.CreditSum{b.raceID: mine}, one)

	for reason, want := range map[string]int{"": 1, "bib 12": 1, "bib 13": 0} {
		rejected, err := b.store.RejectedOfRace(t.Context(), b.raceID, reason)
		require.NoError(t, err)
		require.Len(t, rejected, want, reason)
		if want == 1 {
			require.Equal(t, userdb.Settled{RecordID: y, Revision: 1, Status: race.Rejected}, rejected[0])
		}
	}
}
