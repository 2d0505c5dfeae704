// Package ops serves the calls of operators. Package history explains the state of
// records and package repair changes it; the handlers here turn both into JSON.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// tag groups these calls in the API's description.
	tag = "Operations"

	creditsPath = "/v1/ops/credits" //nolint:gosec // a path, no credential
	creditPath  = creditsPath + "/{record_id}"
	lettersPath = "/v1/ops/dead-letters"

	// maxBody is far above any body of these calls, in bytes.
	maxBody = 16 << 10
)

// Workflows is what operators need from Temporal; temporal.Workflows implements it, and
// tests replace it. Errors wrap temporal.ErrUnavailable if Temporal does not answer.
type Workflows interface {
	history.Workflows
	repair.Resetter
	Start(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (temporal.Run, error)
	Result(ctx context.Context, run temporal.Run, result any) error
}

// Config holds the dependencies of the calls.
type Config struct {
	Store     *maindb.Store
	Ledger    *userdb.Store
	Accounts  *userdb.Accounts
	Workflows Workflows
	Letters   repair.Queue
	// Poke tells the relay that there are new outbox rows. It does not block.
	Poke func()
	// WakeStandings requests that a race's standings are recomputed, and returns the
	// workflow's ID once the request is durable.
	WakeStandings func(ctx context.Context, raceID string) (workflowID string, err error)
	// WakeSeries does the same for the standings of a series.
	WakeSeries func(ctx context.Context, seriesID string) (workflowID string, err error)
	// TraceURL returns the page of a workflow in the Temporal Web UI.
	TraceURL func(workflowID string) string
	Now      func() time.Time
	Log      *slog.Logger
	Actions  repair.Log
}

// Register adds the calls to the API, and returns what pages do with them.
func Register(api huma.API, cfg Config) *Service {
	reader := history.NewReader(cfg.Store, cfg.Ledger, cfg.Workflows, cfg.Now, cfg.Log)
	links := links{traceURL: cfg.TraceURL}
	s := &Service{
		credits: credits{
			store: cfg.Store, ledger: cfg.Ledger, reader: reader, repairs: repair.NewCredits(cfg.Store, cfg.Workflows, cfg.Poke),
			log: cfg.Actions, links: links, now: cfg.Now,
		},
		letters: letters{letters: repair.NewDeadLetters(cfg.Letters, cfg.Actions)}, queue: cfg.Letters,
		audits:      audits{workflows: cfg.Workflows, log: cfg.Actions, links: links},
		repairs:     repairs{store: cfg.Store, ledger: cfg.Ledger, workflows: cfg.Workflows, wake: cfg.WakeStandings, wakeSeries: cfg.WakeSeries, log: cfg.Actions, links: links},
		suspensions: suspensions{store: cfg.Accounts, log: cfg.Actions},
		organizers:  organizers{store: cfg.Store, accounts: cfg.Accounts, log: cfg.Actions},
		people:      people{store: cfg.Store, accounts: cfg.Accounts, log: cfg.Actions, poke: cfg.Poke},
		actions:     actions{store: cfg.Store},
		offers:      offers{store: cfg.Store, links: links},
		deliveries:  deliveries{store: cfg.Store, log: cfg.Actions, links: links},
		mails:       mails{store: cfg.Accounts, main: cfg.Store, log: cfg.Actions, links: links, now: cfg.Now},
		log:         cfg.Log,
	}
	s.credits.register(api)
	s.letters.register(api)
	s.audits.register(api)
	s.repairs.register(api)
	s.suspensions.register(api)
	s.organizers.register(api)
	s.people.register(api)
	s.actions.register(api)
	s.offers.register(api)
	s.deliveries.register(api)
	s.mails.register(api)
	return s
}

// A server that hangs must not keep an operator waiting. Repairs may take longer than
// reads, since one call resets up to 1,000 workflows.
const (
	readTimeout   = 15 * time.Second
	repairTimeout = 45 * time.Second
)

// register adds a call. If a server does not answer, the error names it.
func register[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	op.Tags, op.MaxBodyBytes = []string{tag}, maxBody
	timeout := readTimeout
	if op.Method != http.MethodGet {
		timeout = repairTimeout
	}
	server.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		return within(ctx, timeout, func(ctx context.Context) (*O, error) { return handler(ctx, in) })
	})
}

// nameUnavailable turns the error of a server that does not answer into a problem that
// names it and says what can be done in the meantime. Other errors are returned
// unchanged.
func nameUnavailable(ctx context.Context, err error) error {
	var (
		ledger *history.LedgerError
		queue  *repair.QueueError
		ofMail *mailError
	)
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, temporal.ErrUnavailable):
		return server.Unavailable("Temporal does not answer. What the databases know is still shown: GET " + creditsPath + "?status=pending and GET " + creditPath)
	case errors.As(err, &queue):
		return server.Unavailable("the queue does not answer. Records wait in the outbox and are sent when it is back")
	case !errors.Is(err, race.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &ofMail):
		return server.Unavailable("user_db does not answer, so mails can neither be listed nor sent again. Those that wait are sent when it is back")
	case errors.As(err, &ledger):
		return server.Unavailable("user_db does not answer, so it is not known what is credited. GET " + creditPath + " still shows a record's revisions and workflows; credits wait and resume without help")
	}
	return server.Unavailable("main_db does not answer, so records cannot be read and actions cannot be logged. Nothing was changed")
}

// links makes links to the Temporal Web UI.
type links struct {
	traceURL func(workflowID string) string
}

// run returns the page of one run.
func (l links) run(r temporal.Run) string {
	return l.traceURL(r.WorkflowID) + "/" + r.RunID + "/history"
}

// checkID returns race.ErrNotFound for a malformed ID.
func checkID(id string) error {
	if !server.IsID(id) {
		return race.ErrNotFound
	}
	return nil
}

// operator returns the user ID of the caller.
func operator(ctx context.Context) string { return server.CallerFrom(ctx).UserID }

// why is the body of a repair that needs nothing but a reason.
type why struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the log of actions. No names."`
}

// reasonOf returns the reason in a body that may be missing.
func reasonOf(body *why) string {
	if body == nil {
		return ""
	}
	return body.Reason
}

// statusesOf returns the error statuses of a call, with the one that all of them have.
func statusesOf(more ...int) []int { return append(more, http.StatusServiceUnavailable) }

// actions lists the log of actions.
type actions struct{ store *maindb.Store }

type actionsInput struct {
	server.Page
	Action repair.Action `query:"action" enum:"retry-credit,retry-credits,redrive-dead-letters,discard-dead-letter,run-audit,rebuild-total,recompute-standings,recompute-series,void-race,hand-over-race,suspend-user,restore-user,remove-passkeys,verify-organizer,unverify-organizer,merge-people,separate-person,replay-delivery,resend-mail,reset-credit" doc:"Only actions of this kind."`
	Target string        `query:"target" maxLength:"100" doc:"ID of a record, race, user, message, delivery or mail."`
}

// ShownAction is an action in JSON.
type ShownAction struct {
	ActionID   string          `json:"action_id" format:"uuid"`
	Actor      string          `json:"actor" enum:"operator,temporal,audit" doc:"operator: through this API. temporal: somebody reset a workflow in the Temporal Web UI or at its command line; it does not say who. audit: the scheduled audit."`
	OperatorID string          `json:"operator_id" doc:"User ID of the operator; empty for other actors."`
	Action     string          `json:"action"`
	Target     string          `json:"target,omitempty" doc:"ID of a record, race, user or message; left out when there were several."`
	Reason     string          `json:"reason,omitempty" doc:"The reason that the operator gave."`
	Before     json.RawMessage `json:"before" doc:"The state before."`
	After      json.RawMessage `json:"after" doc:"The outcome; null when the action was interrupted, in which case it may have taken effect."`
	StartedAt  time.Time       `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
}

type actionsOutput struct {
	Body struct {
		Items      []ShownAction `json:"items" nullable:"false" doc:"The newest first."`
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
	before := ""
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	filter := maindb.ActionFilter{Name: string(in.Action), Target: in.Target}
	found, err := a.store.Actions(ctx, filter, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &actionsOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Action) []any { return []any{last.ID} })
	out.Body.Items = make([]ShownAction, len(found))
	for i, action := range found {
		out.Body.Items[i] = ShownAction{
			ActionID: action.ID, Actor: action.Actor, OperatorID: action.OperatorID, Action: action.Name, Target: action.Target,
			Reason: action.Reason, Before: action.Before, After: action.After, StartedAt: action.StartedAt,
		}
		if !action.FinishedAt.IsZero() {
			out.Body.Items[i].FinishedAt = &action.FinishedAt
		}
	}
	return out, nil
}
