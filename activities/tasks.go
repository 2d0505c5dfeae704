package activities

import (
	"context"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TaskInput names a task of a race.
type TaskInput struct {
	RaceID string `json:"race_id"`
	TaskID string `json:"task_id"`
}

// TaskResult says what is to come of a task's reminders.
type TaskResult struct {
	Over    bool          `json:"over,omitempty"`    // none
	Overdue bool          `json:"overdue,omitempty"` // the next one tells the owner that the deadline is over
	Left    time.Duration `json:"left,omitempty"`    // until the next one
}

// RemindTask writes to the change log that people are to be told about a task, if it is
// time to. Repeating it changes nothing.
func (a *Offers) RemindTask(ctx context.Context, in TaskInput) (TaskResult, error) {
	reminder, err := a.store.RemindTask(ctx, in.TaskID)
	return TaskResult(reminder), err
}

// checkTasks has the workflows of tasks started again that have missed a reminder.
func (a *Offers) checkTasks(ctx context.Context, tally *Tally) error {
	late, err := a.store.RequeueLateTasks(ctx, offerGrace, maxOffersChecked)
	for _, t := range late {
		tally.note(ctx, a.metrics, Finding{ID: t.RaceID, Detail: "the workflow of task " + t.TaskID + " is started again: a reminder is late", Repaired: true})
	}
	return err
}

// maxTasksTold is how many tasks one notice lists.
const maxTasksTold = 10

// tasks tells those concerned about tasks: a task that nobody has to do concerns the
// owner of the race.
func (t *telling) tasks(ctx context.Context) error {
	t.page.Done = true
	ids := make([]string, len(t.event.Subjects))
	for i, s := range t.event.Subjects {
		ids[i] = s.ID
	}
	found, err := t.main.TasksByID(ctx, ids)
	if err != nil {
		return err
	}
	var users []string
	concerned := map[string][]race.Task{}
	for _, task := range found {
		for _, userID := range t.concernedBy(task) {
			if !slices.Contains(users, userID) {
				users = append(users, userID)
			}
			concerned[userID] = append(concerned[userID], task)
		}
	}
	if t.reachable, err = t.user.Reachable(ctx, users); err != nil {
		return err
	}
	told, err := t.user.Noticed(ctx, users)
	if err != nil {
		return err
	}
	for _, userID := range users {
		about := t.facts()
		for _, task := range concerned[userID] {
			if t.event.Kind == notice.TaskChanged && (!t.isNews(told, userID, task) || t.didAll(task.ID, userID)) {
				continue
			}
			about.Count++
			if len(about.Tasks) < maxTasksTold {
				about.Tasks = append(about.Tasks, notice.Task{ID: task.ID, Title: task.Title, Deadline: task.Deadline.ByClock(t.race.Location()), Status: string(task.Status)})
			}
		}
		if about.Count > 0 {
			t.tell(userID, t.event.Kind, about, time.Time{})
		}
	}
	return nil
}

// clockSlack is how far this clock may be behind the database's, by which reminders are
// given.
const clockSlack = time.Hour

// isDue reports whether the task is still to be reminded of: its deadline may have been
// moved while the event waited to be told.
func (t *telling) isDue(task race.Task) bool {
	return slices.ContainsFunc(task.Moments(t.race.Location()), func(m race.TaskMoment) bool {
		return m.Overdue == (t.event.Kind == notice.TaskOverdue) && m.At.Before(t.now().Add(clockSlack))
	})
}

// concernedBy returns whom a task concerns: nobody the deadline of what is done, or has
// another deadline by now.
func (t *telling) concernedBy(task race.Task) []string {
	doer := task.AssigneeID
	if doer == "" {
		doer = t.race.OrganizerID
	}
	users := append([]string{doer}, task.WatcherIDs...)
	switch {
	case t.event.Kind == notice.TaskChanged:
	case !t.isDue(task):
		return nil
	case t.event.Kind == notice.TaskOverdue:
		users = []string{t.race.OrganizerID, doer}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// didAll reports whether somebody made all changes of a task themselves.
func (t *telling) didAll(taskID, userID string) bool {
	return !slices.ContainsFunc(t.event.Subjects, func(s notice.Subject) bool { return s.ID == taskID && s.Actor != userID })
}

// isNews reports whether somebody does not know yet how a task is, and notes that they
// are told: what was changed and changed back is not.
func (t *telling) isNews(told map[[2]string]int64, userID string, task race.Task) bool {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(strings.Join([]string{string(task.Status), task.AssigneeID, task.Deadline.String()}, "\n"))) // never fails
	state := int64(hash.Sum64() >> 1)
	thing := "task/" + task.ID
	was, knew := told[[2]string{thing, userID}]
	if knew && was == state {
		return false
	}
	t.noticed = append(t.noticed, userdb.Noticed{UserID: userID, Thing: thing, State: state, Was: was, Known: knew})
	return true
}

// taskStore keeps tasks; maindb.Outcomes implements it.
type taskStore interface {
	RemindTask(ctx context.Context, taskID string) (maindb.TaskReminder, error)
	RequeueLateTasks(ctx context.Context, late time.Duration, limit int) ([]maindb.LateTask, error)
}
