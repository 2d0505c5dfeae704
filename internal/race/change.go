package race

import (
	"context"
	"time"
)

// ActorKind is a kind of actor that changes something.
type ActorKind string

// The kinds of actors.
const (
	ByAccount   ActorKind = "account"  // a runner or an organizer
	ByKey       ActorKind = "key"      // an API key, which acts for the account that made it
	ByOperator  ActorKind = "operator" // through the API
	ByWorkflow  ActorKind = "workflow"
	ByTheSystem ActorKind = "system" // everything else: commands, repairs, strangers who sign up
)

// Actor is who changes something, and in the course of what.
type Actor struct {
	Kind       ActorKind
	ID         string // user ID, key ID or workflow ID; empty for the system
	AccountID  string // the account that is answerable: the actor's own, or a key's creator; empty: none
	RequestID  string // of the HTTP request; empty: none
	WorkflowID string // of the workflow that does it; empty: none
}

type actorKey struct{}

// WithActor returns a context whose changes are logged as the actor's.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorFrom returns the actor of a context: the system, unless WithActor set
// another one.
func ActorFrom(ctx context.Context) Actor {
	if actor, ok := ctx.Value(actorKey{}).(Actor); ok {
		return actor
	}
	return Actor{Kind: ByTheSystem}
}

// Subject is the thing that a change changes.
type Subject struct {
	Kind string `json:"kind"` // race, record, staff, key, dispute, account, import and so on
	ID   string `json:"id"`
}

// KeysRevoked is the action of the entry by which user_db asks for the revocation of all
// API keys of an account, which are in main_db: they are revoked in the transaction that
// adds the entry to the change log.
const KeysRevoked = "account.keys_revoked"

// Change is an entry of the change log: who changed what, from what to what, and
// why. Before and After hold IDs and fields that are not personal, as JSON objects:
// entries are kept for ever, also when somebody leaves. What a person wrote belongs
// into Reason and PrivateNote, which can be erased.
type Change struct {
	ID          string // UUIDv7: later changes have higher ones
	At          time.Time
	Actor       Actor
	Action      string // what was done to what, e.g. "race.handed_over"
	RaceID      string // empty: it concerns no race
	Subject     Subject
	AboutID     string // the account that it concerns, if that is not the actor's; empty: none
	Before      any    // nil: there was nothing
	After       any    // nil: there is nothing left
	Reason      string // public
	PrivateNote string // only for those who run the race, and operators
	Hash        string // of the entry, in hexadecimal; set when it is read
}
