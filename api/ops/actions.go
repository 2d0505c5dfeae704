package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// actions lists the log of actions.
type actions struct{ store *maindb.Store }

type actionsInput struct {
	server.Page
	Action repair.Action `query:"action" enum:"retry-credit,retry-credits,redrive-dead-letters,discard-dead-letter,run-audit,rebuild-total,recompute-standings,reset-credit" doc:"Only actions of this kind."`
	Target string        `query:"target" maxLength:"100" doc:"ID of a record, user or message."`
}

// shownAction is an action as the API shows it.
type shownAction struct {
	ActionID   string          `json:"action_id" format:"uuid"`
	Actor      string          `json:"actor" enum:"operator,temporal,audit" doc:"operator: through this API. temporal: somebody reset a workflow in the Temporal Web UI or at its command line; it does not say who. audit: the scheduled audit."`
	OperatorID string          `json:"operator_id" doc:"User ID of the operator; empty for other actors."`
	Action     string          `json:"action"`
	Target     string          `json:"target,omitempty" doc:"ID of a record, user or message; none when it was about several."`
	Reason     string          `json:"reason,omitempty" doc:"As the operator gave it."`
	Before     json.RawMessage `json:"before" doc:"The state before."`
	After      json.RawMessage `json:"after" doc:"The outcome; null when the action was cut off, in which case it may have taken effect."`
	StartedAt  time.Time       `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
}

type actionsOutput struct {
	Body struct {
		Items      []shownAction `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string        `json:"next_cursor,omitempty"`
	}
}

func (a actions) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-operator-actions", Method: http.MethodGet, Path: "/v1/ops/actions",
		Summary: "List operators' actions", Errors: statusesOf(),
	}, a.handle)
}

func (a actions) handle(ctx context.Context, in *actionsInput) (*actionsOutput, error) {
	parts, err := server.DecodeCursor(in.Cursor, 1)
	if err != nil {
		return nil, err
	}
	before := ""
	if parts != nil {
		if before = parts[0]; !isID(before) {
			return nil, server.BadCursor()
		}
	}
	filter := maindb.ActionFilter{Name: string(in.Action), Target: in.Target}
	found, err := a.store.Actions(ctx, filter, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &actionsOutput{}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.NextCursor = server.EncodeCursor(found[in.Limit-1].ID)
	}
	out.Body.Items = make([]shownAction, len(found))
	for i, action := range found {
		out.Body.Items[i] = shownAction{
			ActionID: action.ID, Actor: action.Actor, OperatorID: action.OperatorID, Action: action.Name, Target: action.Target,
			Reason: action.Reason, Before: action.Before, After: action.After, StartedAt: action.StartedAt,
		}
		if !action.FinishedAt.IsZero() {
			out.Body.Items[i].FinishedAt = &action.FinishedAt
		}
	}
	return out, nil
}
