package maindb_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// lineModel is what a race with one pool should do, in a few lines.
type lineModel struct {
	capacity int
	paused   bool
	drawing  bool // the places are still to be drawn
	next     int64
	people   map[string]*modelEntry
	lacking  map[string]bool // who does not meet the standard of the pool

	giver, receiver string // of the one open transfer; empty: none, nobody has accepted it
	deferred        map[string]race.EntryStatus
}

type modelEntry struct {
	status   race.EntryStatus
	seq      int64
	standing bool
}

func (m *lineModel) count(status race.EntryStatus) (n int) {
	for _, e := range m.people {
		if e.status == status {
			n++
		}
	}
	return n
}

func (m *lineModel) free() int { return m.capacity - m.count(race.Entered) - m.count(race.Offered) }

func (m *lineModel) serve() {
	for !m.paused && m.free() > 0 {
		var first *modelEntry
		for _, e := range m.people {
			if e.status == race.Waiting && (first == nil || e.seq < first.seq) {
				first = e
			}
		}
		switch {
		case first == nil:
			return
		case first.standing:
			first.status = race.Entered
		default:
			first.status = race.Offered
		}
	}
}

func (m *lineModel) enter(user string) {
	old := m.people[user]
	if m.paused || m.lacking[user] || old != nil && (!old.status.Left() || old.status == race.RemovedEntry || old.status == race.Deferred) {
		return
	}
	e := &modelEntry{status: race.Waiting, seq: m.next}
	switch {
	case m.drawing:
		e.status = race.Registered
	case m.free() > 0 && m.count(race.Waiting) == 0:
		e.status = race.Entered
	}
	m.next++
	m.people[user] = e
}

// end ends an entry with one of some states.
func (m *lineModel) end(user string, status race.EntryStatus, from ...race.EntryStatus) {
	if e := m.people[user]; e != nil && slices.Contains(from, e.status) {
		if user == m.giver && status != race.Entered { // what they offer to others ends with their place
			m.giver, m.receiver = "", ""
		}
		e.status = status
		m.serve()
	}
}

// canReceive reports whether somebody can take the place of a transfer.
func (m *lineModel) canReceive(user string) bool {
	e := m.people[user]
	return user != m.giver && !m.lacking[user] && (e == nil || e.status.Left() && e.status != race.RemovedEntry && e.status != race.Deferred)
}

// offer, accept and confirm transfer a place by the organizer's hand.
func (m *lineModel) offer(user string) bool {
	if e := m.people[user]; e == nil || e.status != race.Entered {
		return false
	}
	if m.giver == "" || m.giver == user {
		m.giver, m.receiver = user, ""
	}
	return m.giver == user
}

func (m *lineModel) accept(user string) {
	if m.giver != "" && m.receiver == "" && m.canReceive(user) {
		m.receiver = user
	}
}

func (m *lineModel) confirm() bool {
	if m.receiver == "" || !m.canReceive(m.receiver) {
		return false
	}
	m.people[m.giver].status = race.Transferred
	m.people[m.receiver] = &modelEntry{status: race.Entered, seq: m.next}
	m.next++
	m.giver, m.receiver = "", ""
	return true
}

// draw gives the places that are free in the order of the draw. Every number takes part,
// also those of entries that have ended.
func (m *lineModel) draw(order []string) {
	free := m.free()
	for i, user := range order {
		e := m.people[user]
		if e.status != race.Registered {
			continue
		}
		e.status, e.seq = race.Waiting, m.next+int64(i)
		if free > 0 {
			e.status, free = race.Entered, free-1
		}
	}
	m.next += int64(len(order))
	m.drawing = false
}

// TestLineAgainstAModel does things at random and compares every entry with a model.
func TestLineAgainstAModel(t *testing.T) {
	t.Parallel()
	t.Run("arrival", func(t *testing.T) {
		t.Parallel()
		lineAgainstAModel(t, setupEntry(t, limited(3)), -1)
	})
	t.Run("standard", func(t *testing.T) {
		t.Parallel()
		lineAgainstAModel(t, setupEntry(t, demanding(3)), -1)
	})
	t.Run("draw", func(t *testing.T) {
		t.Parallel()
		lineAgainstAModel(t, setupEntry(t, byLot(3)), 150)
	})
}

// lineAgainstAModel draws the places at a step; a negative one: there is no draw. In a pool
// with a standard the results of the runners come and go.
func lineAgainstAModel(t *testing.T, b *entryBundle, drawAt int) {
	t.Helper()
	ctx, random := t.Context(), rand.New(rand.NewPCG(15, 31))
	m := &lineModel{
		capacity: 3, drawing: drawAt >= 0, next: 1, people: map[string]*modelEntry{}, lacking: map[string]bool{}, deferred: map[string]race.EntryStatus{},
	}
	next := b.nextEdition(t, limited(0))
	demands := len(b.race.Entry.Pools) > 0
	results := b.officialRace(t)
	users := make([]string, 12)
	arrives := func(i int) {
		users[i] = newID()
		if demands {
			b.finished(t, results, users[i], 3*time.Hour)
		}
	}
	for i := range users {
		arrives(i)
	}
	var codes byte
	code := func() []byte { return bytes.Repeat([]byte{codes}, 32) }
	live := []race.EntryStatus{race.Registered, race.Entered, race.Waiting, race.Offered}
	left := []race.EntryStatus{race.Cancelled, race.OfferDeclined, race.OfferExpired, race.NotDrawn}
	for step := range 600 {
		if step == drawAt {
			m.paused = false
			b.change(t, func(s *race.EntrySettings) { s.Paused = false })
			b.closeEntry(t)
			m.draw(b.drawInOrder(t))
			b.change(t, func(s *race.EntrySettings) { s.ClosesAt = time.Now().Add(time.Hour) })
		}
		at := random.IntN(len(users))
		user := users[at]
		known := m.people[user]
		switch random.IntN(14) {
		case 0, 1, 2:
			_, _ = b.entering.Enter(ctx, maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: user}) // what it answers is compared below
			m.enter(user)
		case 3:
			_ = b.store.CancelEntry(ctx, b.race.ID, user)
			m.end(user, race.Cancelled, live...)
		case 4:
			_, _ = b.store.AnswerOffer(ctx, b.race.ID, user, true)
			m.end(user, race.Entered, race.Offered)
		case 5:
			_, _ = b.store.AnswerOffer(ctx, b.race.ID, user, false)
			m.end(user, race.OfferDeclined, race.Offered)
		case 6:
			if known != nil && known.status == race.Offered {
				_, err := b.store.ExpireOffer(ctx, b.passDeadline(t, user))
				require.NoError(t, err)
				m.end(user, race.OfferExpired, race.Offered)
			}
		case 7:
			if known != nil {
				known.standing = !known.standing
				_, err := b.store.SetStanding(ctx, b.race.ID, user, known.standing)
				require.NoError(t, err)
			}
		case 8:
			m.capacity, m.paused = 1+random.IntN(5), random.IntN(4) == 0
			b.change(t, func(s *race.EntrySettings) {
				s.Paused = m.paused
				if demands {
					s.Pools[0].Capacity = m.capacity
				} else {
					s.Capacity, s.BibFrom, s.BibTo = m.capacity, 0, 0
				}
			})
			m.serve()
		case 9:
			if random.IntN(2) == 0 {
				_, _ = b.store.RemoveEntry(ctx, b.race.ID, user, "at random")
				m.end(user, race.RemovedEntry, append(append(live, left...), race.Transferred)...)
				break
			}
			_, _ = b.store.EnterByHand(ctx, b.race.ID, user, "at random", maindb.Override{Capacity: true, Standard: true})
			m.end(user, race.Entered, race.Registered, race.Waiting, race.Offered, race.OfferExpired, race.RemovedEntry, race.NotDrawn)
		case 10:
			if m.offer(user) {
				codes++
				_, err := b.store.OfferTransfer(ctx, maindb.TransferOffer{ID: newID(), RaceID: b.race.ID, GiverID: user, CodeHash: code(), ByHand: true})
				require.NoError(t, err)
			}
		case 11:
			_, _ = b.store.AcceptTransfer(ctx, b.race.ID, code(), user, aWoman, "Giver")
			m.accept(user)
			if random.IntN(2) == 0 || m.giver == "" {
				break
			}
			agreed, err := b.store.TransferOf(ctx, b.race.ID, m.giver)
			require.NoError(t, err)
			err = b.store.ConfirmTransfer(ctx, agreed, newID(), aWoman, "Giver")
			require.Equal(t, m.confirm(), err == nil, "step %d: %v", step, err)
		case 12:
			_, err := b.store.Defer(ctx, b.race.ID, user, newID(), aWoman)
			if known != nil && known.status == race.Entered {
				require.NoError(t, err, "step %d", step)
				m.end(user, race.Deferred, race.Entered)
				m.deferred[user] = race.Entered
				if random.IntN(2) == 0 { // they may cancel there, too
					require.NoError(t, b.store.CancelEntry(ctx, next.ID, user))
					m.deferred[user] = race.Cancelled
				}
			}
			if m.people[user] != nil && m.people[user].status == race.Deferred && random.IntN(2) == 0 {
				arrives(at) // somebody else takes part in the test instead
			}
		case 13:
			if demands {
				m.lacking[user] = !m.lacking[user]
				b.disqualify(t, results, user, m.lacking[user])
			}
		}
		r, err := b.store.Race(ctx, b.race.ID)
		require.NoError(t, err)
		kept, err := b.store.Entries(ctx, r, maindb.EntryFilter{}, maindb.EntryCursor{}, 1000)
		require.NoError(t, err)
		require.Len(t, kept, len(m.people), "step %d", step)
		for _, e := range kept {
			want := m.people[e.UserID]
			require.Equal(t, *want, modelEntry{e.Status, e.Seq, e.Standing}, "step %d", step)
			require.Equal(t, e.Origin == race.EnteredByRequest && m.lacking[e.UserID] && !e.Status.Left(), e.Unqualified, "step %d", step)
		}
	}
	b.counts(t)
	there, err := b.store.Entries(ctx, next, maindb.EntryFilter{}, maindb.EntryCursor{}, 1000)
	require.NoError(t, err)
	require.NotEmpty(t, there)
	require.Len(t, there, len(m.deferred))
	for _, e := range there {
		require.Equal(t, m.deferred[e.UserID], e.Status)
	}
	wrong, err := b.store.RecountPools(ctx)
	require.NoError(t, err)
	require.Empty(t, wrong)
}
