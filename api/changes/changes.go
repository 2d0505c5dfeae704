// Package changes shows the change log: of a race to those who run it, of an
// account to its holder, and all of it to operators.
package changes

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const tag = "Changes"

// Register adds the calls to the API. It returns what pages read of them.
func Register(api huma.API, store *maindb.Store) *Reader {
	l := lists{store: store}
	server.Register(api, huma.Operation{
		OperationID: "list-race-changes", Method: http.MethodGet, Path: "/v1/races/{race_id}/changes",
		Summary: "List who changed what in a race, and why", Tags: []string{tag},
		Description: "Settings, results and decisions about them, imports, publication, staff and keys.",
		Errors:      []int{http.StatusNotFound},
	}, l.ofRace)
	server.Register(api, huma.Operation{
		OperationID: "list-my-changes", Method: http.MethodGet, Path: "/v1/me/changes",
		Summary: "List what you changed, and what was changed about you", Tags: []string{tag},
	}, l.mine)
	server.Register(api, huma.Operation{
		OperationID: "list-all-changes", Method: http.MethodGet, Path: "/v1/ops/changes",
		Summary: "List all changes", Tags: []string{tag},
	}, l.all)
	l.registerExports(api)
	return &Reader{l}
}

// Reader reads the change log for pages, as the calls do.
type Reader struct{ calls lists }

// OfRace returns a part of the changes of the race of ctx, the newest first, and the
// cursor of the next part, empty after the last. action is what their actions begin
// with, and subject the ID of what they changed; empty ones stand for all.
func (r *Reader) OfRace(ctx context.Context, action, subject string, part server.Page) ([]LoggedChange, string, error) {
	out, err := r.calls.ofRace(ctx, &raceChangesInput{Page: part, Filter: Filter{Action: action, Subject: subject}})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// Mine returns a part of what the caller changed and what was changed about them, the
// newest first, and the cursor of the next part, empty after the last.
func (r *Reader) Mine(ctx context.Context, part server.Page) ([]LoggedChange, string, error) {
	out, err := r.calls.mine(ctx, &myChangesInput{Page: part})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// All returns a part of all changes, for operators. actor is an account, key or
// workflow and raceID a race; empty ones stand for all.
func (r *Reader) All(ctx context.Context, action, actor, raceID string, part server.Page) ([]LoggedChange, string, error) {
	out, err := r.calls.all(ctx, &allChangesInput{Page: part, Filter: Filter{Action: action}, Actor: actor, RaceID: raceID})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

type lists struct {
	store *maindb.Store
}

// Filter is embedded in the inputs of the lists. It is exported because huma ignores
// embedded types that are not.
type Filter struct {
	Action  string    `query:"action" maxLength:"64" pattern:"^[!-~]*$" doc:"Only actions that begin with this, such as race.changed or record."`
	Subject string    `query:"subject" maxLength:"100" pattern:"^[!-~]*$" doc:"Only changes of the thing with this ID."`
	Since   time.Time `query:"since" doc:"Only changes from this time on."`
}

type raceChangesInput struct {
	server.Page
	Filter
	RaceID string `path:"race_id"`
	Actor  string `query:"actor" maxLength:"100" pattern:"^[!-~]*$" doc:"Only changes by this account or key."`
}

type myChangesInput struct {
	server.Page
	Filter
}

type allChangesInput struct {
	server.Page
	Filter
	Actor  string `query:"actor" maxLength:"100" pattern:"^[!-~]*$" doc:"Only changes by this account, key or workflow."`
	RaceID string `query:"race" format:"uuid" doc:"Only changes that concern this race."`
}

type changesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []LoggedChange `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

// LoggedChange is an entry of the change log as its readers see it.
type LoggedChange struct {
	ID          string          `json:"id" format:"uuid"`
	At          time.Time       `json:"at"`
	Actor       ChangeActor     `json:"actor"`
	Action      string          `json:"action" example:"race.changed"`
	RaceID      string          `json:"race_id,omitempty" format:"uuid"`
	Subject     race.Subject    `json:"subject" doc:"What was changed."`
	AboutID     string          `json:"about_user_id,omitempty" format:"uuid" doc:"The account that it concerns, if that is not the actor's."`
	Before      json.RawMessage `json:"before" doc:"The fields that changed, as they were; null when there was nothing."`
	After       json.RawMessage `json:"after" doc:"The fields that changed, as they are since; null when there is nothing left."`
	Reason      string          `json:"reason,omitempty" doc:"Public."`
	PrivateNote string          `json:"private_note,omitempty" doc:"Only for those who run the race, and operators."`
	RequestID   string          `json:"request_id,omitempty" doc:"The X-Request-Id of the call that made it."`
	WorkflowID  string          `json:"workflow_id,omitempty"`
	Hash        string          `json:"hash" doc:"SHA-256 of the entry, in hexadecimal."`
}

// ChangeActor is who made a change.
type ChangeActor struct {
	Kind   race.ActorKind `json:"kind" enum:"account,key,operator,workflow,system"`
	ID     string         `json:"id,omitempty" doc:"ID of the account, key or workflow. Operators are named only to operators."`
	UserID string         `json:"user_id,omitempty" format:"uuid" doc:"The account that created the key."`
}

func (l lists) ofRace(ctx context.Context, in *raceChangesInput) (*changesOutput, error) {
	filter := in.of()
	filter.RaceID, filter.Actor = server.RaceFrom(ctx).ID, in.Actor
	return l.list(ctx, in.Page, filter, shown)
}

func (l lists) mine(ctx context.Context, in *myChangesInput) (*changesOutput, error) {
	filter, userID := in.of(), server.CallerFrom(ctx).UserID
	filter.Account = userID
	return l.list(ctx, in.Page, filter, func(caller server.Caller, c race.Change) LoggedChange {
		out := shown(caller, c)
		if c.Actor.AccountID != userID { // a note about somebody is not for them
			out.PrivateNote, out.RequestID = "", ""
		}
		return out
	})
}

func (l lists) all(ctx context.Context, in *allChangesInput) (*changesOutput, error) {
	filter := in.of()
	filter.RaceID, filter.Actor = in.RaceID, in.Actor
	return l.list(ctx, in.Page, filter, shown)
}

func (f Filter) of() maindb.ChangeFilter {
	return maindb.ChangeFilter{Action: f.Action, Subject: f.Subject, Since: f.Since}
}

func (l lists) list(ctx context.Context, page server.Page, filter maindb.ChangeFilter, show func(server.Caller, race.Change) LoggedChange) (*changesOutput, error) {
	var before string
	if err := page.Seek(&before); err != nil {
		return nil, err
	}
	found, err := l.store.Changes(ctx, filter, before, page.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &changesOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(page, found, func(last race.Change) []any { return []any{last.ID} })
	out.Body.Items = make([]LoggedChange, len(found))
	for i, c := range found {
		out.Body.Items[i] = show(server.CallerFrom(ctx), c)
	}
	return out, nil
}

func shown(caller server.Caller, c race.Change) LoggedChange {
	out := LoggedChange{
		ID: c.ID, At: c.At, Actor: ChangeActor{Kind: c.Actor.Kind, ID: c.Actor.ID}, Action: c.Action, RaceID: c.RaceID, Subject: c.Subject,
		AboutID: c.AboutID, Before: raw(c.Before), After: raw(c.After), Reason: c.Reason, PrivateNote: c.PrivateNote,
		RequestID: c.Actor.RequestID, WorkflowID: c.Actor.WorkflowID, Hash: c.Hash,
	}
	switch {
	case c.Actor.Kind == race.ByKey:
		out.Actor.UserID = c.Actor.AccountID
	case c.Actor.Kind == race.ByOperator && caller.Type != auth.Operator:
		out.Actor.ID, out.RequestID = "", ""
	}
	return out
}

// raw is the state of an entry that was read from the change log.
func raw(state any) json.RawMessage {
	text, _ := state.(json.RawMessage)
	return text
}
