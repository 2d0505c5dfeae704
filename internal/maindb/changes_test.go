package maindb_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestChangeLog follows a race through its life: each change is one entry, by who
// made it, with what changed and nothing else.
func TestChangeLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	someone := race.Actor{Kind: race.ByAccount, ID: newID(), RequestID: "request-1"}
	someone.AccountID = someone.ID
	ctx := race.WithActor(t.Context(), someone)

	r, err := b.store.CreateRace(ctx, spring(19))
	require.NoError(t, err)
	_, err = b.store.CreateRace(ctx, r) // a retry
	require.NoError(t, err)
	_, _, err = b.store.UpdateRace(ctx, r.ID, func(r *race.Race) error { r.City = "Bonn"; return nil }, noBirths)
	require.NoError(t, err)
	_, _, err = b.store.UpdateRace(ctx, r.ID, func(*race.Race) error { return nil }, noBirths) // changes nothing
	require.NoError(t, err)
	posted, _, err := b.store.PostRecord(ctx, r.ID, newID(), race.Result{Bib: "7", Gun: 5_000_000, Status: race.Finished}, organizer)
	require.NoError(t, err)
	faster := race.Time(4_900_000)
	why := maindb.Change{By: someone.ID, Reason: "from the finish video", PrivateNote: "camera 2"}
	_, _, err = b.store.PatchRecord(ctx, r.ID, posted.ID, 1, maindb.RecordPatch{Gun: &faster}, why)
	require.NoError(t, err)
	_, err = b.store.OpenPublication(ctx, r.ID, someone.ID, time.Minute)
	require.NoError(t, err)
	require.NoError(t, b.store.CancelPublication(ctx, r.ID))
	require.NoError(t, b.store.CancelPublication(ctx, r.ID)) // nothing is open
	_, _, err = b.store.VoidRace(ctx, r.ID, maindb.Change{By: someone.ID, Reason: "entered twice"})
	require.NoError(t, err)

	found, err := b.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: r.ID}, "", 100)
	require.NoError(t, err)
	var actions []string
	for _, c := range found {
		actions = append(actions, c.Action)
		require.Equal(t, someone, c.Actor, c.Action)
		require.Len(t, c.Hash, 64)
	}
	require.Equal(t, []string{
		"race.voided", "race.finalize_cancelled", "race.finalize_requested", "record.corrected", "record.posted", "race.changed", "race.created",
	}, actions)
	changed, corrected := found[5], found[3]
	require.JSONEq(t, `{"city":"Köln"}`, text(changed.Before))
	require.JSONEq(t, `{"city":"Bonn"}`, text(changed.After))
	require.Equal(t, race.Subject{Kind: "record", ID: posted.ID}, corrected.Subject)
	require.JSONEq(t, `{"revision":2,"bib":"7","gun_time":"1:21:40","status":"OK"}`, text(corrected.After))
	require.Equal(t, [2]string{"from the finish video", "camera 2"}, [2]string{corrected.Reason, corrected.PrivateNote})

	older, err := b.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: r.ID, Actor: someone.ID, Action: "race."}, corrected.ID, 1)
	require.NoError(t, err)
	require.Equal(t, changed, older[0])
	for _, nobodys := range []maindb.ChangeFilter{{RaceID: newID()}, {Account: newID()}, {Subject: newID()}, {Action: "race_"}, {Since: b.clock.Now().Add(time.Hour)}} {
		none, err := b.store.Changes(t.Context(), nobodys, "", 1)
		require.NoError(t, err)
		require.Empty(t, none)
	}

	require.NoError(t, b.store.LeaveRaces(t.Context(), someone.ID)) // a void race needs no owner
	erased, err := b.store.Changes(t.Context(), maindb.ChangeFilter{Subject: posted.ID}, "", 1)
	require.NoError(t, err)
	require.Empty(t, erased[0].Reason+erased[0].PrivateNote)
	require.Equal(t, corrected.Hash, erased[0].Hash)
}

// TestRaceChangedSaysWhatChanged counts the fields of a race: the change log must show a
// new one too (raceState).
func TestRaceChangedSaysWhatChanged(t *testing.T) {
	t.Parallel()
	require.Equal(t, 19, reflect.TypeFor[race.Race]().NumField())
	b := setup(t)
	r := b.created(t, spring(19))
	_, _, err := b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { r.Country = "DE"; return nil }, noBirths)
	require.NoError(t, err)
	found, err := b.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: r.ID}, "", 1)
	require.NoError(t, err)
	require.JSONEq(t, `{"country":""}`, text(found[0].Before))
	require.JSONEq(t, `{"country":"DE"}`, text(found[0].After))
}

// TestChangeIsAddedOnce: what another database wants logged may be handed over twice.
func TestChangeIsAddedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := race.Change{
		ID: newID(), At: b.clock.Now(), Actor: race.Actor{Kind: race.ByTheSystem}, Action: "account.suspended",
		Subject: race.Subject{Kind: "account", ID: newID()}, AboutID: newID(), Reason: "spam",
	}
	require.NoError(t, b.store.AddChange(t.Context(), c))
	require.NoError(t, b.store.AddChange(t.Context(), c))
	found, err := b.store.Changes(t.Context(), maindb.ChangeFilter{Account: c.AboutID}, "", 10)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "spam", found[0].Reason)
}

func text(state any) string { return string(state.(json.RawMessage)) } //nolint:forcetypeassert,errcheck // what the store returns

// TestRunnersChangesAreLogged: an entry without settings and a runner's own records are
// in the change log, once each, and without what the record says.
func TestRunnersChangesAreLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := newID()
	ctx := race.WithActor(t.Context(), race.Actor{Kind: race.ByAccount, ID: userID, AccountID: userID})
	entry := maindb.Entry{ID: newID(), RaceID: b.scheduledRace(t), UserID: userID, Sex: race.Female, ReceivedAt: b.clock.Now()}
	for range 2 { // the second is a retry
		_, err := b.store.Enter(ctx, entry)
		require.NoError(t, err)
	}
	for range 2 {
		require.NoError(t, b.store.CancelEntry(ctx, entry.RaceID, userID))
	}
	own := race.UnofficialRecord{ID: newID(), UserID: userID, Date: race.Date{Year: 2026, Month: 4, Day: 1}, Distance: 5_000_000, Time: 1_200_000, Title: "Around the lake"}
	for range 2 {
		_, err := b.store.CreateUnofficialRecord(ctx, own)
		require.NoError(t, err)
	}
	_, err := b.store.UpdateUnofficialRecord(ctx, userID, own.ID, func(r *race.UnofficialRecord) error { r.Title = "Around both lakes"; return nil })
	require.NoError(t, err)
	require.NoError(t, b.store.DeleteUnofficialRecord(ctx, userID, own.ID))
	require.ErrorIs(t, b.store.DeleteUnofficialRecord(ctx, userID, own.ID), race.ErrNotFound)

	found, err := b.store.Changes(t.Context(), maindb.ChangeFilter{Account: userID}, "", 100)
	require.NoError(t, err)
	var actions []string
	for _, c := range found {
		actions = append(actions, c.Action)
		require.NotContains(t, text(c.Before)+text(c.After), "lake")
	}
	require.Equal(t, []string{
		"unofficial_record.deleted", "unofficial_record.changed", "unofficial_record.created", "entry.cancelled", "entry.entered",
	}, actions)
	require.JSONEq(t, `{"status":"entered"}`, text(found[3].Before))
}
