package userdb

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// The change log is in main_db, so a change of an account is written here, in the
// transaction of the change, and moved there within a second or so.

// writeChange has a change of an account logged. An entry without an ID gets one;
// one without an actor gets that of the context. It holds no personal values: see
// race.Change.
func writeChange(ctx context.Context, q *gen.Queries, now time.Time, c race.Change) error {
	if c.ID == "" {
		c.ID = uuid.Must(uuid.NewV7()).String()
	}
	if c.Actor.Kind == "" {
		c.Actor = race.ActorFrom(ctx)
	}
	c.At = now
	entry, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the change %s: %w", c.Action, err)
	}
	if err := q.InsertUnloggedChange(ctx, c.ID, string(entry)); err != nil {
		return fmt.Errorf("write the change %s: %w", c.Action, err)
	}
	return nil
}

// movedAtOnce is how many changes LogChanges moves at most.
const movedAtOnce = 100

// LogChanges hands changes that are not in the change log yet to add, the oldest
// first, and returns how many. Of several processes that do so at once, each may
// hand over the same ones: add must leave an entry alone that is there already.
func (s *Accounts) LogChanges(ctx context.Context, add func(context.Context, race.Change) error) (moved int, err error) {
	rows, err := s.queries.UnloggedChanges(ctx, movedAtOnce)
	if err != nil {
		return 0, fmt.Errorf("list changes that are not in the change log: %w", err)
	}
	for _, row := range rows {
		var c race.Change
		if err := json.Unmarshal([]byte(row.Entry), &c); err != nil {
			return moved, fmt.Errorf("read change %s: %w", row.ChangeID, err)
		}
		if err := add(ctx, c); err != nil {
			return moved, err
		}
		if err := s.queries.DeleteUnloggedChange(ctx, row.ChangeID); err != nil {
			return moved, fmt.Errorf("forget change %s, which is in the change log: %w", row.ChangeID, err)
		}
		moved++
	}
	return moved, nil
}
