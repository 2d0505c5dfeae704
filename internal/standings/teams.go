package standings

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Team is a team in the ranking by one rule.
type Team struct {
	Name    string
	Place   int   // zero: too few runners of it count
	Total   int64 // milliseconds or places, as the rule says; zero without a place
	Missing int   // runners that it lacks
	Members []Member
}

// Member is a runner of a team who has a place, the best first.
type Member struct {
	Row    *Row
	Value  int64 // what the runner adds: the ranking time in milliseconds, or the place
	Counts bool
}

// TeamKey returns the form in which names of teams are compared.
func TeamKey(name string) string { return strings.ToLower(race.Visible(name)) }

// Teams ranks the teams of runners by one rule: by the sum of their best, whose
// number the rule states. Equal sums are decided by the next runner of each, then
// the one after, and so on; a team without a next runner comes after one that has
// one, and teams that are equal to the last share a place. Teams with too few
// runners come last, without a place.
func Teams(rule race.TeamRule, ranking race.Ranking, rows []Row) []Team {
	var teams []*Team
	byKey, written := map[string]*Team{}, map[string]string{}
	for i := range rows {
		row := &rows[i]
		key := TeamKey(row.Team)
		if _, known := written[key]; !known {
			written[key] = race.Visible(row.Team) // as the best of its runners writes it
		}
		value := valueFor(rule, ranking, row)
		if key == "" || value == 0 {
			continue
		}
		team := byKey[key]
		if team == nil {
			team = &Team{Name: written[key]}
			byKey[key], teams = team, append(teams, team)
		}
		team.Members = append(team.Members, Member{Row: row, Value: value})
	}
	for _, team := range teams {
		team.count(rule)
	}
	slices.SortStableFunc(teams, func(a, b *Team) int {
		return cmp.Or(compareTeams(a, b), cmp.Compare(TeamKey(a.Name), TeamKey(b.Name)))
	})
	ranked := make([]Team, len(teams))
	for i, team := range teams {
		if team.Missing == 0 {
			team.Place = i + 1
			if i > 0 && compareTeams(team, teams[i-1]) == 0 {
				team.Place = teams[i-1].Place
			}
		}
		ranked[i] = *team
	}
	return ranked
}

// valueFor returns what a runner adds to the sum of a team; zero for one who does
// not count.
func valueFor(rule race.TeamRule, ranking race.Ranking, row *Row) int64 {
	sex := race.Sex(rule.Sex)
	if row.Field != race.Runner || row.Place == 0 || rule.Sex != race.Mixed && row.Sex != sex {
		return 0
	}
	switch {
	case rule.Rule == race.SumOfTimes:
		return int64(ranking.RankingTime(row.Result))
	case rule.Sex == race.Mixed:
		return int64(row.Place)
	}
	return int64(row.SexPlace)
}

// count decides whose results count: of a mixed team first the best of each sex
// that the rule asks for, then whoever is best.
func (t *Team) count(rule race.TeamRule) {
	slices.SortStableFunc(t.Members, func(a, b Member) int { return cmp.Compare(a.Value, b.Value) })
	left := rule.N
	take := func(n int, in func(*Row) bool) {
		for i := range t.Members {
			if m := &t.Members[i]; n > 0 && !m.Counts && in(m.Row) {
				m.Counts = true
				t.Total += m.Value
				n--
				left--
			}
		}
		t.Missing += n
	}
	if rule.Sex == race.Mixed {
		for _, sex := range []race.Sex{race.Female, race.Male} {
			take(rule.MinPerSex, func(r *Row) bool { return r.Sex == sex })
		}
	}
	take(left-t.Missing, func(*Row) bool { return true })
	if t.Missing > 0 {
		t.Total = 0
	}
}

// compareTeams is negative when a is better.
func compareTeams(a, b *Team) int {
	if c := cmp.Compare(a.Missing, b.Missing); a.Missing > 0 || b.Missing > 0 {
		return c
	}
	if c := cmp.Compare(a.Total, b.Total); c != 0 {
		return c
	}
	next, other := a.others(), b.others()
	for i := range max(len(next), len(other)) {
		switch {
		case i == len(next):
			return 1
		case i == len(other):
			return -1
		case next[i] != other[i]:
			return cmp.Compare(next[i], other[i])
		}
	}
	return 0
}

// others returns the values of the runners who do not count, the best first.
func (t *Team) others() (values []int64) {
	for _, m := range t.Members {
		if !m.Counts {
			values = append(values, m.Value)
		}
	}
	return values
}
