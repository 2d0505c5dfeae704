package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// taskPages adds the pages on which the staff of a race prepare it.
func (s *site) taskPages(get, post func(path string, act action)) {
	get(ofRace+"/tasks", s.taskBoard)
	get(ofRace+"/tasks/new", s.newTaskForm)
	post(ofRace+"/tasks/new", s.addTask)
	get(ofRace+"/tasks/copy", s.copyTasksForm)
	post(ofRace+"/tasks/copy", s.copyTasks)
	get(ofRace+"/tasks/move", s.moveTasksForm)
	post(ofRace+"/tasks/move", s.moveTasks)
	get(ofRace+"/tasks/{task_id}", s.taskPage)
	post(ofRace+"/tasks/{task_id}", s.changeTask)
	post(ofRace+"/tasks/{task_id}/status", s.setTaskStatus)
	post(ofRace+"/tasks/{task_id}/place", s.placeTask)
	s.calendarPages(get, post)
}

func tasksPath(raceID string) string { return organizedPath(raceID) + "/tasks" }

func taskPath(raceID, taskID string) string { return tasksPath(raceID) + "/" + taskID }

// taskCard is a task as the board shows it.
type taskCard struct {
	tasks.Task
	mayDo bool // the reader may say how far it is
	// above and below are the places of its neighbours among the tasks of its status; 0:
	// there is none, or the reader may not move it.
	above, below int
}

type taskColumn struct {
	status race.TaskStatus
	cards  []taskCard
}

// taskBoardView is the board of a race.
type taskBoardView struct {
	race.Race
	role     race.Role
	now      time.Time
	counts   maindb.TaskCounts
	columns  []taskColumn // those that a filter leaves nothing of, too
	people   []option     // for the filter
	assignee string
	overdue  bool
}

func (b taskBoardView) may() bool { return b.role.Includes(race.Editor) }

// filtered reports whether some tasks may be hidden.
func (b taskBoardView) filtered() bool { return b.assignee != "" || b.overdue }

// boardAddress is the address of the board with the filters of the page that the reader
// comes from.
func (v *visit) boardAddress() string {
	return with(tasksPath(v.raceID), "assignee", v.get("assignee"), "overdue", v.get("overdue"))
}

// cardAction is the address of a form of the board, which keeps its filters.
func (v *visit) cardAction(taskID, path string) string {
	return with(v.link(taskPath(v.raceID, taskID)+path), "assignee", v.get("assignee"), "overdue", v.get("overdue"))
}

// staffOptions are the owner and the staff of the race, by name.
func (s *site) staffOptions(ctx context.Context, v *visit) ([]option, error) {
	names, err := s.staffNames(ctx)
	if err != nil {
		return nil, err
	}
	people := make([]option, 0, len(names))
	for id, name := range names {
		people = append(people, option{id, v.shown(name)})
	}
	slices.SortFunc(people, func(a, b option) int {
		return cmp.Or(strings.Compare(a.label, b.label), strings.Compare(a.value, b.value))
	})
	return people, nil
}

func (s *site) taskBoard(ctx context.Context, v *visit) (page, error) {
	people, err := s.staffOptions(ctx, v)
	if err != nil {
		return page{}, err
	}
	known := []string{"me", "none"}
	for _, one := range people {
		known = append(known, one.value)
	}
	view := taskBoardView{Race: server.RaceFrom(ctx), role: server.RoleFrom(ctx), now: s.Now(), people: people}
	if view.assignee, err = v.oneOf("assignee", known...); err != nil {
		return page{}, err
	}
	overdue, err := v.oneOf("overdue", "yes")
	if err != nil {
		return page{}, err
	}
	view.overdue = overdue != ""
	all, err := s.Tasks.All(ctx, tasks.Filter{})
	if err != nil {
		return page{}, err
	}
	chosen := all
	if view.filtered() {
		if chosen, err = s.Tasks.All(ctx, tasks.Filter{Assignee: view.assignee, Overdue: view.overdue}); err != nil {
			return page{}, err
		}
	}
	for _, t := range all {
		view.counts.All++
		if !t.Status.Finished() {
			view.counts.Unfinished++
		}
		if t.Overdue {
			view.counts.Overdue++
		}
	}
	for _, status := range race.TaskStatuses() {
		view.columns = append(view.columns, taskColumn{status, view.cardsOf(v.caller.UserID, status, all, chosen)})
	}
	return page{title: v.T("tasks.title"), body: taskBoardBody(v, view), module: "organize.js"}, nil
}

// cardsOf returns the cards of a column. Those that a filter hides keep their places: a
// card is moved past the next one that is seen.
func (b taskBoardView) cardsOf(me string, status race.TaskStatus, all, chosen []tasks.Task) []taskCard {
	var cards []taskCard
	place := 0
	var places []int
	for _, t := range all {
		if t.Status != status {
			continue
		}
		place++
		if slices.ContainsFunc(chosen, func(one tasks.Task) bool { return one.TaskID == t.TaskID }) {
			cards = append(cards, taskCard{Task: t, mayDo: b.may() || t.Assignee != nil && t.Assignee.UserID == me})
			places = append(places, place)
		}
	}
	for i := range cards {
		if b.may() && i > 0 {
			cards[i].above = places[i-1]
		}
		if b.may() && i+1 < len(cards) {
			cards[i].below = places[i+1]
		}
	}
	return cards
}

// backToBoard answers a button of a card with the board, at the card.
func (v *visit) backToBoard(taskID, said string) (page, error) {
	return v.done(v.boardAddress()+"#task-"+taskID, said)
}

// setTaskStatus answers the buttons by which an editor or the assignee says how far a task
// is.
func (s *site) setTaskStatus(ctx context.Context, v *visit) (page, error) {
	taskID, status := v.param("task_id"), race.TaskStatus(v.form.get("status"))
	err := s.Tasks.SetStatus(ctx, taskID, status)
	if isNotFound(err) {
		return v.done(v.boardAddress(), "task-gone")
	}
	if err != nil {
		return page{}, err
	}
	if v.form.get("from") == "task" {
		return v.done(taskPath(v.raceID, taskID), "task-"+string(status))
	}
	return v.backToBoard(taskID, "task-"+string(status))
}

// placeTask moves a card up or down. A button that is pressed twice moves it once.
func (s *site) placeTask(ctx context.Context, v *visit) (page, error) {
	taskID, place := v.param("task_id"), v.whole("place")
	err := s.Tasks.Change(ctx, taskID, v.form.get("revision"), tasks.TaskChange{Place: &place})
	if errors.Is(err, race.ErrStale) {
		return v.backToBoard(taskID, "task-moved-meanwhile")
	}
	if isNotFound(err) {
		return v.done(v.boardAddress(), "task-gone")
	}
	if err != nil {
		return page{}, err
	}
	return v.backToBoard(taskID, "task-placed")
}

// taskFormView is a task with the form that changes it; a new one has no ID.
type taskFormView struct {
	race.Race
	tasks.Task
	may, mayDo bool // change it, say how far it is
	now        time.Time
	people     []option
	stale      bool // somebody else has changed it since the reader began
	history    []taskEvent
}

func (t taskFormView) address() string {
	if t.TaskID == "" {
		return tasksPath(t.ID) + "/new"
	}
	return taskPath(t.ID, t.TaskID)
}

// deadline is the deadline of the task as the API writes it.
func (t taskFormView) deadline() race.Deadline { return readDeadline(t.Deadline) }

// readDeadline reads a deadline as the API writes it.
func readDeadline(text string) race.Deadline {
	d, err := race.ParseDeadline(text)
	if err != nil {
		return race.Deadline{} // the API wrote it
	}
	return d
}

// byClock returns a deadline by the clock of a race: its day, and its time if it has one.
func byClock(d race.Deadline, zone *time.Location) (day race.Date, clock string) {
	if d.At.IsZero() {
		return d.Day, d.Clock
	}
	at := d.At.In(zone)
	return race.DateOf(at), at.Format("15:04")
}

// days are what the fields of the form show of the deadline.
func (t taskFormView) days() (day, clock string) {
	date, clock := byClock(t.deadline(), t.Location())
	return date.String(), clock
}

// assigned is the user ID of the assignee, empty for nobody.
func (t taskFormView) assigned() string {
	if t.Assignee == nil {
		return ""
	}
	return t.Assignee.UserID
}

// watches reports whether somebody's box is ticked.
func (t taskFormView) watches(v *visit, userID string) bool {
	if v.form.sent {
		return slices.Contains(v.form.values["watcher_ids"], userID)
	}
	return slices.ContainsFunc(t.Watchers, func(p tasks.Person) bool { return p.UserID == userID })
}

// remindText writes days before a deadline for a form.
func remindText(days []int) string {
	written := make([]string, len(days))
	for i, n := range days {
		written[i] = strconv.Itoa(n)
	}
	return strings.Join(written, ", ")
}

func (s *site) newTaskForm(ctx context.Context, v *visit) (page, error) {
	people, err := s.staffOptions(ctx, v)
	if err != nil {
		return page{}, err
	}
	view := taskFormView{Race: server.RaceFrom(ctx), may: true, now: s.Now(), people: people, Task: tasks.Task{RemindDays: race.DefaultRemindDays(), Status: race.TaskOpen}}
	return page{title: v.T("task.new"), body: newTaskBody(v, view)}, nil
}

// taskForm reads what of a task a form has.
func (v *visit) taskForm(r race.Race) tasks.NewTask {
	in := tasks.NewTask{
		Title: v.form.get("title"), Note: v.form.get("note"), Status: race.TaskStatus(v.form.get("status")),
		AssigneeID: v.form.get("assignee_id"), WatcherIDs: v.form.values["watcher_ids"], RemindDays: []int{},
	}
	for _, text := range strings.FieldsFunc(v.form.get("remind_days"), func(c rune) bool { return c == ',' || c == ' ' }) {
		days, err := strconv.Atoi(text)
		if err != nil {
			v.blame("remind_days", v.T("task.remind.wrong"))
			break
		}
		in.RemindDays = append(in.RemindDays, days)
	}
	in.Deadline = v.form.get("deadline")
	clock := v.form.get("deadline_time")
	switch {
	case clock == "":
	case in.Deadline == "":
		v.blame("deadline", v.T("task.deadline.day"))
	default:
		in.Deadline += "T" + clock
		const local = time.DateOnly + "T15:04"
		at, err := time.ParseInLocation(local, in.Deadline, r.Location())
		if err == nil && at.Format(local) != in.Deadline {
			v.blame("deadline_time", v.T("wrong.localtime.skipped"))
		}
	}
	return in
}

func (s *site) addTask(ctx context.Context, v *visit) (page, error) {
	in := v.taskForm(server.RaceFrom(ctx))
	if v.form.refused() || v.refused(server.Valid(in)) {
		return s.newTaskForm(ctx, v)
	}
	t, err := s.Tasks.Create(ctx, in)
	if v.refused(err) {
		return s.newTaskForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(tasksPath(v.raceID)+"#task-"+t.TaskID, "task-added")
}

func (s *site) taskPage(ctx context.Context, v *visit) (page, error) {
	return s.taskWith(ctx, v, false)
}

func (s *site) taskWith(ctx context.Context, v *visit, stale bool) (page, error) {
	t, err := s.Tasks.One(ctx, v.param("task_id"))
	if isNotFound(err) && v.form.sent {
		v.form.problem, v.form.status = v.T("task.removed"), http.StatusConflict
		return s.newTaskForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	people, err := s.staffOptions(ctx, v)
	if err != nil {
		return page{}, err
	}
	view := taskFormView{Race: server.RaceFrom(ctx), Task: t, may: server.RoleFrom(ctx).Includes(race.Editor), now: s.Now(), people: people, stale: stale}
	view.mayDo = view.may || view.assigned() == v.caller.UserID
	log, _, err := s.Changes.OfRace(ctx, "task.", t.TaskID, server.Page{Limit: historyOfTask})
	if err != nil {
		return page{}, err
	}
	for _, c := range log {
		view.history = append(view.history, view.event(v, c))
	}
	return page{title: t.Title, body: taskBody(v, view)}, nil
}

// changeTask saves a task, or removes it.
func (s *site) changeTask(ctx context.Context, v *visit) (page, error) {
	if v.form.get("do") == "remove" {
		return s.removeTask(ctx, v)
	}
	in := v.taskForm(server.RaceFrom(ctx))
	change := tasks.TaskChange{
		Title: &in.Title, Note: &in.Note, Status: &in.Status, AssigneeID: &in.AssigneeID, WatcherIDs: &in.WatcherIDs, RemindDays: &in.RemindDays,
	}
	if in.WatcherIDs == nil {
		change.WatcherIDs = &[]string{}
	}
	if v.form.get("deadline") != v.form.get("was_deadline") || v.form.get("deadline_time") != v.form.get("was_deadline_time") {
		change.Deadline = &in.Deadline // else a moment stays one
	}
	if v.form.refused() || v.refused(server.Valid(change)) {
		return s.taskPage(ctx, v)
	}
	taskID := v.param("task_id")
	err := s.Tasks.Change(ctx, taskID, v.form.get("revision"), change)
	if errors.Is(err, race.ErrStale) {
		v.form.problem, v.form.status = v.T("task.stale"), http.StatusConflict
		return s.taskWith(ctx, v, true)
	}
	if isNotFound(err) || v.refused(err) { // not found: somebody has removed it, which taskWith says
		return s.taskPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(taskPath(v.raceID, taskID), "task-saved")
}

func (s *site) removeTask(ctx context.Context, v *visit) (page, error) {
	err := s.Tasks.Remove(ctx, v.param("task_id"), v.form.get("revision"))
	if errors.Is(err, race.ErrStale) {
		// The form held nothing of the task: show the task, not empty fields.
		v.form.problem, v.form.status, v.form.sent = v.T("task.stale.remove"), http.StatusConflict, false
		return s.taskWith(ctx, v, false)
	}
	if v.refused(err) {
		return s.taskPage(ctx, v)
	}
	if err != nil && !isNotFound(err) { // not found: pressed twice
		return page{}, err
	}
	return v.done(tasksPath(v.raceID), "task-removed")
}

// deadline writes a deadline by the clock of a race, without the year if it is this one.
func (l *locale) deadline(d race.Deadline, zone *time.Location, now time.Time) string {
	day, clock := byClock(d, zone)
	text := l.Date(day)
	if day.Year == now.In(zone).Year() {
		text = strings.NewReplacer(" "+strconv.Itoa(day.Year), "", strconv.Itoa(day.Year)+"년 ", "").Replace(text)
	}
	switch {
	case clock == "":
	case l.tag == "ko":
		text += " " + clock
	default:
		text += ", " + clock
	}
	return text
}

// soonDays is from how many days before a deadline the pages point at it.
const soonDays = 3

// due says how long there is until a deadline, and whether that is little or nothing.
func (l *locale) due(d race.Deadline, zone *time.Location, now time.Time) (words, class string) {
	const day = 24 * time.Hour
	end := d.End(zone)
	if !end.After(now) {
		if over := int(now.Sub(end) / day); over > 0 {
			return l.N("task.overdue.days", over), "void"
		}
		return l.T("task.overdue"), "void"
	}
	last, _ := byClock(d, zone)
	left := int(last.Midnight().Sub(race.DateOf(now.In(zone)).Midnight()) / day)
	class = "scheduled"
	if left <= soonDays {
		class = "provisional"
	}
	switch left {
	case 0:
		return l.T("task.due.today"), class
	case 1:
		return l.T("task.due.tomorrow"), class
	}
	return l.N("task.due.days", left), class
}

// taskNames lists people.
func (l *locale) taskNames(people []tasks.Person) string {
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = l.shown(p.Name)
	}
	return strings.Join(names, ", ")
}
