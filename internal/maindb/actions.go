package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
)

// The actors of actions.
const (
	ActorOperator = "operator" // through the API; OperatorID says who
	ActorTemporal = "temporal" // somebody in Temporal's Web UI or its command line
	ActorAudit    = "audit"
)

// Action is an entry of the log of what operators did.
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

// BeginAction logs that an action begins, with the state before it.
func (s *Store) BeginAction(ctx context.Context, a Action) error {
	err := s.queries.InsertAction(ctx, gen.InsertActionParams{
		ActionID: a.ID, OperatorID: a.OperatorID, Action: a.Name, Target: a.Target, Reason: a.Reason,
		StateBefore: a.Before, StartedAt: s.now(),
	})
	if err != nil {
		return fmt.Errorf("log action %s %s: %w", a.Name, a.ID, err)
	}
	return nil
}

// FinishAction logs the state after an action.
func (s *Store) FinishAction(ctx context.Context, actionID string, after json.RawMessage) error {
	if err := s.queries.FinishAction(ctx, after, sql.NullTime{Time: s.now(), Valid: true}, actionID); err != nil {
		return fmt.Errorf("log the end of action %s: %w", actionID, err)
	}
	return nil
}

// AddOutsideAction logs an action that was done without the API. It is identified
// by the run that it began, so repeating the call logs it once; added is false for
// a run that is already in the log.
func (s *Outcomes) AddOutsideAction(ctx context.Context, a Action, runID string) (added bool, err error) {
	rows, err := s.queries.InsertOutsideAction(ctx, gen.InsertOutsideActionParams{
		ActionID: a.ID, Actor: a.Actor, RunID: sql.NullString{String: runID, Valid: true}, Action: a.Name, Target: a.Target,
		Reason: a.Reason, StateBefore: a.Before, StateAfter: a.After, StartedAt: a.StartedAt,
		FinishedAt: sql.NullTime{Time: a.FinishedAt, Valid: true},
	})
	if err != nil {
		return false, fmt.Errorf("log the reset of run %s: %w", runID, err)
	}
	return rows > 0, nil
}

// HasAction reports whether an action is in the log.
func (s *Store) HasAction(ctx context.Context, actionID string) (bool, error) {
	found, err := s.queries.HasAction(ctx, actionID)
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
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.Actions(ctx, gen.ActionsParams{
		BeforeID: before, Target: filter.Target, Action: filter.Name, Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	actions := make([]Action, len(rows))
	for i, row := range rows {
		actions[i] = Action{
			ID: row.ActionID, Actor: row.Actor, OperatorID: row.OperatorID, Name: row.Action, Target: row.Target, Reason: row.Reason,
			Before: row.StateBefore, After: row.StateAfter, StartedAt: row.StartedAt, FinishedAt: row.FinishedAt.Time,
		}
	}
	return actions, nil
}
