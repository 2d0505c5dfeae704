package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
)

// Action is something that an operator did.
type Action struct {
	ID         string // UUIDv7: later actions have higher ones
	OperatorID string
	Name       string // at most 32 characters
	Target     string // ID of a record, user or message; empty for several
	Reason     string // at most 500 characters
	Before     json.RawMessage
	After      json.RawMessage // null when it was cut off, or is not over
	StartedAt  time.Time
	FinishedAt time.Time // zero when it was cut off, or is not over
}

// ActionFilter selects actions. The zero value selects all.
type ActionFilter struct {
	Name   string
	Target string
}

// BeginAction writes that an action begins, with how things stand before it.
func (s *Store) BeginAction(ctx context.Context, a Action) error {
	err := s.queries.InsertAction(ctx, gen.InsertActionParams{
		ActionID: a.ID, OperatorID: a.OperatorID, Action: a.Name, Target: a.Target, Reason: a.Reason,
		StateBefore: a.Before, StartedAt: s.now(),
	})
	if err != nil {
		return fmt.Errorf("note action %s %s: %w", a.Name, a.ID, err)
	}
	return nil
}

// FinishAction writes how things stand after an action.
func (s *Store) FinishAction(ctx context.Context, actionID string, after json.RawMessage) error {
	if err := s.queries.FinishAction(ctx, after, sql.NullTime{Time: s.now(), Valid: true}, actionID); err != nil {
		return fmt.Errorf("note the end of action %s: %w", actionID, err)
	}
	return nil
}

// lastID is behind every ID.
const lastID = "~"

// Actions returns up to limit actions that are older than the one with that ID,
// the newest first; an empty ID stands behind the newest.
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
			ID: row.ActionID, OperatorID: row.OperatorID, Name: row.Action, Target: row.Target, Reason: row.Reason,
			Before: row.StateBefore, After: row.StateAfter, StartedAt: row.StartedAt, FinishedAt: row.FinishedAt.Time,
		}
	}
	return actions, nil
}
