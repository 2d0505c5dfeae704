// Package race defines the terms of the sport and those of its rules that need no
// store and no network: times, bibs, civil dates, results, divisions and the
// outcomes of a credit. It imports only the standard library, so that every other
// package can import it.
package race

import (
	"errors"
	"math"
	"slices"
	"time"
)

// Distance is the length of a course in millimetres, so that a half marathon
// (21,097.5 m) and a mile (1,609.344 m) are exact.
type Distance int64

// Metres returns d in metres.
func (d Distance) Metres() float64 { return float64(d) / 1000 }

// Basis says which clock ranks a race.
type Basis string

// Gun time runs from the starting gun, net (chip) time from the runner's own
// crossing of the start line.
const (
	Gun Basis = "gun"
	Net Basis = "net"
)

// Ties says what happens to equal ranking times.
type Ties string

// Equal times share a place and the next is skipped (1, 2, 2, 4), or are
// ordered by net time, or by a finish sequence that the organizer supplied.
const (
	TiesShare    Ties = "share"
	TiesNet      Ties = "net"
	TiesSequence Ties = "sequence"
)

// Ranking is the rule by which a race orders its finishers.
type Ranking struct {
	Basis          Basis `json:"basis"`
	DivisionsBasis Basis `json:"divisions_basis,omitempty"` // of the divisions; empty: the same as Basis
	Ties           Ties  `json:"ties"`
}

// Division is a ranking of its own within a race. An empty Sex or Field admits
// everybody; ages are on race day, inclusive, and nil means no bound.
type Division struct {
	Name   string `json:"name"`
	Sex    Sex    `json:"sex,omitempty"`
	MinAge *int   `json:"min_age,omitempty"`
	MaxAge *int   `json:"max_age,omitempty"`
	Field  Field  `json:"field,omitempty"`
}

// Admits reports whether a division admits a participant. It does not if it depends
// on a sex or age that is unknown.
func (d *Division) Admits(field Field, sex Sex, age int) bool {
	switch {
	case d.Field != "" && d.Field != field, d.Sex != "" && d.Sex != sex:
		return false
	case (d.MinAge != nil || d.MaxAge != nil) && age == UnknownAge:
		return false
	}
	return (d.MinAge == nil || age >= *d.MinAge) && (d.MaxAge == nil || age <= *d.MaxAge)
}

// Status is the stage that a race has reached.
type Status string

// A race is scheduled until its first official record, then its standings are
// provisional until the organizer makes them official. A race that was a mistake
// is void for good: its records are worth no points.
const (
	Scheduled   Status = "scheduled"
	Provisional Status = "provisional"
	Official    Status = "official"
	Void        Status = "void"
)

// Voiding says when, by whom and why a race was voided.
type Voiding struct {
	At     time.Time
	By     string // user ID of the organizer or an operator
	Reason string
}

// Race is an official race as its organizer set it up.
type Race struct {
	ID          string
	OrganizerID string
	Name        string
	City        string
	Country     string // ISO 3166, two letters; empty: not stated
	Date        Date
	Distance    Distance
	Ranking     Ranking
	Divisions   []Division
	Scoring     string // a scoring rule with its edition, e.g. "agegrade-2025"
	Points      int64  // the points of every finisher under the rule "fixed"
	Capacity    int    // participants at most; 0: no bound
	Course      Course
	Teams       []TeamRule
	Awards      AwardRules
	Entry       *EntrySettings // nil: entry as it comes, bounded by Capacity alone
	Status      Status
	Voided      *Voiding // nil unless the status is Void
	CreatedAt   time.Time
}

// TeamRule is a ranking of teams: by the sum of the best runners of each.
type TeamRule struct {
	Name      string  `json:"name"`
	Rule      TeamSum `json:"rule"`
	N         int     `json:"n"`                     // how many runners of a team count
	Sex       string  `json:"sex"`                   // M, F or Mixed
	MinPerSex int     `json:"min_per_sex,omitempty"` // of a mixed team, how many women and how many men count at least
}

// TeamSum is what a ranking of teams adds up.
type TeamSum string

// Teams are ranked by the sum of their runners' ranking times, or of their places:
// by sex, or overall for mixed teams.
const (
	SumOfTimes  TeamSum = "times"
	SumOfPlaces TeamSum = "places"
)

// Mixed is the sex of teams of women and men.
const Mixed = "mixed"

// AwardRules say who of a race gets an award. The zero value awards nobody.
type AwardRules struct {
	Overall      int  `json:"overall"`        // the first so many of each field
	BySex        bool `json:"by_sex"`         // and of each sex by itself
	Divisions    int  `json:"divisions"`      // the first so many of each division
	OneAwardOnly bool `json:"one_award_only"` // an overall award rules out one in a division
}

// RankingTime returns the time that ranks r overall, zero if it was not taken.
func (r Ranking) RankingTime(result Result) Time {
	if r.Basis == Net {
		return result.Net
	}
	return result.Gun
}

// maxDistance is the longest distance that a race or a run may have: 1,000 km.
const maxDistance = Distance(1_000_000_000)

// DistanceOf returns a length in metres with at most three decimals, as 21097.5,
// exactly. It must be above zero and at most 1,000 km.
func DistanceOf(metres float64) (Distance, error) {
	millimetres := math.Round(metres * 1000)
	switch {
	case math.IsNaN(metres) || metres <= 0 || millimetres > float64(maxDistance):
		return 0, errors.New("must be above 0 and at most 1000000 metres")
	case math.Abs(metres*1000-millimetres) > 1e-5: // far above float64's error for 10⁹, far below a decimal
		return 0, errors.New("must have at most three decimals")
	}
	return Distance(millimetres), nil
}

// Role is what somebody may do in a race. Each role includes those before it.
type Role string

// A viewer reads what is not public; timing also imports and corrects records; an
// editor also changes settings and the start list and finalizes; only the owner
// deletes or voids the race, hands it over, and decides about staff and keys.
const (
	Viewer Role = "viewer"
	Timing Role = "timing"
	Editor Role = "editor"
	Owner  Role = "owner"
)

var roles = []Role{Viewer, Timing, Editor, Owner}

// Includes reports whether somebody with the role may do what other may do. No role
// includes nothing.
func (r Role) Includes(other Role) bool {
	return slices.Contains(roles, other) && slices.Index(roles, r) >= slices.Index(roles, other)
}
