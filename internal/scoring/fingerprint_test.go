package scoring_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// believed is a man of 40 whose gun time is plausible in a marathon, while his net
// time is not.
func believed() scoring.Facts {
	return scoring.Facts{
		Record: race.Record{
			ID: "record", RaceID: "race", Revision: 1, HoldsBib: true,
			Result: race.Result{Bib: "7", Gun: 3 * 3_600_000, Net: 600_000, Status: race.Finished},
		},
		Race:    race.Race{Scoring: "agegrade-2025", Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}},
		Entrant: &race.Participant{ID: "entry", UserID: "runner", Sex: race.Male, Age: 40, Field: race.Runner},
	}
}

// Whatever changes the outcome changes the fingerprint, or a credit from before
// the change would pass for one of after it.
func TestFingerprintCoversWhatDecides(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scoring.Facts){
		"clock of the divisions": func(f *scoring.Facts) { f.Race.Ranking.DivisionsBasis = race.Net },
		"tie break":              func(f *scoring.Facts) { f.Race.Ranking.Ties = race.TiesNet },
		"clock":                  func(f *scoring.Facts) { f.Race.Ranking.Basis = race.Net },
		"status":                 func(f *scoring.Facts) { f.Record.Result.Status = race.Disqualified },
		"gun time":               func(f *scoring.Facts) { f.Record.Result.Gun++ },
		"removal":                func(f *scoring.Facts) { f.Record.Removed = true },
		"bib":                    func(f *scoring.Facts) { f.Record.HoldsBib = false },
		"void race":              func(f *scoring.Facts) { f.Race.Status = race.Void },
		"rule":                   func(f *scoring.Facts) { f.Race.Scoring = "fixed" },
		"distance":               func(f *scoring.Facts) { f.Race.Distance = 21_097_500 },
		"runner":                 func(f *scoring.Facts) { f.Entrant.UserID = "another" },
		"sex":                    func(f *scoring.Facts) { f.Entrant.Sex = race.Female },
		"age":                    func(f *scoring.Facts) { f.Entrant.Age = 70 },
		"field":                  func(f *scoring.Facts) { f.Entrant.Field = race.Wheelchair },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := believed(), believed()
			change(&after)
			require.True(t, before.Fingerprint().Differs(after.Fingerprint()))
		})
	}
	t.Run("confirmation", func(t *testing.T) {
		t.Parallel()
		held, confirmed := believed(), believed()
		held.Race.Ranking.Ties, confirmed.Race.Ranking.Ties = race.TiesNet, race.TiesNet
		confirmed.Record.TimeConfirmed = true
		_, err := scoring.Judge(held)
		_, rejected := errors.AsType[*race.Rejection](err)
		require.True(t, rejected, "%v", err)
		_, err = scoring.Judge(confirmed)
		require.NoError(t, err)
		require.True(t, held.Fingerprint().Differs(confirmed.Fingerprint()))
	})
	t.Run("divisions that use the same clocks", func(t *testing.T) {
		t.Parallel()
		before, after := believed(), believed()
		after.Race.Ranking.DivisionsBasis = race.Gun
		require.Equal(t, before.Fingerprint(), after.Fingerprint(), "such a change revises no record")
	})
}
