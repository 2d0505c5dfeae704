package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// maxTasks is how many tasks a race has at most.
const maxTasks = 500

var errTooManyTasks = &race.ConflictError{Message: fmt.Sprintf("a race has at most %d tasks: remove some first", maxTasks)}

// taskState is what the change log shows of a task. What people wrote is left out: the
// log is kept for ever. A revision without another difference is a change of that.
type taskState struct {
	Status     race.TaskStatus `json:"status"`
	AssigneeID string          `json:"assignee_id"`
	WatcherIDs []string        `json:"watcher_ids"`
	Deadline   string          `json:"deadline"`
	RemindDays []int           `json:"remind_days"`
	Position   int             `json:"position"`
	Revision   int             `json:"revision"`
}

func taskStateOf(t race.Task) taskState {
	return taskState{
		Status: t.Status, AssigneeID: t.AssigneeID, WatcherIDs: t.WatcherIDs, Deadline: t.Deadline.String(), RemindDays: t.RemindDays, Position: t.Position, Revision: t.Revision,
	}
}

// ofTask is a change of a task. It is about the person whom the task was given to or
// taken from.
func ofTask(ctx context.Context, t race.Task, action, aboutID string) race.Change {
	c := race.Change{Action: action, RaceID: t.RaceID, Subject: race.Subject{Kind: "task", ID: t.ID}}
	if aboutID != race.ActorFrom(ctx).AccountID {
		c.AboutID = aboutID
	}
	return c
}

func taskOf(row gen.RaceTask, watchers []gen.RaceTaskWatcher) race.Task {
	t := race.Task{
		ID: row.TaskID, RaceID: row.RaceID, Title: row.Title, Note: row.Note, Status: race.TaskStatus(row.Status), AssigneeID: row.AssigneeID.String,
		Position: int(row.Position), Revision: int(row.Revision), CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
	switch {
	case row.DueOn.Valid:
		t.Deadline.Day, t.Deadline.Clock = race.DateOf(row.DueOn.Time), row.DueClock.String
	case row.DueAt.Valid:
		t.Deadline.At = row.DueAt.Time
	}
	for days := range strings.SplitSeq(row.RemindDays, ",") {
		if n, err := strconv.Atoi(days); err == nil { // the empty text is no reminders
			t.RemindDays = append(t.RemindDays, n)
		}
	}
	for _, w := range watchers {
		if w.TaskID == t.ID {
			t.WatcherIDs = append(t.WatcherIDs, w.UserID)
		}
	}
	return t
}

func tasksOf(rows []gen.RaceTask, watchers []gen.RaceTaskWatcher) []race.Task {
	tasks := make([]race.Task, len(rows))
	for i, row := range rows {
		tasks[i] = taskOf(row, watchers)
	}
	return tasks
}

func joinDays(days []int) string {
	written := make([]string, len(days))
	for i, n := range days {
		written[i] = strconv.Itoa(n)
	}
	return strings.Join(written, ",")
}

// Tasks returns the tasks of a race: the columns of the board one after the other, each
// in its order.
func (s *Store) Tasks(ctx context.Context, raceID string) ([]race.Task, error) {
	rows, err := s.queries.TasksOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the tasks of race %s: %w", raceID, err)
	}
	watchers, err := s.queries.WatchersOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list who watches the tasks of race %s: %w", raceID, err)
	}
	tasks, columns := tasksOf(rows, watchers), race.TaskStatuses()
	slices.SortStableFunc(tasks, func(a, b race.Task) int {
		return slices.Index(columns, a.Status) - slices.Index(columns, b.Status)
	})
	return tasks, nil
}

// Task returns a task of a race, or race.ErrNotFound.
func (s *Store) Task(ctx context.Context, raceID, taskID string) (race.Task, error) {
	found, err := s.TasksByID(ctx, []string{taskID})
	if err == nil && (len(found) == 0 || found[0].RaceID != raceID) {
		return race.Task{}, race.ErrNotFound
	}
	if err != nil {
		return race.Task{}, err
	}
	return found[0], nil
}

// TasksByID returns those of the tasks that exist, the one whose deadline ends first in
// front.
func (s *Store) TasksByID(ctx context.Context, taskIDs []string) ([]race.Task, error) {
	rows, err := s.queries.TasksByIDs(ctx, taskIDs)
	if err != nil {
		return nil, fmt.Errorf("read %d tasks: %w", len(taskIDs), err)
	}
	watchers, err := s.queries.WatchersOfTasks(ctx, taskIDs)
	if err != nil {
		return nil, fmt.Errorf("list who watches %d tasks: %w", len(taskIDs), err)
	}
	return tasksOf(rows, watchers), nil
}

// OwnTask is a task that somebody has to do.
type OwnTask struct {
	Task race.Task // without its watchers
	Race race.Race
}

// OpenTasksOf returns up to limit tasks that an account has to do, in all races, the one
// whose deadline ends first in front.
func (s *Store) OpenTasksOf(ctx context.Context, userID string, limit int) ([]OwnTask, error) {
	rows, err := s.queries.OpenTasksOf(ctx, nullString(userID), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the tasks of user %s: %w", userID, err)
	}
	found := make([]OwnTask, len(rows))
	for i, row := range rows {
		found[i].Task = taskOf(row.RaceTask, nil)
		if found[i].Race, err = raceOf(row.Race); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// TaskCounts says how many tasks a race has.
type TaskCounts struct {
	All        int
	Unfinished int // neither done nor dropped
	Overdue    int // of these
}

// CountTasks counts the tasks of races that have any, by race ID.
func (s *Store) CountTasks(ctx context.Context, raceIDs []string) (map[string]TaskCounts, error) {
	rows, err := s.queries.CountTasks(ctx, nullMoment(s.now()), raceIDs)
	if err != nil {
		return nil, fmt.Errorf("count the tasks of %d races: %w", len(raceIDs), err)
	}
	counts := make(map[string]TaskCounts, len(rows))
	for _, row := range rows {
		counts[row.RaceID] = TaskCounts{All: int(row.Tasks), Unfinished: int(row.Unfinished), Overdue: int(row.Overdue)}
	}
	return counts, nil
}

// board is a transaction that changes the tasks of a race, which it has locked: so the
// tasks have one order, and nobody who leaves the staff meanwhile is given one.
type board struct {
	tx    *sql.Tx
	q     *gen.Queries
	race  race.Race
	zone  *time.Location
	tasks []race.Task
	told  map[string]time.Time // by task: reminders until then were given
	due   map[string]bool      // by task: a reminder is still to come
	clock time.Time            // of the database: workflows wait by it
}

func (s *Store) onBoard(ctx context.Context, raceID string, fn func(b *board) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		b := &board{tx: tx, q: s.queries.WithTx(tx), told: map[string]time.Time{}, due: map[string]bool{}}
		var err error
		if b.race, err = lockRace(ctx, b.q, raceID); err != nil {
			return err
		}
		b.zone = b.race.Location()
		rows, err := b.q.LockTasksOfRace(ctx, raceID)
		if err != nil {
			return fmt.Errorf("lock the tasks of race %s: %w", raceID, err)
		}
		watchers, err := b.q.WatchersOfRace(ctx, raceID)
		if err != nil {
			return fmt.Errorf("list who watches the tasks of race %s: %w", raceID, err)
		}
		if err := tx.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&b.clock); err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		b.tasks = tasksOf(rows, watchers)
		for _, row := range rows {
			b.told[row.TaskID], b.due[row.TaskID] = row.ToldAt, row.NextAt.Valid
		}
		return fn(b)
	})
}

// find returns a task of the board, at the revision that a change is based on; 0: at any.
func (b *board) find(taskID string, revision int) (race.Task, error) {
	i := slices.IndexFunc(b.tasks, func(t race.Task) bool { return t.ID == taskID })
	switch {
	case i < 0:
		return race.Task{}, race.ErrNotFound
	case revision != 0 && b.tasks[i].Revision != revision:
		return race.Task{}, race.ErrStale
	}
	return b.tasks[i], nil
}

// mayHave reports whether an account works on the race, and keeps it from leaving until
// the transaction ends.
func (b *board) mayHave(ctx context.Context, userID string) (bool, error) {
	if err := shareAccount(ctx, b.q, userID); errors.Is(err, race.ErrLeft) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if b.race.OrganizerID == userID {
		return true, nil
	}
	_, err := b.q.StaffMember(ctx, b.race.ID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the role of user %s in race %s: %w", userID, b.race.ID, err)
	}
	return true, nil
}

// checkPeople refuses people who do not work on the race, unless they had the task before.
func (b *board) checkPeople(ctx context.Context, t, was race.Task) error {
	var wrong race.FieldErrors
	if t.AssigneeID != "" && t.AssigneeID != was.AssigneeID {
		may, err := b.mayHave(ctx, t.AssigneeID)
		if err != nil {
			return err
		}
		if !may {
			wrong.Add("assignee_id", errNotOnStaff)
		}
	}
	for _, userID := range t.WatcherIDs {
		if slices.Contains(was.WatcherIDs, userID) {
			continue
		}
		may, err := b.mayHave(ctx, userID)
		if err != nil {
			return err
		}
		if !may {
			wrong.Add("watcher_ids", errNotOnStaff)
			break
		}
	}
	return wrong.Err()
}

var errNotOnStaff = errors.New("must be the owner of the race or on its staff")

// last returns the position behind the tasks of a status.
func (b *board) last(status race.TaskStatus) int {
	last := 0
	for _, t := range b.tasks {
		if t.Status == status {
			last = max(last, t.Position)
		}
	}
	return last + 1
}

// AddTask adds a task at the end of its column, with the first revision. A task of the
// race that already has the ID is returned as it is. Errors: race.ErrNotFound,
// *race.InvalidError, *race.ConflictError when the race has too many tasks.
func (s *Store) AddTask(ctx context.Context, t race.Task) (added race.Task, err error) {
	if err := t.Check(); err != nil {
		return race.Task{}, err
	}
	err = s.onBoard(ctx, t.RaceID, func(b *board) error {
		if i := slices.IndexFunc(b.tasks, func(there race.Task) bool { return there.ID == t.ID }); i >= 0 {
			added = b.tasks[i]
			return nil
		}
		if err := b.checkPeople(ctx, t, race.Task{}); err != nil {
			return err
		}
		added, err = s.insertTask(ctx, b, t, "")
		return err
	})
	return added, err
}

func (s *Store) insertTask(ctx context.Context, b *board, t race.Task, copiedFrom string) (race.Task, error) {
	if len(b.tasks) >= maxTasks {
		return t, errTooManyTasks
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	t.RaceID, t.Position, t.Revision, t.CreatedAt, t.UpdatedAt = b.race.ID, b.last(t.Status), 1, now, now
	next, due := t.NextMoment(b.clock, b.zone)
	err := b.q.InsertTask(ctx, gen.InsertTaskParams{
		TaskID: t.ID, RaceID: t.RaceID, Title: t.Title, Note: t.Note, Status: string(t.Status), AssigneeID: nullString(t.AssigneeID),
		DueAt: nullMoment(t.Deadline.End(b.zone)), DueOn: nullDay(t.Deadline.Day), RemindDays: joinDays(t.RemindDays), Position: count32(t.Position),
		Revision: 1, CopiedFrom: nullString(copiedFrom), CreatedAt: now, UpdatedAt: now, ToldAt: b.clock, NextAt: nullMoment(next.At), DueClock: nullString(t.Deadline.Clock),
	})
	if err != nil {
		return t, fmt.Errorf("add task %s: %w", t.ID, err)
	}
	if err := b.setWatchers(ctx, t); err != nil {
		return t, err
	}
	b.tasks = append(b.tasks, t)
	if due {
		if err := b.wake(ctx, t.ID); err != nil {
			return t, err
		}
	}
	created := ofTask(ctx, t, "task.created", t.AssigneeID)
	created.After = taskStateOf(t)
	return t, writeChanges(ctx, b.tx, now, created)
}

func nullDay(d race.Date) sql.NullTime {
	return sql.NullTime{Time: d.Midnight(), Valid: !d.IsZero()}
}

func (b *board) setWatchers(ctx context.Context, t race.Task) error {
	if err := b.q.DeleteTaskWatchers(ctx, t.ID); err != nil {
		return fmt.Errorf("set who watches task %s: %w", t.ID, err)
	}
	for _, userID := range t.WatcherIDs {
		if err := b.q.InsertTaskWatcher(ctx, t.ID, userID); err != nil {
			return fmt.Errorf("set who watches task %s: %w", t.ID, err)
		}
	}
	return nil
}

// wake has the workflow of a task look at it again.
func (b *board) wake(ctx context.Context, taskID string) error {
	if err := b.q.QueueTask(ctx, taskID, b.race.ID, b.clock); err != nil {
		return fmt.Errorf("wake the workflow of task %s: %w", taskID, err)
	}
	return nil
}

// TaskPatch says what of a task is to change; nil leaves it.
type TaskPatch struct {
	Title      *string
	Note       *string
	Status     *race.TaskStatus
	AssigneeID *string // empty: nobody
	WatcherIDs *[]string
	Deadline   *race.Deadline
	RemindDays *[]int
	Place      *int // in its column, from 1; beyond the last is the end
}

func (p TaskPatch) apply(t race.Task) race.Task {
	set(&t.Title, p.Title)
	set(&t.Note, p.Note)
	set(&t.Status, p.Status)
	set(&t.AssigneeID, p.AssigneeID)
	set(&t.Deadline, p.Deadline)
	if p.WatcherIDs != nil {
		t.WatcherIDs = slices.Clone(*p.WatcherIDs)
	}
	if p.RemindDays != nil {
		t.RemindDays = slices.Clone(*p.RemindDays)
	}
	return t
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// ChangeTask changes a task at a revision, 0 for any, which raises it by one unless
// nothing differs.
// Errors: race.ErrNotFound, race.ErrStale, *race.InvalidError.
func (s *Store) ChangeTask(ctx context.Context, raceID, taskID string, revision int, patch TaskPatch) (t race.Task, err error) {
	err = s.onBoard(ctx, raceID, func(b *board) error {
		was, err := b.find(taskID, revision)
		if err != nil {
			return err
		}
		t = patch.apply(was)
		if err := t.Check(); err != nil {
			return err
		}
		if err := b.checkPeople(ctx, t, was); err != nil {
			return err
		}
		if t.Status != was.Status {
			t.Position = b.last(t.Status)
		}
		if patch.Place != nil {
			if t.Position, err = b.makeRoom(ctx, t, *patch.Place); err != nil {
				return err
			}
		}
		return s.updateTask(ctx, b, was, &t)
	})
	return t, err
}

// makeRoom moves the other tasks of a column so that t gets a place in it, and returns
// its position.
func (b *board) makeRoom(ctx context.Context, t race.Task, place int) (position int, err error) {
	var others []race.Task
	for _, other := range b.tasks {
		if other.Status == t.Status && other.ID != t.ID {
			others = append(others, other)
		}
	}
	at := min(max(place, 1), len(others)+1)
	for i, other := range others {
		position := i + 1
		if position >= at {
			position++
		}
		if other.Position == position {
			continue
		}
		if err := b.q.PlaceTask(ctx, count32(position), other.ID); err != nil {
			return 0, fmt.Errorf("move task %s: %w", other.ID, err)
		}
	}
	return at, nil
}

// updateTask writes a task that has changed. Reminders begin again when what they depend
// on has: those whose time is over are not given.
func (s *Store) updateTask(ctx context.Context, b *board, was race.Task, t *race.Task) error {
	_, differs, err := differences(taskStateOf(was), taskStateOf(*t))
	if err != nil || len(differs) == 0 && was.Title == t.Title && was.Note == t.Note {
		return err
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	t.Revision, t.UpdatedAt = was.Revision+1, now
	told := b.told[t.ID]
	if t.Deadline.String() != was.Deadline.String() || !slices.Equal(t.RemindDays, was.RemindDays) || t.Status.Finished() != was.Status.Finished() {
		told = b.clock
	}
	next, due := t.NextMoment(told, b.zone)
	err = b.q.UpdateTask(ctx, gen.UpdateTaskParams{
		Title: t.Title, Note: t.Note, Status: string(t.Status), AssigneeID: nullString(t.AssigneeID), DueAt: nullMoment(t.Deadline.End(b.zone)),
		DueOn: nullDay(t.Deadline.Day), DueClock: nullString(t.Deadline.Clock), RemindDays: joinDays(t.RemindDays), Position: count32(t.Position), Revision: count32(t.Revision), UpdatedAt: now,
		ToldAt: told, NextAt: nullMoment(next.At), TaskID: t.ID,
	})
	if err != nil {
		return fmt.Errorf("change task %s: %w", t.ID, err)
	}
	if !slices.Equal(t.WatcherIDs, was.WatcherIDs) {
		if err := b.setWatchers(ctx, *t); err != nil {
			return err
		}
	}
	if due || b.due[t.ID] {
		if err := b.wake(ctx, t.ID); err != nil {
			return err
		}
	}
	about := t.AssigneeID
	if about == "" {
		about = was.AssigneeID
	}
	changed := ofTask(ctx, *t, "task.changed", about)
	if changed.Before, changed.After, err = differences(taskStateOf(was), taskStateOf(*t)); err != nil {
		return err
	}
	return writeChanges(ctx, b.tx, now, changed)
}

// RemoveTask removes a task at a revision. Errors: race.ErrNotFound, race.ErrStale.
func (s *Store) RemoveTask(ctx context.Context, raceID, taskID string, revision int) error {
	return s.onBoard(ctx, raceID, func(b *board) error {
		t, err := b.find(taskID, revision)
		if err != nil {
			return err
		}
		if err := b.q.DeleteTaskWatchers(ctx, taskID); err != nil {
			return fmt.Errorf("remove who watches task %s: %w", taskID, err)
		}
		if err := b.q.DeleteTask(ctx, taskID); err != nil {
			return fmt.Errorf("remove task %s: %w", taskID, err)
		}
		if b.due[taskID] {
			if err := b.wake(ctx, taskID); err != nil {
				return err
			}
		}
		removed := ofTask(ctx, t, "task.removed", t.AssigneeID)
		removed.Before = taskStateOf(t)
		return writeChanges(ctx, b.tx, s.now(), removed)
	})
}
