package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// The actors of actions.
const (
	ActorOperator = "operator" // through the API; OperatorID says who
	ActorTemporal = "temporal" // somebody in Temporal's Web UI or its command line
	ActorAudit    = "audit"
)

// Action is what an operator did, as the change log has it.
type Action struct {
	ID         string // UUIDv7: later actions have higher ones
	Actor      string
	OperatorID string // of ActorOperator
	Name       string // at most 32 characters
	Target     string // ID of a record, race, user or message; empty for several
	Reason     string // at most 500 characters
	Before     json.RawMessage
	After      json.RawMessage // null while it runs, or if it was interrupted
	StartedAt  time.Time
	FinishedAt time.Time // zero while it runs, or if it was interrupted
}

// ActionFilter selects actions. The zero value selects all.
type ActionFilter struct {
	Name   string
	Target string
}

// An action is two entries of the change log: "ops.<name>.begun", which has the action's
// ID, and "ops.<name>.done" or ".failed", whose subject that ID is. An action without the
// second was interrupted and may have taken effect.
const (
	actionPrefix = "ops."
	actionBegun  = ".begun"
	operation    = "operation" // the kind of subject of the second
)

// The ends of actions.
const (
	ActionDone   = "done"
	ActionFailed = "failed"
)

// BeginAction logs that an operator's action begins, with the state before it.
func (s *Store) BeginAction(ctx context.Context, a Action) error {
	actor := race.ActorFrom(ctx)
	if actor.ID != a.OperatorID {
		actor = race.Actor{Kind: race.ByOperator, ID: a.OperatorID, AccountID: a.OperatorID}
	}
	begun := a.begun()
	begun.Actor = actor
	return s.logAction(ctx, a, begun)
}

// FinishAction logs the state after an action, and how it ended.
func (s *Store) FinishAction(ctx context.Context, a Action, end string) error {
	return s.logAction(ctx, a, a.ended(end))
}

func (s *Store) logAction(ctx context.Context, a Action, changes ...race.Change) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error { return writeChanges(ctx, tx, s.now(), changes...) })
	if err != nil {
		return fmt.Errorf("log action %s %s: %w", a.Name, a.ID, err)
	}
	return nil
}

func (a Action) begun() race.Change {
	return race.Change{
		ID: a.ID, Action: actionPrefix + a.Name + actionBegun, Subject: race.Subject{Kind: "target", ID: a.Target}, Before: a.Before, Reason: a.Reason,
	}
}

func (a Action) ended(end string) race.Change {
	return race.Change{Action: actionPrefix + a.Name + "." + end, Subject: race.Subject{Kind: operation, ID: a.ID}, After: a.After}
}

// AddOutsideAction logs an action that was done without the API. Its ID follows from the
// run that it began, so repeating the call logs it once; added is false for a run that is
// already in the log. Entries from before actions were changes have other IDs, and are
// found by the run.
func (s *Outcomes) AddOutsideAction(ctx context.Context, a Action, runID string) (added bool, err error) {
	logged, err := s.queries.HasEarlierReset(ctx, nullString(runID))
	if err != nil {
		return false, fmt.Errorf("look for the reset of run %s: %w", runID, err)
	}
	if logged {
		return false, nil
	}
	a.ID = idOfRun(a.StartedAt, runID)
	begun, ended := a.begun(), a.ended(ActionDone)
	begun.At, ended.At = a.StartedAt, a.FinishedAt
	begun.Actor = race.Actor{Kind: race.ByTheSystem, ID: a.Actor, WorkflowID: race.ActorFrom(ctx).WorkflowID}
	ended.Actor = begun.Actor
	err = s.logAction(ctx, a, begun, ended)
	if mysql.IsDuplicate(err) {
		return false, nil
	}
	return err == nil, err
}

// idOfRun is the UUIDv7 of the action that began a run.
func idOfRun(at time.Time, runID string) string {
	sum := sha256.Sum256([]byte(runID))
	id := uuid.UUID(sum[:16])
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|uint64(sum[0]))
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// HasAction reports whether an action is in the log.
func (s *Store) HasAction(ctx context.Context, actionID string) (bool, error) {
	found, err := s.queries.HasAction(ctx, actionID, actionID)
	if err != nil {
		return false, fmt.Errorf("look for action %s: %w", actionID, err)
	}
	return found, nil
}

// lastID sorts after every ID.
const lastID = "~"

// Actions returns up to limit actions older than the one with the ID before, the
// newest first; an empty before means the newest.
func (s *Store) Actions(ctx context.Context, filter ActionFilter, before string, limit int) ([]Action, error) {
	if strings.ContainsFunc(filter.Target, func(c rune) bool { return c > unicode.MaxASCII }) {
		return nil, nil // targets are IDs, which the database cannot compare with other characters
	}
	if before == "" {
		before = lastID
	}
	begun := actionPrefix + "%" + actionBegun
	if filter.Name != "" {
		begun = actionPrefix + filter.Name + actionBegun
	}
	rows, err := s.queries.Actions(ctx, gen.ActionsParams{Begun: begun, BeforeID: before, Target: filter.Target, Limit: count32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	earlier, err := s.queries.EarlierActions(ctx, gen.EarlierActionsParams{
		BeforeID: before, Target: filter.Target, Action: filter.Name, Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list actions from before they were changes: %w", err)
	}
	actions := make([]Action, 0, len(rows)+len(earlier))
	for _, row := range rows {
		a := Action{
			ID: row.ActionID, Actor: row.ActorID, Name: strings.TrimSuffix(strings.TrimPrefix(row.Action, actionPrefix), actionBegun), Target: row.Target,
			Reason: row.Reason.String, Before: json.RawMessage(row.StateBefore), After: json.RawMessage("null"), StartedAt: row.StartedAt, FinishedAt: row.FinishedAt.Time,
		}
		if row.ActorKind == string(race.ByOperator) {
			a.Actor, a.OperatorID = ActorOperator, row.ActorID
		}
		if row.StateAfter.Valid {
			a.After = json.RawMessage(row.StateAfter.String)
		}
		actions = append(actions, a)
	}
	for _, row := range earlier {
		actions = append(actions, Action{
			ID: row.ActionID, Actor: row.Actor, OperatorID: row.OperatorID, Name: row.Action, Target: row.Target, Reason: row.Reason,
			Before: row.StateBefore, After: row.StateAfter, StartedAt: row.StartedAt, FinishedAt: row.FinishedAt.Time,
		})
	}
	slices.SortFunc(actions, func(a, b Action) int { return strings.Compare(b.ID, a.ID) })
	return actions[:min(limit, len(actions))], nil
}
