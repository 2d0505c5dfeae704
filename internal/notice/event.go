package notice

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Event is what people are told about: a change, or several of one kind in one race that
// followed each other. It is identified by the position of its first change and its kind.
type Event struct {
	Position int64
	Kind     Kind
	RaceID   string
	First    time.Time // of its first change
	At       time.Time // of its last change
	Subjects []Subject
	// FromVersion and ToVersion are the versions of the standings that it compares; zero:
	// none.
	FromVersion, ToVersion int
}

// Subject is what one change of an event was about.
type Subject struct {
	Kind  string    `json:"kind"` // record, entry, import, claim, dispute, race, post, task
	ID    string    `json:"id"`
	User  string    `json:"user,omitempty"`  // the account that it concerns
	Actor string    `json:"actor,omitempty"` // the account that is answerable for it
	Until time.Time `json:"until,omitzero"`  // of an offer
	Count int       `json:"count,omitempty"` // of what an import added and changed
	// Waiting says that a post is told to those who wait in line, too.
	Waiting bool `json:"waiting,omitempty"`
}

// state is what the changes of entries and claims say of their state.
type state struct {
	Status string    `json:"status"`
	State  string    `json:"state"`
	Until  time.Time `json:"until"`
	// Of an import:
	Added   int `json:"added"`
	Changed int `json:"changed"`
	// Of a task; nil: it has not changed.
	Assignee *string `json:"assignee_id"`
	Deadline *string `json:"deadline"`
	// Of a post:
	First         bool `json:"first"` // it is published for the first time
	Notify        bool `json:"notify"`
	NotifyWaiting bool `json:"notify_waiting"`
}

func stateOf(value any) (s state) {
	if text, ok := value.(json.RawMessage); ok {
		_ = json.Unmarshal(text, &s) // what is another form has no state
	}
	return s
}

// Of a change of results, the event has the kind ResultPosted; whether a runner is told
// that a result was posted or corrected depends on what they knew.

// KindsOf is the one table of which changes people are told about, in which kinds of
// events. Security has none, because the mails about an account are written in the transaction of what they tell.
func KindsOf(c race.Change) []Kind {
	before, after := stateOf(c.Before), stateOf(c.After)
	switch {
	case strings.HasPrefix(c.Action, "entry."):
		return ofEntry(before.Status, after.Status)
	case strings.HasPrefix(c.Action, "record."):
		return []Kind{ResultPosted, PlaceMoved, PointsCredited}
	case c.Action == "import.applied", c.Action == "import.undone":
		return []Kind{ResultPosted, PlaceMoved, PointsCredited, ImportApplied}
	case c.Action == "race.changed": // the rules of its ranking, perhaps
		return []Kind{PlaceMoved}
	case c.Action == "race.published":
		return []Kind{RaceOfficial}
	case strings.HasPrefix(c.Action, "claim.") && after.State == string(race.Requested):
		return []Kind{ClaimWaiting}
	case c.Action == "dispute.opened":
		return []Kind{DisputeWaiting}
	case c.Action == "webhook.switched_off":
		return []Kind{WebhookOff}
	case strings.HasPrefix(c.Action, "task."):
		return ofTask(c.Action, after)
	case c.Action == "post.published" && after.First && after.Notify:
		return []Kind{PostPublished}
	}
	return nil
}

// ofTask leaves out what changes nothing for those who do a task: its place on the board,
// its text, its removal.
func ofTask(action string, after state) []Kind {
	assigned := after.Assignee != nil && *after.Assignee != ""
	switch {
	case action == "task.due":
		return []Kind{TaskDue}
	case action == "task.overdue":
		return []Kind{TaskOverdue}
	case action == "task.unassigned",
		action == "task.created" && assigned,
		action == "task.changed" && (after.Status != "" || after.Assignee != nil || after.Deadline != nil):
		return []Kind{TaskChanged}
	}
	return nil
}

func ofEntry(before, after string) []Kind {
	switch {
	case before == after:
		return nil
	case after == string(race.Entered) && before == string(race.Waiting):
		return []Kind{MovedUp}
	case after == string(race.Entered):
		return []Kind{EntryConfirmed}
	case after == string(race.Offered):
		return []Kind{OfferMade, OfferEnding}
	}
	return nil
}

// SubjectOf returns what an event keeps of a change.
func SubjectOf(c race.Change) Subject {
	after := stateOf(c.After)
	s := Subject{Kind: c.Subject.Kind, ID: c.Subject.ID, User: c.AboutID, Actor: c.Actor.AccountID, Until: after.Until, Count: after.Added + after.Changed, Waiting: after.NotifyWaiting}
	if s.User == "" && s.Kind == "entry" {
		s.User = s.Actor
	}
	return s
}

// digestHour is when digests are sent, by UTC: 18:00 in Korea.
const digestHour = 9

// DueAt returns when the event is told: settle is how long changes gather first, so that
// what is corrected twice is told once.
func (e Event) DueAt(settle time.Duration) time.Time {
	definition, _ := Of(e.Kind)
	switch {
	case e.Kind == OfferEnding: // when three quarters of the time are over
		if until := e.until(); until.After(e.At) {
			return until.Add(-until.Sub(e.At) / 4)
		}
		return e.At
	case definition.Class == Transactional:
		return e.At
	case definition.Class == Activity:
		return nextDigest(e.First.Add(settle))
	}
	return e.At.Add(settle)
}

// nextDigest returns when the digests of a time are sent.
func nextDigest(at time.Time) time.Time {
	at = at.UTC()
	due := time.Date(at.Year(), at.Month(), at.Day(), digestHour, 0, 0, 0, time.UTC)
	if due.Before(at) {
		due = due.Add(day)
	}
	return due
}

// mostSubjects is how many changes an event holds one by one.
const mostSubjects = 1000

// GathersUntil returns until when changes that follow are added to the event, so that a
// race under way has a workflow for each kind a few times a minute and not every second;
// zero: it gathers no others. What is told as a digest gathers until that is sent. settle
// is the same as in DueAt.
func (e Event) GathersUntil(settle time.Duration) time.Time {
	if e.Kind == PointsCredited {
		return nextDigest(e.First)
	}
	if e.Kind == ResultPosted || e.Kind == PlaceMoved {
		return e.First.Add(settle / 4)
	}
	return time.Time{}
}

// Join adds the changes of a later event of the same kind and race, or reports that they
// are an event of their own. An event of more changes than it holds one by one is about
// any record of the race, unless it has to know who made them.
func (e *Event) Join(later Event) bool {
	if len(e.Subjects)+len(later.Subjects) > mostSubjects && e.Kind == ResultPosted {
		return false
	}
	e.At = later.At
	if _, all := e.Records(); all && e.Kind != ResultPosted {
		return true
	}
	if e.Subjects = append(e.Subjects, later.Subjects...); len(e.Subjects) > mostSubjects {
		e.Subjects = []Subject{{Kind: "race", ID: e.RaceID}}
	}
	return true
}

// until is the first end of an offer of the event.
func (e Event) until() (first time.Time) {
	for _, s := range e.Subjects {
		if first.IsZero() || s.Until.Before(first) {
			first = s.Until
		}
	}
	return first
}

// Records returns the records that the event is about; all is true when any record of
// the race may be.
func (e Event) Records() (ids []string, all bool) {
	for _, s := range e.Subjects {
		if s.Kind != "record" {
			return nil, true
		}
		ids = append(ids, s.ID)
	}
	return ids, false
}

// Facts is what a notice says: no names of people.
type Facts struct {
	RaceID   string    `json:"race_id"`
	Race     string    `json:"race"` // its name
	Date     string    `json:"date,omitempty"`
	Bib      string    `json:"bib,omitempty"`
	Before   *Figures  `json:"before,omitempty"`
	Now      *Figures  `json:"now,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Zone     string    `json:"zone,omitempty"` // IANA name, in which times are written; empty: the race names none
	Count    int       `json:"count,omitempty"`
	Causes   []string  `json:"causes,omitempty"` // bibs of the records whose correction moved a place
	Official bool      `json:"official,omitempty"`
	Post     *Post     `json:"post,omitempty"`
	Tasks    []Task    `json:"tasks,omitempty"` // the first few; Count is of all
}

// Task is what a mail says of a task.
type Task struct {
	ID       string `json:"id,omitempty"` // older mails have none
	Title    string `json:"title"`
	Deadline string `json:"deadline,omitempty"` // in words, by the race's clock; older mails have a moment as RFC 3339
	Status   string `json:"status"`
}

// Post is what a mail says of a notice of the organizer.
type Post struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Excerpt string `json:"excerpt"` // its beginning, as plain text
}

// Figures is a result as it was or is.
type Figures struct {
	Gun           string `json:"gun,omitempty"`
	Net           string `json:"net,omitempty"`
	Status        string `json:"status,omitempty"` // OK, DNF and so on; removed
	Place         int    `json:"place,omitempty"`
	SexPlace      int    `json:"sex_place,omitempty"`
	Division      string `json:"division,omitempty"`
	DivisionPlace int    `json:"division_place,omitempty"`
	Points        int64  `json:"points,omitempty"`
}
