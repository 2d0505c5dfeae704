// Package series ranks the runners of a series of races by their points: a pure
// function from the races' standings and the rules of the series to places.
package series

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Edition numbers the rules of this package. Raise it in a release that would rank
// the same entries differently.
const Edition = 1

// Tie decides between runners with the same total.
type Tie string

// The rules for ties. Runners who are equal by all rules of a series share a place.
const (
	BestRace   Tie = "best_race"   // the higher score in the best race
	SecondBest Tie = "second_best" // the higher score in the second-best race
	MostRaces  Tie = "most_races"  // the more races with points credited
	LatestRace Tie = "latest_race" // the higher score in the latest race that anyone finished
)

// Ties are all rules for ties.
var Ties = []Tie{BestRace, SecondBest, MostRaces, LatestRace}

// Whole is the multiplier 1: multipliers are in thousandths.
const Whole = 1000

// Rules say how a series is ranked.
type Rules struct {
	Races     []Race          `json:"races"` // those that take part, by date
	Best      int             `json:"best"`  // how many races of a runner count; 0: all
	MinRaces  int             `json:"min_races"`
	Ties      []Tie           `json:"ties"`
	AgesOn    race.Date       `json:"ages_on"`
	Divisions []race.Division `json:"divisions"` // a runner is in the first one that admits them
}

// Race is a race of a series.
type Race struct {
	ID         string    `json:"race_id"`
	Name       string    `json:"-"` // no place depends on it
	Date       race.Date `json:"date"`
	Multiplier int64     `json:"multiplier"` // in thousandths
}

// Entry is a result of a runner in a race of the series.
type Entry struct {
	RecordID string            `json:"record_id"`
	UserID   string            `json:"user_id"`
	Sex      race.Sex          `json:"sex"`
	Age      int               `json:"age"` // on the day of the race, or race.UnknownAge
	Field    race.Field        `json:"field"`
	Status   race.ResultStatus `json:"status"`
	Credited bool              `json:"credited"`
	Points   int64             `json:"points"`
}

func (e *Entry) scores() bool { return e.Status == race.Finished && e.Credited }

// Why says why a result does not count.
type Why string

// The reasons.
const (
	Counts     Why = ""
	BeyondBest Why = "beyond_best" // the runner has enough better races
	NoFinish   Why = "no_finish"   // did not start or finish, or was disqualified
	Pending    Why = "pending"     // the points are not credited yet
	SecondBib  Why = "second_bib"  // another result in the same race is better
)

// Result is a result with what it contributes.
type Result struct {
	RaceID     string `json:"race_id"`
	RecordID   string `json:"record_id"`
	Age        int    `json:"age"`
	Points     int64  `json:"points"`
	Multiplier int64  `json:"multiplier"`
	Why        Why    `json:"why,omitempty"` // empty: it counts

	race int // in the order of the races
}

// Score is the points times the multiplier, in thousandths.
func (r *Result) Score() int64 { return r.Points * r.Multiplier }

// Row is a runner with places. Zero means no place.
type Row struct {
	UserID        string     `json:"user_id"`
	Field         race.Field `json:"field"`
	Sex           race.Sex   `json:"sex,omitempty"`
	Age           int        `json:"age"` // see Rules.AgesOn, or race.UnknownAge
	Place         int        `json:"place,omitempty"`
	SexPlace      int        `json:"sex_place,omitempty"`
	Division      string     `json:"division,omitempty"`
	DivisionPlace int        `json:"division_place,omitempty"`
	Total         int64      `json:"total"`   // in thousandths
	Races         int        `json:"races"`   // with points credited
	Results       []Result   `json:"results"` // by the date of the race

	best   []int64 // scores, the highest first
	latest int64   // score in the latest race
}

// Rank returns a row for each runner in each field: those with a place first, in the
// order of their places, then those who have run too few races. Entries are by race,
// in any order.
func Rank(rules Rules, entries map[string][]Entry) []Row {
	type key struct {
		field  race.Field
		userID string
	}
	people, latest := map[key]*Row{}, -1
	var rows []*Row
	for i, of := range rules.Races {
		sorted := slices.SortedFunc(slices.Values(entries[of.ID]), func(a, b Entry) int { return cmp.Compare(a.RecordID, b.RecordID) })
		for _, e := range sorted {
			if e.UserID == "" {
				continue
			}
			row := people[key{e.Field, e.UserID}]
			if row == nil {
				row = &Row{UserID: e.UserID, Field: e.Field, Age: race.UnknownAge}
				people[key{e.Field, e.UserID}] = row
				rows = append(rows, row)
			}
			row.Sex = cmp.Or(e.Sex, row.Sex)
			row.Results = append(row.Results, Result{
				RaceID: of.ID, RecordID: e.RecordID, Age: e.Age, Points: e.Points, Multiplier: of.Multiplier, Why: outcome(e), race: i,
			})
			if e.scores() {
				latest = i
			}
		}
	}
	for _, row := range rows {
		row.settle(rules, latest)
	}
	slices.SortFunc(rows, func(a, b *Row) int {
		return cmp.Or(
			cmp.Compare(slices.Index(fields, a.Field), slices.Index(fields, b.Field)),
			cmp.Compare(b2i(!a.placed(rules)), b2i(!b.placed(rules))),
			rules.compare(a, b), cmp.Compare(a.UserID, b.UserID))
	})
	ranked := make([]Row, len(rows))
	for i, row := range rows {
		ranked[i] = *row
	}
	rules.count(ranked, func(*Row) (string, bool) { return "", true }, func(r *Row, place int) { r.Place = place })
	rules.count(ranked, func(r *Row) (string, bool) { return string(r.Sex), r.Sex != "" }, func(r *Row, place int) { r.SexPlace = place })
	rules.count(ranked, func(r *Row) (string, bool) { return r.Division, r.Division != "" }, func(r *Row, place int) { r.DivisionPlace = place })
	return ranked
}

// fields is the order in which fields are listed.
var fields = []race.Field{race.Runner, race.Wheelchair, race.Handcycle}

func outcome(e Entry) Why {
	switch {
	case e.Status != race.Finished:
		return NoFinish
	case !e.Credited:
		return Pending
	}
	return Counts
}

func (r *Row) placed(rules Rules) bool { return r.Races >= max(1, rules.MinRaces) }

// settle decides which results count.
func (r *Row) settle(rules Rules, latest int) {
	var scored []*Result
	for i := range r.Results {
		result := &r.Results[i]
		if result.Why != Counts {
			continue
		}
		if last := len(scored) - 1; last >= 0 && scored[last].race == result.race {
			worse := result
			if result.Points > scored[last].Points {
				worse, scored[last] = scored[last], result
			}
			worse.Why = SecondBib
			continue
		}
		scored = append(scored, result)
	}
	r.Races = len(scored)
	for _, result := range scored {
		if result.race == latest {
			r.latest = result.Score()
		}
	}
	slices.SortStableFunc(scored, func(a, b *Result) int { return cmp.Compare(b.Score(), a.Score()) }) // of equal ones the earlier counts
	for i, result := range scored {
		r.best = append(r.best, result.Score())
		if rules.Best > 0 && i >= rules.Best {
			result.Why = BeyondBest
			continue
		}
		r.Total += result.Score()
	}
	r.Age = r.ageOn(rules)
	for _, d := range rules.Divisions {
		if d.Admits(r.Field, r.Sex, r.Age) {
			r.Division = d.Name
			break
		}
	}
}

// ageOn returns the age on the day that the series counts ages: the one in the race
// nearest to that day, and the whole years between the two. A birth date takes no
// part: whoever owns the series could find it by trying days.
func (r *Row) ageOn(rules Rules) int {
	age, nearest := race.UnknownAge, 0
	for _, result := range r.Results {
		if result.Age == race.UnknownAge {
			continue
		}
		on := rules.Races[result.race].Date
		if distance := days(on, rules.AgesOn); age == race.UnknownAge || distance <= nearest {
			age, nearest = max(0, result.Age+on.YearsUntil(rules.AgesOn)), distance
		}
	}
	return age
}

func days(a, b race.Date) int {
	hours := b.Midnight().Sub(a.Midnight()).Abs().Hours()
	return int(hours) / 24
}

// compare is negative when a is better, and zero when they share a place.
func (rules Rules) compare(a, b *Row) int {
	if c := cmp.Compare(b.Total, a.Total); c != 0 {
		return c
	}
	for _, tie := range rules.Ties {
		c := 0
		switch tie {
		case BestRace:
			c = cmp.Compare(b.nth(0), a.nth(0))
		case SecondBest:
			c = cmp.Compare(b.nth(1), a.nth(1))
		case MostRaces:
			c = cmp.Compare(b.Races, a.Races)
		case LatestRace:
			c = cmp.Compare(b.latest, a.latest)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func (r *Row) nth(n int) int64 {
	if n < len(r.best) {
		return r.best[n]
	}
	return 0
}

// count assigns the places within each group of each field to rows, which are in
// order. Rows that share a place are followed by a gap: 1, 2, 2, 4.
func (rules Rules) count(rows []Row, groupOf func(*Row) (string, bool), set func(*Row, int)) {
	type group struct {
		field race.Field
		name  string
	}
	type state struct {
		n, place int
		last     *Row
	}
	groups := map[group]*state{}
	for i := range rows {
		row := &rows[i]
		name, in := groupOf(row)
		if !in || !row.placed(rules) {
			continue
		}
		g := groups[group{row.Field, name}]
		if g == nil {
			g = &state{}
			groups[group{row.Field, name}] = g
		}
		g.n++
		if g.last == nil || rules.compare(g.last, row) != 0 {
			g.place = g.n
		}
		g.last = row
		set(row, g.place)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Hash is a SHA-256.
type Hash = [sha256.Size]byte

// HashOf identifies everything that a ranking depends on, and separately what each
// race contributes, so that a new version can say which race it is because of.
func HashOf(rules Rules, entries map[string][]Entry) (all Hash, races map[string]Hash, err error) {
	races = make(map[string]Hash, len(rules.Races))
	sum := sha256.New()
	header, err := json.Marshal(struct {
		Edition int
		Rules
	}{Edition, rules})
	if err != nil {
		return all, nil, fmt.Errorf("hash the rules: %w", err)
	}
	sum.Write(header)
	for _, of := range rules.Races {
		one := sha256.New()
		sorted := slices.SortedFunc(slices.Values(entries[of.ID]), func(a, b Entry) int { return cmp.Compare(a.RecordID, b.RecordID) })
		if err := json.NewEncoder(one).Encode(sorted); err != nil {
			return all, nil, fmt.Errorf("hash race %s: %w", of.ID, err)
		}
		races[of.ID] = Hash(one.Sum(nil))
		sum.Write(one.Sum(nil))
	}
	return Hash(sum.Sum(nil)), races, nil
}

// Changed names the rules that differ in later rules, except the races themselves.
func (rules Rules) Changed(later Rules) (names []string) {
	multipliers := map[string]int64{}
	for _, r := range rules.Races {
		multipliers[r.ID] = r.Multiplier
	}
	for _, r := range later.Races {
		if before, was := multipliers[r.ID]; was && before != r.Multiplier {
			names = append(names, "multipliers")
			break
		}
	}
	for _, rule := range []struct {
		name string
		same bool
	}{
		{"best", rules.Best == later.Best},
		{"min_races", rules.MinRaces == later.MinRaces},
		{"ties", slices.Equal(rules.Ties, later.Ties)},
		{"ages_on", rules.AgesOn == later.AgesOn},
		{"divisions", reflect.DeepEqual(rules.Divisions, later.Divisions)},
	} {
		if !rule.same {
			names = append(names, rule.name)
		}
	}
	return names
}
