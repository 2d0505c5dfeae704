package leaderboard

import (
	"cmp"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// runner is what a season holds of somebody.
type runner struct {
	userID string
	sex    race.Sex // of the entry in the last race of the season that has one
	age    int      // on the day of the last race of the season with an age, or race.UnknownAge
	races  []int64  // points by race, the most first
	total  int64    // of all races
}

// filter selects runners and says how they are ranked.
type filter struct {
	sex            race.Sex // empty: any
	minAge, maxAge int      // inclusive, -1: no bound
	best           int      // races that count; 0: all
}

func (f filter) takes(r *runner) bool {
	if f.sex != "" && f.sex != r.sex {
		return false
	}
	if f.minAge < 0 && f.maxAge < 0 {
		return true
	}
	return r.age != race.UnknownAge && (f.minAge < 0 || r.age >= f.minAge) && (f.maxAge < 0 || r.age <= f.maxAge)
}

// ranked is a runner with a place.
type ranked struct {
	*runner
	place  int
	points int64 // of the races that count
}

// rank orders runners by the points of their best races. Of equal ones the
// better best race comes first, then the better second best, and so on over all
// races of the season; who is equal in all of them shares the place, and the next
// is skipped (1, 2, 2, 4).
func rank(runners []runner, f filter) []ranked {
	var list []ranked
	for i := range runners {
		if r := &runners[i]; f.takes(r) {
			list = append(list, ranked{runner: r, points: r.counted(f.best)})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int { return cmp.Or(compare(a, b), cmp.Compare(a.userID, b.userID)) })
	for i := range list {
		list[i].place = i + 1
		if i > 0 && compare(list[i-1], list[i]) == 0 {
			list[i].place = list[i-1].place
		}
	}
	return list
}

func (r *runner) counted(best int) int64 {
	if best == 0 || best >= len(r.races) {
		return r.total
	}
	var sum int64
	for _, points := range r.races[:best] {
		sum += points
	}
	return sum
}

// compare is negative when a is better.
func compare(a, b ranked) int {
	return cmp.Or(cmp.Compare(b.points, a.points), slices.Compare(b.races, a.races))
}
