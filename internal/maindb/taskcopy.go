package maindb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// CopyTasks adds the tasks of another race of the same owner to a race, without those
// that were copied from it before, and returns what it added; a dry run only returns
// that. Deadlines keep their distance to the day of the race; whoever works on the race
// keeps their tasks. Errors: race.ErrNotFound when one of the races does not exist,
// *race.ConflictError when they have different owners or there would be too many tasks.
func (s *Store) CopyTasks(ctx context.Context, raceID, fromID string, dryRun bool) (copied []race.Task, err error) {
	if raceID == fromID {
		return nil, errOtherOwner
	}
	from, err := s.Race(ctx, fromID)
	if err != nil {
		return nil, err
	}
	tasks, err := s.Tasks(ctx, fromID)
	if err != nil {
		return nil, err
	}
	err = s.onBoard(ctx, raceID, func(b *board) error {
		copied = nil
		if b.race.OrganizerID != from.OrganizerID {
			return errOtherOwner
		}
		known, err := b.q.CopiedTasks(ctx, raceID)
		if err != nil {
			return fmt.Errorf("list the tasks that race %s has copied: %w", raceID, err)
		}
		days := int(b.race.Date.Midnight().Sub(from.Date.Midnight()) / (24 * time.Hour))
		tasks := slices.DeleteFunc(slices.Clone(tasks), func(t race.Task) bool { return slices.Contains(known, nullString(t.ID)) })
		if len(b.tasks)+len(tasks) > maxTasks {
			return errTooManyTasks
		}
		for _, t := range tasks {
			original := t.ID
			t.ID = uuid.Must(uuid.NewV7()).String()
			if err := b.adopt(ctx, &t, days); err != nil {
				return err
			}
			if !dryRun {
				if t, err = s.insertTask(ctx, b, t, original); err != nil {
					return err
				}
			}
			copied = append(copied, t)
		}
		return nil
	})
	return copied, err
}

// MoveDeadlines moves the deadlines of tasks that are to be done by days, all at once, and
// returns how many it moved: of those that are still at the revision that is given by
// task ID. A time of day stays what it is by the race's clock.
func (s *Store) MoveDeadlines(ctx context.Context, raceID string, days int, revisions map[string]int) (moved int, err error) {
	err = s.onBoard(ctx, raceID, func(b *board) error {
		moved = 0
		for _, was := range b.tasks {
			t := was
			t.Deadline = was.Deadline.Shift(days, b.zone)
			if revisions[t.ID] != was.Revision || t.Status.Finished() || t.Deadline.IsZero() {
				continue
			}
			if err := s.updateTask(ctx, b, was, &t); err != nil {
				return err
			}
			moved++
		}
		return nil
	})
	return moved, err
}

var errOtherOwner = &race.ConflictError{Field: "from_race_id", Message: "must be another race of the same owner"}

// adopt makes a task of another race one of this race that is still to be done.
func (b *board) adopt(ctx context.Context, t *race.Task, days int) error {
	t.Status, t.Deadline = race.TaskOpen, t.Deadline.Shift(days, b.zone)
	if t.AssigneeID != "" {
		may, err := b.mayHave(ctx, t.AssigneeID)
		if err != nil {
			return err
		}
		if !may {
			t.AssigneeID = ""
		}
	}
	var watchers []string
	for _, userID := range t.WatcherIDs {
		may, err := b.mayHave(ctx, userID)
		if err != nil {
			return err
		}
		if may {
			watchers = append(watchers, userID)
		}
	}
	t.WatcherIDs = watchers
	return nil
}
