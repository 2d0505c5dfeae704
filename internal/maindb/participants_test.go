package maindb_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// births answers the store's question with what the test says.
func births(known map[string]race.Date) maindb.BirthDates {
	return func(context.Context, []string) (map[string]race.Date, error) { return known, nil }
}

func TestEnterAndCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	r := b.created(t, spring(19))
	entry := maindb.Entry{
		ID: newID(), RaceID: r.ID, UserID: newID(), Sex: race.Female,
		BirthDate: race.Date{Year: 1990, Month: time.April, Day: 20},
	}
	want := race.Participant{
		ID: entry.ID, RaceID: r.ID, UserID: entry.UserID, Sex: race.Female, Age: 35, Field: race.Runner, Status: race.Entered,
	}
	for range 2 { // the second time after an answer that was lost
		got, err := b.store.Enter(ctx, entry)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	again := entry
	again.ID = newID()
	_, err := b.store.Enter(ctx, again)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict, "entered already")

	for range 2 {
		require.NoError(t, b.store.CancelEntry(ctx, r.ID, entry.UserID))
	}
	got, err := b.store.Participant(ctx, r.ID, entry.UserID)
	require.NoError(t, err)
	require.Equal(t, race.Cancelled, got.Status)
	for range 2 {
		got, err = b.store.Enter(ctx, again)
		require.NoError(t, err)
		want.ID = again.ID
		require.Equal(t, want, got)
	}

	_, err = b.store.Participant(ctx, r.ID, newID())
	require.ErrorIs(t, err, race.ErrNotFound)
	require.ErrorIs(t, b.store.CancelEntry(ctx, r.ID, newID()), race.ErrNotFound)
	again.RaceID = newID()
	_, err = b.store.Enter(ctx, again)
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestEntriesEndWithTheFirstResult(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	entry := maindb.Entry{ID: newID(), RaceID: r.ID, UserID: newID()}
	_, err := b.store.Enter(t.Context(), entry)
	require.NoError(t, err)
	b.post(t, r.ID, finish("1", 5000))

	var conflict *race.ConflictError
	_, err = b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: newID()})
	require.ErrorAs(t, err, &conflict)
	require.ErrorAs(t, b.store.CancelEntry(t.Context(), r.ID, entry.UserID), &conflict)
	_, err = b.store.Enter(t.Context(), entry)
	require.NoError(t, err, "made before the result")
}

func TestCapacityHoldsUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limited := spring(19)
	limited.Capacity = 5
	r := b.created(t, limited)

	const runners = 24
	errs := make([]error, runners)
	var group sync.WaitGroup
	for i := range runners {
		group.Go(func() {
			_, errs[i] = b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: newID()})
		})
	}
	group.Wait()
	entered := 0
	for _, err := range errs {
		if err == nil {
			entered++
			continue
		}
		var conflict *race.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Contains(t, conflict.Message, "capacity")
	}
	require.Equal(t, 5, entered)
	list, err := b.store.ListParticipants(t.Context(), r.ID, "", 100)
	require.NoError(t, err)
	require.Len(t, list, 5)

	_, _, err = b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { r.Capacity = 4; return nil }, noBirths)
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.NoError(t, b.store.CancelEntry(t.Context(), r.ID, list[0].UserID))
	_, err = b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: newID()})
	require.NoError(t, err, "a cancelled entry frees its place")
}

func TestOnlyOneOfManySimultaneousEntriesSucceeds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	userID := newID()
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() {
			_, errs[i] = b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: userID})
		})
	}
	group.Wait()
	entered := 0
	for _, err := range errs {
		if err == nil {
			entered++
		}
	}
	require.Equal(t, 1, entered)
}

func TestListParticipantsByPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	var want []string
	for range 5 {
		p, err := b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: newID()})
		require.NoError(t, err)
		want = append(want, p.ID)
	}
	var got []string
	after := ""
	for {
		page, err := b.store.ListParticipants(t.Context(), r.ID, after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			got = append(got, p.ID)
		}
		after = got[len(got)-1]
	}
	require.Equal(t, want, got)
}

func TestNewRaceDayRecomputesAges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	r := b.created(t, spring(19))
	born := race.Date{Year: 1990, Month: time.April, Day: 20}
	known, unknown := newID(), newID()
	for userID, birth := range map[string]race.Date{known: born, unknown: {}} {
		_, err := b.store.Enter(ctx, maindb.Entry{ID: newID(), RaceID: r.ID, UserID: userID, BirthDate: birth})
		require.NoError(t, err)
	}
	stated, dated := row("7", ""), row("8", "")
	stated.Age, dated.BirthDate = 35, born
	b.imports(t, r.ID, stated, dated)
	record := b.post(t, r.ID, finish("7", 5000))

	_, revised, err := b.store.UpdateRace(ctx, r.ID, func(r *race.Race) error { r.Date.Day = 20; return nil },
		births(map[string]race.Date{"7": born, "8": born}))
	require.NoError(t, err)
	require.Equal(t, 1, revised)
	for userID, age := range map[string]int{known: 35, unknown: race.UnknownAge, standIn("7"): 35, standIn("8"): 36} {
		p, err := b.store.Participant(ctx, r.ID, userID)
		require.NoError(t, err)
		require.Equal(t, age, p.Age)
	}
	require.Equal(t, 2, b.record(t, record).Revision)
}
