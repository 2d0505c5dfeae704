package maindb_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// limited is a race of next year with so many places and a waiting list.
func limited(capacity int) race.Race {
	r := spring(19)
	r.Date, r.Capacity = race.DateOf(time.Now().AddDate(1, 0, 0)), 0
	r.Entry = &race.EntrySettings{Zone: "Asia/Seoul", Capacity: capacity, WaitingList: true, BibFrom: 101, BibTo: 100 + max(capacity, 1)}
	return r
}

// anyAccount answers that every account exists.
func anyAccount(_ context.Context, userIDs []string) (map[string]maindb.Account, error) {
	found := make(map[string]maindb.Account, len(userIDs))
	for _, id := range userIDs {
		found[id] = maindb.Account{Sex: race.Female, BirthDate: race.Date{Year: 1990, Month: time.May, Day: 1}}
	}
	return found, nil
}

type entryBundle struct {
	*testBundle
	entering *maindb.Entering
	race     race.Race
}

func setupEntry(t *testing.T, r race.Race) *entryBundle {
	t.Helper()
	b := setup(t)
	return &entryBundle{testBundle: b, entering: maindb.NewEntering(b.store.Store, anyAccount), race: b.created(t, r)}
}

func (b *entryBundle) enter(t *testing.T, userID string) maindb.LineEntry {
	t.Helper()
	e, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: userID})
	require.NoError(t, err)
	return e
}

func (b *entryBundle) of(t *testing.T, userID string) maindb.LineEntry {
	t.Helper()
	e, err := b.store.EntryOf(t.Context(), b.race.ID, userID)
	require.NoError(t, err)
	return e
}

// change changes the entry settings.
func (b *entryBundle) change(t *testing.T, edit func(*race.EntrySettings)) {
	t.Helper()
	_, _, err := b.store.UpdateRace(t.Context(), b.race.ID, func(r *race.Race) error {
		edit(r.Entry)
		return nil
	}, noBirths)
	require.NoError(t, err)
}

// counts returns the only pool's counters after it has made sure that they agree with
// the entries.
func (b *entryBundle) counts(t *testing.T) maindb.PoolCounts {
	t.Helper()
	r, err := b.store.Race(t.Context(), b.race.ID)
	require.NoError(t, err)
	pools, err := b.store.PoolCounts(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, pools, 1)
	got := map[race.EntryStatus]int{}
	entries, err := b.store.Entries(t.Context(), r, maindb.EntryFilter{}, maindb.EntryCursor{}, 100_000)
	require.NoError(t, err)
	bibs := map[string]bool{}
	for _, e := range entries {
		got[e.Status]++
		if e.Status == race.Entered && e.Bib != "" {
			require.False(t, bibs[e.Bib], "bib %s twice", e.Bib)
			bibs[e.Bib] = true
		}
	}
	require.Equal(t, []int{got[race.Entered], got[race.Offered], got[race.Waiting]}, []int{pools[0].Taken, pools[0].Offered, pools[0].Waiting})
	participants, err := b.store.ListParticipants(t.Context(), b.race.ID, "", 100_000)
	require.NoError(t, err)
	require.Len(t, slices.DeleteFunc(participants, func(p race.Participant) bool { return p.Status != race.Entered }), got[race.Entered])
	return pools[0]
}

func (b *entryBundle) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := b.db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

// passDeadline lets the time of an offer pass.
func (b *entryBundle) passDeadline(t *testing.T, userID string) maindb.Offer {
	t.Helper()
	e := b.of(t, userID)
	require.Equal(t, race.Offered, e.Status)
	b.exec(t, "UPDATE entry SET offer_expires_at = UTC_TIMESTAMP(6) WHERE user_id = ? AND race_id = ?", userID, b.race.ID)
	return maindb.Offer{RaceID: b.race.ID, Pool: e.PoolKey, Seq: e.Seq, No: e.OfferNo}
}

func TestPlacesAndLine(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(2))
	ctx := t.Context()
	users := []string{newID(), newID(), newID(), newID(), newID()}
	for i, u := range users {
		e := b.enter(t, u)
		require.EqualValues(t, i+1, e.Seq)
		if i < 2 {
			require.Equal(t, race.Entered, e.Status)
			require.Equal(t, strconv.Itoa(101+i), e.Bib)
		} else {
			require.Equal(t, race.Waiting, e.Status)
			require.Equal(t, i-1, e.Position)
		}
		again := b.enter(t, u)
		require.Equal(t, []any{e.ID, e.Seq, e.Status, e.Bib, e.Position}, []any{again.ID, again.Seq, again.Status, again.Bib, again.Position}, "a retry")
	}
	_, err := b.store.SetStanding(ctx, b.race.ID, users[3], true)
	require.NoError(t, err)

	require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, users[0]))
	offered := b.of(t, users[2])
	require.Equal(t, race.Offered, offered.Status)
	require.Positive(t, time.Until(offered.OfferExpiresAt))
	require.Equal(t, 1, b.of(t, users[3]).Position)
	require.Equal(t, 2, b.of(t, users[4]).Position)
	left, err := b.store.DeparturesSince(ctx, b.race.ID, 1, 0)
	require.NoError(t, err)
	require.Equal(t, []maindb.Departures{{Version: 1, Seqs: []int64{3}}}, left)

	state, err := b.store.ExpireOffer(ctx, maindb.Offer{RaceID: b.race.ID, Pool: 1, Seq: 3, No: 1})
	require.NoError(t, err)
	require.Equal(t, race.Offered, state.Status)
	require.Positive(t, state.Left, "too early")
	expired := b.passDeadline(t, users[2])
	state, err = b.store.ExpireOffer(ctx, expired)
	require.NoError(t, err)
	require.Equal(t, race.OfferExpired, state.Status)
	_, err = b.store.AnswerOffer(ctx, b.race.ID, users[2], true)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	next := b.of(t, users[3])
	require.Equal(t, race.Entered, next.Status, "a standing acceptance needs no offer")
	require.Equal(t, "101", next.Bib, "the bib that was given back")

	b.change(t, func(s *race.EntrySettings) { s.Capacity = 3 })
	require.Equal(t, race.Offered, b.of(t, users[4]).Status)
	for range 2 {
		accepted, err := b.store.AnswerOffer(ctx, b.race.ID, users[4], true)
		require.NoError(t, err)
		require.Equal(t, race.Entered, accepted.Status)
		require.Empty(t, accepted.Bib, "the range has no more bibs")
	}
	again := b.enter(t, users[2])
	require.Equal(t, race.Waiting, again.Status)
	require.EqualValues(t, 6, again.Seq, "at the end of the line")

	b.change(t, func(s *race.EntrySettings) { s.Capacity = 1 })
	require.Equal(t, 3, b.counts(t).Taken, "nobody is thrown out")
	require.NoError(t, b.store.CancelEntry(ctx, b.race.ID, users[1]))
	require.Equal(t, race.Waiting, b.of(t, users[2]).Status)
	_, err = b.store.EnterByHand(ctx, b.race.ID, users[2], "our sponsor", maindb.Override{})
	require.ErrorAs(t, err, &conflict)
	byHand, err := b.store.EnterByHand(ctx, b.race.ID, users[2], "our sponsor", maindb.Override{Capacity: true})
	require.NoError(t, err)
	require.Equal(t, race.Entered, byHand.Status)
	removed, err := b.store.RemoveEntry(ctx, b.race.ID, users[2], "a wrong name")
	require.NoError(t, err)
	require.Equal(t, race.RemovedEntry, removed.Status)
	_, err = b.entering.Enter(ctx, maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: users[2]})
	require.ErrorAs(t, err, &conflict)
	_, err = b.store.EnterByHand(ctx, b.race.ID, users[0], "why not", maindb.Override{Capacity: true})
	require.ErrorAs(t, err, &conflict, "they have cancelled")
	require.Equal(t, 2, b.counts(t).Taken)

	var offers []maindb.Offer
	start := func(_ context.Context, o maindb.Offer) error { offers = append(offers, o); return nil }
	for range 2 {
		require.NoError(t, b.store.StartOffers(ctx, start))
	}
	require.Equal(t, []maindb.Offer{{RaceID: b.race.ID, Pool: 1, Seq: 3, No: 1}, {RaceID: b.race.ID, Pool: 1, Seq: 5, No: 1}}, offers)
}

func TestEntryIsRefused(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	gone := newID()
	_, err := b.store.Leave(t.Context(), gone)
	require.NoError(t, err)
	first := newID()
	b.enter(t, first)
	for _, c := range []struct {
		name string
		edit func(*race.EntrySettings)
		want string
	}{
		{"early", func(s *race.EntrySettings) { s.OpensAt = time.Date(2099, 6, 9, 10, 0, 0, 0, time.UTC) }, "entry opens at 2099-06-09T19:00:00+09:00"},
		{"late", func(s *race.EntrySettings) { s.ClosesAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }, "entry closed at 2020-01-01T09:00:00+09:00"},
		{"paused", func(s *race.EntrySettings) { s.Paused = true }, "entry is paused by the organizer"},
		{"full", func(s *race.EntrySettings) { s.WaitingList = false }, "the race is full: its capacity is 1"},
	} {
		var before race.EntrySettings
		b.change(t, func(s *race.EntrySettings) { before = *s; c.edit(s) })
		_, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: newID()})
		require.EqualError(t, err, c.want, c.name)
		require.Equal(t, race.Entered, b.enter(t, first).Status, "%s: whoever has entered gets their entry", c.name)
		b.change(t, func(s *race.EntrySettings) { *s = before })
	}
	_, err = b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: gone})
	require.ErrorIs(t, err, race.ErrLeft)
	_, err = b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: newID(), UserID: newID()})
	require.ErrorIs(t, err, race.ErrNotFound)
	require.EqualValues(t, 2, b.enter(t, newID()).Seq, "refusals take no number")
}

// TestRush has many people ask for few places through two processes at once.
func TestRush(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(100))
	other := maindb.NewEntering(b.store.Store, anyAccount)
	const runners = 1500
	got := make([]maindb.LineEntry, runners)
	var group sync.WaitGroup
	for i := range runners {
		group.Go(func() {
			through := b.entering
			if i%2 == 1 {
				through = other
			}
			user := newID()
			for range 2 { // everybody asks twice
				e, err := through.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: user})
				require.NoError(t, err)
				require.True(t, got[i].Seq == 0 || got[i].Seq == e.Seq)
				got[i] = e
			}
		})
	}
	group.Wait()
	slices.SortFunc(got, func(x, y maindb.LineEntry) int { return int(x.Seq - y.Seq) })
	for i, e := range got {
		require.EqualValues(t, i+1, e.Seq)
		if i < 100 {
			require.Equal(t, race.Entered, e.Status)
			require.NotEmpty(t, e.Bib)
		} else {
			require.Equal(t, i-99, e.Position)
		}
	}
	counts := b.counts(t)
	require.Equal(t, []int{100, 1400}, []int{counts.Taken, counts.Waiting})
	batches, _ := b.entering.Batches()
	require.Less(t, batches, int64(runners/4), "requests are taken together")

	b.change(t, func(s *race.EntrySettings) { s.Capacity = 1000 })
	_, err := b.store.ServeLines(t.Context())
	require.NoError(t, err)
	counts = b.counts(t)
	require.Equal(t, []int{900, 500}, []int{counts.Offered, counts.Waiting})
	require.Equal(t, race.Waiting, b.of(t, got[1000].UserID).Status)
	require.Equal(t, 1, b.of(t, got[1000].UserID).Position)
}

// TestAccountLeavesWhileInLine: the place goes to the next, and what the entry knew
// about the person is erased.
func TestAccountLeavesWhileInLine(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	first, second := newID(), newID()
	b.enter(t, first)
	b.enter(t, second)
	_, err := b.store.Leave(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, race.Offered, b.of(t, second).Status)
	left := b.of(t, first)
	require.Equal(t, race.Cancelled, left.Status)
	require.Empty(t, left.Sex)
	require.Equal(t, race.UnknownAge, left.Age)
	_, err = b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: first})
	require.ErrorIs(t, err, race.ErrLeft)
}

func TestEntrantsBeforeTheSettingsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	r := limited(0)
	settings := r.Entry
	r.Entry = nil
	b := setupEntry(t, r)
	first := newID()
	entered := b.enter(t, first)
	require.Empty(t, entered.Pool)
	settings.Capacity = 1
	_, _, err := b.store.UpdateRace(t.Context(), b.race.ID, func(r *race.Race) error { r.Entry = settings; return nil }, noBirths)
	require.NoError(t, err)
	require.Equal(t, entered.ID, b.enter(t, first).ID)
	require.Equal(t, 1, b.counts(t).Taken)
	require.Equal(t, race.Waiting, b.enter(t, newID()).Status)
	_, _, err = b.store.UpdateRace(t.Context(), b.race.ID, func(r *race.Race) error { r.Entry = nil; return nil }, noBirths)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.NoError(t, b.store.DeleteRace(t.Context(), b.race.ID))
}

func TestPools(t *testing.T) {
	t.Parallel()
	r := limited(0)
	r.Divisions = []race.Division{{Name: "Women", Sex: race.Female}, {Name: "Men", Sex: race.Male}}
	r.Entry.BibFrom, r.Entry.BibTo = 0, 0
	r.Entry.Pools = []race.EntryPool{
		{Key: 1, Name: "Men", Capacity: 1, Division: "Men"},
		{Key: 2, Name: "Women", Capacity: 1, Division: "Women", BibFrom: 1, BibTo: 9},
		{Key: 3, Name: "Late", Capacity: 5, OpensAt: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	b := setupEntry(t, r)
	e := b.enter(t, newID())
	require.Equal(t, []any{"Women", "1"}, []any{e.Pool, e.Bib})
	waits := newID()
	require.Equal(t, race.Waiting, b.enter(t, waits).Status)
	in := func(pool, user string) (maindb.LineEntry, error) {
		return b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: user, Pool: pool})
	}
	_, err := in("Men", newID())
	require.ErrorContains(t, err, `for the division "Men"`)
	_, err = in("Late", newID())
	require.ErrorContains(t, err, "entry opens at 2099")
	_, err = in("Nobody", newID())
	var invalid *race.InvalidError
	require.ErrorAs(t, err, &invalid)
	known, err := in("Late", waits)
	require.NoError(t, err, "one entry for each runner and race")
	require.Equal(t, []any{"Women", 1}, []any{known.Pool, known.Position})

	_, _, err = b.store.UpdateRace(t.Context(), b.race.ID, func(r *race.Race) error { r.Entry.Pools = r.Entry.Pools[2:]; return nil }, noBirths)
	require.ErrorContains(t, err, `the pool "Women" has entries`)
	b.change(t, func(s *race.EntrySettings) { s.Pools = s.Pools[1:2] })
}
