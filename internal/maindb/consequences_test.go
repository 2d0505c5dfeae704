package maindb_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// list enters runners with the bibs, men of 40, by a start list.
func (b *testBundle) list(t *testing.T, raceID string, bibs ...string) {
	t.Helper()
	rows := make([]maindb.StartListRow, len(bibs))
	for i, bib := range bibs {
		rows[i] = maindb.StartListRow{Bib: bib, Sex: race.Male, Age: 40, StandIn: maindb.RunnerAccount{UserID: uuid.NewString()}}
	}
	planned, err := b.store.PlanStartList(t.Context(), raceID, rows)
	require.NoError(t, err)
	_, err = b.store.ImportStartList(t.Context(), raceID, rows, planned)
	require.NoError(t, err)
}

// ranking ranks a race as it is now.
func (b *testBundle) ranking(t *testing.T, raceID string) []standings.Row {
	t.Helper()
	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	return standings.Rank(standings.Rules{Ranking: in.Race.Ranking, Divisions: in.Race.Divisions}, in.Entries)
}

// TestAPlanSaysWhatTheChangeDoes plans every kind of change, sees that nothing has
// happened, makes it, and compares the places with those that were announced.
func TestAPlanSaysWhatTheChangeDoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, change := range map[string]func(ctx context.Context, s *maindb.Store, r []race.Record) error{
		"a correction": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.PatchRecord(ctx, r[0].RaceID, r[3].ID, r[3].Revision, maindb.RecordPatch{Gun: new(race.Time(8_000_000)), Net: new(race.Time(7_990_000))}, organizer)
			return err
		},
		"a disqualification": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.PatchRecord(ctx, r[0].RaceID, r[0].ID, r[0].Revision, maindb.RecordPatch{Status: new(race.Disqualified)}, organizer)
			return err
		},
		"a bib that another holds": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.PatchRecord(ctx, r[0].RaceID, r[1].ID, r[1].Revision, maindb.RecordPatch{Bib: new("3")}, organizer)
			return err
		},
		"a removal": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.RemoveRecord(ctx, r[0].RaceID, r[1].ID, r[1].Revision, organizer)
			return err
		},
		"another basis": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.UpdateRace(ctx, r[0].RaceID, func(to *race.Race) error { to.Ranking.Basis = race.Net; return nil }, nil)
			return err
		},
		"another scoring": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.UpdateRace(ctx, r[0].RaceID, func(to *race.Race) error { to.Scoring, to.Points = "fixed", 10; return nil }, nil)
			return err
		},
		"void": func(ctx context.Context, s *maindb.Store, r []race.Record) error {
			_, _, err := s.VoidRace(ctx, r[0].RaceID, organizer)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raceID := b.scheduledRace(t)
			b.list(t, raceID, "1", "2", "3", "4")
			var records []race.Record
			for i, bib := range []string{"1", "2", "3", "4"} {
				at := race.Time(9_000_000 + 60_000*i)
				records = append(records, b.post(t, raceID, race.Result{Bib: bib, Gun: at, Net: at - race.Time(200_000*i), Status: race.Finished}))
			}
			before := b.ranking(t, raceID)
			planned, err := b.store.Plan(func(planning *maindb.Store) error { return change(t.Context(), planning, records) })
			require.NoError(t, err)
			require.Equal(t, before, b.ranking(t, raceID), "nothing was changed")
			require.NoError(t, change(t.Context(), b.store.Store, records))
			after := b.ranking(t, raceID)
			if name == "void" {
				after = nil // its places are no longer shown
			}
			places := map[string][2]int{}
			for _, row := range before {
				places[row.RecordID] = [2]int{row.Place, 0}
			}
			for _, row := range after {
				places[row.RecordID] = [2]int{places[row.RecordID][0], row.Place}
			}
			announced := map[string][2]int{}
			for id, place := range places {
				if place[0] == place[1] {
					announced[id] = place
				}
			}
			for _, move := range planned.Moves {
				announced[move.RecordID] = [2]int{move.PlaceBefore, move.PlaceAfter}
			}
			require.Equal(t, places, announced)
			require.Positive(t, planned.Credits)
			if name == "another scoring" {
				require.EqualValues(t, 40, planned.PointsAfter)
				require.Zero(t, planned.PlacesMoved)
			}
			if name == "void" {
				require.Equal(t, 4, planned.PointsTotal)
				require.Zero(t, planned.PointsAfter)
			}
		})
	}
}
