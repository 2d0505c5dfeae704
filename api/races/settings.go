package races

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// settings serves an organizer's changes to their races.
type settings struct {
	store    *maindb.Store
	runners  *userdb.Accounts
	maxFixed int64 // points of the rule fixed
	poke     func()
	wake     func(ctx context.Context, raceID string)
	actions  repair.Log
}

type newRaceInput struct {
	Body NewRaceBody
}

type raceChangeInput struct {
	RacePath
	Plan bool `query:"plan" doc:"Show the consequences of the change for places, podiums and points, without making it."`
	Body RaceChangeBody
}

type voidInput struct {
	RacePath
	Plan bool `query:"plan" doc:"Show the consequences for places, podiums and points, and change nothing."`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"entered twice by mistake" doc:"Public: shown with the race."`
	}
}

func (s settings) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "create-race", Method: http.MethodPost, Path: "/v1/races", DefaultStatus: http.StatusCreated,
		Summary: "Create a race", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}, s.create)
	server.Register(api, huma.Operation{
		OperationID: "change-race", Method: http.MethodPatch, Path: "/v1/races/{race_id}",
		Summary: "Update a race", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Description: "Another date, distance, ranking basis, scoring rule or points credits every official record again. " +
			"Once the race is official, its points and places no longer change.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, s.change)
	server.Register(api, huma.Operation{
		OperationID: "delete-race", Method: http.MethodDelete, Path: "/v1/races/{race_id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a race", Tags: []string{racesTag},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict},
	}, s.delete)
	server.Register(api, huma.Operation{
		OperationID: "void-race", Method: http.MethodPost, Path: "/v1/races/{race_id}/void", DefaultStatus: http.StatusOK,
		Summary: "Void a race that was a mistake", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Description: "For its organizer and for operators. It cannot be undone. Every record is worth 0 points from then on and says so, " +
			"the standings say void, and no records, files or publications are accepted any more. Calling it again changes nothing.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}, s.void)
}

// Service is what pages do with the settings of races and with the entries of the
// caller, as the calls do.
type Service struct {
	calls      settings
	entries    entries
	forStaff   staffEntries
	handedOn   transfers
	admissions admissions
}

// Create creates a race of the caller.
func (s *Service) Create(ctx context.Context, in NewRaceBody) (race.Race, error) {
	if err := server.Valid(in); err != nil {
		return race.Race{}, err
	}
	return s.calls.add(ctx, in)
}

// Change changes the race of ctx. unless sees the race under its lock, as it is before
// the change: its error refuses the change.
func (s *Service) Change(ctx context.Context, in RaceChangeBody, unless func(race.Race) error) (race.Race, error) {
	if err := server.Valid(in); err != nil {
		return race.Race{}, err
	}
	edit, births := s.calls.edit(ctx, in, unless)
	return s.calls.update(ctx, edit, births)
}

// PlanChange returns what Change would lead to, and changes nothing.
func (s *Service) PlanChange(ctx context.Context, in RaceChangeBody, unless func(race.Race) error) (maindb.Consequences, error) {
	if err := server.Valid(in); err != nil {
		return maindb.Consequences{}, err
	}
	edit, births := s.calls.edit(ctx, in, unless)
	return s.calls.store.Plan(func(planning *maindb.Store) error {
		_, _, err := planning.UpdateRace(ctx, server.RaceFrom(ctx).ID, edit, births)
		return err
	})
}

// Changed returns the race of ctx as Change would leave it, and changes nothing.
func (s *Service) Changed(ctx context.Context, in RaceChangeBody, unless func(race.Race) error) (race.Race, error) {
	if err := server.Valid(in); err != nil {
		return race.Race{}, err
	}
	r, err := s.calls.store.Race(ctx, server.RaceFrom(ctx).ID)
	if err != nil {
		return race.Race{}, err
	}
	edit, _ := s.calls.edit(ctx, in, unless)
	err = edit(&r)
	return r, err
}

// Void voids the race of ctx, for good. The reason is public.
func (s *Service) Void(ctx context.Context, reason string) error {
	_, err := s.calls.void(ctx, voidOf(reason, false))
	return err
}

// PlanVoid returns what Void would lead to, and changes nothing.
func (s *Service) PlanVoid(ctx context.Context) (maindb.Consequences, error) {
	out, err := s.calls.void(ctx, voidOf("planned", true))
	if err != nil {
		return maindb.Consequences{}, err
	}
	return *out.Body.Consequences, nil
}

func voidOf(reason string, plan bool) *voidInput {
	in := &voidInput{Plan: plan}
	in.Body.Reason = reason
	return in
}

// Delete deletes the race of ctx, which must have no records.
func (s *Service) Delete(ctx context.Context) error {
	_, err := s.calls.delete(ctx, nil)
	return err
}

func (s settings) create(ctx context.Context, in *newRaceInput) (*raceOutput, error) {
	r, err := s.add(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return shown(ctx, s.store, r)
}

func (s settings) add(ctx context.Context, body NewRaceBody) (race.Race, error) {
	r, err := newRace(body, s.maxFixed)
	if err != nil {
		return race.Race{}, err
	}
	r.ID, r.OrganizerID = server.ResourceID(ctx), server.CallerFrom(ctx).UserID
	return s.store.CreateRace(ctx, r)
}

// edit returns what changes the race of ctx, and what reads the birth dates of its
// start lists.
func (s settings) edit(ctx context.Context, body RaceChangeBody, unless func(race.Race) error) (func(*race.Race) error, maindb.BirthDates) {
	raceID := server.RaceFrom(ctx).ID
	edit := func(r *race.Race) error {
		if names := body.Entry != nil && body.Entry.NextRaceID != nil && *body.Entry.NextRaceID != ""; names && server.CallerFrom(ctx).Key.RaceID != "" {
			return huma.Error403Forbidden("the API key is for one race: it cannot have entries deferred to another")
		}
		if unless != nil {
			if err := unless(*r); err != nil {
				return err
			}
		}
		return changeRace(r, body, s.maxFixed)
	}
	return edit, func(ctx context.Context, bibKeys []string) (map[string]race.Date, error) {
		return birthDates(ctx, s.runners, raceID, bibKeys)
	}
}

func (s settings) update(ctx context.Context, edit func(*race.Race) error, births maindb.BirthDates) (race.Race, error) {
	r, revised, err := s.store.UpdateRace(ctx, server.RaceFrom(ctx).ID, edit, births)
	if err != nil {
		return r, err
	}
	if revised > 0 {
		s.poke()
	}
	if r.Status != race.Scheduled { // places may depend on what changed even when points do not
		s.wake(ctx, r.ID)
	}
	return r, nil
}

func (s settings) change(ctx context.Context, in *raceChangeInput) (*raceOutput, error) {
	edit, births := s.edit(ctx, in.Body, nil)
	if in.Plan {
		return s.plan(ctx, func(planning *maindb.Store) error {
			_, _, err := planning.UpdateRace(ctx, server.RaceFrom(ctx).ID, edit, births)
			return err
		})
	}
	r, err := s.update(ctx, edit, births)
	if err != nil {
		return nil, err
	}
	return shown(ctx, s.store, r)
}

func (s settings) void(ctx context.Context, in *voidInput) (*raceOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "must say why, in 1 to 500 characters"}}}
	}
	old, caller := server.RaceFrom(ctx), server.CallerFrom(ctx)
	by := maindb.Change{By: caller.UserID, Reason: reason}
	if in.Plan {
		return s.plan(ctx, func(planning *maindb.Store) error {
			_, _, err := planning.VoidRace(ctx, old.ID, by)
			return err
		})
	}
	if caller.Type != auth.Operator {
		return s.voidRace(ctx, old.ID, by)
	}
	var out *raceOutput
	order := repair.Order{
		Action: repair.VoidRace, OperatorID: by.By, Target: old.ID, Reason: reason, Before: map[string]race.Status{"status": old.Status},
	}
	err := s.actions.Do(ctx, order, func(ctx context.Context, _ string) (after any, err error) {
		if out, err = s.voidRace(ctx, old.ID, by); err != nil {
			return nil, err
		}
		return map[string]race.Status{"status": race.Void}, nil
	})
	return out, err
}

// plan answers with the race as it is and the consequences of a change.
func (s settings) plan(ctx context.Context, change func(planning *maindb.Store) error) (*raceOutput, error) {
	consequences, err := s.store.Plan(change)
	if err != nil {
		return nil, err
	}
	out, err := shown(ctx, s.store, server.RaceFrom(ctx))
	if err == nil {
		out.Body.Consequences = &consequences
	}
	return out, err
}

func (s settings) voidRace(ctx context.Context, raceID string, by maindb.Change) (*raceOutput, error) {
	r, voided, err := s.store.VoidRace(ctx, raceID, by)
	if err != nil {
		return nil, err
	}
	if voided {
		s.poke()
		s.wake(ctx, r.ID)
	}
	return shown(ctx, s.store, r)
}

func (s settings) delete(ctx context.Context, _ *RacePath) (*struct{}, error) {
	return nil, s.store.DeleteRace(ctx, server.RaceFrom(ctx).ID)
}

// RankingBody is how a race ranks.
type RankingBody struct {
	Basis          race.Basis `json:"basis" enum:"gun,net" example:"gun" doc:"The time that decides overall places and points: gun time, or net (chip) time."`
	DivisionsBasis race.Basis `json:"divisions_basis,omitempty" enum:"gun,net" example:"net" doc:"The time that decides places in divisions; the same as basis by default."`
	Ties           race.Ties  `json:"ties,omitempty" enum:"share,net,sequence" default:"share" example:"share" doc:"How equal times are ranked: they share a place, or net time or the finish sequence decides."`
}

// DivisionBody is a division of a race.
type DivisionBody struct {
	Name   string     `json:"name" minLength:"1" maxLength:"100" example:"W40"`
	Sex    race.Sex   `json:"sex,omitempty" enum:"M,F,X" example:"F" doc:"All by default."`
	MinAge *int       `json:"min_age,omitempty" minimum:"0" maximum:"120" example:"40" doc:"On race day, inclusive."`
	MaxAge *int       `json:"max_age,omitempty" minimum:"0" maximum:"120" example:"44" doc:"On race day, inclusive."`
	Field  race.Field `json:"field,omitempty" enum:"runner,wheelchair,handcycle" example:"runner" doc:"All by default."`
}

// TimingPointBody is a place where runners are timed.
type TimingPointBody struct {
	Name      string  `json:"name" minLength:"1" maxLength:"50" example:"Half"`
	DistanceM float64 `json:"distance_m" example:"21097.5" doc:"Metres from the start, before the finish."`
}

// TeamRuleBody is a ranking of teams.
type TeamRuleBody struct {
	Name      string       `json:"name" minLength:"1" maxLength:"100" example:"Corporate teams"`
	Rule      race.TeamSum `json:"rule" enum:"times,places" example:"times" doc:"Teams are ranked by the sum of their best runners' ranking times, or of their places: by sex, or overall in mixed teams."`
	N         int          `json:"n" minimum:"1" maximum:"50" example:"4" doc:"How many runners of a team count. The next one decides between equal sums."`
	Sex       string       `json:"sex" enum:"M,F,mixed" example:"mixed"`
	MinPerSex int          `json:"min_per_sex,omitempty" minimum:"0" maximum:"25" example:"1" doc:"The least number of women, and of men, that count in a mixed team."`
}

// AwardsBody says who gets an award.
type AwardsBody struct {
	Overall      int  `json:"overall,omitempty" minimum:"0" maximum:"1000" example:"3" doc:"The first so many of each field."`
	BySex        bool `json:"by_sex,omitempty" example:"true" doc:"Whether each sex has overall awards of its own."`
	Divisions    int  `json:"divisions,omitempty" minimum:"0" maximum:"1000" example:"3" doc:"The first so many of each division."`
	OneAwardOnly bool `json:"one_award_only,omitempty" example:"true" doc:"A runner with an overall award is passed over in the divisions."`
}

// NewRaceBody holds the settings of a new race.
type NewRaceBody struct {
	Name      string         `json:"name" minLength:"1" maxLength:"200" example:"Boston Marathon 2004"`
	Date      string         `json:"date" example:"2004-04-19" doc:"YYYY-MM-DD. Ages are those on this day."`
	DistanceM float64        `json:"distance_m" example:"42195" doc:"Metres, above 0 and at most 1000000, with up to three decimals."`
	City      string         `json:"city,omitempty" maxLength:"100" example:"Boston"`
	Country   string         `json:"country,omitempty" pattern:"^[A-Z]{2}$" example:"US" doc:"ISO 3166, two letters. It decides the age below which results hide the name and age of a runner who has not chosen: 16 where it is missing."`
	Ranking   RankingBody    `json:"ranking"`
	Divisions []DivisionBody `json:"divisions,omitempty" maxItems:"200" nullable:"false" doc:"A runner is ranked in the first division that fits, in this order; they may overlap."`
	Scoring   string         `json:"scoring,omitempty" enum:"agegrade-2025,wa-2025,wa-2022,fixed" default:"agegrade-2025" doc:"The rule, with its edition, that turns records into points."`
	Points    *int64         `json:"points,omitempty" minimum:"0" maximum:"1000000" doc:"The points of every finisher, up to 1000 unless this server is set otherwise. Required for the rule fixed, and only allowed there. They never count for the season leaderboard, since each organizer chooses them."`
	Capacity  *int           `json:"capacity,omitempty" minimum:"1" maximum:"1000000" example:"20000" doc:"The maximum number of participants, however they come in; unlimited by default."`

	TimingPoints []TimingPointBody `json:"timing_points,omitempty" maxItems:"100" nullable:"false" doc:"Where runners are timed between start and finish, in the order of their distance."`
	Teams        []TeamRuleBody    `json:"teams,omitempty" maxItems:"20" nullable:"false" doc:"Rankings of teams."`
	Awards       *AwardsBody       `json:"awards,omitempty" doc:"Who gets an award."`

	Entry *EntryChangeBody `json:"entry,omitempty" doc:"How runners enter by themselves: when it opens, how many places there are, who waits in line. Without it they enter until the capacity is reached."`
}

// RankingChangeBody changes how a race ranks.
type RankingChangeBody struct {
	Basis          *race.Basis `json:"basis,omitempty" enum:"gun,net"`
	DivisionsBasis *race.Basis `json:"divisions_basis,omitempty" enum:"gun,net"`
	Ties           *race.Ties  `json:"ties,omitempty" enum:"share,net,sequence"`
}

// RaceChangeBody changes the settings of a race. What is left out stays as it is.
type RaceChangeBody struct {
	Name      *string            `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Date      *string            `json:"date,omitempty" example:"2004-04-19"`
	DistanceM *float64           `json:"distance_m,omitempty" example:"42195"`
	City      *string            `json:"city,omitempty" maxLength:"100" doc:"An empty string removes it."`
	Country   *string            `json:"country,omitempty" pattern:"^([A-Z]{2})?$" doc:"ISO 3166, two letters; an empty string removes it."`
	Ranking   *RankingChangeBody `json:"ranking,omitempty"`
	Divisions *[]DivisionBody    `json:"divisions,omitempty" maxItems:"200" nullable:"false" doc:"Replaces all divisions; an empty list removes them."`
	Scoring   *string            `json:"scoring,omitempty" enum:"agegrade-2025,wa-2025,wa-2022,fixed"`
	Points    *int64             `json:"points,omitempty" minimum:"0" maximum:"1000000" doc:"The points of every finisher, with the rule fixed."`
	Capacity  *int               `json:"capacity,omitempty" minimum:"0" maximum:"1000000" doc:"0 means unlimited."`

	TimingPoints *[]TimingPointBody `json:"timing_points,omitempty" maxItems:"100" nullable:"false" doc:"Replaces all timing points; an empty list removes them. A point that keeps its name or its distance keeps its readings; those of a point that is removed are no longer shown."`
	Teams        *[]TeamRuleBody    `json:"teams,omitempty" maxItems:"20" nullable:"false" doc:"Replaces all rankings of teams; an empty list removes them."`
	Awards       *AwardsBody        `json:"awards,omitempty" doc:"Replaces all rules for awards; {} removes them."`

	Entry *EntryChangeBody `json:"entry,omitempty" doc:"How runners enter by themselves. Those who entered before keep their places."`
}

type raceBody struct {
	RaceID            string             `json:"race_id"`
	OrganizerID       string             `json:"organizer_id"`
	OrganizerVerified bool               `json:"organizer_verified" doc:"Whether operators vouch for the organizer. Otherwise the race does not count for the season leaderboard."`
	Name              string             `json:"name"`
	Date              string             `json:"date" example:"2004-04-19"`
	DistanceM         float64            `json:"distance_m" example:"42195"`
	City              string             `json:"city,omitempty"`
	Country           string             `json:"country,omitempty" doc:"ISO 3166, two letters."`
	Ranking           RankingBody        `json:"ranking"`
	Divisions         []DivisionBody     `json:"divisions" nullable:"false"`
	Scoring           string             `json:"scoring" example:"agegrade-2025"`
	Points            *int64             `json:"points,omitempty"`
	Capacity          int                `json:"capacity,omitempty" doc:"Missing when unlimited."`
	TimingPoints      []TimingPointBody  `json:"timing_points,omitempty" nullable:"false" doc:"In the order of their distance; left out when there are none."`
	Teams             []TeamRuleBody     `json:"teams,omitempty" nullable:"false"`
	Awards            *AwardsBody        `json:"awards,omitempty"`
	Entry             *EntrySettingsBody `json:"entry,omitempty" doc:"How runners enter by themselves; missing when they enter as they come."`
	Status            race.Status        `json:"status" enum:"scheduled,provisional,official,void"`
	Voided            *voidedBody        `json:"voided,omitempty" doc:"Set once the race is void: its records are worth no points."`
	CreatedAt         time.Time          `json:"created_at"`

	Consequences *maindb.Consequences `json:"consequences,omitempty" doc:"What a change with plan=true would lead to. Nothing was changed, and the rest is the race as it is."`
}

type voidedBody struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

type raceOutput struct {
	Body raceBody
}

// shown returns a race as everybody sees it.
func shown(ctx context.Context, store *maindb.Store, r race.Race) (*raceOutput, error) {
	verified, err := store.VerifiedOrganizers(ctx, []string{r.OrganizerID})
	if err != nil {
		return nil, err
	}
	return &raceOutput{Body: bodyOf(r, verified[r.OrganizerID])}, nil
}

func bodyOf(r race.Race, verified bool) raceBody {
	body := raceBody{
		RaceID: r.ID, OrganizerID: r.OrganizerID, OrganizerVerified: verified, Name: r.Name, Date: r.Date.String(), DistanceM: r.Distance.Metres(),
		City: r.City, Country: r.Country, Ranking: RankingBody(r.Ranking), Divisions: make([]DivisionBody, len(r.Divisions)),
		Scoring: r.Scoring, Capacity: r.Capacity, Status: r.Status, CreatedAt: r.CreatedAt,
	}
	if body.Ranking.DivisionsBasis == "" {
		body.Ranking.DivisionsBasis = body.Ranking.Basis
	}
	for i, d := range r.Divisions {
		body.Divisions[i] = DivisionBody(d)
	}
	for _, rule := range r.Teams {
		body.Teams = append(body.Teams, TeamRuleBody(rule))
	}
	if r.Awards != (race.AwardRules{}) {
		body.Awards = new(AwardsBody(r.Awards))
	}
	for _, p := range r.Course.Points {
		body.TimingPoints = append(body.TimingPoints, TimingPointBody{Name: p.Name, DistanceM: p.Distance.Metres()})
	}
	if isFixed(r) {
		body.Points = &r.Points
	}
	body.Entry = entrySettingsOf(r)
	if r.Voided != nil {
		body.Voided = &voidedBody{At: r.Voided.At, Reason: r.Voided.Reason}
	}
	return body
}
