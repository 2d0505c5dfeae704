package series_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/series"
)

func day(d int) race.Date { return race.Date{Year: 2026, Month: 5, Day: d} }

// TestRankAgreesWithBruteForce compares totals and places with ones that are found by
// trying every choice of races and counting who is better.
func TestRankAgreesWithBruteForce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		rules := series.Rules{Best: random.IntN(4), MinRaces: random.IntN(4), AgesOn: day(20)}
		for _, i := range random.Perm(len(series.Ties))[:random.IntN(len(series.Ties)+1)] {
			rules.Ties = append(rules.Ties, series.Ties[i])
		}
		entries := map[string][]series.Entry{}
		for i := range 1 + random.IntN(5) {
			of := series.Race{ID: fmt.Sprintf("race-%d", i), Date: day(1 + i), Multiplier: []int64{500, 1000, 1500}[random.IntN(3)]}
			rules.Races = append(rules.Races, of)
			for j := range random.IntN(9) {
				entries[of.ID] = append(entries[of.ID], series.Entry{
					RecordID: fmt.Sprintf("record-%d-%d", i, j), UserID: fmt.Sprintf("user-%d", random.IntN(7)), Sex: []race.Sex{race.Male, race.Female, ""}[random.IntN(3)],
					Age: 30, Field: race.Runner, Points: int64(random.IntN(4)) * 10, Credited: random.IntN(8) > 0,
					Status: []race.ResultStatus{race.Finished, race.Finished, race.Finished, race.Disqualified}[random.IntN(4)],
				})
			}
		}
		rows := series.Rank(rules, entries)
		want := bruteForce(rules, entries)
		for _, row := range rows {
			w := want[row.UserID]
			require.Equal(t, w.total, row.Total, "seed %d, %s", seed, row.UserID)
			require.Equal(t, len(w.scores), row.Races, "seed %d, %s", seed, row.UserID)
			place, sexPlace := 0, 0
			if w.placed(rules) {
				place, sexPlace = 1, 1
				for id, other := range want {
					if id == row.UserID || !other.placed(rules) || !other.beats(w, rules.Ties) {
						continue
					}
					place++
					if other.sex == w.sex {
						sexPlace++
					}
				}
				if w.sex == "" {
					sexPlace = 0
				}
			}
			require.Equal(t, place, row.Place, "seed %d, %s", seed, row.UserID)
			require.Equal(t, w.sex, row.Sex, "seed %d, %s", seed, row.UserID)
			require.Equal(t, sexPlace, row.SexPlace, "seed %d, %s", seed, row.UserID)
			var sum int64
			for _, r := range row.Results {
				if r.Why == series.Counts {
					sum += r.Score()
				}
			}
			require.Equal(t, row.Total, sum, "the results that count add up")
		}
		require.Len(t, rows, len(want))
		require.True(t, slices.IsSortedFunc(rows, func(a, b series.Row) int {
			if (a.Place == 0) != (b.Place == 0) {
				return cmp.Compare(b.Place, a.Place)
			}
			return cmp.Compare(a.Place, b.Place)
		}), "seed %d", seed)

		shuffled := map[string][]series.Entry{}
		for id, list := range entries {
			shuffled[id] = slices.Clone(list)
			random.Shuffle(len(list), func(a, b int) { shuffled[id][a], shuffled[id][b] = shuffled[id][b], shuffled[id][a] })
		}
		require.Equal(t, rows, series.Rank(rules, shuffled), "the order of entries does not matter")
		one, _, err := series.HashOf(rules, entries)
		require.NoError(t, err)
		two, _, err := series.HashOf(rules, shuffled)
		require.NoError(t, err)
		require.Equal(t, one, two)
	}
}

type runner struct {
	sex    race.Sex
	byRace map[int]int64
	scores []int64 // the best first
	latest int64
	total  int64
}

func (r *runner) placed(rules series.Rules) bool {
	return len(r.scores) > 0 && len(r.scores) >= rules.MinRaces
}

func (r *runner) beats(other *runner, ties []series.Tie) bool {
	keys := func(r *runner) []int64 {
		padded := append(slices.Clone(r.scores), 0, 0)
		list := []int64{r.total}
		for _, tie := range ties {
			list = append(list, map[series.Tie]int64{
				series.BestRace: padded[0], series.SecondBest: padded[1], series.MostRaces: int64(len(r.scores)), series.LatestRace: r.latest,
			}[tie])
		}
		return list
	}
	return slices.Compare(keys(r), keys(other)) > 0
}

func bruteForce(rules series.Rules, entries map[string][]series.Entry) map[string]*runner {
	found, latest := map[string]*runner{}, -1
	for i, of := range rules.Races {
		list := slices.Clone(entries[of.ID])
		slices.SortFunc(list, func(a, b series.Entry) int { return cmp.Compare(a.RecordID, b.RecordID) })
		for _, e := range list {
			r := found[e.UserID]
			if r == nil {
				r = &runner{byRace: map[int]int64{}}
				found[e.UserID] = r
			}
			if e.Sex != "" {
				r.sex = e.Sex
			}
			if e.Status == race.Finished && e.Credited {
				r.byRace[i], latest = max(r.byRace[i], e.Points*of.Multiplier), i
			}
		}
	}
	for _, r := range found {
		for _, score := range r.byRace {
			r.scores = append(r.scores, score)
		}
		slices.SortFunc(r.scores, func(a, b int64) int { return cmp.Compare(b, a) })
		r.latest = r.byRace[latest]
		for choice := range 1 << len(r.scores) {
			var sum int64
			n := 0
			for i, score := range r.scores {
				if choice>>i&1 == 1 {
					sum, n = sum+score, n+1
				}
			}
			if rules.Best == 0 || n <= rules.Best {
				r.total = max(r.total, sum)
			}
		}
	}
	return found
}

// TestAgesAreOfOneDay: the age of the nearest race, and whole years from there.
func TestAgesAreOfOneDay(t *testing.T) {
	t.Parallel()
	forty := 40
	rules := series.Rules{
		Races:  []series.Race{{ID: "a", Date: race.Date{Year: 2024, Month: 6, Day: 1}, Multiplier: 1000}, {ID: "b", Date: race.Date{Year: 2025, Month: 6, Day: 1}, Multiplier: 1000}},
		AgesOn: race.Date{Year: 2026, Month: 6, Day: 1}, Divisions: []race.Division{{Name: "40+", MinAge: &forty}, {Name: "open"}},
	}
	rows := series.Rank(rules, map[string][]series.Entry{
		"a": {{RecordID: "1", UserID: "u", Age: 37, Field: race.Runner, Status: race.Finished, Credited: true, Points: 5}},
		"b": {{RecordID: "2", UserID: "u", Age: 39, Field: race.Runner, Status: race.Finished, Credited: true, Points: 5}},
	})
	require.Equal(t, 40, rows[0].Age)
	require.Equal(t, "40+", rows[0].Division)
	rules.AgesOn = race.Date{Year: 2025, Month: 6, Day: 1}
	require.Equal(t, "open", series.Rank(rules, map[string][]series.Entry{
		"b": {{RecordID: "2", UserID: "u", Age: 39, Field: race.Runner, Status: race.Finished, Credited: true, Points: 5}},
	})[0].Division)
}
