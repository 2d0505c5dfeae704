package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

type actionWriter interface {
	// BeginAction writes that an action begins, with how things stand before it.
	BeginAction(ctx context.Context, a maindb.Action) error
	// FinishAction writes how things stand after it.
	FinishAction(ctx context.Context, actionID string, after json.RawMessage) error
}

// journal records what operators do: before it is done, so that nothing is done
// unrecorded, and after it.
type journal struct {
	keeper actionWriter
	log    *slog.Logger
	taken  *prometheus.CounterVec // by action and outcome
}

// newJournal returns a journal that registers its counter with registry.
func newJournal(keeper actionWriter, log *slog.Logger, registry prometheus.Registerer) journal {
	taken := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mrmrthon_operator_actions_total",
		Help: "What operators did, by action and outcome (done, failed).",
	}, []string{"action", "outcome"})
	registry.MustRegister(taken)
	for _, action := range []Action{retryCredit, retryCredits, redriveLetters, discardLetter, runAudit, rebuildTotal, recomputeRace} {
		for _, outcome := range []string{"done", "failed"} {
			taken.WithLabelValues(string(action), outcome) // so that an increase is there from the first one on
		}
	}
	return journal{keeper: keeper, log: log, taken: taken}
}

// count counts an action that was begun.
func (j journal) count(action Action, failure error) {
	outcome := "done"
	if failure != nil {
		outcome = "failed"
	}
	j.taken.WithLabelValues(string(action), outcome).Inc()
}

// Action names an operator's action.
type Action string

// The actions.
const (
	retryCredit    Action = "retry-credit"
	retryCredits   Action = "retry-credits"
	redriveLetters Action = "redrive-dead-letters"
	discardLetter  Action = "discard-dead-letter"
	runAudit       Action = "run-audit"
	rebuildTotal   Action = "rebuild-total"
	recomputeRace  Action = "recompute-standings"
)

// entry is what is recorded of an action. before and what the action returns are
// kept as JSON and hold no personal data.
type entry struct {
	action Action
	target string // ID of a record, race, user or message; empty for several
	reason string
	before any
}

// finishTimeout bounds the note that an action is over, which is made also when
// the operator has gone away.
const finishTimeout = 5 * time.Second

// record notes an action, does it, and notes what came of it. An action that
// cannot be noted is not done.
func (j journal) record(ctx context.Context, e entry, act func(ctx context.Context) (after any, err error)) error {
	before, err := json.Marshal(e.before)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.action, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("record %s: %w", e.action, err)
	}
	operator := server.CallerFrom(ctx).UserID
	err = j.keeper.BeginAction(ctx, maindb.Action{
		ID: id.String(), OperatorID: operator, Name: string(e.action), Target: e.target,
		Reason: strings.TrimSpace(e.reason), Before: before,
	})
	if err != nil {
		return err
	}
	after, failure := act(ctx)
	if failure != nil && after == nil {
		after = map[string]string{"error": failure.Error()}
	}
	j.count(e.action, failure)
	j.finish(ctx, id.String(), after)
	j.log.InfoContext(ctx, "operator's action", "action_id", id.String(), "action", string(e.action), "target", e.target,
		"operator_id", operator, "failed", failure != nil)
	return failure
}

// finish notes the end of an action. If that fails the action stays recorded
// without an end.
func (j journal) finish(ctx context.Context, actionID string, after any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	state, err := json.Marshal(after)
	if err == nil {
		err = j.keeper.FinishAction(ctx, actionID, state)
	}
	if err != nil {
		j.log.WarnContext(ctx, "the end of an operator's action was not recorded", "action_id", actionID, "error", err)
	}
}
