package races

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// entries serves runners' entries and organizers' lists of them.
type entries struct {
	store   *maindb.Store
	runners *userdb.Accounts
	poke    func() // see Config.Poke
}

type enterInput struct {
	RacePath
	Body *struct {
		Team string `json:"team,omitempty" maxLength:"100" example:"Harbour Runners" doc:"The team or club that you run for."`
	} `required:"false"`
}

// EntryBody is a runner's entry. It is exported because huma ignores embedded types
// that are not.
type EntryBody struct {
	ParticipantID string           `json:"participant_id"`
	Status        race.EntryStatus `json:"status" enum:"entered,cancelled"`
	Bib           string           `json:"bib,omitempty" doc:"Missing until one is assigned."`
	Sex           race.Sex         `json:"sex,omitempty" enum:"M,F,X" doc:"Missing when unknown."`
	Age           *int             `json:"age,omitempty" doc:"On race day; missing when unknown."`
	Field         race.Field       `json:"field" enum:"runner,wheelchair,handcycle"`
	Team          string           `json:"team,omitempty"`
}

type entryOutput struct {
	Body EntryBody
}

type participantsInput struct {
	RacePath
	server.Page
}

type participantBody struct {
	EntryBody
	UserID string `json:"user_id"`
	Name   string `json:"name" doc:"Empty when it is unknown or the account was deleted."`
}

type participantsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []participantBody `json:"items" nullable:"false" doc:"In the order of entry."`
		NextCursor string            `json:"next_cursor,omitempty"`
	}
}

func (e entries) register(api huma.API) {
	const path = "/v1/races/{race_id}/participants"
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}
	server.Register(api, huma.Operation{
		OperationID: "enter-race", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated,
		Summary: "Enter a race", Tags: []string{entriesTag}, MaxBodyBytes: maxBody,
		Description: "Your sex and your age on race day are taken from your account. You can enter again after you cancelled.",
		Errors:      append(refusals, http.StatusConflict),
	}, e.enter)
	server.Register(api, huma.Operation{
		OperationID: "get-my-entry", Method: http.MethodGet, Path: path + "/me",
		Summary: "Get your entry", Tags: []string{entriesTag}, Errors: refusals,
	}, e.mine)
	server.Register(api, huma.Operation{
		OperationID: "cancel-my-entry", Method: http.MethodDelete, Path: path + "/me", DefaultStatus: http.StatusNoContent,
		Summary: "Cancel your entry", Tags: []string{entriesTag},
		Description: "Refused with 409 once the race has results; a result that you claimed is given back by withdrawing the claim. An entry that only a start list has given to your account goes back to the person of the start list, with its points, at any time.",
		Errors:      append(refusals, http.StatusConflict),
	}, e.cancel)
	server.Register(api, huma.Operation{
		OperationID: "list-participants", Method: http.MethodGet, Path: path,
		Summary: "List the participants of your race", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusUnprocessableEntity),
	}, e.list)
}

func (e entries) enter(ctx context.Context, in *enterInput) (*entryOutput, error) {
	team := ""
	if in.Body != nil {
		team = in.Body.Team
	}
	p, err := Enter(ctx, e.store, e.runners.Store, in.RaceID, team)
	if err != nil {
		return nil, err
	}
	return &entryOutput{Body: entryOf(p)}, nil
}

// Enter enters the caller in a race, with sex and age as their account has them.
func Enter(ctx context.Context, store *maindb.Store, runners *userdb.Store, raceID, team string) (race.Participant, error) {
	account, err := runners.Account(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return race.Participant{}, err
	}
	entry := maindb.Entry{
		ID: server.ResourceID(ctx), RaceID: raceID, UserID: account.UserID, Sex: account.Sex, BirthDate: account.BirthDate,
	}
	if entry.Team, err = race.ParseTeam(team); err != nil {
		return race.Participant{}, &race.InvalidError{Fields: []race.FieldError{{Field: "team", Message: err.Error()}}}
	}
	return store.Enter(ctx, entry)
}

func (e entries) mine(ctx context.Context, in *RacePath) (*entryOutput, error) {
	p, err := e.store.Participant(ctx, in.RaceID, server.CallerFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return &entryOutput{Body: entryOf(p)}, nil
}

func (e entries) cancel(ctx context.Context, in *RacePath) (*struct{}, error) {
	userID := server.CallerFrom(ctx).UserID
	if revised, err := e.store.GiveUpListed(ctx, in.RaceID, userID, e.runners.StandIn); !errors.Is(err, race.ErrNotFound) {
		if revised > 0 {
			e.poke()
		}
		return nil, err
	}
	return nil, e.store.CancelEntry(ctx, in.RaceID, userID)
}

func (e entries) list(ctx context.Context, in *participantsInput) (*participantsOutput, error) {
	var after string
	if err := in.Seek(&after); err != nil {
		return nil, err
	}
	found, err := e.store.ListParticipants(ctx, server.RaceFrom(ctx).ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &participantsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last race.Participant) []any { return []any{last.ID} })
	userIDs := make([]string, len(found))
	for i, p := range found {
		userIDs[i] = p.UserID
	}
	runners, err := e.runners.Runners(ctx, userIDs)
	if err != nil {
		return nil, err
	}
	out.Body.Items = make([]participantBody, len(found))
	for i, p := range found {
		out.Body.Items[i] = participantBody{EntryBody: entryOf(p), UserID: p.UserID, Name: runners[p.UserID].Name}
	}
	return out, nil
}

func entryOf(p race.Participant) EntryBody {
	body := EntryBody{ParticipantID: p.ID, Status: p.Status, Bib: p.Bib, Sex: p.Sex, Field: p.Field, Team: p.Team}
	if p.Age >= 0 && p.Age <= race.MaxAge {
		body.Age = &p.Age
	}
	return body
}
