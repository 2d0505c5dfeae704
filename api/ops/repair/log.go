// Package repair holds the actions by which operators get stuck credits moving. Every
// action may be repeated, because a revision is credited exactly once, and is logged in
// main_db before it is carried out.
package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// Action names an operator's action.
type Action string

// The actions.
const (
	RetryCredit    Action = "retry-credit"
	RetryCredits   Action = "retry-credits"
	RedriveLetters Action = "redrive-dead-letters"
	DiscardLetter  Action = "discard-dead-letter"
	RunAudit       Action = "run-audit"
	RebuildTotal   Action = "rebuild-total"
	RecomputeRace  Action = "recompute-standings"
	RankSeries     Action = "recompute-series"
	VoidRace       Action = "void-race"
	HandOverRace   Action = "hand-over-race"
	SuspendUser    Action = "suspend-user"
	RemovePasskeys Action = "remove-passkeys"
	RestoreUser    Action = "restore-user"
	Verify         Action = "verify-organizer"
	Unverify       Action = "unverify-organizer"
	MergePeople    Action = "merge-people"
	SeparatePerson Action = "separate-person"
	ReplayDelivery Action = "replay-delivery"
	ResendMail     Action = "resend-mail"
)

// Order is what is logged before an action is carried out. Before and the action's
// result are stored as JSON and hold no personal data.
type Order struct {
	Action     Action
	OperatorID string
	Target     string // ID of a record, race, series, user or message; empty if there are several
	Reason     string
	Before     any
}

// Log is the log of operators' actions.
type Log struct {
	store *maindb.Store
	log   *slog.Logger
	taken *prometheus.CounterVec // by action and outcome
}

// NewLog returns a log that registers its counter with registry.
func NewLog(store *maindb.Store, log *slog.Logger, registry prometheus.Registerer) Log {
	taken := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mrmrthon_operator_actions_total",
		Help: "Operators' actions, by action and outcome (done, failed).",
	}, []string{"action", "outcome"})
	registry.MustRegister(taken)
	for _, action := range []Action{
		RetryCredit, RetryCredits, RedriveLetters, DiscardLetter, RunAudit, RebuildTotal, RecomputeRace, RankSeries, VoidRace, HandOverRace, SuspendUser, RestoreUser, RemovePasskeys,
		Verify, Unverify, MergePeople, SeparatePerson, ReplayDelivery, ResendMail,
	} {
		for _, outcome := range []string{maindb.ActionDone, maindb.ActionFailed} {
			taken.WithLabelValues(string(action), outcome) // so that the first one is an increase
		}
	}
	return Log{store: store, log: log, taken: taken}
}

// finishTimeout bounds the work that follows an action even if the operator has
// disconnected.
const finishTimeout = 5 * time.Second

// Do logs an action, carries it out by calling act with the action's ID, and logs the
// outcome. An action that cannot be logged is not carried out.
func (l Log) Do(ctx context.Context, o Order, act func(ctx context.Context, actionID string) (after any, err error)) error {
	before, err := json.Marshal(o.Before)
	if err != nil {
		return fmt.Errorf("log %s: %w", o.Action, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("log %s: %w", o.Action, err)
	}
	begun := maindb.Action{
		ID: id.String(), OperatorID: o.OperatorID, Name: string(o.Action), Target: o.Target,
		Reason: strings.TrimSpace(o.Reason), Before: before,
	}
	if err := l.store.BeginAction(ctx, begun); err != nil {
		return err
	}
	after, failure := act(ctx, id.String())
	if failure != nil && after == nil {
		after = map[string]string{"error": failure.Error()}
	}
	outcome := maindb.ActionDone
	if failure != nil {
		outcome = maindb.ActionFailed
	}
	l.taken.WithLabelValues(string(o.Action), outcome).Inc()
	l.finish(ctx, begun, after, outcome)
	l.log.InfoContext(ctx, "operator action carried out", "action_id", id.String(), "action", string(o.Action), "target", o.Target,
		"operator_id", o.OperatorID, "outcome", outcome)
	return failure
}

// finish logs the outcome of an action. If that fails, the action is listed without an
// outcome.
func (l Log) finish(ctx context.Context, a maindb.Action, after any, outcome string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	state, err := json.Marshal(after)
	if err == nil {
		a.After = state
		err = l.store.FinishAction(ctx, a, outcome)
	}
	if err != nil {
		l.log.WarnContext(ctx, "cannot log the outcome of an operator action: it is listed without an outcome", "action_id", a.ID, "error", err)
	}
}
