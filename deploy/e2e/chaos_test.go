package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestChaos makes the system fail in one way after the other while an organizer imports
// and corrects results. After each failure every record is credited exactly once,
// ledger, totals and an independent computation agree, and no work is left over. With
// -chaos.limit it may take at most twice the undisturbed time plus 15 seconds.
//
//nolint:tparallel,paralleltest // one failure after the other
func TestChaos(t *testing.T) {
	t.Parallel()
	c := &chaos{system: ownSystem(t, "chaos"), rows: bostonRows(t, *chaosRecords)}
	c.organizer = c.signUp(t, "organizer")
	c.organizer.retryUnavailable()
	c.undisturbed = c.round(t, nothing)
	t.Logf("%d records undisturbed: %s", len(c.rows), c.undisturbed.Round(time.Millisecond))

	t.Run("worker killed every 2 s", func(t *testing.T) {
		c.recovers(t, again(2*time.Second, c.kills(2*time.Second, 3), c.restart(stack.Worker)))
	})
	t.Run("API killed right after it accepted", func(t *testing.T) {
		c.recovers(t, disturbance{accepted: func(t *testing.T, part int) {
			t.Helper()
			if part%3 == 0 {
				require.NoError(t, c.Restart(t.Context(), stack.API))
			}
		}})
	})
	t.Run("API killed between commit and send", c.killedBeforeSending)
	t.Run("Temporal killed every 4 s", func(t *testing.T) {
		c.recovers(t, again(4*time.Second, c.kills(4*time.Second, 2), c.restart(stack.Temporal)))
	})
	t.Run("MariaDB killed every 2 s", func(t *testing.T) {
		c.recovers(t, again(2*time.Second, c.kills(2*time.Second, 3), c.restart(stack.MariaDB)))
	})
	t.Run("every message twice and out of order", c.twiceAndOutOfOrder)

	// The audit repairs what a queue loses. It runs often here, so that the test can
	// wait for it.
	c.env["AUDIT_INTERVAL"], c.env["AUDIT_GRACE"] = "5s", "2s"
	require.NoError(t, c.Restart(t.Context(), stack.Worker))
	t.Run("queue killed every 2 s", func(t *testing.T) {
		c.recovers(t, again(2*time.Second, c.kills(2*time.Second, 3), c.restart(stack.SQS)))
	})
	t.Run("queue forgets everything", c.queueForgets)
}

// chaos is a system that is made to fail, and the load on it.
type chaos struct {
	*system
	organizer   *caller
	rows        []row
	undisturbed time.Duration
}

// disturbance is a failure during a load. Both functions are optional.
type disturbance struct {
	// during runs concurrently with the load, from the first accepted import on.
	during func(context.Context) error
	// accepted is called as soon as the API has accepted a part of the import.
	accepted func(t *testing.T, part int)
}

var nothing disturbance

// again does something n times, at that interval.
func again(interval time.Duration, n int, something func(context.Context) error) disturbance {
	return disturbance{during: func(ctx context.Context) error {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for i := range n {
			if i > 0 {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := something(ctx); err != nil {
				return err
			}
		}
		return nil
	}}
}

// kills returns how often to kill at that interval for as long as the undisturbed load
// takes.
func (c *chaos) kills(interval time.Duration, least int) int {
	return max(least, int(c.undisturbed/interval))
}

func (c *chaos) restart(part stack.Part) func(context.Context) error {
	return func(ctx context.Context) error { return c.Restart(ctx, part) }
}

// recovers posts the load under the disturbance and checks the time it took.
func (c *chaos) recovers(t *testing.T, d disturbance) {
	t.Helper()
	c.inTime(t, c.round(t, d))
}

func (c *chaos) inTime(t *testing.T, took time.Duration) {
	t.Helper()
	limit := 2*c.undisturbed + 15*time.Second
	t.Logf("%d records: %s disturbed, %s undisturbed, limit %s", len(c.rows),
		took.Round(time.Millisecond), c.undisturbed.Round(time.Millisecond), limit.Round(time.Millisecond))
	if *chaosLimit {
		require.LessOrEqual(t, took, limit)
	}
}

// round posts the load under the disturbance and returns how long it took from
// the first import until everybody had their points.
func (c *chaos) round(t *testing.T, d disturbance) time.Duration {
	t.Helper()
	l := c.newLoad(t)
	began, ended := time.Now(), make(chan error, 1)
	l.post(t, func(part int) {
		if part == 0 && d.during != nil {
			go func() { ended <- d.during(t.Context()) }()
		}
		if d.accepted != nil {
			d.accepted(t, part)
		}
	})
	l.drain(t)
	if d.during != nil {
		require.NoError(t, <-ended)
		l.drain(t)
	}
	took := time.Since(began)
	l.check(t)
	return took
}

// killedBeforeSending: while the queue is down, the API's commits stay in the outbox;
// then the API is killed too.
func (c *chaos) killedBeforeSending(t *testing.T) {
	l := c.newLoad(t)
	began := time.Now()
	require.NoError(t, c.Kill(stack.SQS))
	l.post(t, nil)
	require.NoError(t, c.Kill(stack.API))
	revisions := count(t, c.mainDB, "SELECT SUM(revision) FROM official_record WHERE race_id = ?", l.raceID)
	require.Equal(t, revisions, count(t, c.mainDB, "SELECT COUNT(*) FROM outbox"))
	require.NoError(t, c.StartPart(t.Context(), stack.SQS))
	require.NoError(t, c.StartPart(t.Context(), stack.API))
	l.drain(t)
	took := time.Since(began)
	l.check(t)
	c.inTime(t, took)
}

// twiceAndOutOfOrder removes the messages from the queue before the worker receives them
// and sends every revision twice: the newest ones first, then all in random order. Those
// that the relay held back arrive a third time.
func (c *chaos) twiceAndOutOfOrder(t *testing.T) {
	l := c.newLoad(t)
	began := time.Now()
	require.NoError(t, c.StopPart(stack.Worker))
	l.post(t, nil)
	l.sent(t)
	require.NoError(t, c.callQueue(t.Context(), "PurgeQueue", map[string]any{"QueueUrl": c.QueueURL()}, nil))
	messages := l.messages(t)
	slices.SortStableFunc(messages, func(a, b message) int { return b.Revision - a.Revision })
	c.postAll(t, messages)
	c.postAll(t, shuffled(messages))
	require.NoError(t, c.StartPart(t.Context(), stack.Worker))
	l.drain(t)
	took := time.Since(began)
	l.check(t)
	c.inTime(t, took)

	// Once more, after everything is credited.
	before, err := c.ledger(t.Context(), l.raceID)
	require.NoError(t, err)
	c.postAll(t, shuffled(messages))
	l.check(t)
	after, err := c.ledger(t.Context(), l.raceID)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// queueForgets: the queue holds as many messages of the load as the relay lets
// wait there when it dies.
func (c *chaos) queueForgets(t *testing.T) {
	l := c.newLoad(t)
	began := time.Now()
	require.NoError(t, c.Kill(stack.Worker))
	l.post(t, nil)
	depth := l.sent(t)
	require.Positive(t, depth)
	require.NoError(t, c.Restart(t.Context(), stack.SQS))
	require.NoError(t, c.StartPart(t.Context(), stack.Worker))
	l.drain(t)
	took := time.Since(began)
	l.check(t)
	c.inTime(t, took)
}

func shuffled(messages []message) []message {
	other := slices.Clone(messages)
	rand.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
	return other
}

// String names a message in the output of a failed test.
func (m message) String() string {
	return fmt.Sprintf("%s r%d", m.RecordID, m.Revision)
}
