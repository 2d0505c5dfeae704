package maindb_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// nextEdition makes a race the next edition of the bundle's, to which entries can be
// deferred for an hour.
func (b *entryBundle) nextEdition(t *testing.T, next race.Race) race.Race {
	t.Helper()
	next.Date = race.DateOf(time.Now().AddDate(2, 0, 0))
	next = b.created(t, next)
	b.change(t, func(s *race.EntrySettings) {
		s.NextRaceID, s.DeferUntil = next.ID, time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	})
	return next
}

// in returns the bundle with another race.
func (b *entryBundle) in(r race.Race) *entryBundle {
	return &entryBundle{testBundle: b.testBundle, entering: b.entering, race: r}
}

// TestDefer moves a place to the next edition and passes it on here.
func TestDefer(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	runner, waits := newID(), newID()
	b.enter(t, runner)
	_, err := b.store.Defer(ctx, b.race.ID, runner, newID(), aWoman)
	require.ErrorContains(t, err, "it names no next edition")
	there := b.in(b.nextEdition(t, limited(1)))
	there.change(t, func(s *race.EntrySettings) { s.OpensAt = time.Now().Add(time.Hour) })
	b.enter(t, waits)
	_, err = b.store.Defer(ctx, b.race.ID, waits, newID(), aWoman)
	require.ErrorContains(t, err, "only a runner who has a place can defer it: the entry is waiting")
	_, err = b.store.Defer(ctx, b.race.ID, newID(), newID(), aWoman)
	require.ErrorIs(t, err, race.ErrNotFound)
	id := newID()
	for range 2 {
		moved, err := b.store.Defer(ctx, b.race.ID, runner, id, aWoman)
		require.NoError(t, err)
		require.Equal(t, []any{there.race.ID, id}, []any{moved.NextRaceID, moved.NextEntryID})
	}
	here := b.of(t, runner)
	require.Equal(t, []any{race.Deferred, there.race.ID}, []any{here.Status, here.NextRaceID})
	entered := there.of(t, runner)
	require.Equal(t, []any{race.Entered, race.EnteredByDeferral, b.race.ID, "101", id}, []any{entered.Status, entered.Origin, entered.PriorRaceID, entered.Bib, entered.ID})
	require.Equal(t, race.Offered, b.of(t, waits).Status)
	require.Zero(t, b.counts(t).Taken)
	require.Equal(t, 1, there.counts(t).Taken)

	_, err = b.store.Defer(ctx, b.race.ID, waits, newID(), aWoman)
	require.ErrorContains(t, err, "the entry is offered", "an offer is no place yet")
	_, err = b.store.AnswerOffer(ctx, b.race.ID, waits, true)
	require.NoError(t, err)
	_, err = b.store.Defer(ctx, b.race.ID, waits, newID(), aWoman)
	require.ErrorContains(t, err, "the next edition is full")
	_, err = b.entering.Enter(ctx, maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: runner})
	require.ErrorContains(t, err, "you have deferred", "nobody has a place in both")
	_, err = b.store.EnterByHand(ctx, b.race.ID, runner, "why not", maindb.Override{Capacity: true})
	require.ErrorContains(t, err, "has deferred")
	require.ErrorContains(t, b.store.DeleteRace(ctx, there.race.ID), "runners have deferred their entries to this race")
	require.NoError(t, b.store.CancelEntry(ctx, there.race.ID, runner))
	require.Equal(t, race.Cancelled, there.of(t, runner).Status)
	require.Equal(t, race.Deferred, b.of(t, runner).Status, "a place that was deferred does not come back")
	_, err = b.store.Defer(ctx, b.race.ID, waits, newID(), aWoman)
	require.NoError(t, err)
	_, err = b.store.Leave(ctx, waits)
	require.NoError(t, err)
	require.Zero(t, there.counts(t).Taken)
	require.NoError(t, b.store.DeleteRace(ctx, there.race.ID))
	require.Empty(t, b.of(t, runner).NextRaceID)
	_, err = b.store.Defer(ctx, b.race.ID, runner, newID(), aWoman)
	require.ErrorIs(t, err, race.ErrNotFound)
}

// TestDeferIsRefused says which of the two races does not allow it.
func TestDeferIsRefused(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(5))
	ctx := t.Context()
	there := b.in(b.nextEdition(t, limited(5)))
	runner := newID()
	b.enter(t, runner)
	for _, c := range []struct {
		name       string
		here, next func(*race.EntrySettings)
		sql        string
		want       string
	}{
		{name: "late", here: func(s *race.EntrySettings) { s.DeferUntil = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }, want: "entries could be deferred until 2020-01-01T09:00:00+09:00"},
		{name: "off", here: func(s *race.EntrySettings) { s.DeferUntil = time.Time{} }, want: "entries of this race cannot be deferred"},
		{name: "closed", next: func(s *race.EntrySettings) { s.ClosesAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }, want: "entry to the next edition has closed"},
		{name: "paused", next: func(s *race.EntrySettings) { s.Paused = true }, want: "entry to the next edition is paused by its organizer"},
		{name: "results", sql: "UPDATE race SET status = 'provisional' WHERE race_id = ?", want: "the next edition is over"},
		{name: "handed over", sql: "UPDATE race SET organizer_id = 'somebody else', status = 'scheduled' WHERE race_id = ?", want: "the next edition has another organizer now: ask the organizer of this one"},
		{name: "past", sql: "UPDATE race SET organizer_id = '" + b.race.OrganizerID + "', race_date = '2020-01-01' WHERE race_id = ?", want: "the next edition is over"},
		{name: "no settings", sql: "UPDATE race SET entry = NULL WHERE race_id = ?", want: "the next edition takes no entries yet: its organizer has not set up how runners enter it"},
	} {
		var was, wasNext race.EntrySettings
		if c.here != nil {
			b.change(t, func(s *race.EntrySettings) { was = *s; c.here(s) })
		}
		if c.next != nil {
			there.change(t, func(s *race.EntrySettings) { wasNext = *s; c.next(s) })
		}
		if c.sql != "" {
			b.exec(t, c.sql, there.race.ID)
		}
		_, err := b.store.Defer(ctx, b.race.ID, runner, newID(), aWoman)
		require.EqualError(t, err, c.want, c.name)
		if c.here != nil {
			b.change(t, func(s *race.EntrySettings) { *s = was })
		}
		if c.next != nil {
			there.change(t, func(s *race.EntrySettings) { *s = wasNext })
		}
	}
	require.Equal(t, race.Entered, b.of(t, runner).Status)

	for _, c := range []struct {
		name, want string
		before     func(t *testing.T, next *entryBundle)
	}{
		{"entered", "you have already entered the next edition", func(t *testing.T, next *entryBundle) {
			t.Helper()
			next.enter(t, runner)
		}},
		{"removed", "the organizer has removed your entry from the next edition", func(t *testing.T, next *entryBundle) {
			t.Helper()
			next.enter(t, runner)
			_, err := next.store.RemoveEntry(t.Context(), next.race.ID, runner, "why")
			require.NoError(t, err)
		}},
		{"in line", "the next edition is full, and others wait in its line", func(t *testing.T, next *entryBundle) {
			t.Helper()
			for range 5 {
				next.enter(t, newID())
			}
			next.enter(t, runner)
		}},
	} {
		next := b.in(b.nextEdition(t, limited(5)))
		c.before(t, next)
		_, err := b.store.Defer(ctx, b.race.ID, runner, newID(), aWoman)
		require.EqualError(t, err, c.want, c.name)
	}

	// A race that others organize cannot be named, nor can an earlier one.
	others := limited(5)
	others.OrganizerID, others.Date = newID(), race.DateOf(time.Now().AddDate(2, 0, 0))
	for _, id := range []string{b.created(t, others).ID, b.race.ID, newID(), b.created(t, limited(5)).ID} {
		_, _, err := b.store.UpdateRace(ctx, b.race.ID, func(r *race.Race) error { r.Entry.NextRaceID = id; return nil }, noBirths)
		var conflict *race.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "entry.next_race_id", conflict.Field)
	}
}

// TestEditorsNameNextEditionsThatTheyMayChange: the runners of this race get places there.
func TestEditorsNameNextEditionsThatTheyMayChange(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(5))
	editor, next := newID(), limited(5)
	next.OrganizerID, next.Date = b.race.OrganizerID, race.DateOf(time.Now().AddDate(2, 0, 0))
	next = b.created(t, next)
	by := race.WithActor(t.Context(), race.Actor{Kind: race.ByAccount, ID: editor, AccountID: editor})
	name := func() error {
		_, _, err := b.store.UpdateRace(by, b.race.ID, func(r *race.Race) error { r.Entry.NextRaceID = next.ID; return nil }, noBirths)
		return err
	}
	b.exec(t, "INSERT INTO race_staff (race_id, user_id, role, added_at) VALUES (?, ?, 'timing', NOW(6))", next.ID, editor)
	require.ErrorContains(t, name(), "must be a race that you work on as an editor")
	b.exec(t, "UPDATE race_staff SET role = 'editor' WHERE race_id = ? AND user_id = ?", next.ID, editor)
	require.NoError(t, name())
}

// TestDeferIntoAPoolWithAStandard: whoever qualified for this edition need not do so
// again, others have to.
func TestDeferIntoAPoolWithAStandard(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(5))
	runner := newID()
	b.enter(t, runner)
	b.nextEdition(t, demanding(5))
	_, err := b.store.Defer(t.Context(), b.race.ID, runner, newID(), aWoman)
	require.ErrorContains(t, err, `the pool "Fast" asks for`)

	fast := b.in(b.created(t, demanding(5)))
	results := b.officialRace(t)
	b.finished(t, results, runner, 3*time.Hour)
	fast.enter(t, runner)
	there := b.in(fast.nextEdition(t, demanding(5)))
	b.disqualify(t, results, runner, true)
	_, err = b.store.Defer(t.Context(), fast.race.ID, runner, newID(), aWoman)
	require.NoError(t, err)
	require.Equal(t, []any{race.Entered, false}, []any{there.of(t, runner).Status, there.of(t, runner).Unqualified})
}

// TestLastPlaceOfTheNextEdition: of several who defer, enter and cancel at the same moment
// exactly as many get a place there as there are, and nobody has two.
func TestLastPlaceOfTheNextEdition(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(6))
	ctx := t.Context()
	for range 5 {
		there := b.in(b.nextEdition(t, limited(1)))
		runners := []string{newID(), newID(), newID(), newID()}
		for _, u := range runners {
			require.Equal(t, race.Entered, b.enter(t, u).Status)
		}
		failed := make([]error, len(runners))
		var group sync.WaitGroup
		for i, u := range runners {
			group.Go(func() { _, failed[i] = b.store.Defer(ctx, b.race.ID, u, newID(), aWoman) })
		}
		group.Go(func() {
			_, _ = b.entering.Enter(ctx, maindb.Entry{ID: newID(), RaceID: there.race.ID, UserID: newID()}) // counted below
		})
		group.Go(func() { there.change(t, func(s *race.EntrySettings) { s.OfferHold = 2 * time.Hour }) })
		group.Wait()
		moved := 0
		for i, u := range runners {
			if failed[i] == nil {
				moved++
				require.Equal(t, []any{race.Deferred, race.Entered}, []any{b.of(t, u).Status, there.of(t, u).Status})
				continue
			}
			require.ErrorContains(t, failed[i], "the next edition is full")
			require.Equal(t, race.Entered, b.of(t, u).Status)
			_, err := b.store.EntryOf(ctx, there.race.ID, u)
			require.ErrorIs(t, err, race.ErrNotFound)
			require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, u))
		}
		require.LessOrEqual(t, moved, 1)
		require.Equal(t, 1, there.counts(t).Taken)
		require.Zero(t, b.counts(t).Taken)
	}
}

// TestDeferAndTransferAtOnce: one of the two wins, and the place goes one way only.
func TestDeferAndTransferAtOnce(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	there := b.in(b.nextEdition(t, limited(0)))
	for i := range 10 {
		giver, receiver, code := newID(), newID(), bytes.Repeat([]byte{byte(i + 1)}, 32)
		require.Equal(t, race.Entered, b.enter(t, giver).Status)
		_, err := b.store.OfferTransfer(ctx, maindb.TransferOffer{ID: newID(), RaceID: b.race.ID, GiverID: giver, CodeHash: code, ByHand: true})
		require.NoError(t, err)
		agreed, err := b.store.AcceptTransfer(ctx, b.race.ID, code, receiver, aWoman, "Giver")
		require.NoError(t, err)
		var confirmed, deferred error
		var group sync.WaitGroup
		group.Go(func() { confirmed = b.store.ConfirmTransfer(ctx, agreed, newID(), aWoman, "Giver") })
		group.Go(func() { _, deferred = b.store.Defer(ctx, b.race.ID, giver, newID(), aWoman) })
		group.Wait()
		require.NotEqual(t, confirmed == nil, deferred == nil, "%v, %v", confirmed, deferred)
		if confirmed == nil {
			require.Equal(t, race.Entered, b.of(t, receiver).Status)
			require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, receiver))
		} else {
			require.Equal(t, race.Entered, there.of(t, giver).Status)
		}
		require.Zero(t, b.counts(t).Taken)
	}
	there.counts(t)
}

// TestSeparatedAfterDeferral: an operator gives the participation in the next edition to
// the stand-in of its bib. The place there is free again, and the deferral stays.
func TestSeparatedAfterDeferral(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	there := b.in(b.nextEdition(t, limited(1)))
	runner, waits := newID(), newID()
	b.enter(t, runner)
	_, err := b.store.Defer(ctx, b.race.ID, runner, newID(), aWoman)
	require.NoError(t, err)
	there.enter(t, waits)
	b.exec(t, "UPDATE participant SET listed = TRUE WHERE user_id = ? AND race_id = ?", runner, there.race.ID)
	_, _, _, err = b.store.SeparatePerson(ctx, there.race.ID, "101", noStandIn, "not the same runner")
	require.NoError(t, err)
	require.Equal(t, race.Cancelled, there.of(t, runner).Status)
	require.Equal(t, race.Offered, there.of(t, waits).Status)
	require.Equal(t, race.Deferred, b.of(t, runner).Status)
	again, err := b.store.Defer(ctx, b.race.ID, runner, newID(), aWoman)
	require.NoError(t, err, "a repeated call")
	require.Equal(t, there.race.ID, again.NextRaceID)
	require.Equal(t, race.Cancelled, there.of(t, runner).Status)
}
