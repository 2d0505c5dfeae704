package activities

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

// NoteStore keeps notes for operators. Adding one again changes nothing.
type NoteStore interface {
	AddUnmatched(ctx context.Context, u maindb.Unmatched) error
	AddOutsideAction(ctx context.Context, a maindb.Action, runID string) (added bool, err error)
	HasAction(ctx context.Context, actionID string) (bool, error)
}

// Resets returns why a run was reset; temporal.Workflows implements it.
type Resets interface {
	ResetCause(ctx context.Context, run temporal.Run) (temporal.ResetCause, error)
}

// Notes are the steps of a credit that only operators need: they record what would
// otherwise be visible only in Temporal.
type Notes struct {
	store  NoteStore
	resets Resets
}

// NewNotes returns the steps over main_db and Temporal.
func NewNotes(store NoteStore, resets Resets) *Notes { return &Notes{store: store, resets: resets} }

// UnmatchedInput is a revision that main_db does not have, and why it was rejected.
type UnmatchedInput struct {
	Credit CreditInput `json:"credit"`
	Reason string      `json:"reason"`
}

// NoteUnmatched records that a message named a revision that main_db does not have.
// It is rejected, but there is no record that the rejection could be committed for.
func (n *Notes) NoteUnmatched(ctx context.Context, in UnmatchedInput) error {
	return n.store.AddUnmatched(ctx, maindb.Unmatched{
		RaceID: in.Credit.RaceID, RecordID: in.Credit.RecordID, Revision: in.Credit.Revision, Reason: in.Reason,
	})
}

// ResetCredit is the name in the log of actions of a reset that was not done
// through the API.
const ResetCredit = "reset-credit"

// auditReason begins the reason of a reset by the audit.
const auditReason = "audit: "

// loggedAction finds the ID of the action in the reason of a reset by the API.
var loggedAction = regexp.MustCompile(`^operator [0-9a-f-]{36}, action ([0-9a-f-]{36})`)

// maxActionReason is how many characters of a reason the log of actions can hold.
const maxActionReason = 500

// NoteReset adds the reset that began its own run to the log of actions, unless the
// log already has the action that caused it. It returns the ID of that run.
func (n *Notes) NoteReset(ctx context.Context, in CreditInput) (runID string, err error) {
	execution := activity.GetInfo(ctx).WorkflowExecution
	cause, err := n.resets.ResetCause(ctx, temporal.Run{WorkflowID: execution.ID, RunID: execution.RunID})
	if err != nil {
		return "", err
	}
	if found := loggedAction.FindStringSubmatch(cause.Reason); found != nil {
		known, err := n.store.HasAction(ctx, found[1])
		if err != nil || known {
			return execution.RunID, err
		}
	}
	action := maindb.Action{
		Actor: maindb.ActorTemporal, Name: ResetCredit, Target: in.RecordID, Reason: cause.Reason,
		StartedAt: cause.At, FinishedAt: cause.At,
	}
	if strings.HasPrefix(cause.Reason, auditReason) {
		action.Actor = maindb.ActorAudit
	}
	if letters := []rune(action.Reason); len(letters) > maxActionReason {
		action.Reason = string(letters[:maxActionReason])
	}
	if action.Before, err = json.Marshal(map[string]any{"revision": in.Revision, "run_id": cause.BaseRunID}); err != nil {
		return "", err
	}
	if action.After, err = json.Marshal(map[string]string{"run_id": execution.RunID}); err != nil {
		return "", err
	}
	added, err := n.store.AddOutsideAction(asWorkflow(ctx), action, execution.RunID)
	if added {
		activity.GetLogger(ctx).Warn("a credit's workflow was reset outside the API; it is in the log of actions", "actor", action.Actor)
	}
	return execution.RunID, err
}
