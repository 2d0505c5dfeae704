package maindb_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// prepared is a race with somebody on its staff.
type prepared struct {
	*testBundle
	race   race.Race
	worker string // user ID
}

func prepare(t *testing.T) prepared {
	t.Helper()
	b := setup(t)
	return b.prepare(t, newID(), race.Date{Year: 2026, Month: 10, Day: 18})
}

func (b *testBundle) prepare(t *testing.T, ownerID string, date race.Date) prepared {
	t.Helper()
	r, err := b.store.CreateRace(t.Context(), race.Race{
		ID: newID(), OrganizerID: ownerID, Name: "Test Marathon", Date: date, Distance: 42_195_000,
		Ranking: race.Ranking{Basis: race.Gun, DivisionsBasis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025", Status: race.Scheduled,
		Entry: &race.EntrySettings{Zone: "Asia/Seoul"},
	})
	require.NoError(t, err)
	p := prepared{testBundle: b, race: r, worker: newID()}
	p.hire(t, p.worker)
	return p
}

// hire puts an account on the staff.
func (p prepared) hire(t *testing.T, userID string) {
	t.Helper()
	now, invited := p.clock.Now(), maindb.Invited{UserID: userID}
	i := maindb.Invitation{ID: newID(), RaceID: p.race.ID, Role: race.Viewer, Invited: invited, By: p.race.OrganizerID, At: now, ExpiresAt: now.Add(time.Hour)}
	require.NoError(t, p.store.Invite(t.Context(), i))
	_, err := p.store.AcceptStaffInvitation(t.Context(), i.ID, invited, false)
	require.NoError(t, err)
}

func (p prepared) add(t *testing.T, title string, change func(*race.Task)) race.Task {
	t.Helper()
	task := race.Task{ID: newID(), RaceID: p.race.ID, Title: title, Status: race.TaskOpen, RemindDays: race.DefaultRemindDays()}
	if change != nil {
		change(&task)
	}
	added, err := p.store.AddTask(t.Context(), task)
	require.NoError(t, err)
	return added
}

// titles are those of the board, in its order.
func (p prepared) titles(t *testing.T) (titles []string) {
	t.Helper()
	tasks, err := p.store.Tasks(t.Context(), p.race.ID)
	require.NoError(t, err)
	for _, task := range tasks {
		titles = append(titles, string(task.Status)+" "+task.Title)
	}
	return titles
}

// logged are the actions of the log about tasks, the oldest first.
func (p prepared) logged(t *testing.T) (actions []string) {
	t.Helper()
	changes, err := p.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: p.race.ID, Action: "task."}, "", 100)
	require.NoError(t, err)
	for _, c := range changes {
		actions = append([]string{c.Action}, actions...)
	}
	return actions
}

func TestTasksAreMovedOnTheBoard(t *testing.T) {
	t.Parallel()
	p := prepare(t)
	a, b, c := p.add(t, "a", nil), p.add(t, "b", nil), p.add(t, "c", nil)
	require.Equal(t, []string{"open a", "open b", "open c"}, p.titles(t))
	again, err := p.store.AddTask(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, a, again, "the answer was lost")

	first, progress := 1, race.TaskInProgress
	c, err = p.store.ChangeTask(t.Context(), p.race.ID, c.ID, 1, maindb.TaskPatch{Place: &first})
	require.NoError(t, err)
	require.Equal(t, []string{"open c", "open a", "open b"}, p.titles(t))
	_, err = p.store.ChangeTask(t.Context(), p.race.ID, a.ID, 1, maindb.TaskPatch{Status: &progress})
	require.NoError(t, err)
	second := 2
	_, err = p.store.ChangeTask(t.Context(), p.race.ID, c.ID, 2, maindb.TaskPatch{Status: &progress, Place: &second})
	require.NoError(t, err)
	require.Equal(t, []string{"open b", "in_progress a", "in_progress c"}, p.titles(t))
	require.NoError(t, p.store.RemoveTask(t.Context(), p.race.ID, b.ID, 1))
	require.ErrorIs(t, p.store.RemoveTask(t.Context(), p.race.ID, b.ID, 1), race.ErrNotFound)
	require.Equal(t, []string{"task.created", "task.created", "task.created", "task.changed", "task.changed", "task.changed", "task.removed"}, p.logged(t))
}

// TestTwoEditorsOfATask: of two who change the same revision, one is told to read it
// again, and nothing of the other is lost.
func TestTwoEditorsOfATask(t *testing.T) {
	t.Parallel()
	p := prepare(t)
	task := p.add(t, "Order the medals", nil)
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, title := range []string{"Order 900 medals", "Order 1,200 medals"} {
		both.Go(func() {
			_, errs[i] = p.store.ChangeTask(t.Context(), p.race.ID, task.ID, task.Revision, maindb.TaskPatch{Title: &title})
		})
	}
	both.Wait()
	if errs[0] != nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], race.ErrStale)
	now, err := p.store.Task(t.Context(), p.race.ID, task.ID)
	require.NoError(t, err)
	require.Equal(t, 2, now.Revision)
	same := now.Title
	now, err = p.store.ChangeTask(t.Context(), p.race.ID, task.ID, 2, maindb.TaskPatch{Title: &same})
	require.NoError(t, err)
	require.Equal(t, 2, now.Revision, "nothing differs")
}

// TestTasksOfWhoLeaves: nobody is given a task who does not work on the race, and the
// tasks of those who leave are nobody's.
func TestTasksOfWhoLeaves(t *testing.T) {
	t.Parallel()
	p := prepare(t)
	stranger, owner := newID(), p.race.OrganizerID
	var invalid *race.InvalidError
	_, err := p.store.AddTask(t.Context(), race.Task{ID: newID(), RaceID: p.race.ID, Title: "x", Status: race.TaskOpen, AssigneeID: stranger})
	require.ErrorAs(t, err, &invalid)
	mine := p.add(t, "mine", func(task *race.Task) { task.AssigneeID, task.WatcherIDs = owner, []string{p.worker} })
	theirs := p.add(t, "theirs", func(task *race.Task) { task.AssigneeID = p.worker })
	_, err = p.store.ChangeTask(t.Context(), p.race.ID, theirs.ID, 1, maindb.TaskPatch{WatcherIDs: &[]string{stranger}})
	require.ErrorAs(t, err, &invalid)
	require.NoError(t, p.store.SetCalendarFeed(t.Context(), p.race.ID, p.worker, make([]byte, 32)))
	open, err := p.store.OpenTasksOf(t.Context(), p.worker, 10)
	require.NoError(t, err)
	require.Len(t, open, 1)

	require.NoError(t, p.store.RemoveStaff(t.Context(), p.race.ID, p.worker))
	theirs, err = p.store.Task(t.Context(), p.race.ID, theirs.ID)
	require.NoError(t, err)
	require.Equal(t, []any{"", 2}, []any{theirs.AssigneeID, theirs.Revision})
	mine, err = p.store.Task(t.Context(), p.race.ID, mine.ID)
	require.NoError(t, err)
	require.Empty(t, mine.WatcherIDs)
	_, _, _, err = p.store.OpenCalendarFeed(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, race.ErrNotFound)
	require.Contains(t, p.logged(t), "task.unassigned")

	// The new owner finds the tasks; those of the former one are nobody's.
	_, _, err = p.store.HandOver(t.Context(), p.race.ID, newID(), "a new club")
	require.NoError(t, err)
	mine, err = p.store.Task(t.Context(), p.race.ID, mine.ID)
	require.NoError(t, err)
	require.Empty(t, mine.AssigneeID)

	require.NoError(t, p.store.DeleteRace(t.Context(), p.race.ID))
	require.Empty(t, p.titles(t))
}

func TestTasksAreCopiedFromLastYear(t *testing.T) {
	t.Parallel()
	b := setup(t)
	owner, gone := newID(), newID()
	last := b.prepare(t, owner, race.Date{Year: 2025, Month: 10, Day: 19})
	last.hire(t, gone)
	day, moment := race.Deadline{Day: race.Date{Year: 2025, Month: 9, Day: 1}}, race.Deadline{At: time.Date(2025, 10, 1, 3, 0, 0, 0, time.UTC)}
	last.add(t, "Medals", func(task *race.Task) { task.AssigneeID, task.Deadline, task.Status = last.worker, day, race.TaskDone })
	last.add(t, "Police", func(task *race.Task) {
		task.AssigneeID, task.WatcherIDs, task.Deadline, task.Note = gone, []string{owner, gone}, moment, "form 7"
	})
	next := b.prepare(t, owner, race.Date{Year: 2026, Month: 10, Day: 18})
	next.hire(t, last.worker)
	for _, want := range []int{2, 0} {
		planned, err := b.store.CopyTasks(t.Context(), next.race.ID, last.race.ID, true)
		require.NoError(t, err)
		require.Len(t, planned, want)
		copied, err := b.store.CopyTasks(t.Context(), next.race.ID, last.race.ID, false)
		require.NoError(t, err)
		require.Len(t, copied, want, "the second time nothing is left to copy")
		for i := range copied { // what was shown is what is done
			require.Equal(t, []any{planned[i].Title, planned[i].Deadline, planned[i].AssigneeID, planned[i].WatcherIDs}, []any{copied[i].Title, copied[i].Deadline, copied[i].AssigneeID, copied[i].WatcherIDs})
		}
	}
	tasks, err := b.store.Tasks(t.Context(), next.race.ID)
	require.NoError(t, err)
	require.Len(t, tasks, 2)
	byTitle := map[string]race.Task{tasks[0].Title: tasks[0], tasks[1].Title: tasks[1]}
	medals, police := byTitle["Medals"], byTitle["Police"]
	require.Equal(t, []any{race.TaskOpen, last.worker, "2026-08-31"}, []any{medals.Status, medals.AssigneeID, medals.Deadline.String()}, "364 days later")
	require.Equal(t, []any{"", []string{owner}, "2026-09-30T03:00:00Z", "form 7"}, []any{police.AssigneeID, police.WatcherIDs, police.Deadline.String(), police.Note})

	foreign := b.prepare(t, newID(), race.Date{Year: 2026, Month: 10, Day: 18})
	var conflict *race.ConflictError
	_, err = b.store.CopyTasks(t.Context(), foreign.race.ID, last.race.ID, false)
	require.ErrorAs(t, err, &conflict)
	_, err = b.store.CopyTasks(t.Context(), foreign.race.ID, newID(), true)
	require.ErrorIs(t, err, race.ErrNotFound)
}

// TestDeadlinesAreMovedTogether: all at once, and none that somebody has changed since.
func TestDeadlinesAreMovedTogether(t *testing.T) {
	t.Parallel()
	p := prepare(t)
	const many = 50
	first := p.add(t, "first", func(task *race.Task) {
		task.Deadline = race.Deadline{Day: race.Date{Year: 2026, Month: 9, Day: 30}, Clock: "18:00"}
	})
	for range many - 2 {
		p.exec(t, `INSERT INTO race_task (task_id, race_id, title, note, status, due_on, due_at, remind_days, position, revision, created_at, updated_at, told_at)
			SELECT ?, race_id, title, note, status, due_on, due_at, remind_days, position + 1, revision, created_at, updated_at, told_at FROM race_task WHERE task_id = ?`, newID(), first.ID)
	}
	done := p.add(t, "done", func(task *race.Task) { task.Status, task.Deadline = race.TaskDone, first.Deadline })
	tasks, err := p.store.Tasks(t.Context(), p.race.ID)
	require.NoError(t, err)
	require.Len(t, tasks, many)
	revisions := map[string]int{done.ID: 1, newID(): 1}
	for _, task := range tasks[1:] {
		revisions[task.ID] = 1
	}
	revisions[first.ID] = 7
	for _, want := range []int{many - 2, 0} {
		moved, err := p.store.MoveDeadlines(t.Context(), p.race.ID, 364, revisions)
		require.NoError(t, err)
		require.Equal(t, want, moved, "a second time, all have changed")
	}
	tasks, err = p.store.Tasks(t.Context(), p.race.ID)
	require.NoError(t, err)
	moved := map[string]int{}
	for _, task := range tasks {
		moved[task.Deadline.String()]++
	}
	require.Equal(t, map[string]int{"2026-09-30T18:00": 2, "2027-09-29": many - 2}, moved, "the first is at another revision, the last is done")
}

// TestRemindersOfATask goes through the reminders of a task by moving its deadline.
func TestRemindersOfATask(t *testing.T) {
	t.Parallel()
	p := prepare(t)
	var now time.Time
	require.NoError(t, p.db.QueryRowContext(t.Context(), "SELECT UTC_TIMESTAMP(6)").Scan(&now))
	in := func(left time.Duration) race.Deadline { return race.Deadline{At: now.Add(left).Truncate(time.Second)} }
	const day = 24 * time.Hour
	task := p.add(t, "Medals", func(task *race.Task) { task.AssigneeID, task.Deadline = p.worker, in(2*day) })
	var woken []string
	require.NoError(t, p.store.StartTasks(t.Context(), func(_ context.Context, raceID, taskID string) error {
		woken = append(woken, raceID+taskID)
		return nil
	}))
	require.Equal(t, []string{p.race.ID + task.ID}, woken)

	remind := func() maindb.TaskReminder {
		t.Helper()
		reminder, err := p.store.RemindTask(t.Context(), task.ID)
		require.NoError(t, err)
		return reminder
	}
	left := remind().Left
	require.InDelta(t, day, left, float64(time.Minute), "the reminder of three days before came too late to be given")
	require.Equal(t, []string{"task.created"}, p.logged(t))

	// Time goes by: what was told stays told, and of two that were missed the last counts.
	pass := func(by time.Duration) {
		p.exec(t, "UPDATE race_task SET due_at = due_at - INTERVAL ? SECOND, told_at = told_at - INTERVAL ? SECOND WHERE task_id = ?", int(by.Seconds()), int(by.Seconds()), task.ID)
	}
	pass(25 * time.Hour)
	require.InDelta(t, 23*time.Hour, remind().Left, float64(time.Minute))
	require.InDelta(t, 23*time.Hour, remind().Left, float64(time.Minute), "once")
	require.Equal(t, []string{"task.created", "task.due"}, p.logged(t))
	pass(48 * time.Hour)
	require.True(t, remind().Over)
	require.True(t, remind().Over)
	require.Equal(t, []string{"task.created", "task.due", "task.overdue"}, p.logged(t))

	// A new deadline has reminders of its own, and one that is done has no reminders.
	later := in(10 * day)
	task, err := p.store.ChangeTask(t.Context(), p.race.ID, task.ID, 1, maindb.TaskPatch{Deadline: &later})
	require.NoError(t, err)
	require.InDelta(t, 7*day, remind().Left, float64(time.Minute))
	p.exec(t, "UPDATE race_task SET next_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR")
	p.exec(t, "DELETE FROM task_outbox")
	p.clock.Advance(time.Since(p.clock.Now()))
	late, err := p.store.RequeueLateTasks(t.Context(), time.Minute, 10)
	require.NoError(t, err)
	require.Equal(t, []maindb.LateTask{{RaceID: p.race.ID, TaskID: task.ID}}, late)
	done := race.TaskDone
	_, err = p.store.ChangeTask(t.Context(), p.race.ID, task.ID, 0, maindb.TaskPatch{Status: &done})
	require.NoError(t, err)
	require.True(t, remind().Over)
	reminder, err := p.store.RemindTask(t.Context(), newID())
	require.NoError(t, err)
	require.True(t, reminder.Over)
}

// TestTasksInAnotherTimeZone: in the time zone that a race gets later, a reminder at 9
// o'clock comes at 9 o'clock and a deadline at 18:00 is at 18:00, while a moment stays what
// it is.
func TestTasksInAnotherTimeZone(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	day := race.DateOf(time.Now().AddDate(0, 1, 0))
	moment := time.Date(day.Year, day.Month, day.Day, 6, 0, 0, 0, time.UTC)
	var tasks []race.Task
	for _, deadline := range []race.Deadline{{Day: day}, {Day: day, Clock: "18:00"}, {At: moment}} {
		task, err := b.store.AddTask(ctx, race.Task{ID: newID(), RaceID: b.race.ID, Title: "Order medals", Status: race.TaskOpen, AssigneeID: b.race.OrganizerID, Deadline: deadline})
		require.NoError(t, err)
		read, err := b.store.Task(ctx, b.race.ID, task.ID)
		require.NoError(t, err)
		require.Equal(t, deadline, read.Deadline)
		tasks = append(tasks, task)
	}
	inOrder := func() (order []int) {
		t.Helper()
		found, err := b.store.OpenTasksOf(ctx, b.race.OrganizerID, 10)
		require.NoError(t, err)
		for _, own := range found {
			order = append(order, slices.IndexFunc(tasks, func(task race.Task) bool { return task.ID == own.Task.ID }))
		}
		return order
	}
	require.Equal(t, []int{2, 1, 0}, inOrder(), "in Seoul: 15:00, 18:00, midnight")
	b.exec(t, "DELETE FROM task_outbox")
	before, err := b.store.RemindTask(ctx, tasks[0].ID)
	require.NoError(t, err)
	b.change(t, func(s *race.EntrySettings) { s.Zone = "Pacific/Kiritimati" }) // five hours ahead of Seoul
	require.Equal(t, []int{1, 2, 0}, inOrder(), "by the clock of Kiritimati: 18:00, 20:00, midnight")
	var woken []string
	require.NoError(t, b.store.StartTasks(ctx, func(_ context.Context, _, taskID string) error {
		woken = append(woken, taskID)
		return nil
	}))
	require.ElementsMatch(t, []string{tasks[0].ID, tasks[1].ID, tasks[2].ID}, woken)
	after, err := b.store.RemindTask(ctx, tasks[0].ID)
	require.NoError(t, err)
	require.InDelta(t, 5*time.Hour, before.Left-after.Left, float64(2*time.Minute))

	counts, err := b.store.CountTasks(ctx, []string{b.race.ID, newID()})
	require.NoError(t, err)
	require.Equal(t, map[string]maindb.TaskCounts{b.race.ID: {All: 3, Unfinished: 3}}, counts)
	b.clock.Advance(moment.Add(-time.Second).Sub(b.clock.Now()))
	counts, err = b.store.CountTasks(ctx, []string{b.race.ID})
	require.NoError(t, err)
	require.Equal(t, 1, counts[b.race.ID].Overdue, "18:00 on Kiritimati was at 4:00 UTC")
}
