package pages

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// historyOfTask is how much of a task's history its page shows; the change log has all.
const historyOfTask = 50

// taskEvent is what somebody has changed of a task.
type taskEvent struct {
	at        time.Time
	who, what string
	lines     []string
}

// nameOf is the name of somebody on the staff. Whoever has left it is not named.
func (t taskFormView) nameOf(v *visit, userID string) string {
	for _, one := range t.people {
		if one.value == userID {
			return one.label
		}
	}
	return v.T("task.someone")
}

// event says a change of the log in words.
func (t taskFormView) event(v *visit, c changes.LoggedChange) taskEvent {
	e := taskEvent{at: c.At, what: v.word("change", c.Action), who: v.word("actor", string(c.Actor.Kind))}
	if userID := cmp.Or(c.Actor.UserID, c.Actor.ID); c.Actor.Kind == race.ByAccount || c.Actor.Kind == race.ByKey {
		e.who = t.nameOf(v, userID)
	}
	moved := false
	for _, f := range fieldsOf(c) {
		text := func(value string) string { return t.fieldText(v, f.name, value) }
		switch f.name {
		case "status", "assignee_id", "deadline", "watcher_ids", "remind_days":
			label := v.T("task.field." + f.name)
			switch was, is := text(f.before), text(f.after); {
			case c.Action == "task.created" && (f.name == "status" || f.name == "remind_days"): // as every new one
			case c.Action != "task.changed" && f.after != "" && f.after != "[]":
				e.lines = append(e.lines, label+": "+is)
			case c.Action == "task.changed":
				e.lines = append(e.lines, label+": "+was+" → "+is)
			}
		case "position":
			moved = true
		}
	}
	if c.Action == "task.changed" && len(e.lines) == 0 {
		e.what = v.T("task.history.text")
		if moved {
			e.what = v.T("task.history.moved")
		}
	}
	return e
}

// fieldText writes a value of the change log of a task for people.
func (t taskFormView) fieldText(v *visit, field, value string) string {
	switch field {
	case "status":
		return v.word("task.status", value)
	case "deadline":
		if value == "" {
			return v.T("task.none")
		}
		return v.deadline(readDeadline(value), t.Location(), t.now)
	case "assignee_id":
		if value == "" {
			return v.T("task.nobody")
		}
		return t.nameOf(v, value)
	case "watcher_ids":
		var ids []string
		if json.Unmarshal([]byte(value), &ids) != nil || len(ids) == 0 {
			return v.T("task.nobody")
		}
		for i, id := range ids {
			ids[i] = t.nameOf(v, id)
		}
		return strings.Join(ids, ", ")
	default: // remind_days
		var days []int
		if json.Unmarshal([]byte(value), &days) != nil || len(days) == 0 {
			return v.T("task.none")
		}
		return remindText(days)
	}
}
