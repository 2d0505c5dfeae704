package pages

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// copiedFrom is a race whose tasks can be copied.
type copiedFrom struct {
	race.Race
	tasks int
}

// copyTasksView is what copying the tasks of another race would add.
type copyTasksView struct {
	race.Race
	now     time.Time
	races   []copiedFrom // the latest first
	from    *copiedFrom  // nil: none is chosen yet
	planned []tasks.Task
}

// racesToCopy is how many races are offered.
const racesToCopy = 200

// sources returns the races of the same owner on which the caller works and that have
// tasks.
func (s *site) sources(ctx context.Context, v *visit) ([]copiedFrom, error) {
	found, err := s.Races.RacesOf(ctx, v.caller.UserID, "", racesToCopy)
	if err != nil {
		return nil, err
	}
	of := server.RaceFrom(ctx)
	found = slices.DeleteFunc(found, func(own maindb.OwnRace) bool { return own.Race.ID == of.ID || own.Race.OrganizerID != of.OrganizerID })
	ids := make([]string, len(found))
	for i, own := range found {
		ids[i] = own.Race.ID
	}
	counts, err := s.Races.CountTasks(ctx, ids)
	if err != nil {
		return nil, err
	}
	var list []copiedFrom
	for _, own := range found {
		if n := counts[own.Race.ID].All; n > 0 {
			list = append(list, copiedFrom{own.Race, n})
		}
	}
	slices.SortStableFunc(list, func(a, b copiedFrom) int { return strings.Compare(b.Date.String(), a.Date.String()) })
	return list, nil
}

// copyTasksForm offers races, and shows what copying the chosen one would add.
func (s *site) copyTasksForm(ctx context.Context, v *visit) (page, error) {
	view := copyTasksView{Race: server.RaceFrom(ctx), now: s.Now()}
	var err error
	if view.races, err = s.sources(ctx, v); err != nil {
		return page{}, err
	}
	if id := v.get("from"); id != "" {
		i := slices.IndexFunc(view.races, func(one copiedFrom) bool { return one.ID == id })
		if i < 0 {
			return page{}, &badParameter{"from", "error.choice"}
		}
		view.from = &view.races[i]
		view.planned, err = s.Tasks.Copy(ctx, tasks.Source{FromRaceID: id, DryRun: true})
		if err != nil && !v.refused(err) {
			return page{}, err
		}
	}
	return page{title: v.T("taskcopy.title"), body: copyTasksBody(v, view)}, nil
}

func (s *site) copyTasks(ctx context.Context, v *visit) (page, error) {
	copied, err := s.Tasks.Copy(ctx, tasks.Source{FromRaceID: v.form.get("from_race_id")})
	if v.refused(err) {
		if len(v.form.order) > 0 { // the race that was chosen
			v.form.problem, v.form.status = v.form.wrong[v.form.order[0]], http.StatusUnprocessableEntity
		}
		return s.copyTasksForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	if len(copied) == 0 {
		return v.done(tasksPath(v.raceID), "tasks-copied-none")
	}
	return v.done(tasksPath(v.raceID), "tasks-copied")
}
