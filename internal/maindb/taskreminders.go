package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// StartTasks has the workflows of tasks started, or woken, that have changed since. start
// must be safe to repeat.
func (s *Store) StartTasks(ctx context.Context, start func(ctx context.Context, raceID, taskID string) error) error {
	var failed error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		failed = nil
		rows, err := q.TasksToStart(ctx, maxServed)
		if err != nil {
			return fmt.Errorf("read tasks whose workflow is to be started: %w", err)
		}
		for _, row := range rows {
			if err := start(ctx, row.RaceID, row.TaskID); err != nil {
				failed = fmt.Errorf("start the workflow of task %s: %w", row.TaskID, err)
				return nil // keeps what was started before it
			}
			if err := q.TaskStarted(ctx, row.TaskID); err != nil {
				return fmt.Errorf("note the start of the workflow of task %s: %w", row.TaskID, err)
			}
		}
		return nil
	})
	return errors.Join(err, failed)
}

// TaskReminder says what is to come of a task's reminders.
type TaskReminder struct {
	Over    bool          // none: the task is done, has no deadline, or is no longer there
	Overdue bool          // of the next one: its deadline is over, and the owner is told
	Left    time.Duration // until the next one, by the database's clock
}

// RemindTask writes a change to the log if it is time to tell people about a task, from
// which they are. Of several reminders that were missed it gives the last one. Repeating
// it changes nothing.
func (s *Outcomes) RemindTask(ctx context.Context, taskID string) (reminder TaskReminder, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		row, err := q.LockTask(ctx, taskID)
		if errors.Is(err, sql.ErrNoRows) {
			reminder = TaskReminder{Over: true}
			return nil
		}
		if err != nil {
			return fmt.Errorf("lock task %s: %w", taskID, err)
		}
		raceRow, err := q.Race(ctx, row.RaceID)
		r, err := foundRace(row.RaceID, raceRow, err)
		if err != nil {
			return err
		}
		var now time.Time
		if err := tx.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		t := taskOf(row, nil)
		if r.Status == race.Void {
			t.Deadline = race.Deadline{}
		}
		var due race.TaskMoment
		reminder = TaskReminder{Over: true}
		for _, m := range t.Moments(r.Location()) {
			if m.At.After(now) {
				reminder = TaskReminder{Overdue: m.Overdue, Left: m.At.Sub(now)}
				break
			}
			if m.At.After(row.ToldAt) {
				due = m
			}
		}
		next := sql.NullTime{Time: now.Add(reminder.Left), Valid: !reminder.Over}
		if due.At.IsZero() && next.Valid == row.NextAt.Valid && next.Time.Equal(row.NextAt.Time) {
			return nil
		}
		if err := q.TaskTold(ctx, now, next, taskID); err != nil {
			return fmt.Errorf("note the reminder of task %s: %w", taskID, err)
		}
		if due.At.IsZero() {
			return nil
		}
		c := ofTask(ctx, t, "task.due", t.AssigneeID)
		if due.Overdue {
			c.Action = "task.overdue"
		}
		c.After = map[string]string{"deadline": t.Deadline.String()}
		return writeChanges(ctx, tx, s.now(), c)
	})
	return reminder, err
}

// LateTask is a task that has missed a reminder.
type LateTask struct{ RaceID, TaskID string }

// RequeueLateTasks has the workflows of up to limit tasks started again that have missed
// a reminder for some time, and returns the tasks.
func (s *Outcomes) RequeueLateTasks(ctx context.Context, late time.Duration, limit int) (found []LateTask, err error) {
	now := s.now()
	rows, err := s.queries.LateTasks(ctx, nullMoment(now.Add(-late)), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list tasks with overdue reminders: %w", err)
	}
	for _, row := range rows {
		if err := s.queries.QueueTask(ctx, row.TaskID, row.RaceID, now); err != nil {
			return nil, fmt.Errorf("wake the workflow of task %s: %w", row.TaskID, err)
		}
		found = append(found, LateTask{row.RaceID, row.TaskID})
	}
	return found, nil
}

// moveTaskZone derives when deadlines are over from the clock of a race whose time zone
// has changed, and wakes the workflows of its tasks: they waited by the old one.
func (s *Store) moveTaskZone(ctx context.Context, q *gen.Queries, r race.Race) error {
	rows, err := q.LockTasksOfRace(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("lock the tasks of race %s: %w", r.ID, err)
	}
	for _, t := range tasksOf(rows, nil) {
		if t.Deadline.Day.IsZero() {
			continue
		}
		if err := q.SetTaskDue(ctx, nullMoment(t.Deadline.End(r.Location())), t.ID); err != nil {
			return fmt.Errorf("set when task %s is due: %w", t.ID, err)
		}
	}
	if err := q.QueueTasksOfRace(ctx, s.now(), r.ID); err != nil {
		return fmt.Errorf("wake the workflows of the tasks of race %s: %w", r.ID, err)
	}
	return nil
}

// leaveTasks takes somebody off the tasks of a race who no longer works on it.
func (s *Store) leaveTasks(ctx context.Context, tx *sql.Tx, raceID, userID string) error {
	q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
	if err := q.StopWatchingTasks(ctx, raceID, userID); err != nil {
		return fmt.Errorf("take user %s off the tasks of race %s: %w", userID, raceID, err)
	}
	if _, err := q.DeleteCalendarFeed(ctx, raceID, userID); err != nil {
		return fmt.Errorf("delete the calendar feed of user %s: %w", userID, err)
	}
	rows, err := q.AssignedTasks(ctx, nullString(userID), raceID)
	if err != nil {
		return fmt.Errorf("list the tasks of user %s in race %s: %w", userID, raceID, err)
	}
	changes := make([]race.Change, len(rows))
	for i, row := range rows {
		if err := q.UnassignTask(ctx, now, row.TaskID); err != nil {
			return fmt.Errorf("take user %s off task %s: %w", userID, row.TaskID, err)
		}
		t := taskOf(row, nil)
		changes[i] = ofTask(ctx, t, "task.unassigned", userID)
		changes[i].Before, changes[i].After = map[string]any{"assignee_id": userID, "revision": t.Revision}, map[string]any{"assignee_id": "", "revision": t.Revision + 1}
	}
	return writeChanges(ctx, tx, now, changes...)
}

// deleteTasks removes the tasks of a race that is deleted, and wakes their workflows,
// which then end.
func (s *Store) deleteTasks(ctx context.Context, q *gen.Queries, raceID string) error {
	if err := q.QueueTasksOfRace(ctx, s.now(), raceID); err != nil {
		return fmt.Errorf("wake the workflows of the tasks of race %s: %w", raceID, err)
	}
	for _, remove := range []func(context.Context, string) error{q.DeleteTaskWatchersOfRace, q.DeleteTasksOfRace, q.DeleteCalendarFeedsOfRace} {
		if err := remove(ctx, raceID); err != nil {
			return fmt.Errorf("delete the tasks of race %s: %w", raceID, err)
		}
	}
	return nil
}
