package records

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

type get struct {
	store   *maindb.Store
	credits credits
	gate    gate
	times   times
	splits  *splits.Reader
}

type getInput struct {
	RaceID   string `path:"race_id"`
	RecordID string `path:"record_id"`
}

type getOutput struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match."`
	Body Story
}

// Story is a record with all that happened to it.
type Story struct {
	Record
	Splits    []splits.Split  `json:"splits,omitempty" doc:"Readings at the timing points and the finish, in the order of the course. Left out when there is no reading."`
	Revisions []revision      `json:"revisions" nullable:"false" doc:"The first one first."`
	Disputes  []recordDispute `json:"disputes,omitempty" doc:"Disputes of the result, the oldest first."`
}

func (g get) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "get-official-record", Method: http.MethodGet, Path: recordPath,
		Summary: "Look up an official record with its revisions and its credit", Tags: []string{tag},
		Description: "For the owner and the staff of the race, and for anyone once it is official. Only owner and staff see removed records, and what runners wrote in disputes.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound},
	}, g.handle)
}

func (g get) handle(ctx context.Context, in *getInput) (*getOutput, error) {
	of, owner, err := g.gate.open(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	if !server.IsID(in.RecordID) {
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
	out := &getOutput{ETag: server.ETag(r.Revision)}
	out.Body.Record = viewOf(r, g.credits.of(ctx, []race.Record{r})[0].readBy(owner))
	if out.Body.Implausible, err = g.times.implausible(ctx, of, r); err != nil {
		return nil, err
	}
	if out.Body.Splits, err = g.splits.Of(ctx, of, r.ID, r.Result); err != nil {
		return nil, err
	}
	read, err := g.splits.History(ctx, of, r.ID)
	if err != nil {
		return nil, err
	}
	out.Body.Revisions = make([]revision, len(revisions))
	for i, state := range revisions {
		out.Body.Revisions[i] = g.revisionOf(r, state, owner)
		if set, changed := read[state.Number]; changed {
			out.Body.Revisions[i].Splits = &set
		}
	}
	disputes, err := g.store.DisputesOfRecord(ctx, in.RecordID)
	for _, d := range disputes {
		out.Body.Disputes = append(out.Body.Disputes, disputeOf(d, owner))
	}
	return out, err
}

// recordDispute is a dispute in a record's history. What the runner wrote is not
// public.
type recordDispute struct {
	DisputeID        string            `json:"dispute_id" format:"uuid"`
	Revision         int               `json:"revision" doc:"The record's revision when it was disputed."`
	State            race.DisputeState `json:"state" enum:"open,upheld,rejected,withdrawn"`
	Wrong            string            `json:"wrong,omitempty" doc:"What is wrong, in the runner's words. Only for those who run the race."`
	RightWouldBe     string            `json:"right_would_be,omitempty" doc:"What would be right, likewise."`
	OpenedAt         time.Time         `json:"opened_at"`
	ClosedAt         *time.Time        `json:"closed_at,omitempty"`
	Reason           string            `json:"reason,omitempty" doc:"The reason for the decision. Public."`
	AnsweredRevision int               `json:"answered_revision,omitempty" doc:"The correction that upholds it."`
}

func disputeOf(d race.Dispute, staff bool) recordDispute {
	out := recordDispute{
		DisputeID: d.ID, Revision: d.Revision, State: d.State, OpenedAt: d.OpenedAt, Reason: d.Answer, AnsweredRevision: d.AnsweredRevision,
	}
	if !d.ClosedAt.IsZero() {
		out.ClosedAt = &d.ClosedAt
	}
	if staff {
		out.Wrong, out.RightWouldBe = d.Wrong, d.RightWouldBe
	}
	return out
}

func (g get) revisionOf(r race.Record, state race.Revision, owner bool) revision {
	r.Revision = state.Number
	shown := revision{
		Revision: state.Number, Bib: state.Result.Bib,
		GunTime: state.Result.Gun.String(), NetTime: state.Result.Net.String(),
		Status: state.Result.Status, Sequence: state.Result.Sequence, Removed: state.Removed,
		Confirmed: state.TimeConfirmed, Reason: state.Reason, Origin: state.Origin, ChangedAt: state.ChangedAt, TraceURL: g.credits.trace(r),
	}
	if owner {
		shown.ChangedBy, shown.ImportID = state.ChangedBy, state.ImportID
	}
	return shown
}

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
	Removed  bool              `json:"removed,omitempty" doc:"The record was removed; its revisions are kept."`
	Decided  bool              `json:"decided_by_hand,omitempty" doc:"A person decided the result: a results file changes it only with override."`
	Waiting  bool              `json:"waiting_for_bib,omitempty" doc:"Another record holds the bib. This one takes it over, in a new revision, as soon as it is free."`
	// Implausible is set in answers about one record, not in lists, where the
	// credit's reason says it.
	Implausible   string `json:"implausible,omitempty" doc:"Why a time is implausible and what to write instead. The record is neither ranked nor credited until its time is corrected or confirmed."`
	TimeConfirmed bool   `json:"time_confirmed,omitempty" doc:"The organizer confirmed an implausible time."`
	Credit        credit `json:"credit"`

	Consequences *maindb.Consequences `json:"consequences,omitempty" doc:"What a change with plan=true would lead to. Nothing was changed, and the rest is the record as it is."`
}

// revision is one immutable state of a record.
type revision struct {
	Revision  int               `json:"revision"`
	Bib       string            `json:"bib"`
	GunTime   string            `json:"gun_time,omitempty"`
	NetTime   string            `json:"net_time,omitempty"`
	Status    race.ResultStatus `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Sequence  int               `json:"sequence,omitempty"`
	Splits    *[]splits.Split   `json:"splits,omitempty" doc:"The readings, in a revision that set them; empty when it cleared them."`
	Removed   bool              `json:"removed,omitempty"`
	Confirmed bool              `json:"time_confirmed,omitempty"`
	Reason    string            `json:"reason,omitempty" doc:"Why it was made. Public."`
	Origin    race.Origin       `json:"origin,omitempty" enum:"hand,post,file,undo,system" doc:"What made it: a person's decision, a single post, a results file, the undoing of one, or the system, which leaves the result unchanged."`
	ImportID  string            `json:"import_id,omitempty" doc:"The import that made or undid it. Only for the owner of the race."`
	ChangedBy string            `json:"changed_by,omitempty" doc:"User ID of the organizer, or \"system\". Only for the owner of the race."`
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

// times checks whether times of records are plausible.
type times struct {
	store *maindb.Store
	log   *slog.Logger
}

// implausible returns why a time of a record is implausible and what to write instead. It looks
// up who ran only for times that would be implausible for somebody.
func (t times) implausible(ctx context.Context, of race.Race, r race.Record) (string, error) {
	if r.Removed || r.TimeConfirmed || !scoring.MayBeImplausible(of, r.Result) {
		return "", nil
	}
	facts, err := t.store.Facts(ctx, r.ID)
	if err != nil {
		return "", err
	}
	return facts.Implausible(), nil
}

// answer shows a record of the race that the call is about, which was just written.
func (t times) answer(ctx context.Context, r race.Record, c credit) *recordOutput {
	out := &recordOutput{ETag: server.ETag(r.Revision), Body: viewOf(r, c)}
	reason, err := t.implausible(ctx, server.RaceFrom(ctx), r)
	if err != nil { // the record is written, and its credit will have the same verdict
		t.log.WarnContext(ctx, "cannot read who ran an implausible time: answering without saying whether it is implausible", "record_id", r.ID, "error", err)
	}
	out.Body.Implausible = reason
	return out
}
