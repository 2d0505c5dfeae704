// Package notice says which kinds of notices there are, who may switch them off, and how
// the links work by which they do.
package notice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

// Kind is what a notice is about.
type Kind string

// The kinds of notices.
const (
	EntryConfirmed  Kind = "entry-confirmed"
	MovedUp         Kind = "moved-up" // from the waiting list into the race
	OfferMade       Kind = "offer-made"
	OfferEnding     Kind = "offer-ending"
	Security        Kind = "security" // the mails about an account: see userdb.MailKind
	ResultPosted    Kind = "result-posted"
	ResultCorrected Kind = "result-corrected"
	PlaceMoved      Kind = "place-moved" // by somebody else's correction
	RaceOfficial    Kind = "race-official"
	PointsCredited  Kind = "points-credited"
	ClaimWaiting    Kind = "claim-waiting"
	DisputeWaiting  Kind = "dispute-waiting"
	TaskDue         Kind = "task-due"
	TaskOverdue     Kind = "task-overdue" // a day after the deadline
	TaskChanged     Kind = "task-changed" // by somebody else
	WebhookOff      Kind = "webhook-off"  // it failed for days, or was gone
	ImportApplied   Kind = "import-applied"
	PostPublished   Kind = "post-published" // the organizer's message to everyone entered
)

// Class says whether somebody may do without a notice.
type Class string

// The classes of notices.
const (
	Transactional Class = "transactional" // what people must know to act: always sent
	Personal      Class = "personal"      // sent at once unless switched off
	Activity      Class = "activity"      // at most one a day about each race, unless switched off
)

// Channel is a way on which an account gets notices.
type Channel string

// Email is the only channel of accounts. Slack and Discord belong to races.
const Email Channel = "email"

// State is what an account gets of a kind of notice on a channel.
type State string

// The states. Which ones there are to choose from depends on the class.
const (
	Always State = "always"
	On     State = "on"
	Digest State = "digest"
	Off    State = "off"
)

// Definition describes a kind of notice.
type Definition struct {
	Kind  Kind
	Class Class
	// ForStaff marks the kinds that are told to those who run a race, not to runners.
	ForStaff bool
	// UsefulFor is how long after the change the notice is still worth sending.
	UsefulFor time.Duration
}

const day = 24 * time.Hour

// Definitions lists all kinds of notices in the order in which people see them.
func Definitions() []Definition {
	return []Definition{
		{Kind: EntryConfirmed, Class: Transactional, UsefulFor: 3 * day},
		{Kind: MovedUp, Class: Transactional, UsefulFor: 3 * day},
		{Kind: OfferMade, Class: Transactional, UsefulFor: 3 * day}, // and never past the end of the offer
		{Kind: OfferEnding, Class: Transactional, UsefulFor: day},
		{Kind: Security, Class: Transactional, UsefulFor: 3 * day},
		{Kind: ResultPosted, Class: Personal, UsefulFor: 7 * day},
		{Kind: ResultCorrected, Class: Personal, UsefulFor: 7 * day},
		{Kind: PlaceMoved, Class: Personal, UsefulFor: 7 * day},
		{Kind: RaceOfficial, Class: Personal, UsefulFor: 7 * day},
		{Kind: PostPublished, Class: Personal, UsefulFor: 3 * day},
		{Kind: PointsCredited, Class: Activity, UsefulFor: 7 * day},
		{Kind: ClaimWaiting, Class: Personal, ForStaff: true, UsefulFor: 7 * day},
		{Kind: DisputeWaiting, Class: Personal, ForStaff: true, UsefulFor: 7 * day},
		{Kind: WebhookOff, Class: Personal, ForStaff: true, UsefulFor: 7 * day},
		{Kind: TaskDue, Class: Personal, ForStaff: true, UsefulFor: 3 * day},
		{Kind: TaskOverdue, Class: Personal, ForStaff: true, UsefulFor: 3 * day},
		{Kind: TaskChanged, Class: Personal, ForStaff: true, UsefulFor: 3 * day},
		{Kind: ImportApplied, Class: Activity, ForStaff: true, UsefulFor: 3 * day},
	}
}

// Of returns the definition of a kind; false when there is no such kind.
func Of(kind Kind) (Definition, bool) {
	for _, d := range Definitions() {
		if d.Kind == kind {
			return d, true
		}
	}
	return Definition{}, false
}

// Default returns what an account gets that has not chosen.
func (d Definition) Default() State {
	switch d.Class {
	case Transactional:
		return Always
	case Activity:
		return Digest
	case Personal:
	}
	return On
}

// Choices lists the states that an account may choose; none for a transactional notice.
func (d Definition) Choices() []State {
	if d.Class == Transactional {
		return nil
	}
	return []State{d.Default(), Off}
}

// Choice is what an account has chosen for a kind of notice on a channel.
type Choice struct {
	Kind    Kind
	Channel Channel
	State   State
}

// Preferences is what an account has chosen.
type Preferences struct {
	Chosen []Choice // where it differs from the default
	// PausedUntil is when notices begin again, except transactional ones; zero or past:
	// there is no pause.
	PausedUntil time.Time
	// Stopped says that a notice was reported as unwanted: only transactional ones go out.
	Stopped bool
}

// State returns what the account gets, whether notices pause or not.
func (p Preferences) State(d Definition, channel Channel) State {
	if d.Class != Transactional {
		for _, c := range p.Chosen {
			if c.Kind == d.Kind && c.Channel == channel {
				return c.State
			}
		}
	}
	return d.Default()
}

// Wants reports whether a notice is sent to the account now.
func (p Preferences) Wants(d Definition, channel Channel, now time.Time) bool {
	return d.Class == Transactional || !p.Stopped && p.State(d, channel) != Off && !p.PausedUntil.After(now)
}

// UnsubscribePath is where links lead that switch a kind of notice off.
const UnsubscribePath = "/v1/unsubscribe/"

// Unsubscriber signs the links by which the owner of an account switches notices off
// without logging in. It names no account: the ID and the secret are random, and are
// forgotten with the account.
type Unsubscriber struct {
	ID     [16]byte
	Secret [32]byte
}

// Token returns the token of the link for one kind of notice.
func (u Unsubscriber) Token(kind Kind) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode(u.ID[:]) + "." + string(kind) + "." + encode(u.sign(kind))
}

func (u Unsubscriber) sign(kind Kind) []byte {
	mac := hmac.New(sha256.New, u.Secret[:])
	mac.Write([]byte("unsubscribe\n" + string(kind)))
	return mac.Sum(nil)[:16]
}

// Unsubscription is a token that was read but not checked.
type Unsubscription struct {
	ID        [16]byte
	Kind      Definition
	signature []byte
}

// ParseToken reads a token; false when it cannot be one. Verify checks it.
func ParseToken(token string) (Unsubscription, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 100 {
		return Unsubscription{}, false
	}
	id, err := base64.RawURLEncoding.DecodeString(parts[0])
	signature, err2 := base64.RawURLEncoding.DecodeString(parts[2])
	kind, known := Of(Kind(parts[1]))
	if err != nil || err2 != nil || len(id) != 16 || !known || kind.Class == Transactional {
		return Unsubscription{}, false
	}
	return Unsubscription{ID: [16]byte(id), Kind: kind, signature: signature}, true
}

// Verify reports whether the token was made by u.
func (t Unsubscription) Verify(u Unsubscriber) bool {
	return u.ID == t.ID && hmac.Equal(t.signature, u.sign(t.Kind.Kind))
}
