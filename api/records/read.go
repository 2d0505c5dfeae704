package records

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type recordReader interface {
	// Record returns race.ErrNotFound when the race has no such record.
	Record(ctx context.Context, raceID, recordID string) (race.Record, error)
	// Revisions returns them all, the first one first.
	Revisions(ctx context.Context, recordID string) ([]race.Revision, error)
	factsReader
}

type get struct {
	store   recordReader
	credits credits
	gate    gate
}

type getInput struct {
	RaceID   string `path:"race_id"`
	RecordID string `path:"record_id"`
}

type getOutput struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match."`
	Body struct {
		Record
		Revisions []revision `json:"revisions" nullable:"false" doc:"The first one first."`
	}
}

func (g get) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "get-official-record", Method: http.MethodGet, Path: recordPath,
		Summary: "Look up an official record with its revisions and its credit", Tags: []string{tag},
		Description: "For the owner of the race, and for anyone once it is official. Only the owner sees removed records.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound},
	}, g.handle)
}

func (g get) handle(ctx context.Context, in *getInput) (*getOutput, error) {
	owner, err := g.gate.open(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	if !isID(in.RecordID) {
		return nil, race.ErrNotFound
	}
	r, err := g.store.Record(ctx, in.RaceID, in.RecordID)
	if err != nil {
		return nil, err
	}
	if r.Removed && !owner {
		return nil, race.ErrNotFound
	}
	revisions, err := g.store.Revisions(ctx, in.RecordID)
	if err != nil {
		return nil, err
	}
	out := &getOutput{ETag: etag(r.Revision)}
	out.Body.Record = viewOf(r, g.credits.of(ctx, []race.Record{r})[0])
	if !r.Removed {
		facts, err := g.store.Facts(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		out.Body.Implausible = facts.Implausible()
	}
	out.Body.Revisions = make([]revision, len(revisions))
	for i, step := range revisions {
		out.Body.Revisions[i] = g.step(r, step, owner)
	}
	return out, nil
}

func (g get) step(r race.Record, step race.Revision, owner bool) revision {
	r.Revision = step.Number
	shown := revision{
		Revision: step.Number, Bib: step.Result.Bib,
		GunTime: step.Result.Gun.String(), NetTime: step.Result.Net.String(),
		Status: step.Result.Status, Sequence: step.Result.Sequence, Removed: step.Removed,
		Confirmed: step.TimeConfirmed, Reason: step.Reason, Origin: step.Origin, ChangedAt: step.ChangedAt, TraceURL: g.credits.trace(r),
	}
	if owner {
		shown.ChangedBy, shown.ImportID = step.ChangedBy, step.ImportID
	}
	return shown
}

// isID tells whether a record can have that ID.
func isID(s string) bool { return uuid.Validate(s) == nil }
