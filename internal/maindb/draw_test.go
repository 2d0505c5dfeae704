package maindb_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// byLot is a race of next year that draws so many places in an hour.
func byLot(capacity int) race.Race {
	r := limited(capacity)
	r.Entry.Order, r.Entry.ClosesAt = race.ByDraw, time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	return r
}

// closeEntry ends the time in which runners can register.
func (b *entryBundle) closeEntry(t *testing.T) {
	t.Helper()
	b.change(t, func(s *race.EntrySettings) { s.ClosesAt = time.Now().UTC().Add(-time.Minute).Truncate(time.Second) })
}

func (b *entryBundle) drawPlaces(t *testing.T) maindb.DrawOutcome {
	t.Helper()
	outcome, err := b.store.DrawPlaces(t.Context(), b.race.ID)
	require.NoError(t, err)
	return outcome
}

func (b *entryBundle) register(t *testing.T, n int) []string {
	t.Helper()
	users := make([]string, n)
	var group sync.WaitGroup
	for i := range users {
		users[i] = newID()
		group.Go(func() {
			e, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: users[i]})
			if err != nil || e.Status != race.Registered || e.DrawNumber == "" || e.Bib != "" || e.Position != 0 {
				t.Errorf("registered as %+v: %v", e, err)
			}
		})
	}
	group.Wait()
	return users
}

// drawn returns the draw of the race and its numbers.
func (b *entryBundle) drawn(t *testing.T) (maindb.Draw, []maindb.DrawnNumber) {
	t.Helper()
	r, err := b.store.Race(t.Context(), b.race.ID)
	require.NoError(t, err)
	d, err := b.store.DrawOf(t.Context(), r)
	require.NoError(t, err)
	numbers, err := b.store.DrawnNumbers(t.Context(), r, "", 100_000)
	require.NoError(t, err)
	return d, numbers
}

// verify computes a draw again from what is published, without the code that drew it.
func verify(t *testing.T, d maindb.Draw, numbers []maindb.DrawnNumber) {
	t.Helper()
	sum := func(text string) string {
		hash := sha256.Sum256([]byte(text))
		return hex.EncodeToString(hash[:])
	}
	require.Equal(t, d.Commitment, sum(d.Seed))
	list, lots := "", map[string]string{}
	var order []string
	for _, n := range numbers { // which are published in their own order
		list += n.Number + "\n"
		order = append(order, n.Number)
	}
	require.True(t, sort.StringsAreSorted(order))
	require.Equal(t, d.ListHash, sum(list))
	for _, n := range order {
		mac := hmac.New(sha256.New, []byte(d.Seed))
		mac.Write([]byte(sum(list) + ":" + n))
		lots[n] = hex.EncodeToString(mac.Sum(nil))
	}
	sort.Slice(order, func(i, j int) bool { return lots[order[i]] < lots[order[j]] })
	for _, n := range numbers {
		require.Equal(t, n.Number, order[n.Place-1])
	}
}

// drawInOrder draws the places and returns who has a number, in the order of the draw.
func (b *entryBundle) drawInOrder(t *testing.T) []string {
	t.Helper()
	require.True(t, b.drawPlaces(t).Drawn)
	d, numbers := b.drawn(t)
	verify(t, d, numbers)
	r, err := b.store.Race(t.Context(), b.race.ID)
	require.NoError(t, err)
	entries, err := b.store.Entries(t.Context(), r, maindb.EntryFilter{}, maindb.EntryCursor{}, 100_000)
	require.NoError(t, err)
	order := make([]string, len(numbers))
	for _, e := range entries {
		if e.DrawPlace > 0 {
			order[e.DrawPlace-1] = e.UserID
		}
	}
	return order
}

func TestDraw(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, byLot(10))
	users := b.register(t, 40)
	d, numbers := b.drawn(t)
	require.Empty(t, numbers, "published after the draw")
	require.Equal(t, []any{"", "", true}, []any{d.Seed, d.ListHash, d.DrawnAt.IsZero()})
	require.Equal(t, race.DrawCommitment(b.seed(t)), d.Commitment)
	require.Equal(t, 40, b.counts(t).Registered)

	// Cancelling and registering again gains no other number.
	number := b.of(t, users[0]).DrawNumber
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, users[0]))
	require.Equal(t, race.Cancelled, b.of(t, users[0]).Status)
	again := b.enter(t, users[0])
	require.Equal(t, []any{race.Registered, number}, []any{again.Status, again.DrawNumber})
	require.Equal(t, number, b.enter(t, users[0]).DrawNumber, "a retry")
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, users[1]))
	_, err := b.store.RemoveEntry(t.Context(), b.race.ID, users[2], "twice")
	require.NoError(t, err)
	_, err = b.store.EnterByHand(t.Context(), b.race.ID, users[3], "invited", maindb.Override{})
	require.NoError(t, err)
	b.joinsByList(t, users[4], "7")
	var conflict *race.ConflictError
	_, err = b.store.AnswerOffer(t.Context(), b.race.ID, users[5], true)
	require.ErrorAs(t, err, &conflict)
	_, err = b.store.SetStanding(t.Context(), b.race.ID, users[5], true)
	require.NoError(t, err)

	outcome := b.drawPlaces(t)
	require.False(t, outcome.Drawn)
	require.InDelta(t, time.Hour, outcome.Left, float64(time.Minute))
	b.closeEntry(t)
	_, err = b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: newID()})
	require.ErrorAs(t, err, &conflict)
	b.change(t, func(s *race.EntrySettings) { s.Paused = true })
	require.Equal(t, maindb.DrawOutcome{Paused: true}, b.drawPlaces(t))
	b.change(t, func(s *race.EntrySettings) { s.Paused, s.Capacity, s.BibTo = false, 12, 112 })

	outcomes := make([]maindb.DrawOutcome, 4) // four workers at once
	var group sync.WaitGroup
	for i := range outcomes {
		group.Go(func() { outcomes[i] = b.drawPlaces(t) })
	}
	group.Wait()
	did := slices.DeleteFunc(slices.Clone(outcomes), func(o maindb.DrawOutcome) bool { return o.Entered == 0 })
	require.Equal(t, []maindb.DrawOutcome{{Drawn: true, Entered: 11, Waiting: 25}}, did, "one of them drew, and the invited runner holds one of 12 places")

	d, numbers = b.drawn(t)
	require.Len(t, numbers, 40)
	verify(t, d, numbers)
	byNumber := map[string]maindb.DrawnNumber{}
	slices.SortFunc(numbers, func(x, y maindb.DrawnNumber) int { return x.Place - y.Place })
	entered, position := 0, 0
	states := map[race.EntryStatus]int{}
	for _, n := range numbers {
		states[n.Result]++
		byNumber[n.Number] = n
		require.False(t, n.Result == race.Entered && n.Number != b.of(t, users[3]).DrawNumber && states[race.Waiting] > 0, "who enters is in front of all who wait")
	}
	require.Equal(t, map[race.EntryStatus]int{race.Entered: 12, race.Waiting: 25, race.Cancelled: 2, race.RemovedEntry: 1}, states)
	found := map[int]maindb.LineEntry{}
	for _, u := range users {
		e := b.of(t, u)
		n := byNumber[e.DrawNumber]
		require.Equal(t, n.Place, e.DrawPlace)
		found[n.Place] = e
	}
	for place := 1; place <= 40; place++ {
		switch e := found[place]; {
		case e.Status == race.Waiting:
			position++
			require.Equal(t, position, e.Position)
		case e.Status == race.Entered && e.UserID != users[3] && e.UserID != users[4]:
			entered++
			require.Equal(t, strconv.Itoa(101+entered), e.Bib, "bibs in the order of the draw, after the invited runner's")
		}
	}
	wrong, err := b.store.RecountPools(t.Context())
	require.NoError(t, err)
	require.Empty(t, wrong)

	// What comes later changes nothing for the others.
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, users[3]))
	next := slices.IndexFunc(numbers, func(n maindb.DrawnNumber) bool { return n.Result == race.Waiting })
	e := found[numbers[next].Place]
	require.NotEqual(t, race.Waiting, b.of(t, e.UserID).Status, "the first in line gets the free place")
	b.change(t, func(s *race.EntrySettings) { s.ClosesAt = time.Now().Add(time.Hour) })
	late := b.enter(t, newID())
	require.Equal(t, []any{race.Waiting, 25, ""}, []any{late.Status, late.Position, late.DrawNumber}, "at the end of the line")
	require.Equal(t, maindb.DrawOutcome{Drawn: true}, b.drawPlaces(t))
	afterwards, same := b.drawn(t)
	slices.SortFunc(same, func(x, y maindb.DrawnNumber) int { return x.Place - y.Place })
	require.Equal(t, []any{d.Seed, d.DrawnAt, numbers}, []any{afterwards.Seed, afterwards.DrawnAt, same})
}

func (b *entryBundle) seed(t *testing.T) (seed string) {
	t.Helper()
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT seed FROM draw WHERE race_id = ?", b.race.ID).Scan(&seed))
	return seed
}

// TestDrawWithoutWaitingList of two pools in a race whose own capacity is below theirs,
// drawn with the rights of the worker's account.
func TestDrawWithoutWaitingList(t *testing.T) {
	t.Parallel()
	db, cfg := mysqltest.New(t, maindb.Migrations())
	bundle := &testBundle{store: maindb.NewOutcomes(db, time.Now), db: db, clock: &clock{}}
	r := byLot(0)
	r.Capacity = 7
	r.Entry.WaitingList, r.Entry.BibFrom, r.Entry.BibTo = false, 0, 0
	r.Entry.Pools = []race.EntryPool{{Key: 1, Name: "A", Capacity: 4, BibFrom: 1, BibTo: 4}, {Key: 2, Name: "B", Capacity: 4, BibFrom: 11, BibTo: 14}}
	b := &entryBundle{testBundle: bundle, entering: maindb.NewEntering(bundle.store.Store, anyAccount), race: bundle.created(t, r)}
	users := b.register(t, 6)
	for range 6 {
		u := newID()
		users = append(users, u)
		e, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: u, Pool: "B"})
		require.NoError(t, err)
		require.Equal(t, race.Registered, e.Status)
	}
	b.closeEntry(t)
	worker := maindb.NewOutcomes(mysqltest.As(t, cfg, maindb.Grants(), mysql.Worker), time.Now)
	outcome, err := worker.DrawPlaces(t.Context(), b.race.ID)
	require.NoError(t, err)
	require.Equal(t, maindb.DrawOutcome{Drawn: true, Entered: 7, NotDrawn: 5}, outcome)
	require.NoError(t, worker.RequeueDraw(t.Context(), b.race.ID))
	require.NoError(t, worker.RequeueDraw(t.Context(), b.race.ID))
	d, numbers := b.drawn(t)
	verify(t, d, numbers)
	slices.SortFunc(numbers, func(x, y maindb.DrawnNumber) int { return x.Place - y.Place })
	got := map[string]int{}
	for _, n := range numbers {
		if n.Result == race.Entered {
			got[n.Pool]++
			continue
		}
		require.True(t, got[n.Pool] == 4 || got["A"]+got["B"] == 7, "whoever is not drawn comes after those who are")
	}
	for _, u := range users {
		if e := b.of(t, u); e.Status == race.NotDrawn {
			_, err := b.store.EnterByHand(t.Context(), b.race.ID, u, "a sponsor's guest", maindb.Override{Capacity: true})
			require.NoError(t, err)
			return
		}
	}
}

// TestDrawIsQueued until its workflow is started, whenever its settings change, and its
// order no longer changes once somebody has registered.
func TestDrawIsQueued(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(3))
	started := func() (races []string) {
		require.NoError(t, b.store.StartDraws(t.Context(), func(_ context.Context, raceID string) error {
			races = append(races, raceID)
			return nil
		}))
		return races
	}
	require.Empty(t, started())
	seeds := map[string]bool{}
	for range 2 {
		b.change(t, func(s *race.EntrySettings) { s.Order, s.ClosesAt = race.ByDraw, time.Now().Add(time.Hour) })
		seeds[b.seed(t)] = true
		require.Equal(t, []string{b.race.ID}, started())
		require.Empty(t, started())
		b.change(t, func(s *race.EntrySettings) { s.Order = race.ByArrival })
	}
	require.Len(t, seeds, 2)
	require.Equal(t, race.Entered, b.enter(t, newID()).Status)
	set := func(edit func(*race.EntrySettings)) error {
		_, _, err := b.store.UpdateRace(t.Context(), b.race.ID, func(r *race.Race) error { edit(r.Entry); return nil }, noBirths)
		return err
	}
	var conflict *race.ConflictError
	require.ErrorAs(t, set(func(s *race.EntrySettings) { s.Order = race.ByDraw }), &conflict)

	b.race = b.created(t, byLot(3))
	commitment := b.race.Entry.DrawCommitment
	require.Equal(t, race.DrawCommitment(b.seed(t)), commitment)
	user := b.register(t, 1)[0]
	require.NoError(t, b.store.CancelEntry(t.Context(), b.race.ID, user))
	require.ErrorAs(t, set(func(s *race.EntrySettings) { s.Order = race.ByArrival }), &conflict)
	require.Equal(t, []string{b.race.ID}, started())
	open, err := b.store.OpenDraws(t.Context(), -time.Minute, 10)
	require.NoError(t, err)
	require.Equal(t, []string{b.race.ID}, open)
	require.NoError(t, b.store.RequeueDraw(t.Context(), b.race.ID))
	open, err = b.store.OpenDraws(t.Context(), -time.Minute, 10)
	require.NoError(t, err)
	require.Empty(t, open)
	b.closeEntry(t)
	require.Equal(t, maindb.DrawOutcome{Drawn: true}, b.drawPlaces(t), "nobody is registered any more")
	require.ErrorAs(t, set(func(s *race.EntrySettings) { s.DrawAt = time.Now().Add(time.Hour) }), &conflict)
	r, err := b.store.Race(t.Context(), b.race.ID)
	require.NoError(t, err)
	require.Equal(t, commitment, r.Entry.DrawCommitment)
	require.NoError(t, b.store.DeleteRace(t.Context(), b.race.ID))
	_, err = b.store.DrawPlaces(t.Context(), b.race.ID)
	require.ErrorIs(t, err, race.ErrNotFound)
}

// TestResultsBeforeTheDraw: nothing is drawn in a race with results, and whoever is
// registered hears so at once.
func TestResultsBeforeTheDraw(t *testing.T) {
	t.Parallel()
	db, cfg := mysqltest.New(t, maindb.Migrations())
	bundle := &testBundle{store: maindb.NewOutcomes(db, time.Now), db: db, clock: &clock{}}
	b := &entryBundle{testBundle: bundle, entering: maindb.NewEntering(bundle.store.Store, anyAccount), race: bundle.created(t, byLot(10))}
	users := b.register(t, 3)
	queued := func() (races []string) {
		require.NoError(t, b.store.StartDraws(t.Context(), func(_ context.Context, raceID string) error {
			races = append(races, raceID)
			return nil
		}))
		return races
	}
	queued() // as when the race was made
	b.imports(t, b.race.ID, row("500", ""))
	_, _, err := b.store.PostRecord(t.Context(), b.race.ID, newID(), finish("500", 9000), organizer)
	require.NoError(t, err)
	require.Equal(t, []string{b.race.ID}, queued(), "its workflow is woken")
	worker := maindb.NewOutcomes(mysqltest.As(t, cfg, maindb.Grants(), mysql.Worker), time.Now)
	for range 2 {
		outcome, err := worker.DrawPlaces(t.Context(), b.race.ID)
		require.NoError(t, err)
		require.Equal(t, maindb.DrawOutcome{Over: true}, outcome)
	}
	for _, u := range users {
		require.Equal(t, race.NotDrawn, b.of(t, u).Status)
		_, err := b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: u})
		require.EqualError(t, err, "entries are closed: the race has results")
	}
	_, numbers := b.drawn(t)
	require.Empty(t, numbers)
	wrong, err := b.store.RecountPools(t.Context())
	require.NoError(t, err)
	require.Empty(t, wrong)
}

// TestStartListBeforeTheDraw: people of a start list take none of a pool's places, but
// count in the race's own capacity, and the draw gives nobody more than is left.
func TestStartListBeforeTheDraw(t *testing.T) {
	t.Parallel()
	r := byLot(10)
	r.Capacity = 10
	b := setupEntry(t, r)
	users := b.register(t, 10)
	b.imports(t, b.race.ID, row("103", ""), row("501", ""), row("502", ""))
	b.joinsByList(t, users[0], "503")
	require.Equal(t, []any{race.Entered, "503"}, []any{b.of(t, users[0]).Status, b.of(t, users[0]).Bib})
	b.closeEntry(t)
	require.Equal(t, maindb.DrawOutcome{Drawn: true, Entered: 6, Waiting: 3}, b.drawPlaces(t))
	require.Equal(t, []any{race.Entered, "503"}, []any{b.of(t, users[0]).Status, b.of(t, users[0]).Bib}, "in without a place of the draw")
	list, err := b.store.ListParticipants(t.Context(), b.race.ID, "", 100)
	require.NoError(t, err)
	bibs := map[string]bool{}
	for _, p := range list {
		require.Equal(t, race.Entered, p.Status)
		require.False(t, bibs[p.Bib], p.Bib)
		bibs[p.Bib] = true
	}
	require.Len(t, bibs, 10)
}
