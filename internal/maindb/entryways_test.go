package maindb_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// joinsByList has a runner accept the invitation of a start list to a bib.
func (b *entryBundle) joinsByList(t *testing.T, userID, bib string) {
	t.Helper()
	b.imports(t, b.race.ID, invites(bib, "login of "+userID))
	claims, err := b.store.ClaimsOfRace(t.Context(), b.race.ID, race.Invited, "", 10)
	require.NoError(t, err)
	require.Len(t, claims, 1)
	_, _, err = b.store.AcceptInvitation(t.Context(), claims[0].ID, userID, "login of "+userID, noStandIn)
	require.NoError(t, err)
}

// TestRunnerOfStartListIsNotInLine: whoever comes in by a start list has entered,
// whatever became of their place in line, holds no place twice and can cancel.
func TestRunnerOfStartListIsNotInLine(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	holder, returner, waiter, last := newID(), newID(), newID(), newID()
	for _, u := range []string{returner, holder, waiter, last} {
		b.enter(t, u)
		if u == returner {
			require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, returner))
		}
	}
	b.joinsByList(t, returner, "7")
	b.joinsByList(t, waiter, "8")
	for user, bib := range map[string]string{returner: "7", waiter: "8"} {
		e := b.of(t, user)
		require.Equal(t, []any{race.Entered, bib}, []any{e.Status, e.Bib})
		e = b.enter(t, user)
		require.Equal(t, []any{race.Entered, bib}, []any{e.Status, e.Bib})
	}
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, returner))
	require.Equal(t, race.Cancelled, b.of(t, returner).Status)
	p, err := b.store.Participant(t.Context(), b.race.ID, returner)
	require.NoError(t, err)
	require.Equal(t, race.Cancelled, p.Status)

	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, holder))
	_, err = b.store.ServeLines(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{race.Entered, "8"}, []any{b.of(t, waiter).Status, b.of(t, waiter).Bib}, "is in, and needs no offer")
	require.Equal(t, race.Offered, b.of(t, last).Status)
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, waiter))
	require.Equal(t, race.Cancelled, b.of(t, waiter).Status)
	p, err = b.store.Participant(t.Context(), b.race.ID, waiter)
	require.NoError(t, err)
	require.Equal(t, race.Cancelled, p.Status)
}

// TestCapacityOfRaceHoldsForEverybody: pools and start lists together.
func TestCapacityOfRaceHoldsForEverybody(t *testing.T) {
	t.Parallel()
	r := limited(0)
	r.Capacity = 4
	r.Entry = &race.EntrySettings{Zone: "UTC", WaitingList: true, Pools: []race.EntryPool{{Key: 1, Name: "A", Capacity: 3}, {Key: 2, Name: "B", Capacity: 3}}}
	b := setupEntry(t, r)
	in := func(pool string) (string, race.EntryStatus) {
		user := newID()
		e, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: user, Pool: pool})
		require.NoError(t, err)
		return user, e.Status
	}
	b.imports(t, b.race.ID, row("500", ""))
	first, _ := in("A")
	_, status := in("A")
	require.Equal(t, race.Entered, status)
	_, status = in("B")
	require.Equal(t, race.Entered, status)
	waitsB, status := in("B")
	require.Equal(t, race.Waiting, status, "the race has 4 places, one of them a start list's")
	waitsA, status := in("A")
	require.Equal(t, race.Waiting, status)
	_, err := b.store.EnterByHand(t.Context(), b.race.ID, waitsA, "a friend", maindb.Override{})
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, first))
	require.Equal(t, race.Offered, b.of(t, waitsA).Status)
	_, err = b.store.ServeLines(t.Context())
	require.NoError(t, err)
	require.Equal(t, race.Waiting, b.of(t, waitsB).Status, "the offer of the other pool holds the place")
	_, err = b.store.AnswerOffer(t.Context(), b.race.ID, waitsA, false)
	require.NoError(t, err)
	_, err = b.store.ServeLines(t.Context())
	require.NoError(t, err)
	require.Equal(t, race.Offered, b.of(t, waitsB).Status, "the line of a pool gets what another leaves")
	planned, _ := b.imports(t, b.race.ID, row("501", ""))
	require.Equal(t, []maindb.RowOutcome{maindb.RowRefused}, outcomes(planned), "the offer holds the last place")
}

// TestLinesAreServedByThemselves: a race that is over costs nothing for as long as it is
// kept, and one that cannot be served delays no other.
func TestLinesAreServedByThemselves(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	b.enter(t, newID())
	b.enter(t, newID())
	b.exec(t, "UPDATE entry_pool SET capacity = 2 WHERE race_id = ?", b.race.ID)
	b.exec(t, "UPDATE race SET entry = REPLACE(entry, 'Asia/Seoul', 'Asia/Seoul\"') WHERE race_id = ?", b.race.ID)
	broken := b.race

	b.race = b.created(t, limited(1))
	b.enter(t, newID())
	waits := newID()
	b.enter(t, waits)
	b.exec(t, "UPDATE race SET entry = REPLACE(entry, '\"capacity\":1', '\"capacity\":2') WHERE race_id = ?", b.race.ID)
	b.exec(t, "UPDATE entry_pool SET capacity = 2 WHERE race_id = ?", b.race.ID)
	_, err := b.store.ServeLines(t.Context())
	require.ErrorContains(t, err, broken.ID)
	require.Equal(t, race.Offered, b.of(t, waits).Status)

	b.exec(t, "UPDATE race SET status = 'live' WHERE race_id = ?", broken.ID)
	tx, err := b.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // nothing was written
	_, err = tx.ExecContext(t.Context(), "SELECT * FROM entry_pool WHERE race_id = ? FOR UPDATE", broken.ID)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // the server gives up waiting after 50
	defer cancel()
	_, err = b.store.ServeLines(ctx)
	require.NoError(t, err, "the pool of a race with results is left alone")
}

// TestEntryMovesToAnotherPoolMeanwhile has a runner join another pool while the organizer
// decides about their old entry.
func TestEntryMovesToAnotherPoolMeanwhile(t *testing.T) {
	t.Parallel()
	r := limited(0)
	r.Entry = &race.EntrySettings{Zone: "UTC", WaitingList: true, Pools: []race.EntryPool{{Key: 1, Name: "A", Capacity: 3}, {Key: 2, Name: "B", Capacity: 1}}}
	b := setupEntry(t, r)
	user := newID()
	in := func(pool, user string) maindb.LineEntry {
		e, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: user, Pool: pool})
		require.NoError(t, err)
		return e
	}
	first := in("A", user)
	in("B", newID())
	b.exec(t, "UPDATE participant SET status = 'cancelled', bib = NULL, bib_key = NULL WHERE user_id = ?", user)
	b.exec(t, "UPDATE entry SET state = 'expired' WHERE user_id = ?", user)
	b.exec(t, "UPDATE entry_pool SET taken = 0 WHERE pool = 1")

	tx, err := b.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // committed below
	_, err = tx.ExecContext(t.Context(), "SELECT * FROM account_mark WHERE user_id = ? FOR UPDATE", user)
	require.NoError(t, err)
	entered := make(chan error, 1)
	go func() {
		_, err := b.store.EnterByHand(t.Context(), b.race.ID, user, "invited", maindb.Override{})
		entered <- err
	}()
	b.waitsForLock(t, "account_mark")
	// What a batch of the other pool does that has marked the account before.
	_, err = tx.ExecContext(t.Context(), "UPDATE entry SET pool = 2, seq = 2, state = 'waiting' WHERE user_id = ?", user)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "UPDATE entry_pool SET next_seq = 3, waiting = 1 WHERE race_id = ? AND pool = 2", b.race.ID)
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	err = <-entered
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict, "the other pool is full")
	e := b.of(t, user)
	require.Equal(t, []any{race.Waiting, "B"}, []any{e.Status, e.Pool})
	p, err := b.store.Participant(t.Context(), b.race.ID, user)
	require.NoError(t, err)
	require.Equal(t, []any{race.Cancelled, first.ID}, []any{p.Status, p.ID})
	wrong, err := b.store.RecountPools(t.Context())
	require.NoError(t, err)
	require.Empty(t, wrong)
}

// waitsForLock returns once a statement writes a table that is locked.
func (b *entryBundle) waitsForLock(t *testing.T, table string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		err := b.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE() AND info LIKE ?", "%INTO "+table+"%").Scan(&n)
		return err == nil && n > 0
	}, time.Minute, 5*time.Millisecond)
}

// TestEntryAfterLeaving: joining again is a new arrival, and an organizer learns what is
// wrong with an entry whose account is gone.
func TestEntryAfterLeaving(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	first, second := newID(), newID()
	before := b.enter(t, first)
	b.enter(t, second)
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, first))
	b.exec(t, "UPDATE entry SET created_at = created_at - INTERVAL 1 DAY WHERE user_id = ?", first)
	b.enter(t, first)
	require.False(t, b.of(t, first).JoinedAt.Before(before.JoinedAt), "it has got a new number")

	b.passDeadline(t, second)
	_, err := b.store.ExpireOffer(t.Context(), maindb.Offer{RaceID: b.race.ID, Pool: 1, Seq: 2, No: 1})
	require.NoError(t, err)
	_, err = b.store.Leave(t.Context(), second)
	require.NoError(t, err)
	_, err = b.store.EnterByHand(t.Context(), b.race.ID, second, "invited", maindb.Override{Capacity: true})
	require.NotErrorIs(t, err, race.ErrLeft, "the caller's own account has not left")
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	_, err = b.store.Participant(t.Context(), b.race.ID, second)
	require.ErrorIs(t, err, race.ErrNotFound)
}

// TestWorkerPassesPlacesOn with the rights of its database account.
func TestWorkerPassesPlacesOn(t *testing.T) {
	t.Parallel()
	db, cfg := mysqltest.New(t, maindb.Migrations())
	bundle := &testBundle{store: maindb.NewOutcomes(db, time.Now), db: db, clock: &clock{}}
	r := limited(1)
	r.Capacity = 3
	b := &entryBundle{testBundle: bundle, entering: maindb.NewEntering(bundle.store.Store, anyAccount), race: bundle.created(t, r)}
	users := []string{newID(), newID(), newID(), newID()}
	for _, u := range users {
		b.enter(t, u)
	}
	b.joinsByList(t, users[2], "7")
	_, err := b.store.SetStanding(t.Context(), b.race.ID, users[3], true)
	require.NoError(t, err)
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, users[0]))
	offer := b.passDeadline(t, users[1])

	worker := maindb.NewOutcomes(mysqltest.As(t, cfg, maindb.Grants(), mysql.Worker), time.Now)
	_, err = worker.ExpireOffer(t.Context(), offer)
	require.NoError(t, err)
	_, err = b.store.ServeLines(t.Context())
	require.NoError(t, err)
	require.Equal(t, race.Entered, b.of(t, users[3]).Status)
	b.exec(t, "UPDATE entry_pool SET waiting = 5")
	wrong, err := worker.RecountPools(t.Context())
	require.NoError(t, err)
	require.Len(t, wrong, 1)
}

// TestEndedOffersAreWoken: an offer that ends without its runner's answer, or ends sooner
// than its workflow knows, has the workflow look at it again.
func TestEndedOffersAreWoken(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(3))
	ctx := t.Context()
	holders, waiters := []string{newID(), newID(), newID()}, []string{newID(), newID(), newID()}
	for _, u := range append(holders, waiters...) {
		b.enter(t, u)
	}
	for _, u := range holders {
		require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, u))
	}
	woken := func() (seqs []int64) {
		t.Helper()
		require.NoError(t, b.store.WakeOffers(ctx, func(_ context.Context, o maindb.Offer) error {
			require.Equal(t, b.race.ID, o.RaceID)
			seqs = append(seqs, o.Seq)
			return nil
		}))
		return seqs
	}
	require.Empty(t, woken())
	require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, waiters[0]))
	require.ErrorContains(t, b.store.WakeOffers(ctx, func(context.Context, maindb.Offer) error { return context.DeadlineExceeded }), "wake")
	require.Equal(t, []int64{4}, woken(), "also after a failure")
	require.Empty(t, woken(), "once")
	_, err := b.store.RemoveEntry(ctx, b.race.ID, waiters[1], "a wrong name")
	require.NoError(t, err)
	require.Equal(t, []int64{5}, woken())

	before := b.of(t, waiters[2]).OfferExpiresAt
	b.change(t, func(s *race.EntrySettings) { s.OfferHold = 100 * time.Hour })
	require.Equal(t, before, b.of(t, waiters[2]).OfferExpiresAt, "nothing lengthens an offer")
	b.change(t, func(s *race.EntrySettings) { s.OfferHold = 23 * time.Hour })
	shorter := b.of(t, waiters[2]).OfferExpiresAt
	require.False(t, shorter.After(before))
	require.NoError(t, err)
	woken()
	b.exec(t, "UPDATE entry SET offer_expires_at = UTC_TIMESTAMP(6) + INTERVAL 90 HOUR WHERE user_id = ?", waiters[2])
	_, _, err = b.store.UpdateRace(ctx, b.race.ID, func(r *race.Race) error {
		r.Date = race.DateOf(time.Now().AddDate(0, 0, 3))
		return nil
	}, noBirths)
	require.NoError(t, err)
	left := time.Until(b.of(t, waiters[2]).OfferExpiresAt)
	require.Less(t, left, 12*time.Hour, "race day is near: an hour, or until the morning")
	require.Equal(t, []int64{6}, woken())
	_, err = b.store.AnswerOffer(ctx, b.race.ID, waiters[2], true)
	require.NoError(t, err)
	b.counts(t)
}

// TestPlaceOfSeparatedRunnerIsFreed: an entry whose participation an operator gives back
// to the stand-in of its bib would otherwise hold a place for nobody.
func TestPlaceOfSeparatedRunnerIsFreed(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	user, waits := newID(), newID()
	b.enter(t, user)
	b.enter(t, waits)
	b.exec(t, "UPDATE participant SET listed = TRUE WHERE user_id = ?", user) // as start lists once attached bibs to accounts
	_, into, _, err := b.store.SeparatePerson(ctx, b.race.ID, "101", noStandIn, "not the same runner")
	require.NoError(t, err)
	p, err := b.store.Participant(ctx, b.race.ID, into)
	require.NoError(t, err)
	require.Equal(t, "101", p.Bib)
	require.Equal(t, race.Cancelled, b.of(t, user).Status)
	require.Equal(t, race.Offered, b.of(t, waits).Status)
	wrong, err := b.store.RecountPools(ctx)
	require.NoError(t, err)
	require.Empty(t, wrong)
}

// TestPanicInABatchIsAnswered: those of the batch get an answer, and the race goes on
// taking entries.
func TestPanicInABatchIsAnswered(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	var calls atomic.Int32
	b.entering = maindb.NewEntering(b.store.Store, func(ctx context.Context, userIDs []string) (map[string]maindb.Account, error) {
		if calls.Add(1) == 1 {
			panic("nobody thought of this")
		}
		return anyAccount(ctx, userIDs)
	})
	var logged bytes.Buffer
	b.entering.Report(slog.New(slog.NewTextHandler(&logged, nil)), prometheus.NewRegistry())
	_, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: newID()})
	require.ErrorIs(t, err, race.ErrUnavailable)
	require.Contains(t, logged.String(), "nobody thought of this")
	require.Equal(t, race.Entered, b.enter(t, newID()).Status)
}

// TestTransfer transfers a place: it stays the giver's until both have confirmed, keeps
// its bib and pool, and passes over nobody in line.
func TestTransfer(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	woman := maindb.Account{Sex: race.Female, BirthDate: race.Date{Year: 1990, Month: time.May, Day: 1}}
	giver, receiver, waits := newID(), newID(), newID()
	given := b.enter(t, giver)
	codes := byte(0)
	offer := func(byHand bool) (maindb.TransferOffer, error) {
		codes++
		o := maindb.TransferOffer{ID: newID(), RaceID: b.race.ID, GiverID: giver, CodeHash: bytes.Repeat([]byte{codes}, 32), ByHand: byHand}
		_, err := b.store.OfferTransfer(ctx, o)
		return o, err
	}
	var conflict *race.ConflictError
	_, err := offer(false)
	require.ErrorAs(t, err, &conflict, "the race lets nobody transfer places")
	b.change(t, func(s *race.EntrySettings) { s.TransferUntil = time.Now().Add(time.Hour) })
	first, err := offer(false)
	require.NoError(t, err)
	_, err = b.store.OfferTransfer(ctx, first)
	require.NoError(t, err, "a retry")
	second, err := offer(false)
	require.NoError(t, err)
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, first.CodeHash, receiver, woman, "Giver")
	require.ErrorIs(t, err, race.ErrNotFound, "the second offer replaced it")
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, second.CodeHash, giver, woman, "Giver")
	require.ErrorAs(t, err, &conflict, "their own")
	for range 2 {
		accepted, err := b.store.AcceptTransfer(ctx, b.race.ID, second.CodeHash, receiver, woman, "Giver")
		require.NoError(t, err)
		require.Equal(t, race.TransferAccepted, accepted.State)
	}
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, second.CodeHash, newID(), woman, "Giver")
	require.ErrorIs(t, err, race.ErrNotFound, "somebody else has accepted it")
	require.Equal(t, race.Entered, b.of(t, giver).Status)

	b.enter(t, waits)
	agreed, err := b.store.TransferOf(ctx, b.race.ID, giver)
	require.NoError(t, err)
	require.ErrorContains(t, b.store.ConfirmTransfer(ctx, agreed, newID(), woman, "Giver"), "others wait in line")
	b.change(t, func(s *race.EntrySettings) { s.TransferPastLine = true })
	stranger := agreed
	stranger.RunnerID = newID()
	require.ErrorIs(t, b.store.ConfirmTransfer(ctx, stranger, newID(), woman, "Giver"), race.ErrNotFound)
	id := newID()
	require.ErrorContains(t, b.store.ConfirmTransfer(ctx, agreed, id, woman, "Another Name"), "accept it again")
	require.Equal(t, race.Entered, b.of(t, giver).Status)
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, second.CodeHash, receiver, woman, "Another Name")
	require.NoError(t, err)
	require.ErrorContains(t, b.store.ConfirmTransfer(ctx, agreed, id, woman, "Giver"), "accept it again")
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, second.CodeHash, receiver, woman, "Giver")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, b.store.ConfirmTransfer(ctx, agreed, id, woman, "Giver"))
	}
	got := b.of(t, receiver)
	require.Equal(t, []any{race.Entered, given.Bib, id, given.Pool}, []any{got.Status, got.Bib, got.ID, got.Pool})
	require.EqualValues(t, 3, got.Seq, "a number of its own")
	require.Equal(t, race.Transferred, b.of(t, giver).Status)
	require.Equal(t, race.Waiting, b.of(t, waits).Status)
	require.Equal(t, 1, b.counts(t).Taken)
	require.ErrorAs(t, b.store.EndTransfer(ctx, agreed, race.TransferWithdrawn), &conflict)
	require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, giver), "there is nothing left to cancel")
	require.Equal(t, race.Entered, b.of(t, receiver).Status)

	// The other way round, now by the organizer after the deadline, until the giver leaves.
	giver, receiver = receiver, giver
	b.change(t, func(s *race.EntrySettings) { s.TransferUntil, s.TransferPastLine = time.Time{}, false })
	byHand, err := offer(true)
	require.NoError(t, err)
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, byHand.CodeHash, waits, woman, "Giver")
	require.ErrorContains(t, err, "leave the line first")
	agreed, err = b.store.AcceptTransfer(ctx, b.race.ID, byHand.CodeHash, receiver, woman, "Giver")
	require.NoError(t, err)
	require.NoError(t, b.store.ConfirmTransfer(ctx, agreed, newID(), woman, "Giver"))
	require.Equal(t, given.Bib, b.of(t, receiver).Bib)
	giver, receiver = receiver, giver
	byHand, err = offer(true)
	require.NoError(t, err)
	agreed, err = b.store.AcceptTransfer(ctx, b.race.ID, byHand.CodeHash, receiver, woman, "Giver")
	require.NoError(t, err)
	require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, giver))
	require.ErrorAs(t, b.store.ConfirmTransfer(ctx, agreed, newID(), woman, "Giver"), &conflict)
	require.Equal(t, race.Offered, b.of(t, waits).Status)
	_, err = b.store.AnswerOffer(ctx, b.race.ID, waits, true)
	require.NoError(t, err)

	giver = waits
	expired, err := offer(true)
	require.NoError(t, err)
	b.exec(t, "UPDATE entry_transfer SET expires_at = UTC_TIMESTAMP(6) WHERE transfer_id = ?", expired.ID)
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, expired.CodeHash, receiver, woman, "Giver")
	require.ErrorIs(t, err, race.ErrNotFound, "by the database's clock")
	wrong, err := b.store.RecountPools(ctx)
	require.NoError(t, err)
	require.Empty(t, wrong)
}

// TestTransferNeedsAFittingRunner: nobody gets by a transfer into a pool that they could
// not enter, and an account that leaves takes part in none.
func TestTransferNeedsAFittingRunner(t *testing.T) {
	t.Parallel()
	r := limited(0)
	r.Divisions = []race.Division{{Name: "Women", Sex: race.Female}}
	r.Entry.BibFrom, r.Entry.BibTo = 0, 0
	r.Entry.Pools = []race.EntryPool{{Key: 1, Name: "Women", Capacity: 1, Division: "Women"}}
	r.Entry.TransferUntil = time.Now().Add(time.Hour)
	b := setupEntry(t, r)
	giver, receiver := newID(), newID()
	b.enter(t, giver)
	code := bytes.Repeat([]byte{1}, 32)
	_, err := b.store.OfferTransfer(t.Context(), maindb.TransferOffer{ID: newID(), RaceID: b.race.ID, GiverID: giver, CodeHash: code})
	require.NoError(t, err)
	_, err = b.store.AcceptTransfer(t.Context(), b.race.ID, code, newID(), maindb.Account{Sex: race.Male, BirthDate: race.Date{Year: 1990, Month: time.May, Day: 1}}, "Giver")
	require.ErrorContains(t, err, `for the division "Women"`)
	woman := maindb.Account{Sex: race.Female, BirthDate: race.Date{Year: 1990, Month: time.May, Day: 1}}
	agreed, err := b.store.AcceptTransfer(t.Context(), b.race.ID, code, receiver, woman, "Giver")
	require.NoError(t, err)
	_, err = b.store.Leave(t.Context(), receiver)
	require.NoError(t, err)
	var conflict *race.ConflictError
	require.ErrorAs(t, b.store.ConfirmTransfer(t.Context(), agreed, newID(), woman, "Giver"), &conflict)
	require.Equal(t, race.Entered, b.of(t, giver).Status)
}

// TestExactlyOneGetsATransferredPlace: the giver confirms and cancels, while the line is
// being served, at the same moment.
func TestExactlyOneGetsATransferredPlace(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	woman := maindb.Account{Sex: race.Female, BirthDate: race.Date{Year: 1990, Month: time.May, Day: 1}}
	for i := range 20 {
		giver, receiver, code := newID(), newID(), bytes.Repeat([]byte{byte(i + 1)}, 32)
		require.Equal(t, race.Entered, b.enter(t, giver).Status)
		_, err := b.store.OfferTransfer(ctx, maindb.TransferOffer{ID: newID(), RaceID: b.race.ID, GiverID: giver, CodeHash: code, ByHand: true})
		require.NoError(t, err)
		agreed, err := b.store.AcceptTransfer(ctx, b.race.ID, code, receiver, woman, "Giver")
		require.NoError(t, err)
		var confirmed error
		var group sync.WaitGroup
		group.Go(func() { confirmed = b.store.ConfirmTransfer(ctx, agreed, newID(), woman, "Giver") })
		group.Go(func() { require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, giver)) })
		group.Go(func() {
			_, _ = b.entering.Enter(ctx, maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: receiver}) // compared below
		})
		group.Wait()
		counts := b.counts(t)
		require.LessOrEqual(t, counts.Taken+counts.Offered, 1)
		if confirmed == nil {
			require.Equal(t, []any{race.Entered, race.Transferred}, []any{b.of(t, receiver).Status, b.of(t, giver).Status})
		} else {
			require.Equal(t, race.Cancelled, b.of(t, giver).Status)
		}
		require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, receiver))
		require.Zero(t, b.counts(t).Taken)
	}
}

// TestHeldOffers lists open offers in parts, the one that ends first in front.
func TestHeldOffers(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(2))
	ctx := t.Context()
	for range 2 {
		b.enter(t, newID())
	}
	later, sooner := newID(), newID()
	for _, userID := range []string{later, sooner} {
		require.Equal(t, race.Waiting, b.enter(t, userID).Status)
	}
	b.change(t, func(s *race.EntrySettings) { s.Capacity = 4 })
	b.exec(t, "UPDATE entry SET offer_expires_at = UTC_TIMESTAMP(6) WHERE user_id = ?", sooner)
	first, err := b.store.HeldOffers(ctx, maindb.HeldOffer{}, 1)
	require.NoError(t, err)
	require.Len(t, first, 1)
	require.True(t, first[0].Overdue)
	require.True(t, first[0].Queued, "nobody has started its workflow")
	require.Equal(t, []any{b.race.ID, b.race.Name, b.of(t, sooner).Seq}, []any{first[0].RaceID, first[0].RaceName, first[0].Seq})
	second, err := b.store.HeldOffers(ctx, first[0], 9)
	require.NoError(t, err)
	require.Len(t, second, 1)
	require.False(t, second[0].Overdue)
	require.Equal(t, b.of(t, later).Seq, second[0].Seq)
	rest, err := b.store.HeldOffers(ctx, second[0], 9)
	require.NoError(t, err)
	require.Empty(t, rest)
}
