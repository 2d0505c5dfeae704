package activities_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestNoticesOfTasks: who is told about a task that somebody else gave them, that is due,
// overdue, and done; each once, and nobody what they did themselves.
func TestNoticesOfTasks(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	ctx := t.Context()
	assignee, owner, watcher := b.users[0], b.users[3], b.users[6] // all have an address
	_, _, err := b.main.HandOver(ctx, b.raceID, owner, "test")
	require.NoError(t, err)
	for _, userID := range []string{assignee, watcher} {
		invited := maindb.Invited{UserID: userID}
		i := maindb.Invitation{ID: uuid.NewString(), RaceID: b.raceID, Role: race.Viewer, Invited: invited, By: owner, At: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
		require.NoError(t, b.main.Invite(ctx, i))
		_, err := b.main.AcceptStaffInvitation(ctx, i.ID, invited, false)
		require.NoError(t, err)
	}
	by := func(userID string) race.Actor { return race.Actor{Kind: race.ByAccount, ID: userID, AccountID: userID} }
	told := func(want map[string][]string) {
		t.Helper()
		b.tell()
		require.Equal(t, want, b.box.taken(t))
	}
	task := race.Task{
		ID: uuid.NewString(), RaceID: b.raceID, Title: "Order <b>medals</b>", Status: race.TaskOpen, AssigneeID: assignee, WatcherIDs: []string{watcher},
		RemindDays: []int{1}, Deadline: race.Deadline{At: time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second)},
	}
	task, err = b.main.AddTask(race.WithActor(ctx, by(watcher)), task)
	require.NoError(t, err)
	told(map[string][]string{"Your task has changed": {b.address(assignee)}})

	remind := func(passed time.Duration) {
		t.Helper()
		seconds := int(passed.Seconds())
		b.inMain("UPDATE race_task SET due_at = due_at - INTERVAL ? SECOND, told_at = told_at - INTERVAL ? SECOND", seconds, seconds)
		for range 2 { // a retry after a crash
			_, err := b.worker.RemindTask(ctx, task.ID)
			require.NoError(t, err)
		}
	}
	note := "1,200 pieces"
	task, err = b.main.ChangeTask(race.WithActor(ctx, by(owner)), b.raceID, task.ID, 1, maindb.TaskPatch{Note: &note, WatcherIDs: &[]string{}})
	require.NoError(t, err)
	remind(29*24*time.Hour + time.Hour)
	told(map[string][]string{"A task is due": {b.address(assignee)}})
	remind(2 * 24 * time.Hour)
	b.tell()
	for _, m := range b.box.took {
		require.Contains(t, m.Text, "Order <b>medals</b>")
		require.Contains(t, m.HTML, "&lt;b&gt;medals")
		require.Contains(t, m.Text, "/organize/races/"+b.raceID)
	}
	overdue := b.box.taken(t)
	require.Len(t, overdue, 2, "in two languages")
	require.ElementsMatch(t, []string{b.address(assignee), b.address(owner)}, append(overdue["A deadline has passed"], overdue["기한이 지난 할 일이 있습니다"]...))

	// The assignee does it: the owner, whom it does not concern, is not told, and nobody of
	// what was changed and changed back.
	done, open := race.TaskDone, race.TaskOpen
	_, err = b.main.ChangeTask(race.WithActor(ctx, by(assignee)), b.raceID, task.ID, 0, maindb.TaskPatch{Status: &done})
	require.NoError(t, err)
	told(map[string][]string{})
	_, err = b.main.ChangeTask(race.WithActor(ctx, by(owner)), b.raceID, task.ID, 0, maindb.TaskPatch{Status: &open})
	require.NoError(t, err)
	_, err = b.main.ChangeTask(race.WithActor(ctx, by(owner)), b.raceID, task.ID, 0, maindb.TaskPatch{Status: &done})
	require.NoError(t, err)
	told(map[string][]string{})

	// Whoever leaves leaves their tasks, which the owner is told.
	_, err = b.main.ChangeTask(race.WithActor(ctx, by(owner)), b.raceID, task.ID, 0, maindb.TaskPatch{Status: &open})
	require.NoError(t, err)
	told(map[string][]string{"Your task has changed": {b.address(assignee)}})
	require.NoError(t, b.main.RemoveStaff(race.WithActor(ctx, by(assignee)), b.raceID, assignee))
	told(map[string][]string{"맡은 할 일이 바뀌었습니다": {b.address(owner)}})

	// A deadline that is moved before people were told that it is over.
	moved, err := b.main.AddTask(race.WithActor(ctx, by(owner)), race.Task{
		ID: uuid.NewString(), RaceID: b.raceID, Title: "Book the stage", Status: race.TaskOpen, Deadline: race.Deadline{At: time.Now().Add(time.Hour).UTC().Truncate(time.Second)},
	})
	require.NoError(t, err)
	b.inMain("UPDATE race_task SET due_at = due_at - INTERVAL 2 DAY, told_at = told_at - INTERVAL 2 DAY WHERE task_id = ?", moved.ID)
	_, err = b.worker.RemindTask(ctx, moved.ID)
	require.NoError(t, err)
	later := race.Deadline{At: time.Now().Add(60 * 24 * time.Hour).UTC().Truncate(time.Second)}
	_, err = b.main.ChangeTask(race.WithActor(ctx, by(owner)), b.raceID, moved.ID, 0, maindb.TaskPatch{Deadline: &later})
	require.NoError(t, err)
	told(map[string][]string{})
}
