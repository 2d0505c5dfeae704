// Package webhook sends what changed to endpoints of others, by Standard Webhooks 1.0 or as
// a message to a channel of Slack or Discord: which changes make events, how a message is
// written and signed, and a sender that reaches nothing but public addresses.
package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Type is a type of event.
type Type string

// Types are the types of events that an endpoint can ask for.
var Types = []Type{
	"result.posted", "result.corrected", "result.removed", "import.applied", "import.undone", "race.changed", "race.official", "standings.published", "race.voided",
	"entry.changed", "entry.drawn", "claim.opened", "dispute.opened", "dispute.closed",
}

// Test is the type of event that the owner of an endpoint asks for by a call. It goes to
// that endpoint, whatever else it asked for.
const Test Type = "webhook.test"

// TypeOf returns the type of event that a change makes; empty: none.
func TypeOf(c race.Change) Type {
	switch c.Action {
	case "record.posted":
		return "result.posted"
	case "record.corrected":
		return "result.corrected"
	case "record.removed":
		return "result.removed"
	case "race.published":
		return "race.official"
	case "import.applied", "import.undone", "race.changed", "race.voided", "entry.drawn", "dispute.opened", "standings.published":
		return Type(c.Action)
	case "dispute.upheld", "dispute.rejected", "dispute.withdrawn":
		return "dispute.closed"
	case "webhook.tested":
		return Test
	case "claim." + string(race.Requested):
		return "claim.opened"
	}
	if strings.HasPrefix(c.Action, "entry.") {
		return "entry.changed"
	}
	return ""
}

// maxSubjects bounds how many IDs an event holds: 200 of them are about 8 kB, where the
// specification asks for less than 20 kB.
const maxSubjects = 200

// Event is what is sent to an endpoint: changes of one type in one race that followed each
// other. It is identified by the position of its first change and its type.
type Event struct {
	Position int64
	Type     Type
	RaceID   string
	At       time.Time // of its last change
	Kind     string    // of the subjects: record, entry, import and so on
	Subjects []string  // their IDs, each once
}

// Gatherer makes events of changes that follow each other.
type Gatherer struct {
	open   map[gathering]int
	events []Event
}

type gathering struct {
	kind   Type
	raceID string
}

// Add takes the change at a position.
func (g *Gatherer) Add(position int64, c race.Change) {
	kind := TypeOf(c)
	if kind == "" || c.RaceID == "" {
		return
	}
	of := gathering{kind, c.RaceID}
	i, begun := g.open[of]
	if !begun || len(g.events[i].Subjects) >= maxSubjects {
		if g.open == nil {
			g.open = map[gathering]int{}
		}
		i = len(g.events)
		g.open[of] = i
		g.events = append(g.events, Event{Position: position, Type: kind, RaceID: c.RaceID, Kind: c.Subject.Kind})
	}
	e := &g.events[i]
	e.At = c.At
	if !slices.Contains(e.Subjects, c.Subject.ID) {
		e.Subjects = append(e.Subjects, c.Subject.ID)
	}
}

// Events returns what was gathered, in the order of their first changes.
func (g *Gatherer) Events() []Event { return g.events }

// Data returns what a message says of the event: the race, and the IDs of what changed, as
// in {"race_id": …, "record_ids": […]}.
func (e Event) Data() json.RawMessage {
	data := map[string]any{"race_id": e.RaceID}
	switch e.Kind {
	case "race":
	case "standings":
		data["versions"] = e.Subjects
	default:
		data[e.Kind+"_ids"] = e.Subjects
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings always encode
	}
	return text
}

// Message is what is sent: an event for an endpoint.
type Message struct {
	ID   string // the same at every attempt
	Type Type
	At   time.Time
	Data json.RawMessage
}

// Body returns the message's body, the same at every attempt.
func (m Message) Body() ([]byte, error) {
	body, err := json.Marshal(struct {
		Type      Type            `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{m.Type, m.At.UTC(), m.Data})
	if err != nil {
		return nil, fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	return body, nil
}
