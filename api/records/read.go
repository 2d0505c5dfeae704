package records

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
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

// Record is an official record as the API shows it.
type Record struct {
	RecordID string            `json:"record_id" format:"uuid"`
	RaceID   string            `json:"race_id" format:"uuid"`
	Revision int               `json:"revision" doc:"The latest: what If-Match must name to change the record."`
	Bib      string            `json:"bib" example:"1234"`
	GunTime  string            `json:"gun_time,omitempty" doc:"From the starting gun." example:"2:10:22.4"`
	NetTime  string            `json:"net_time,omitempty" doc:"From the runner's own crossing of the start line." example:"2:10:19"`
	Status   race.ResultStatus `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Sequence int               `json:"sequence,omitempty" doc:"Order of finish as the organizer gave it."`
	Removed  bool              `json:"removed,omitempty" doc:"The record was taken back; its revisions stay."`
	Decided  bool              `json:"decided_by_hand,omitempty" doc:"A person decided: a results file does not change it unless it is told to override."`
	Waiting  bool              `json:"waiting_for_bib,omitempty" doc:"Another record holds the bib. This one takes it over, in a new revision, as soon as it is free."`
	// Implausible is told of one record, not in lists, where the credit tells it.
	Implausible   string `json:"implausible,omitempty" doc:"Why a time cannot be right and what to write instead. The record is neither ranked nor credited until its time is corrected or confirmed."`
	TimeConfirmed bool   `json:"time_confirmed,omitempty" doc:"The organizer vouched for an implausible time."`
	Credit        credit `json:"credit"`
}

// revision is one immutable step in the life of a record.
type revision struct {
	Revision  int               `json:"revision"`
	Bib       string            `json:"bib"`
	GunTime   string            `json:"gun_time,omitempty"`
	NetTime   string            `json:"net_time,omitempty"`
	Status    race.ResultStatus `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Sequence  int               `json:"sequence,omitempty"`
	Removed   bool              `json:"removed,omitempty"`
	Confirmed bool              `json:"time_confirmed,omitempty"`
	Reason    string            `json:"reason,omitempty" doc:"Why it was made."`
	Origin    race.Origin       `json:"origin,omitempty" enum:"hand,post,file,undo,system" doc:"What made it: a person's decision, a single post, a results file, the undoing of one, or the system, which leaves the result as it is."`
	ImportID  string            `json:"import_id,omitempty" doc:"The import that made or undid it. For the owner of the race alone."`
	ChangedBy string            `json:"changed_by,omitempty" doc:"User ID of the organizer, or \"system\". For the owner of the race alone."`
	ChangedAt time.Time         `json:"changed_at"`
	TraceURL  string            `json:"trace_url" doc:"The workflow that credits this revision, in the Temporal Web UI."`
}

func viewOf(r race.Record, c credit) Record {
	return Record{
		RecordID: r.ID, RaceID: r.RaceID, Revision: r.Revision,
		Bib: r.Result.Bib, GunTime: r.Result.Gun.String(), NetTime: r.Result.Net.String(),
		Status: r.Result.Status, Sequence: r.Result.Sequence,
		Removed: r.Removed, Decided: r.Decided, Waiting: !r.Removed && !r.HoldsBib,
		TimeConfirmed: r.TimeConfirmed, Credit: c,
	}
}

// recordOutput answers with one record.
type recordOutput struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match."`
	Body Record
}

// times says whether the times of a record that was just written are believed.
type times struct {
	store factsReader
	log   *slog.Logger
}

type factsReader interface {
	// Facts returns what decides the record's credit.
	Facts(ctx context.Context, recordID string) (scoring.Facts, error)
}

// answer shows a record of the race that the call is about. Who ran is looked up
// only for times that would be implausible for somebody.
func (t times) answer(ctx context.Context, r race.Record, c credit) *recordOutput {
	out := &recordOutput{ETag: etag(r.Revision), Body: viewOf(r, c)}
	if r.Removed || r.TimeConfirmed || !scoring.MayBeImplausible(server.RaceFrom(ctx), r.Result) {
		return out
	}
	facts, err := t.store.Facts(ctx, r.ID)
	if err != nil { // the record is written, and its credit will say the same
		t.log.WarnContext(ctx, "read who ran a suspicious time; the record is answered without a verdict", "record_id", r.ID, "error", err)
		return out
	}
	out.Body.Implausible = facts.Implausible()
	return out
}

func etag(revision int) string { return strconv.Quote(strconv.Itoa(revision)) }
