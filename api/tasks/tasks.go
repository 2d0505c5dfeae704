// Package tasks serves what has to be done to prepare a race: the tasks of its board, and
// the calendar in which its staff see them.
package tasks

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	tag = "Race preparation"

	tasksPath    = "/v1/races/{race_id}/tasks"
	taskPath     = tasksPath + "/{task_id}"
	calendarPath = "/v1/races/{race_id}/calendar"

	maxBody = 32 << 10
)

// Config is what the calls need.
type Config struct {
	Store     *maindb.Store
	Accounts  *userdb.Store
	PublicURL string
	Now       func() time.Time
}

// Register adds the calls to the API. It returns what pages do with them.
func Register(api huma.API, cfg Config) *Service {
	c := calls{cfg}
	errs, changing := []int{http.StatusNotFound, http.StatusConflict}, []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired}
	server.Register(api, huma.Operation{
		OperationID: "list-tasks", Method: http.MethodGet, Path: tasksPath, Errors: errs, Summary: "List the tasks of a race", Tags: []string{tag},
		Description: "By status, open ones first, and in the order of the board.",
	}, c.list)
	server.Register(api, huma.Operation{
		OperationID: "create-task", Method: http.MethodPost, Path: tasksPath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Add a task to a race", Tags: []string{tag},
		Description: "Its assignee and those who watch it are mailed on the days of `remind_days` before the deadline and at the deadline, and the race's owner a day after it, as long as the task is not done; where nobody is assigned, the owner is mailed instead. " +
			"Of a deadline that is a day, they are told at 9:00 by the race's clock: in the time zone of its entry settings, or else of its country where that has one, or else UTC.",
	}, c.create)
	server.Register(api, huma.Operation{
		OperationID: "copy-tasks", Method: http.MethodPost, Path: tasksPath + "/copy", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Copy the tasks of another race", Tags: []string{tag},
		Description: "Of a race of the same owner on which you work, such as last year's. All copies are open, even of tasks that were done or dropped; deadlines keep their distance to the day of the race, and assignees who work on this race keep their tasks. A task whose copy is still there is left out, so that repeating the call is safe. A dry run answers with what it would add.",
	}, c.copy)
	server.Register(api, huma.Operation{
		OperationID: "get-task", Method: http.MethodGet, Path: taskPath, Errors: errs, Summary: "Read a task", Tags: []string{tag},
	}, c.get)
	server.Register(api, huma.Operation{
		OperationID: "change-task", Method: http.MethodPatch, Path: taskPath, MaxBodyBytes: maxBody, Errors: changing,
		Summary: "Change a task, or move it on the board", Tags: []string{tag},
	}, c.change)
	server.Register(api, huma.Operation{
		OperationID: "set-task-status", Method: http.MethodPost, Path: taskPath + "/status", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Set the status of a task", Tags: []string{tag}, Description: "For the assignee of the task, in any role, and for editors.",
	}, c.setStatus)
	server.Register(api, huma.Operation{
		OperationID: "delete-task", Method: http.MethodDelete, Path: taskPath, DefaultStatus: http.StatusNoContent, Errors: changing, Summary: "Remove a task", Tags: []string{tag},
	}, c.remove)
	server.Register(api, huma.Operation{
		OperationID: "list-my-tasks", Method: http.MethodGet, Path: "/v1/me/tasks", Summary: "List the tasks that you have to do", Tags: []string{tag},
		Description: "In all races, without those that are done or dropped; up to 500, the one whose deadline ends first in front.",
	}, c.mine)
	c.registerCalendar(api, errs)
	return &Service{c}
}

type calls struct{ Config }

// RacePath is embedded in the inputs. It is exported because huma ignores embedded types
// that are not.
type RacePath struct {
	RaceID string `path:"race_id"`
}

// Path is embedded like RacePath.
type Path struct {
	RacePath
	TaskID string `path:"task_id"`
}

// Person is somebody who works on the race.
type Person struct {
	UserID string `json:"user_id" format:"uuid"`
	Name   string `json:"name,omitempty"`
}

// Task is a task as its readers see it.
type Task struct {
	TaskID     string          `json:"task_id" format:"uuid"`
	Title      string          `json:"title"`
	Note       string          `json:"note,omitempty"`
	Status     race.TaskStatus `json:"status" enum:"open,in_progress,done,dropped"`
	Assignee   *Person         `json:"assignee,omitempty"`
	Watchers   []Person        `json:"watchers" nullable:"false" doc:"Who is told about the task besides its assignee."`
	Deadline   string          `json:"deadline,omitempty" example:"2026-10-01" doc:"A day of the race, a time by the race's clock such as 2026-10-01T18:00, or a moment."`
	DueAt      *time.Time      `json:"due_at,omitempty" doc:"When the deadline is over. It follows from the deadline and the race's time zone."`
	Overdue    bool            `json:"overdue" doc:"The deadline is over, and the task is neither done nor dropped."`
	RemindDays []int           `json:"remind_days" nullable:"false"`
	Position   int             `json:"position" doc:"On the board, lower numbers first among the tasks of the status."`
	Revision   int             `json:"revision" doc:"What If-Match must name to change the task."`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
}

// show returns tasks with the names of their people.
func (c calls) show(ctx context.Context, r race.Race, tasks ...race.Task) ([]Task, error) {
	var users []string
	for _, t := range tasks {
		users = append(append(users, t.WatcherIDs...), t.AssigneeID)
	}
	slices.Sort(users)
	users = slices.DeleteFunc(slices.Compact(users), func(id string) bool { return id == "" })
	known, err := c.Accounts.Runners(ctx, users)
	if err != nil {
		return nil, err
	}
	shown := make([]Task, len(tasks))
	for i, t := range tasks {
		shown[i] = Task{
			TaskID: t.ID, Title: t.Title, Note: t.Note, Status: t.Status, Watchers: []Person{}, Deadline: t.Deadline.String(), DueAt: server.TimeOrNil(t.Deadline.End(r.Location())),
			Overdue: c.overdue(t, r), RemindDays: append([]int{}, t.RemindDays...), Position: t.Position, Revision: t.Revision, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
		}
		if t.AssigneeID != "" {
			shown[i].Assignee = &Person{UserID: t.AssigneeID, Name: known[t.AssigneeID].Name}
		}
		for _, userID := range t.WatcherIDs {
			shown[i].Watchers = append(shown[i].Watchers, Person{UserID: userID, Name: known[userID].Name})
		}
	}
	return shown, nil
}

type listInput struct {
	server.Page
	RacePath
	Filter
}

// Filter selects tasks. It is exported because huma ignores embedded types that are not.
type Filter struct {
	Status    race.TaskStatus `query:"status" enum:"open,in_progress,done,dropped" doc:"Only tasks of this status."`
	Assignee  string          `query:"assignee" maxLength:"36" example:"me" doc:"Only tasks of this account: its ID, me, or none for tasks that are nobody's."`
	DueBefore time.Time       `query:"due_before" example:"2026-10-01T00:00:00Z" doc:"Only tasks whose deadline is over by then."`
	Overdue   bool            `query:"overdue" doc:"Only tasks whose deadline is over and that are neither done nor dropped."`
}

// overdue reports whether a task should have been done by now.
func (c calls) overdue(t race.Task, r race.Race) bool {
	return !t.Deadline.IsZero() && !t.Status.Finished() && !t.Deadline.End(r.Location()).After(c.Now())
}

func (c calls) wants(f Filter, t race.Task, r race.Race, me string) bool {
	switch {
	case f.Overdue && !c.overdue(t, r),
		f.Status != "" && t.Status != f.Status,
		f.Assignee == "none" && t.AssigneeID != "",
		f.Assignee == "me" && t.AssigneeID != me,
		server.IsID(f.Assignee) && t.AssigneeID != f.Assignee:
		return false
	case f.DueBefore.IsZero():
		return true
	}
	return !t.Deadline.IsZero() && !t.Deadline.End(r.Location()).After(f.DueBefore)
}

type tasksOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []Task `json:"items" nullable:"false"`
		NextCursor string `json:"next_cursor,omitempty"`
	}
}

func (c calls) list(ctx context.Context, in *listInput) (*tasksOutput, error) {
	if in.Assignee != "" && in.Assignee != "me" && in.Assignee != "none" && !server.IsID(in.Assignee) {
		return nil, server.Invalid("query.assignee", "must be the ID of an account, me or none")
	}
	column, position, after := 0, 0, ""
	if err := in.Seek(&column, &position, &after); err != nil {
		return nil, err
	}
	r := server.RaceFrom(ctx)
	tasks, err := c.Store.Tasks(ctx, r.ID) // a race has few
	if err != nil {
		return nil, err
	}
	me, columns := server.CallerFrom(ctx).UserID, race.TaskStatuses()
	tasks = slices.DeleteFunc(tasks, func(t race.Task) bool {
		behind := slices.Compare([]int{slices.Index(columns, t.Status), t.Position}, []int{column, position})
		return after != "" && (behind < 0 || behind == 0 && t.ID <= after) || !c.wants(in.Filter, t, r, me)
	})
	out := &tasksOutput{CacheControl: "no-store"}
	tasks, out.Body.NextCursor = server.Cut(in.Page, tasks, func(last race.Task) []any {
		return []any{slices.Index(columns, last.Status), last.Position, last.ID}
	})
	out.Body.Items, err = c.show(ctx, r, tasks...)
	return out, err
}

type taskOutput struct {
	CacheControl string `header:"Cache-Control"`
	ETag         string `header:"ETag" doc:"The revision, for If-Match."`
	Body         Task
}

func (c calls) answer(ctx context.Context, t race.Task, err error) (*taskOutput, error) {
	if err != nil {
		return nil, err
	}
	shown, err := c.show(ctx, server.RaceFrom(ctx), t)
	if err != nil {
		return nil, err
	}
	return &taskOutput{CacheControl: "no-store", ETag: server.ETag(t.Revision), Body: shown[0]}, nil
}

func (c calls) find(ctx context.Context, taskID string) (race.Task, error) {
	if !server.IsID(taskID) {
		return race.Task{}, race.ErrNotFound
	}
	return c.Store.Task(ctx, server.RaceFrom(ctx).ID, taskID)
}

func (c calls) get(ctx context.Context, in *Path) (*taskOutput, error) {
	t, err := c.find(ctx, in.TaskID)
	return c.answer(ctx, t, err)
}

// NewTask is what a new task is to be.
type NewTask struct {
	Title      string          `json:"title" minLength:"1" maxLength:"200" example:"Order the medals"`
	Note       string          `json:"note,omitempty" maxLength:"4000" example:"1,200 pieces, as last year"`
	Status     race.TaskStatus `json:"status,omitempty" enum:"open,in_progress,done,dropped" default:"open"`
	AssigneeID string          `json:"assignee_id,omitempty" maxLength:"36" doc:"The owner of the race or somebody on its staff. Empty: nobody."`
	WatcherIDs []string        `json:"watcher_ids,omitempty" maxItems:"50" nullable:"false" doc:"The members of the staff who are told besides the assignee."`
	Deadline   string          `json:"deadline,omitempty" maxLength:"40" example:"2026-10-01" doc:"A day of the race as YYYY-MM-DD, a time by the race's clock as YYYY-MM-DDTHH:MM, which moves with the race's time zone, or a moment as RFC 3339, which does not. Empty: none."`
	RemindDays []int           `json:"remind_days,omitempty" maxItems:"5" nullable:"false" example:"[3,1]" doc:"How many days before the deadline people are reminded; 3 and 1 unless set."`
}

type createInput struct {
	RacePath
	Body NewTask
}

func (c calls) create(ctx context.Context, in *createInput) (*taskOutput, error) {
	deadline, err := race.ParseDeadline(in.Body.Deadline)
	if err != nil {
		return nil, server.Invalid("body.deadline", err.Error())
	}
	title, err := race.Line(in.Body.Title)
	if err != nil {
		return nil, server.Invalid("body.title", err.Error())
	}
	t := race.Task{
		ID: server.ResourceID(ctx), RaceID: server.RaceFrom(ctx).ID, Title: title, Note: in.Body.Note, Status: in.Body.Status,
		AssigneeID: in.Body.AssigneeID, WatcherIDs: in.Body.WatcherIDs, Deadline: deadline, RemindDays: in.Body.RemindDays,
	}
	if t.Status == "" {
		t.Status = race.TaskOpen
	}
	if t.RemindDays == nil {
		t.RemindDays = race.DefaultRemindDays()
	}
	if err := checkIDs(&t.AssigneeID, &t.WatcherIDs); err != nil {
		return nil, err
	}
	t, err = c.Store.AddTask(ctx, t)
	return c.answer(ctx, t, err)
}

func checkIDs(assignee *string, watchers *[]string) error {
	const rule = "must be the ID of an account"
	if assignee != nil && *assignee != "" && !server.IsID(*assignee) {
		return server.Invalid("body.assignee_id", rule)
	}
	if watchers != nil && slices.ContainsFunc(*watchers, func(id string) bool { return !server.IsID(id) }) {
		return server.Invalid("body.watcher_ids", rule)
	}
	return nil
}

type copyInput struct {
	RacePath
	Body Source
}

// Source names the race whose tasks are copied.
type Source struct {
	FromRaceID string `json:"from_race_id" format:"uuid" example:"0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07" doc:"A race of the same owner on which you work."`
	DryRun     bool   `json:"dry_run,omitempty" doc:"Show what would be added, and change nothing."`
}

type copiedTasksOutput struct {
	Body struct {
		Copied int    `json:"copied" doc:"How many tasks were added."`
		Items  []Task `json:"items" nullable:"false" doc:"They, or in a dry run the tasks that would be added, without IDs that last."`
	}
}

func (c calls) copy(ctx context.Context, in *copyInput) (*copiedTasksOutput, error) {
	caller := server.CallerFrom(ctx)
	_, role, err := c.Store.RaceFor(ctx, in.Body.FromRaceID, caller.UserID)
	if err == nil && (role == "" || caller.Key.RaceID != "" && caller.Key.RaceID != in.Body.FromRaceID) {
		err = race.ErrNotFound
	}
	if errors.Is(err, race.ErrNotFound) {
		return nil, server.Invalid("body.from_race_id", "must be another race on which you work")
	}
	if err != nil {
		return nil, err
	}
	r, out := server.RaceFrom(ctx), &copiedTasksOutput{}
	copied, err := c.Store.CopyTasks(ctx, r.ID, in.Body.FromRaceID, in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	if !in.Body.DryRun {
		out.Body.Copied = len(copied)
	}
	out.Body.Items, err = c.show(ctx, r, copied...)
	return out, err
}

// Target is the task of a change and the revision that it is based on.
type Target struct {
	Path
	IfMatch string `header:"If-Match" example:"1" doc:"Required: the revision that the change is based on, as in ETag. 412 if there is a newer one."`
}

type changeInput struct {
	Target
	Body TaskChange
}

// TaskChange says what of a task is to change.
type TaskChange struct {
	Title      *string          `json:"title,omitempty" minLength:"1" maxLength:"200"`
	Note       *string          `json:"note,omitempty" maxLength:"4000"`
	Status     *race.TaskStatus `json:"status,omitempty" enum:"open,in_progress,done,dropped" example:"in_progress"`
	AssigneeID *string          `json:"assignee_id,omitempty" maxLength:"36" doc:"Empty: nobody."`
	WatcherIDs *[]string        `json:"watcher_ids,omitempty" maxItems:"50"`
	Deadline   *string          `json:"deadline,omitempty" maxLength:"40" example:"2026-10-02T12:00:00+09:00" doc:"Empty: none."`
	RemindDays *[]int           `json:"remind_days,omitempty" maxItems:"5"`
	Place      *int             `json:"place,omitempty" minimum:"1" maximum:"1000" doc:"Moves it on the board: 1 is the first place of its status."`
}

func (c calls) change(ctx context.Context, in *changeInput) (*taskOutput, error) {
	if !server.IsID(in.TaskID) {
		return nil, race.ErrNotFound
	}
	revision, err := server.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	patch := maindb.TaskPatch{
		Title: in.Body.Title, Note: in.Body.Note, Status: in.Body.Status, AssigneeID: in.Body.AssigneeID, WatcherIDs: in.Body.WatcherIDs, RemindDays: in.Body.RemindDays, Place: in.Body.Place,
	}
	if err := checkIDs(patch.AssigneeID, patch.WatcherIDs); err != nil {
		return nil, err
	}
	if in.Body.Title != nil {
		title, err := race.Line(*in.Body.Title)
		if err != nil {
			return nil, server.Invalid("body.title", err.Error())
		}
		patch.Title = &title
	}
	if in.Body.Deadline != nil {
		deadline, err := race.ParseDeadline(*in.Body.Deadline)
		if err != nil {
			return nil, server.Invalid("body.deadline", err.Error())
		}
		patch.Deadline = &deadline
	}
	t, err := c.Store.ChangeTask(ctx, server.RaceFrom(ctx).ID, in.TaskID, revision, patch)
	return c.answer(ctx, t, err)
}

type statusInput struct {
	Path
	Body TaskState
}

// TaskState says how far a task is.
type TaskState struct {
	Status race.TaskStatus `json:"status" enum:"open,in_progress,done,dropped" example:"done"`
}

func (c calls) setStatus(ctx context.Context, in *statusInput) (*taskOutput, error) {
	t, err := c.find(ctx, in.TaskID)
	if err != nil {
		return nil, err
	}
	if !server.RoleFrom(ctx).Includes(race.Editor) && t.AssigneeID != server.CallerFrom(ctx).UserID {
		return nil, huma.Error403Forbidden("only the assignee of the task and editors may change its status")
	}
	t, err = c.Store.ChangeTask(ctx, t.RaceID, t.ID, 0, maindb.TaskPatch{Status: &in.Body.Status})
	return c.answer(ctx, t, err)
}

func (c calls) remove(ctx context.Context, in *Target) (*struct{}, error) {
	if !server.IsID(in.TaskID) {
		return nil, race.ErrNotFound
	}
	revision, err := server.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	return nil, c.Store.RemoveTask(ctx, server.RaceFrom(ctx).ID, in.TaskID, revision)
}

// MyTask is a task that the caller has to do.
type MyTask struct {
	TaskID   string          `json:"task_id" format:"uuid"`
	RaceID   string          `json:"race_id" format:"uuid"`
	Race     string          `json:"race" doc:"Its name."`
	Title    string          `json:"title"`
	Status   race.TaskStatus `json:"status" enum:"open,in_progress"`
	Deadline string          `json:"deadline,omitempty" example:"2026-10-01"`
	TimeZone string          `json:"time_zone" example:"Asia/Seoul" doc:"By whose clock the race's deadlines are."`
	DueAt    *time.Time      `json:"due_at,omitempty" doc:"When the deadline is over."`
	Overdue  bool            `json:"overdue" doc:"It is over."`
}

type myTasksOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items []MyTask `json:"items" nullable:"false"`
	}
}

// maxMine is how many tasks of their own somebody sees.
const maxMine = 500

func (c calls) mine(ctx context.Context, _ *struct{}) (*myTasksOutput, error) {
	found, err := c.Store.OpenTasksOf(ctx, server.CallerFrom(ctx).UserID, maxMine)
	out := &myTasksOutput{CacheControl: "no-store"}
	out.Body.Items = make([]MyTask, len(found))
	for i, own := range found {
		out.Body.Items[i] = MyTask{
			TaskID: own.Task.ID, RaceID: own.Race.ID, Race: own.Race.Name, Title: own.Task.Title, Status: own.Task.Status,
			Deadline: own.Task.Deadline.String(), TimeZone: own.Race.Location().String(), DueAt: server.TimeOrNil(own.Task.Deadline.End(own.Race.Location())),
			Overdue: c.overdue(own.Task, own.Race),
		}
	}
	return out, err
}
