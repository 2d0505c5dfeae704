package race

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TaskStatus says how far a task is.
type TaskStatus string

// The statuses of tasks.
const (
	TaskOpen       TaskStatus = "open"
	TaskInProgress TaskStatus = "in_progress"
	TaskDone       TaskStatus = "done"
	TaskDropped    TaskStatus = "dropped"
)

// TaskStatuses lists the statuses in the order of the board's columns.
func TaskStatuses() []TaskStatus {
	return []TaskStatus{TaskOpen, TaskInProgress, TaskDone, TaskDropped}
}

// Finished reports whether nothing is left to do.
func (s TaskStatus) Finished() bool { return s == TaskDone || s == TaskDropped }

// Task is something that has to be done to prepare a race.
type Task struct {
	ID         string
	RaceID     string
	Title      string
	Note       string
	Status     TaskStatus
	AssigneeID string   // user ID; empty: nobody does it yet
	WatcherIDs []string // user IDs, sorted
	Deadline   Deadline
	RemindDays []int // days before the deadline on which people are reminded, the longest first
	Position   int   // on the board, among the tasks of its status
	Revision   int
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// The bounds of a task.
const (
	MaxTaskTitle   = 200
	MaxTaskNote    = 4000
	MaxRemindDays  = 90
	maxReminders   = 5
	MaxTaskPersons = 50 // who watch it
)

// DefaultRemindDays is when people are reminded of a task that does not say.
func DefaultRemindDays() []int { return []int{3, 1} }

// Deadline is until when a task has to be done: a day of the race, a time of that day, or
// a moment that does not depend on where the race is. The zero value is no deadline.
type Deadline struct {
	Day   Date
	Clock string    // "18:00" by the race's clock; empty: until the end of the day
	At    time.Time // instead of both
}

const (
	clockLayout      = "15:04"
	localDeadline    = time.DateOnly + "T" + clockLayout
	lastDeadlineYear = 9999 // leaves room behind a deadline for the end of its day and for telling the owner
)

// ParseDeadline reads a day as YYYY-MM-DD, a time of the race's clock as
// YYYY-MM-DDTHH:MM, or a moment as RFC 3339. The empty string is no deadline.
func ParseDeadline(s string) (Deadline, error) {
	if s == "" {
		return Deadline{}, nil
	}
	written, clock, timed := strings.Cut(s, "T")
	if day, err := ParseDate(written); err == nil && day.Year < lastDeadlineYear {
		if !timed {
			return Deadline{Day: day}, nil
		}
		if _, err := time.Parse(localDeadline, s); err == nil && len(s) == len(localDeadline) {
			return Deadline{Day: day, Clock: clock}, nil
		}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.UTC().Year() < firstYear || at.UTC().Year() >= lastDeadlineYear {
		return Deadline{}, errors.New(`must be a day, a time by the race's clock or a time as RFC 3339, for example "2026-10-01", "2026-10-01T18:00" or "2026-10-01T18:00:00+09:00"`)
	}
	return Deadline{At: at.UTC().Truncate(time.Second)}, nil
}

// IsZero reports whether there is no deadline.
func (d Deadline) IsZero() bool { return d.At.IsZero() && d.Day.IsZero() }

// String writes a deadline in the form that ParseDeadline reads.
func (d Deadline) String() string {
	switch {
	case d.Day.IsZero() && !d.At.IsZero():
		return d.At.UTC().Format(time.RFC3339)
	case d.Clock != "":
		return d.Day.String() + "T" + d.Clock
	}
	return d.Day.String()
}

// End returns the first moment at which the deadline is over, in a race with a time zone;
// zero: there is none.
func (d Deadline) End(zone *time.Location) time.Time {
	switch {
	case d.Day.IsZero():
		return d.At
	case d.Clock != "":
		return d.on(zone).UTC()
	}
	return time.Date(d.Day.Year, d.Day.Month, d.Day.Day+1, 0, 0, 0, 0, zone).UTC()
}

// on returns the time of a deadline by the race's clock. One that the clocks skip in
// spring is an hour away from it.
func (d Deadline) on(zone *time.Location) time.Time {
	clock, err := time.Parse(clockLayout, d.Clock)
	if err != nil {
		clock = time.Time{} // the beginning of the day; ParseDeadline has read it
	}
	return time.Date(d.Day.Year, d.Day.Month, d.Day.Day, clock.Hour(), clock.Minute(), 0, 0, zone)
}

// ByClock writes a deadline for people, by the clock of a race: "2026-10-01", or with its
// time and the zone "2026-10-01 18:00 (Asia/Seoul)".
func (d Deadline) ByClock(zone *time.Location) string {
	at := d.on(zone)
	if !d.At.IsZero() {
		at = d.At.In(zone)
	} else if d.Clock == "" {
		return d.Day.String()
	}
	return at.Format(time.DateOnly+" "+clockLayout) + " (" + zone.String() + ")"
}

// remindHour is when people are reminded of a deadline that is a day.
const remindHour = 9

// told returns when people are told that the deadline has come.
func (d Deadline) told(zone *time.Location) time.Time {
	switch {
	case d.Day.IsZero():
		return d.At.In(zone)
	case d.Clock != "":
		return d.on(zone)
	}
	return time.Date(d.Day.Year, d.Day.Month, d.Day.Day, remindHour, 0, 0, 0, zone)
}

// Shift moves a deadline by days; a time of day stays what it is by the race's clock.
// One that would leave the years that can be kept is dropped.
func (d Deadline) Shift(days int, zone *time.Location) Deadline {
	switch {
	case !d.Day.IsZero():
		d.Day = DateOf(d.Day.Midnight().AddDate(0, 0, days))
	case !d.At.IsZero():
		d.At = d.At.In(zone).AddDate(0, 0, days).UTC()
	}
	shifted, err := ParseDeadline(d.String())
	if err != nil {
		return Deadline{}
	}
	return shifted
}

// TaskMoment is a time at which people are told about a task that is not done.
type TaskMoment struct {
	At      time.Time
	Overdue bool // the deadline was a day before: the owner is told, too
}

// Moments returns when people are told about the task as long as it is not done: on the
// days before the deadline, at the deadline, and a day after. It is empty when there is
// no deadline, or nothing left to do.
func (t Task) Moments(zone *time.Location) []TaskMoment {
	if t.Deadline.IsZero() || t.Status.Finished() {
		return nil
	}
	told := t.Deadline.told(zone)
	var moments []TaskMoment
	for _, days := range t.RemindDays {
		moments = append(moments, TaskMoment{At: told.AddDate(0, 0, -days).UTC()})
	}
	return append(moments, TaskMoment{At: told.UTC()}, TaskMoment{At: told.AddDate(0, 0, 1).UTC(), Overdue: true})
}

// NextMoment returns the first moment after a time; false: there is none.
func (t Task) NextMoment(after time.Time, zone *time.Location) (TaskMoment, bool) {
	for _, m := range t.Moments(zone) {
		if m.At.After(after) {
			return m, true
		}
	}
	return TaskMoment{}, false
}

// Check returns everything that is wrong with what people say of a task. It trims the
// title, and puts lists in order.
func (t *Task) Check() error {
	var wrong FieldErrors
	t.Title = strings.TrimSpace(t.Title)
	if t.Title == "" || len([]rune(t.Title)) > MaxTaskTitle || strings.ContainsAny(t.Title, "\r\n") {
		wrong.Add("title", fmt.Errorf("must be one line of up to %d characters, and not empty", MaxTaskTitle))
	}
	if len([]rune(t.Note)) > MaxTaskNote {
		wrong.Add("note", fmt.Errorf("must have at most %d characters", MaxTaskNote))
	}
	if !slices.Contains(TaskStatuses(), t.Status) {
		wrong.Add("status", errors.New("must be open, in_progress, done or dropped"))
	}
	if len(t.WatcherIDs) > MaxTaskPersons {
		wrong.Add("watcher_ids", fmt.Errorf("must be at most %d", MaxTaskPersons))
	}
	slices.Sort(t.WatcherIDs)
	t.WatcherIDs = slices.Compact(t.WatcherIDs)
	slices.SortFunc(t.RemindDays, func(a, b int) int { return b - a })
	t.RemindDays = slices.Compact(t.RemindDays)
	if len(t.RemindDays) > maxReminders || slices.ContainsFunc(t.RemindDays, func(days int) bool { return days < 1 || days > MaxRemindDays }) {
		wrong.Add("remind_days", fmt.Errorf("must be up to %d numbers of days from 1 to %d", maxReminders, MaxRemindDays))
	}
	return wrong.Err()
}
