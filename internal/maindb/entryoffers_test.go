package maindb_test

import (
	"context"
	"errors"
	"flag"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

var offerRounds = flag.Int("offers.rounds", 400, "how many offers TestExactlyOneEndsAnOffer has accepted and expired at the same moment")

// TestExactlyOneEndsAnOffer has each offer accepted at the moment at which it expires,
// some of them declined or cancelled as well, in several races at once. Exactly one of
// these ends the offer, and the place goes on to exactly one runner.
func TestExactlyOneEndsAnOffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const races = 4
	var tally offerTally
	var group sync.WaitGroup
	began := time.Now()
	for range races {
		group.Go(func() {
			line := newOfferedLine(t, b, &tally, *offerRounds/races)
			for range *offerRounds / races {
				line.round(t)
			}
			line.check(t)
		})
	}
	group.Wait()
	require.EqualValues(t, *offerRounds/races*races, tally.accepted.Load()+tally.expired.Load()+tally.declined.Load()+tally.cancelled.Load())
	require.Positive(t, tally.accepted.Load())
	require.Positive(t, tally.expired.Load())
	t.Logf("%d offers in %s: %d accepted, %d expired, %d declined, %d cancelled; %d of them less than a millisecond before or after the deadline",
		*offerRounds, time.Since(began).Round(time.Millisecond), tally.accepted.Load(), tally.expired.Load(), tally.declined.Load(), tally.cancelled.Load(), tally.close.Load())
}

// offerTally counts how offers ended, and how many did so within a millisecond of the
// deadline.
type offerTally struct {
	accepted, expired, declined, cancelled, close atomic.Int64
}

// offeredLine is a race with one place, which everybody in line is offered in turn.
type offeredLine struct {
	*entryBundle
	*offerTally
	users []string // by number, from 0
	at    int      // who is offered the place
	lead  float64  // how many microseconds before the deadline the answer is sent
}

func newOfferedLine(t *testing.T, b *testBundle, tally *offerTally, rounds int) *offeredLine {
	t.Helper()
	e := &entryBundle{testBundle: b, entering: maindb.NewEntering(b.store.Store, anyAccount), race: b.created(t, limited(1))}
	line := &offeredLine{entryBundle: e, offerTally: tally, users: make([]string, rounds+2), at: 1, lead: 3000}
	var group sync.WaitGroup
	var mu sync.Mutex
	for range line.users {
		group.Go(func() {
			user := newID()
			entry := e.enter(t, user)
			mu.Lock()
			defer mu.Unlock()
			line.users[entry.Seq-1] = user
		})
	}
	group.Wait()
	require.NoError(t, b.store.CancelEntry(t.Context(), e.race.ID, line.users[0]))
	return line
}

// round has one offer ended from all sides at once.
func (l *offeredLine) round(t *testing.T) {
	t.Helper()
	ctx, user := t.Context(), l.users[l.at]
	offer := maindb.Offer{RaceID: l.race.ID, Pool: 1, Seq: int64(l.at) + 1, No: 1}
	l.exec(t, "UPDATE entry SET offer_expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE user_id = ?", int(l.lead), user)
	deadline := l.of(t, user).OfferExpiresAt

	contenders := []func(context.Context) error{
		func(ctx context.Context) error { return l.answer(ctx, user, true) },
		func(ctx context.Context) error { return l.expire(ctx, offer) },
	}
	switch l.at % 4 {
	case 1:
		contenders = append(contenders, func(ctx context.Context) error { return l.answer(ctx, user, false) })
	case 2:
		contenders = append(contenders, func(ctx context.Context) error { return l.store.CancelEntry(ctx, l.race.ID, user) })
	}
	var group sync.WaitGroup
	for _, contend := range contenders {
		group.Go(func() { require.NoError(t, contend(ctx)) })
	}
	group.Wait()
	ended := l.of(t, user)
	if ended.ChangedAt.Sub(deadline).Abs() < time.Millisecond {
		l.close.Add(1)
	}
	// The next answer is sent a little later or earlier, so that both sides win.
	if ended.Status == race.OfferExpired {
		l.lead = min(l.lead*1.2, 100_000)
	} else {
		l.lead = max(l.lead/1.2, 200)
	}
	if ended.Status == race.Entered {
		require.NoError(t, l.store.CancelEntry(ctx, l.race.ID, user)) // so that the place goes on
	}
	l.at++
	l.offeredToNext(t)
}

// answer accepts or declines, and takes no for an answer.
func (l *offeredLine) answer(ctx context.Context, user string, accept bool) error {
	_, err := l.store.AnswerOffer(ctx, l.race.ID, user, accept)
	if _, conflict := errors.AsType[*race.ConflictError](err); conflict {
		return nil
	}
	return err
}

// expire asks whether the offer has expired until it has ended.
func (l *offeredLine) expire(ctx context.Context, offer maindb.Offer) error {
	for {
		state, err := l.store.ExpireOffer(ctx, offer)
		if err != nil || state.Status != race.Offered {
			return err
		}
	}
}

// offeredToNext makes sure that the place is offered to the next runner and nobody else.
func (l *offeredLine) offeredToNext(t *testing.T) {
	t.Helper()
	var offered, who, taken, held, waiting int
	err := l.db.QueryRowContext(t.Context(), `SELECT COUNT(*), MAX(entry.seq), MAX(taken), MAX(offered), MAX(waiting)
		FROM entry_pool JOIN entry ON entry.race_id = entry_pool.race_id AND entry.pool = entry_pool.pool AND entry.state = 'offered'
		WHERE entry_pool.race_id = ?`, l.race.ID).Scan(&offered, &who, &taken, &held, &waiting)
	require.NoError(t, err)
	require.Equal(t, []int{1, l.at + 1, 0, 1, len(l.users) - l.at - 1}, []int{offered, who, taken, held, waiting}, "offers, number, taken, offered, waiting")
}

// check counts in the change log what ended the offers: one thing each.
func (l *offeredLine) check(t *testing.T) {
	t.Helper()
	rows, err := l.db.QueryContext(t.Context(), `SELECT entry.seq, change_log.action, change_log.state_before
		FROM entry JOIN change_log ON change_log.subject_id = entry.entry_id WHERE entry.race_id = ?`, l.race.ID)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
	offers, ends := map[int]int{}, map[int]int{}
	for rows.Next() {
		var seq int
		var action, before string
		require.NoError(t, rows.Scan(&seq, &action, &before))
		switch {
		case action == "entry.offered":
			offers[seq]++
			continue
		case before != `{"status":"offered"}`:
			continue
		case action == "entry.accepted":
			l.accepted.Add(1)
		case action == "entry.expired":
			l.expired.Add(1)
		case action == "entry.declined":
			l.declined.Add(1)
		case action == "entry.cancelled":
			l.cancelled.Add(1)
		}
		ends[seq]++
	}
	require.NoError(t, rows.Err())
	for i := 1; i < l.at; i++ {
		require.Equal(t, []int{1, 1}, []int{offers[i+1], ends[i+1]}, "offers of number %d and what ended them", i+1)
	}
	l.counts(t)
}
