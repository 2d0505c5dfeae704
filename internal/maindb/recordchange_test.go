package maindb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestAConfirmationIsOfTheTimesThatWereThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t) // by net time
	b.addEntrant(t, raceID, "42", 35, race.Entered)
	r := b.post(t, raceID, race.Result{Bib: "42", Gun: 131_000, Net: 130_000, Status: race.Finished})
	yes, no := true, false
	patch := func(patch maindb.RecordPatch, wantChanged, wantConfirmed bool) {
		t.Helper()
		next, changed, err := b.store.PatchRecord(t.Context(), raceID, r.ID, r.Revision, patch, organizer)
		require.NoError(t, err)
		require.Equal(t, wantChanged, changed)
		require.Equal(t, wantConfirmed, next.TimeConfirmed)
		require.Equal(t, next, b.record(t, next))
		revisions, err := b.store.Revisions(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, wantConfirmed, revisions[len(revisions)-1].TimeConfirmed)
		facts, err := b.store.Facts(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, next, facts.Record)
		in, err := b.store.StandingsInputs(t.Context(), raceID)
		require.NoError(t, err)
		require.Equal(t, facts.Implausible(), in.Entries[0].Implausible)
		require.Equal(t, !wantConfirmed, in.Entries[0].Implausible != "")
		r = next
	}
	sequence, other := 5, race.Time(129_000)
	patch(maindb.RecordPatch{ConfirmTime: &no}, false, false)
	patch(maindb.RecordPatch{ConfirmTime: &yes}, true, true)
	patch(maindb.RecordPatch{ConfirmTime: &yes}, false, true)
	patch(maindb.RecordPatch{Sequence: &sequence}, true, true)
	patch(maindb.RecordPatch{Net: &other}, true, false)
	patch(maindb.RecordPatch{Net: &other, ConfirmTime: &yes}, true, true)
	patch(maindb.RecordPatch{ConfirmTime: &no}, true, false)
	patch(maindb.RecordPatch{ConfirmTime: &yes}, true, true)

	_, revised, err := b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error {
		r.Ranking.Basis = race.Gun
		return nil
	}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, revised)
	r.Revision++
	patch(maindb.RecordPatch{}, false, true) // what is only revised stays confirmed
}

func TestOnlyTheRankingTimeCanBeImplausible(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addEntrant(t, raceID, "42", 35, race.Entered)
	r := b.post(t, raceID, race.Result{Bib: "42", Gun: 9_000_000, Net: 130_000, Status: race.Finished})
	for _, step := range []struct {
		edit      func(*race.Race)
		revised   int
		plausible bool
	}{
		{func(r *race.Race) { r.Ranking = race.Ranking{Basis: race.Gun, Ties: race.TiesShare} }, 1, true},
		{func(r *race.Race) { r.Ranking.Ties = race.TiesSequence }, 0, true},
		{func(r *race.Race) { r.Ranking.Ties = race.TiesNet }, 1, false},
		{func(r *race.Race) { r.Ranking.Ties, r.Ranking.DivisionsBasis = race.TiesShare, race.Net }, 0, false}, // the same clocks
		{func(r *race.Race) { r.Ranking.DivisionsBasis = race.Gun }, 1, true},
		{func(r *race.Race) {
			r.Ranking, r.Distance = race.Ranking{Basis: race.Net, Ties: race.TiesShare}, 800_000
		}, 1, true},
	} {
		_, revised, err := b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error { step.edit(r); return nil }, nil)
		require.NoError(t, err)
		require.Equal(t, step.revised, revised)
		facts, err := b.store.Facts(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, step.plausible, facts.Implausible() == "", facts.Implausible())
	}
}
