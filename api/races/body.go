package races

import (
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

type rankingBody struct {
	Basis          race.Basis `json:"basis" enum:"gun,net" example:"gun" doc:"The time that decides overall places and points: gun time, or net (chip) time."`
	DivisionsBasis race.Basis `json:"divisions_basis,omitempty" enum:"gun,net" example:"net" doc:"The time that decides places in divisions; the same as basis by default."`
	Ties           race.Ties  `json:"ties,omitempty" enum:"share,net,sequence" default:"share" example:"share" doc:"How equal times are ranked: they share a place, or net time or the finish sequence decides."`
}

type divisionBody struct {
	Name   string     `json:"name" minLength:"1" maxLength:"100" example:"W40"`
	Sex    race.Sex   `json:"sex,omitempty" enum:"M,F,X" example:"F" doc:"All by default."`
	MinAge *int       `json:"min_age,omitempty" minimum:"0" maximum:"120" example:"40" doc:"On race day, inclusive."`
	MaxAge *int       `json:"max_age,omitempty" minimum:"0" maximum:"120" example:"44" doc:"On race day, inclusive."`
	Field  race.Field `json:"field,omitempty" enum:"runner,wheelchair,handcycle" example:"runner" doc:"All by default."`
}

type newRaceBody struct {
	Name      string         `json:"name" minLength:"1" maxLength:"200" example:"Boston Marathon 2004"`
	Date      string         `json:"date" example:"2004-04-19" doc:"YYYY-MM-DD. Ages are those on this day."`
	DistanceM float64        `json:"distance_m" example:"42195" doc:"Metres, above 0 and at most 1000000, with up to three decimals."`
	City      string         `json:"city,omitempty" maxLength:"100" example:"Boston"`
	Ranking   rankingBody    `json:"ranking"`
	Divisions []divisionBody `json:"divisions,omitempty" maxItems:"200" nullable:"false" doc:"A runner is ranked in the first division that fits, in this order; they may overlap."`
	Scoring   string         `json:"scoring,omitempty" enum:"agegrade-2025,wa-2025,wa-2022,fixed" default:"agegrade-2025" doc:"The rule, with its edition, that turns records into points."`
	Points    *int64         `json:"points,omitempty" minimum:"0" maximum:"1000000" doc:"The points of every finisher. Required for the rule fixed, and only allowed there."`
	Capacity  *int           `json:"capacity,omitempty" minimum:"1" maximum:"1000000" example:"20000" doc:"The maximum number of participants; unlimited by default."`
}

type rankingChangeBody struct {
	Basis          *race.Basis `json:"basis,omitempty" enum:"gun,net"`
	DivisionsBasis *race.Basis `json:"divisions_basis,omitempty" enum:"gun,net"`
	Ties           *race.Ties  `json:"ties,omitempty" enum:"share,net,sequence"`
}

type raceChangeBody struct {
	Name      *string            `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Date      *string            `json:"date,omitempty" example:"2004-04-19"`
	DistanceM *float64           `json:"distance_m,omitempty" example:"42195"`
	City      *string            `json:"city,omitempty" maxLength:"100" doc:"An empty string removes it."`
	Ranking   *rankingChangeBody `json:"ranking,omitempty"`
	Divisions *[]divisionBody    `json:"divisions,omitempty" maxItems:"200" nullable:"false" doc:"Replaces all divisions; an empty list removes them."`
	Scoring   *string            `json:"scoring,omitempty" enum:"agegrade-2025,wa-2025,wa-2022,fixed"`
	Points    *int64             `json:"points,omitempty" minimum:"0" maximum:"1000000" doc:"For the rule fixed."`
	Capacity  *int               `json:"capacity,omitempty" minimum:"0" maximum:"1000000" doc:"0 means unlimited."`
}

type raceBody struct {
	RaceID      string         `json:"race_id"`
	OrganizerID string         `json:"organizer_id"`
	Name        string         `json:"name"`
	Date        string         `json:"date" example:"2004-04-19"`
	DistanceM   float64        `json:"distance_m" example:"42195"`
	City        string         `json:"city,omitempty"`
	Ranking     rankingBody    `json:"ranking"`
	Divisions   []divisionBody `json:"divisions" nullable:"false"`
	Scoring     string         `json:"scoring" example:"agegrade-2025"`
	Points      *int64         `json:"points,omitempty"`
	Capacity    int            `json:"capacity,omitempty" doc:"Missing when unlimited."`
	Status      race.Status    `json:"status" enum:"scheduled,provisional,official,void"`
	Voided      *voidedBody    `json:"voided,omitempty" doc:"Of a void race: its records are worth no points."`
	CreatedAt   time.Time      `json:"created_at"`
}

type voidedBody struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

type raceOutput struct {
	Body raceBody
}

func bodyOf(r race.Race) raceBody {
	body := raceBody{
		RaceID: r.ID, OrganizerID: r.OrganizerID, Name: r.Name, Date: r.Date.String(), DistanceM: r.Distance.Metres(),
		City: r.City, Ranking: rankingBody(r.Ranking), Divisions: make([]divisionBody, len(r.Divisions)),
		Scoring: r.Scoring, Capacity: r.Capacity, Status: r.Status, CreatedAt: r.CreatedAt,
	}
	if body.Ranking.DivisionsBasis == "" {
		body.Ranking.DivisionsBasis = body.Ranking.Basis
	}
	for i, d := range r.Divisions {
		body.Divisions[i] = divisionBody(d)
	}
	if isFixed(r) {
		body.Points = &r.Points
	}
	if r.Voided != nil {
		body.Voided = &voidedBody{At: r.Voided.At, Reason: r.Voided.Reason}
	}
	return body
}
