package ops

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// people says which stand-ins of several races are the same person. An account takes
// part only by its own claims.
type people struct {
	store    *maindb.Store
	accounts *userdb.Accounts
	log      repair.Log
	poke     func()
}

func (p people) register(api huma.API) {
	errors := statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity)
	register(api, huma.Operation{
		OperationID: "suggest-people", Method: http.MethodGet, Path: "/v1/ops/people/suggestions", Summary: "List who may be the same person in several races",
		Description: "Runners without an account in a season whose names are the same except for case, width and the order of the names, with the same sex, " +
			"birth years that can be the same, and no race in common. Nothing follows from it until an operator merges them.",
		Errors: statusesOf(http.StatusUnprocessableEntity),
	}, p.suggest)
	register(api, huma.Operation{
		OperationID: "merge-people", Method: http.MethodPost, Path: "/v1/ops/people/merge", Summary: "Merge two runners without an account into one person",
		Description: "All results of one become the other's, and their points move by new revisions, so that the leaderboard shows one line. " +
			"Accounts cannot be merged: their holders claim results. It can be undone by separating the results. Repeating it changes nothing.",
		Errors: errors,
	}, p.merge)
	register(api, huma.Operation{
		OperationID: "separate-person", Method: http.MethodPost, Path: "/v1/ops/people/separate", Summary: "Give a result back to its own runner",
		Description: "Undoes a merger for one result: it belongs to the person of its start-list row again, and its points move back. Repeating it changes nothing.",
		Errors:      errors,
	}, p.separate)
}

type suggestionsInput struct {
	server.Page
	Season int `query:"season" required:"true" example:"2026" minimum:"1900" maximum:"2200" doc:"A calendar year."`
}

// SuggestedRace is a result of somebody.
type SuggestedRace struct {
	RaceID string `json:"race_id" format:"uuid"`
	Bib    string `json:"bib"`
}

// SuggestedPerson is a runner without an account.
type SuggestedPerson struct {
	UserID string          `json:"user_id" format:"uuid"`
	Races  []SuggestedRace `json:"races" nullable:"false"`
}

// Suggestion names runners who may be one person.
type Suggestion struct {
	Name   string            `json:"name" doc:"As it is compared."`
	Sex    race.Sex          `json:"sex,omitempty" enum:"M,F,X"`
	People []SuggestedPerson `json:"people" nullable:"false" doc:"Two or more; the first has the earliest race."`
}

type suggestionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []Suggestion `json:"items" nullable:"false" doc:"By name."`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func (p people) suggest(ctx context.Context, in *suggestionsInput) (*suggestionsOutput, error) {
	var position int
	if err := in.Seek(&position); err != nil {
		return nil, err
	}
	entries, err := p.store.ListedEntriesOfSeason(ctx, in.Season)
	if err != nil {
		return nil, err
	}
	userIDs := make([]string, len(entries))
	for i, e := range entries {
		userIDs[i] = e.UserID
	}
	runners, err := p.accounts.Runners(ctx, userIDs)
	if err != nil {
		return nil, ofLedger(err)
	}
	list := suggestions(entries, runners)
	list = list[min(position, len(list)):]
	out := &suggestionsOutput{CacheControl: "no-store"}
	list, out.Body.NextCursor = server.Cut(in.Page, list, func(Suggestion) []any { return []any{position + in.Limit} })
	out.Body.Items = append([]Suggestion{}, list...)
	return out, nil
}

// candidate is a stand-in with the birth years that it can have.
type candidate struct {
	SuggestedPerson
	bornFrom, bornTo int
}

// suggestions groups stand-ins that may be the same person.
func suggestions(entries []maindb.ListedEntry, runners map[string]userdb.Runner) []Suggestion {
	known, order := make(map[string]*candidate), make(map[[2]string][]*candidate)
	for _, e := range entries {
		runner := runners[e.UserID]
		name := comparedName(runner.Name)
		if runner.Owned || name == "" {
			continue
		}
		c := known[e.UserID]
		if c == nil {
			c = &candidate{SuggestedPerson: SuggestedPerson{UserID: e.UserID}, bornTo: 9999}
			known[e.UserID] = c
			key := [2]string{name, string(cmp.Or(e.Sex, runner.Sex))}
			order[key] = append(order[key], c)
		}
		c.Races = append(c.Races, SuggestedRace{RaceID: e.RaceID, Bib: e.Bib})
		if !runner.BirthDate.IsZero() {
			c.bornFrom, c.bornTo = runner.BirthDate.Year, runner.BirthDate.Year
		} else if e.Age != race.UnknownAge { // before or after the birthday of that year
			c.bornFrom, c.bornTo = max(c.bornFrom, e.RaceDate.Year-e.Age-1), min(c.bornTo, e.RaceDate.Year-e.Age)
		}
	}
	list := []Suggestion{}
	keys := slices.SortedFunc(maps.Keys(order), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, key := range keys {
		for _, group := range groups(order[key]) {
			list = append(list, Suggestion{Name: key[0], Sex: race.Sex(key[1]), People: group})
		}
	}
	return list
}

// groups puts each candidate to the first group whose birth years it shares and whose
// races it does not, and returns the groups of two and more.
func groups(candidates []*candidate) (found [][]SuggestedPerson) {
	type group struct {
		people   []SuggestedPerson
		from, to int
		races    map[string]bool
	}
	var all []*group
	for _, c := range candidates {
		inGroup := func(g *group) bool {
			shared := slices.ContainsFunc(c.Races, func(r SuggestedRace) bool { return g.races[r.RaceID] })
			return !shared && max(g.from, c.bornFrom) <= min(g.to, c.bornTo)
		}
		i := slices.IndexFunc(all, inGroup)
		if i < 0 {
			i = len(all)
			all = append(all, &group{to: 9999, races: map[string]bool{}})
		}
		g := all[i]
		g.people, g.from, g.to = append(g.people, c.SuggestedPerson), max(g.from, c.bornFrom), min(g.to, c.bornTo)
		for _, r := range c.Races {
			g.races[r.RaceID] = true
		}
	}
	for _, g := range all {
		if len(g.people) > 1 {
			found = append(found, g.people)
		}
	}
	return found
}

// comparedName returns the names of a person in NFKC, without case and punctuation, in
// the order of the alphabet.
func comparedName(name string) string {
	folded := cases.Fold().String(norm.NFKC.String(name))
	names := strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) })
	slices.Sort(names)
	return strings.Join(names, " ")
}

type mergeInput struct {
	Plan bool `query:"plan" doc:"Show the consequences for places, podiums and points in each race, and change nothing."`
	Body struct {
		From   string `json:"from" format:"uuid" example:"0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e08" doc:"User ID of the runner whose results the other one gets."`
		Into   string `json:"into" format:"uuid" example:"0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e09" doc:"User ID of the runner who stays."`
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"same club number in both start lists" doc:"Why, for the log of actions. No names."`
	}
}

type mergeOutput struct {
	Body struct {
		RaceIDs      []string                  `json:"race_ids" nullable:"false" doc:"The races whose results moved."`
		Consequences []maindb.RaceConsequences `json:"consequences,omitempty" doc:"With plan=true: what the merger would lead to in each race. Nothing was changed."`
	}
}

func (p people) merge(ctx context.Context, in *mergeInput) (*mergeOutput, error) {
	from, into := in.Body.From, in.Body.Into
	reason, err := required(in.Body.Reason)
	if err != nil {
		return nil, err
	}
	runners, err := p.accounts.Runners(ctx, []string{from, into})
	if err != nil {
		return nil, ofLedger(err)
	}
	for _, id := range []string{from, into} {
		runner, exists := runners[id]
		switch {
		case !exists:
			return nil, race.ErrNotFound
		case runner.Owned || from == into:
			return nil, &race.ConflictError{Message: "only two runners without an account can be merged: the holder of an account claims results"}
		}
	}
	out := &mergeOutput{}
	if in.Plan {
		out.Body.RaceIDs = []string{}
		out.Body.Consequences, err = p.store.PlanMerge(ctx, from, into, userdb.NameStandIn)
		return out, err
	}
	order := repair.Order{
		Action: repair.MergePeople, OperatorID: operator(ctx), Target: into, Reason: reason, Before: map[string]string{"from": from, "into": into},
	}
	err = p.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		raceIDs, revised, err := p.store.MergePeople(ctx, from, into, p.accounts.StandIn, reason)
		if err != nil {
			return nil, err
		}
		if revised > 0 {
			p.poke()
		}
		out.Body.RaceIDs = append([]string{}, raceIDs...)
		return map[string]any{"race_ids": out.Body.RaceIDs}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type separateInput struct {
	Plan bool `query:"plan" doc:"Show the consequences for places, podiums and points, and change nothing."`
	Body struct {
		RaceID string `json:"race_id" format:"uuid" example:"0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07"`
		Bib    string `json:"bib" minLength:"1" maxLength:"16" example:"9001"`
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"two runners of the same name" doc:"Why, for the log of actions. No names."`
	}
}

type separateOutput struct {
	Body struct {
		UserID  string `json:"user_id" format:"uuid" doc:"Whose result it is now."`
		Changed bool   `json:"changed" doc:"False when it was theirs before."`

		Consequences *maindb.Consequences `json:"consequences,omitempty" doc:"With plan=true: what it would lead to. Nothing was changed."`
	}
}

func (p people) separate(ctx context.Context, in *separateInput) (*separateOutput, error) {
	if err := checkID(in.Body.RaceID); err != nil {
		return nil, err
	}
	reason, err := required(in.Body.Reason)
	if err != nil {
		return nil, err
	}
	out := &separateOutput{}
	if in.Plan {
		consequences, err := p.store.Plan(func(planning *maindb.Store) error {
			_, into, _, err := planning.SeparatePerson(ctx, in.Body.RaceID, in.Body.Bib, userdb.NameStandIn, reason)
			out.Body.UserID = into
			return err
		})
		out.Body.Consequences = &consequences
		return out, err
	}
	order := repair.Order{
		Action: repair.SeparatePerson, OperatorID: operator(ctx), Target: in.Body.RaceID, Reason: reason, Before: map[string]string{"bib": in.Body.Bib},
	}
	err = p.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		from, to, revised, err := p.store.SeparatePerson(ctx, in.Body.RaceID, in.Body.Bib, p.accounts.StandIn, reason)
		if err != nil {
			return nil, err
		}
		if revised > 0 {
			p.poke()
		}
		out.Body.UserID, out.Body.Changed = to, from != to
		return map[string]string{"from": from, "into": to}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Suggestions lists who may be the same person in several races of a season.
func (s *Service) Suggestions(ctx context.Context, season int, part server.Page) ([]Suggestion, string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*suggestionsOutput, error) {
		return s.people.suggest(ctx, &suggestionsInput{Page: part, Season: season})
	})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// Merge gives the results of one runner without an account to another.
func (s *Service) Merge(ctx context.Context, from, into, reason string) error {
	_, err := s.merge(ctx, from, into, reason, false)
	return err
}

// PlanMerge returns what Merge would lead to in each race, and changes nothing.
func (s *Service) PlanMerge(ctx context.Context, from, into string) ([]maindb.RaceConsequences, error) {
	out, err := s.merge(ctx, from, into, "planned", true)
	if err != nil {
		return nil, err
	}
	return out.Body.Consequences, nil
}

func (s *Service) merge(ctx context.Context, from, into, reason string, plan bool) (*mergeOutput, error) {
	in := &mergeInput{Plan: plan}
	in.Body.From, in.Body.Into, in.Body.Reason = from, into, reason
	if err := server.Valid(in.Body); err != nil {
		return nil, err
	}
	return within(ctx, repairTimeout, func(ctx context.Context) (*mergeOutput, error) { return s.people.merge(ctx, in) })
}

// Separate gives the result of a bib back to the bib's own runner.
func (s *Service) Separate(ctx context.Context, raceID, bib, reason string) (changed bool, err error) {
	out, err := s.separate(ctx, raceID, bib, reason, false)
	if err != nil {
		return false, err
	}
	return out.Body.Changed, nil
}

// PlanSeparate returns what Separate would lead to, and changes nothing.
func (s *Service) PlanSeparate(ctx context.Context, raceID, bib string) (maindb.Consequences, error) {
	out, err := s.separate(ctx, raceID, bib, "planned", true)
	if err != nil {
		return maindb.Consequences{}, err
	}
	return *out.Body.Consequences, nil
}

func (s *Service) separate(ctx context.Context, raceID, bib, reason string, plan bool) (*separateOutput, error) {
	in := &separateInput{Plan: plan}
	in.Body.RaceID, in.Body.Bib, in.Body.Reason = raceID, bib, reason
	if err := server.Valid(in.Body); err != nil {
		return nil, err
	}
	return within(ctx, repairTimeout, func(ctx context.Context) (*separateOutput, error) { return s.people.separate(ctx, in) })
}
