package standings

import (
	"cmp"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Prize is a category with awards and those who get them, the best first.
type Prize struct {
	Category string // "overall", or the name of a division
	Overall  bool
	Field    race.Field
	Sex      race.Sex // of an overall prize by sex; empty: everybody
	Awards   []Award
}

// Award is a place among those who are eligible for a prize. Runners who share one
// all get it, and the next is skipped.
type Award struct {
	Rank int
	Row  *Row
}

// Awards returns the prizes of a ranking: overall, for each field by itself, then
// in each division, in the race's order. With one award only, whoever gets an
// overall award is passed over in the divisions, and those behind move up.
func Awards(rules race.AwardRules, divisions []race.Division, rows []Row) []Prize {
	var prizes []Prize
	awarded := map[string]bool{} // records with an overall award
	for _, field := range fields {
		for _, sex := range prizeSexes(rules.BySex) {
			awards := award(rules.Overall, rows, func(r *Row) int {
				switch {
				case r.Field != field:
					return 0
				case sex != "" && r.Sex == sex:
					return r.SexPlace
				case sex != "":
					return 0
				}
				return r.Place
			})
			if len(awards) == 0 {
				continue
			}
			for _, a := range awards {
				awarded[a.Row.RecordID] = true
			}
			prizes = append(prizes, Prize{Category: "overall", Overall: true, Field: field, Sex: sex, Awards: awards})
		}
	}
	for _, division := range divisions {
		for _, field := range fields { // a division may be open to several
			awards := award(rules.Divisions, rows, func(r *Row) int {
				if r.Field != field || r.Division != division.Name || rules.OneAwardOnly && awarded[r.RecordID] {
					return 0
				}
				return r.DivisionPlace
			})
			if len(awards) > 0 {
				prizes = append(prizes, Prize{Category: division.Name, Field: field, Awards: awards})
			}
		}
	}
	return prizes
}

func prizeSexes(bySex bool) []race.Sex {
	if bySex {
		return []race.Sex{race.Female, race.Male, race.NonBinary}
	}
	return []race.Sex{""}
}

// award gives the first n places of those that place returns a place for; equal
// places share an award.
func award(n int, rows []Row, place func(*Row) int) []Award {
	if n == 0 {
		return nil
	}
	type eligible struct {
		row   *Row
		place int
	}
	var list []eligible
	for i := range rows {
		if p := place(&rows[i]); p != 0 {
			list = append(list, eligible{&rows[i], p})
		}
	}
	slices.SortStableFunc(list, func(a, b eligible) int { return cmp.Compare(a.place, b.place) })
	var awards []Award
	for i, e := range list {
		rank := i + 1
		if i > 0 && e.place == list[i-1].place {
			rank = awards[i-1].Rank
		}
		if rank > n {
			break
		}
		awards = append(awards, Award{Rank: rank, Row: e.row})
	}
	return awards
}
