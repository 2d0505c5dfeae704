package wake_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/wake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCoalescer(send func(ctx context.Context, raceID string) error) *wake.Coalescer {
	return wake.New(wake.Config{Interval: time.Second}, send, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func TestABurstIsOneSignalASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Time
		c := newCoalescer(func(context.Context, string) error {
			sent = append(sent, time.Now())
			return nil
		})
		start := time.Now()
		for range 1000 {
			c.Nudge("race")
			time.Sleep(5 * time.Millisecond)
		}
		synctest.Wait()
		c.Close()
		require.Len(t, sent, 6) // the first at once, the last for what came after the one before
		require.Equal(t, start, sent[0])
		for i := range sent[1:5] {
			require.GreaterOrEqual(t, sent[i+1].Sub(sent[i]), time.Second)
		}
	})
}

func TestRacesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent sync.Map
		c := newCoalescer(func(_ context.Context, raceID string) error {
			sent.Store(raceID, time.Now())
			return nil
		})
		start := time.Now()
		c.Nudge("a")
		c.Nudge("b")
		synctest.Wait()
		for _, id := range []string{"a", "b"} {
			at, ok := sent.Load(id)
			require.True(t, ok)
			require.Equal(t, start, at)
		}
		c.Close()
	})
}

func TestWakeWaitsForASignalSentAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := newCoalescer(func(context.Context, string) error {
			sent.Add(1)
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		c.Nudge("race")
		time.Sleep(50 * time.Millisecond) // the first signal is on its way: it may stand for an older state
		require.NoError(t, c.Wake(t.Context(), "race"))
		require.EqualValues(t, 2, sent.Load())
		c.Close()
	})
}

func TestASignalThatFailsIsOwed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("temporal is away")
		var failing atomic.Bool
		failing.Store(true)
		var accepted atomic.Int32
		c := newCoalescer(func(context.Context, string) error {
			if failing.Load() {
				return away
			}
			accepted.Add(1)
			return nil
		})
		require.ErrorIs(t, c.Wake(t.Context(), "race"), away)
		time.Sleep(10 * time.Second)
		failing.Store(false)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, accepted.Load())
		c.Close()
	})
}

func TestCloseSendsWhatIsOwed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := newCoalescer(func(context.Context, string) error {
			sent.Add(1)
			return nil
		})
		c.Nudge("race")
		synctest.Wait()
		c.Nudge("race")
		start := time.Now()
		c.Close()
		require.EqualValues(t, 2, sent.Load())
		require.Equal(t, start, time.Now())
	})
}

func TestCloseDoesNotWaitForWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer(func(context.Context, string) error { return errors.New("temporal is away") })
		c.Nudge("race")
		synctest.Wait()
		c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, ctx.Err())
	})
}

func TestCloseWaitsTwoSecondsForTemporal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		})
		c.Nudge("race")
		synctest.Wait()
		began := time.Now()
		c.Close()
		require.Equal(t, 2*time.Second, time.Since(began), "of the bubble's clock")
		require.Error(t, c.Wake(t.Context(), "race"), "nobody sends it any more")
		c.Nudge("race")
	})
}

type ledger struct{ err error }

func (l ledger) ApplyCredit(context.Context, race.Credit) (userdb.Applied, error) {
	return userdb.Applied{}, l.err
}

func TestTheLedgerNudgesAfterACommit(t *testing.T) {
	t.Parallel()
	var nudged []string
	nudge := func(raceID string) { nudged = append(nudged, raceID) }
	down := errors.New("user_db is away")
	_, err := wake.Ledger{Ledger: ledger{err: down}, Nudge: nudge}.ApplyCredit(t.Context(), race.Credit{RaceID: "race"})
	require.ErrorIs(t, err, down)
	require.Empty(t, nudged)
	_, err = wake.Ledger{Ledger: ledger{}, Nudge: nudge}.ApplyCredit(t.Context(), race.Credit{RaceID: "race"})
	require.NoError(t, err)
	require.Equal(t, []string{"race"}, nudged)
}

// BenchmarkNudge is what a credit pays for the standings.
func BenchmarkNudge(b *testing.B) {
	c := newCoalescer(func(context.Context, string) error { return nil })
	for b.Loop() {
		c.Nudge("race")
	}
	c.Close()
}
