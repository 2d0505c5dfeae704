package standings_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// finisher is a runner of a race; zero minutes: did not finish.
type finisher struct {
	id      string
	sex     race.Sex
	age     int
	team    string
	minutes int
}

func rank(rules standings.Rules, finishers ...finisher) []standings.Row {
	rules.Ranking = race.Ranking{Basis: race.Gun, Ties: race.TiesShare}
	entries := make([]standings.Entry, len(finishers))
	for i, f := range finishers {
		entries[i] = standings.Entry{
			RecordID: f.id, UserID: "user " + f.id, Sex: f.sex, Age: f.age, Field: race.Runner, Team: f.team,
			Result: race.Result{Bib: f.id, Gun: race.Time(f.minutes) * 60_000, Status: race.Finished},
		}
		if f.minutes == 0 {
			entries[i].Result.Status = race.DidNotFinish
		}
	}
	return standings.Rank(rules, entries)
}

func TestAwards(t *testing.T) {
	t.Parallel()
	forty := 40
	divisions := []race.Division{{Name: "W40", Sex: race.Female, MinAge: &forty}, {Name: "M40", Sex: race.Male, MinAge: &forty}, {Name: "Open"}}
	rows := rank(standings.Rules{Divisions: divisions},
		finisher{id: "a", sex: race.Male, age: 30, minutes: 30}, finisher{id: "b", sex: race.Male, age: 41, minutes: 31},
		finisher{id: "c", sex: race.Female, age: 45, minutes: 32}, finisher{id: "d", sex: race.Male, age: 50, minutes: 33},
		finisher{id: "e", sex: race.Male, age: 52, minutes: 33}, finisher{id: "f", sex: race.Female, age: 46, minutes: 34},
		finisher{id: "g", sex: race.Male, age: 60, minutes: 35}, finisher{id: "h", sex: race.Female, age: 40, minutes: 0},
	)
	of := func(rules race.AwardRules) (list []string) {
		for _, p := range standings.Awards(rules, divisions, rows) {
			line := p.Category + string(p.Sex) + ":"
			for _, a := range p.Awards {
				line += fmt.Sprintf(" %d%s", a.Rank, a.Row.RecordID)
			}
			list = append(list, line)
		}
		return list
	}
	require.Empty(t, of(race.AwardRules{}))
	require.Equal(t, []string{"overall: 1a 2b 3c"}, of(race.AwardRules{Overall: 3}))
	require.Equal(t, []string{"overall: 1a 2b 3c 4d 4e"}, of(race.AwardRules{Overall: 4}), "who shares the last award gets it too")
	require.Equal(t, []string{"overall: 1a 2b 3c 4d 4e"}, of(race.AwardRules{Overall: 5}), "and the next is skipped")
	require.Equal(t, []string{"overallF: 1c", "overallM: 1a"}, of(race.AwardRules{Overall: 1, BySex: true}))
	require.Equal(t, []string{"W40: 1c 2f", "M40: 1b 2d 2e", "Open: 1a"}, of(race.AwardRules{Divisions: 2}))
	require.Equal(t, []string{"overall: 1a 2b", "W40: 1c 2f", "M40: 1d 1e 3g"},
		of(race.AwardRules{Overall: 2, Divisions: 3, OneAwardOnly: true}), "those behind move up")
	require.Equal(t, []string{"overall: 1a 2b", "W40: 1c 2f", "M40: 1b 2d 2e", "Open: 1a"}, of(race.AwardRules{Overall: 2, Divisions: 3}))
}

func TestTeams(t *testing.T) {
	t.Parallel()
	rows := rank(standings.Rules{},
		finisher{id: "1", sex: race.Male, team: "Red", minutes: 30}, finisher{id: "2", sex: race.Female, team: "\u200BBlue ", minutes: 31},
		finisher{id: "3", sex: race.Female, team: "red", minutes: 33}, finisher{id: "4", sex: race.Male, team: "BLUE\u200F", minutes: 32},
		finisher{id: "5", sex: race.Male, team: "Blue", minutes: 40}, finisher{id: "6", sex: race.Male, team: "Red", minutes: 41},
		finisher{id: "7", sex: race.Male, team: "Green", minutes: 20}, finisher{id: "8", sex: race.Male, minutes: 19},
		finisher{id: "9", sex: race.Male, team: "Green", minutes: 0},
	)
	of := func(rule race.TeamRule) (list []string) {
		for _, team := range standings.Teams(rule, race.Ranking{Basis: race.Gun}, rows) {
			total := team.Total
			if rule.Rule == race.SumOfTimes {
				total /= 60_000
			}
			line := fmt.Sprintf("%d %s %d", team.Place, team.Name, total)
			if team.Missing > 0 {
				line += fmt.Sprintf(" -%d", team.Missing)
			}
			for _, m := range team.Members {
				if m.Counts {
					line += " " + m.Row.RecordID
				}
			}
			list = append(list, line)
		}
		return list
	}
	times := race.TeamRule{Rule: race.SumOfTimes, N: 2, Sex: race.Mixed}
	require.Equal(t, []string{"1 Blue 63 2 4", "2 Red 63 1 3", "0 Green 0 -1 7"}, of(times), "the third runner decides: 40 against 41")
	times.N = 3
	require.Equal(t, []string{"1 Blue 103 2 4 5", "2 Red 104 1 3 6", "0 Green 0 -2 7"}, of(times))
	require.Equal(t, []string{"1 Red 71 1 6", "2 Blue 72 4 5", "0 Green 0 -1 7"}, of(race.TeamRule{Rule: race.SumOfTimes, N: 2, Sex: "M"}))
	require.Equal(t, []string{"1 Blue 1 2", "2 Red 2 3"}, of(race.TeamRule{Rule: race.SumOfPlaces, N: 1, Sex: "F"}), "places among women")
	mixed := race.TeamRule{Rule: race.SumOfPlaces, N: 2, Sex: race.Mixed, MinPerSex: 1}
	require.Equal(t, []string{"1 Blue 9 2 4", "2 Red 9 1 3", "0 Green 0 -1 7"}, of(mixed))
	mixed.N, mixed.MinPerSex = 4, 2
	require.Equal(t, []string{"0 Blue 0 -1 2 4 5", "0 Red 0 -1 1 3 6", "0 Green 0 -3 7"}, of(mixed), "two women and two men")

	rows = rank(standings.Rules{},
		finisher{id: "1", team: "A", minutes: 30}, finisher{id: "2", team: "B", minutes: 30},
		finisher{id: "3", team: "C", minutes: 30}, finisher{id: "4", team: "C", minutes: 99},
	)
	require.Equal(t, []string{"1 C 30 3", "2 A 30 1", "2 B 30 2"}, of(race.TeamRule{Rule: race.SumOfTimes, N: 1, Sex: race.Mixed}),
		"having a next runner is better than having none")
}

// TestTeamsCountTheBest compares the sums of mixed teams with every possible choice
// of runners.
func TestTeamsCountTheBest(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		finishers := make([]finisher, 1+random.IntN(8))
		for i := range finishers {
			finishers[i] = finisher{
				id: fmt.Sprint(i), sex: []race.Sex{race.Male, race.Female, race.NonBinary, ""}[random.IntN(4)], team: "x", minutes: 20 + random.IntN(5),
			}
		}
		rule := race.TeamRule{Rule: race.SumOfTimes, N: 1 + random.IntN(5), Sex: race.Mixed}
		rule.MinPerSex = random.IntN(rule.N/2 + 1)
		best := 0
		for choice := range 1 << len(finishers) {
			n, women, men, sum := 0, 0, 0, 0
			for i, f := range finishers {
				if choice&(1<<i) == 0 {
					continue
				}
				n, sum = n+1, sum+f.minutes
				if f.sex == race.Female {
					women++
				}
				if f.sex == race.Male {
					men++
				}
			}
			if n == rule.N && women >= rule.MinPerSex && men >= rule.MinPerSex && (best == 0 || sum < best) {
				best = sum
			}
		}
		teams := standings.Teams(rule, race.Ranking{Basis: race.Gun}, rank(standings.Rules{}, finishers...))
		require.Len(t, teams, 1)
		require.Equal(t, best, int(teams[0].Total/60_000), "%+v of %+v", rule, finishers)
		require.Equal(t, best == 0, teams[0].Missing > 0)
	}
}

// TestHashOfTeams: a race that ranks no teams has the hash that it had before teams
// existed.
func TestHashOfTeams(t *testing.T) {
	t.Parallel()
	entries := []standings.Entry{{RecordID: "a", UserID: "b", Result: race.Result{Bib: "1", Status: race.Finished}}}
	hash := func(rules standings.Rules) string {
		sum, err := standings.Hash(rules, entries)
		require.NoError(t, err)
		return fmt.Sprintf("%x", sum[:4])
	}
	require.Equal(t, "fefb82ce", hash(standings.Rules{}))
	ranked := standings.Rules{Teams: []race.TeamRule{{Name: "Clubs", Rule: race.SumOfTimes, N: 1, Sex: race.Mixed}}}
	none := hash(ranked)
	entries[0].Team = "Red"
	require.NotEqual(t, none, hash(ranked))
	require.Equal(t, "fefb82ce", hash(standings.Rules{}))
}
