package pages

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// The day of a race moves no deadline by itself: what was agreed with others stays agreed.
// Whoever moves the day is shown the deadlines, and moves those that follow it together.

func movePath(raceID string) string { return tasksPath(raceID) + "/move" }

// maxMovedDays is by how many days deadlines are moved at most.
const maxMovedDays = 3660

// movedTask is a task whose deadline can be moved, with the deadline that it would get.
type movedTask struct {
	tasks.Task
	to   race.Deadline
	left bool // its box was not ticked in the form that comes back
}

// ticket names the task as it was shown: one that has changed since is not moved.
func (m movedTask) ticket() string { return m.TaskID + ":" + strconv.Itoa(m.Revision) }

type moveTasksView struct {
	race.Race
	now   time.Time
	given string // how many days, as it was typed
	days  int    // 0: that is not said yet, or wrong
	tasks []movedTask
}

// daysToMove reads by how many days deadlines are to be moved; 0: that is not said yet, or
// wrong.
func (v *visit) daysToMove(text string) int {
	if text == "" && !v.form.sent {
		return 0
	}
	days, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(text), "+"))
	if err != nil || days == 0 || days < -maxMovedDays || days > maxMovedDays {
		v.blame("days", v.T("taskmove.days.wrong", "N", maxMovedDays))
		return 0
	}
	return days
}

// openDeadlines returns the tasks that are to be done and have a deadline.
func (s *site) openDeadlines(ctx context.Context, days int) ([]movedTask, error) {
	all, err := s.Tasks.All(ctx, tasks.Filter{})
	if err != nil {
		return nil, err
	}
	r := server.RaceFrom(ctx)
	var list []movedTask
	for _, t := range all {
		if t.Deadline != "" && !t.Status.Finished() {
			list = append(list, movedTask{Task: t, to: readDeadline(t.Deadline).Shift(days, r.Location())})
		}
	}
	return list, nil
}

func (s *site) moveTasksForm(ctx context.Context, v *visit) (page, error) {
	given := v.get("days")
	if v.form.sent {
		given = v.form.get("days")
	}
	view := moveTasksView{Race: server.RaceFrom(ctx), now: s.Now(), given: given, days: v.daysToMove(given)}
	var err error
	if view.tasks, err = s.openDeadlines(ctx, view.days); err != nil {
		return page{}, err
	}
	for i, t := range view.tasks {
		view.tasks[i].left = v.form.sent && !slices.ContainsFunc(v.form.values["task"], func(ticket string) bool { return strings.HasPrefix(ticket, t.TaskID+":") })
	}
	return page{title: v.T("taskmove.title"), body: moveTasksBody(v, view)}, nil
}

// moveTasks moves the deadlines that are ticked. A deadline that has changed since it was
// shown stays as it is.
func (s *site) moveTasks(ctx context.Context, v *visit) (page, error) {
	days := v.daysToMove(v.form.get("days"))
	if v.form.refused() {
		return s.moveTasksForm(ctx, v)
	}
	chosen := map[string]int{}
	for _, ticket := range v.form.values["task"] {
		id, revision, _ := strings.Cut(ticket, ":")
		if n, err := strconv.Atoi(revision); err == nil {
			chosen[id] = n
		}
	}
	moved, err := s.Tasks.MoveDeadlines(ctx, days, chosen)
	if err != nil {
		return page{}, err
	}
	switch {
	case moved == 0:
		v.form.problem, v.form.status = v.T("taskmove.none"), http.StatusConflict
		return s.moveTasksForm(ctx, v)
	case moved < len(chosen):
		return v.done(tasksPath(v.raceID), "tasks-moved-some")
	}
	return v.done(tasksPath(v.raceID), "tasks-moved")
}

// afterMovingDay is where whoever has moved the day of a race goes on: to its deadlines,
// if it has any.
func (s *site) afterMovingDay(ctx context.Context, v *visit, from, to race.Date) (path, said string, err error) {
	path, said = organizedPath(v.raceID), "settings-saved"
	days := int(to.Midnight().Sub(from.Midnight()) / (24 * time.Hour))
	if days == 0 {
		return path, said, nil
	}
	list, err := s.openDeadlines(ctx, days)
	if err != nil || len(list) == 0 {
		return path, said, err
	}
	by := strconv.Itoa(days)
	if days < -maxMovedDays || days > maxMovedDays {
		by = "" // a year was wrong: deadlines hardly follow that
	}
	return with(movePath(v.raceID), "days", by), "race-moved", nil
}
