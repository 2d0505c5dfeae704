// Package disputes serves what runners say is wrong with their results, and how
// organizers decide.
package disputes

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	tag = "Disputes"

	racePath = "/v1/races/{race_id}/disputes"
	minePath = "/v1/me/disputes"

	maxBody = 16 << 10
)

// Register adds the calls to the API. wake has the standings of a race recomputed: the
// answer to the last open dispute may be what their publication waits for.
func Register(api huma.API, store *maindb.Store, wake func(ctx context.Context, raceID string)) *Service {
	d := disputes{store: store, wake: wake}
	errs := []int{http.StatusNotFound, http.StatusConflict}
	server.Register(api, huma.Operation{
		OperationID: "open-dispute", Method: http.MethodPost, Path: "/v1/races/{race_id}/official-records/{record_id}/disputes",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Dispute your result", Tags: []string{tag},
		Description: "For the runner whose result it is, at any time. While a dispute is open, the standings do not become official unless the organizer says so with a reason. " +
			"What you write is read by those who run the race; that there is a dispute, and how it was decided, is public with the record.",
	}, d.open)
	server.Register(api, huma.Operation{
		OperationID: "list-my-disputes", Method: http.MethodGet, Path: minePath,
		Summary: "List your disputes", Tags: []string{tag},
	}, d.mine)
	server.Register(api, huma.Operation{
		OperationID: "withdraw-dispute", Method: http.MethodPost, Path: minePath + "/{dispute_id}/withdraw", Errors: errs,
		Summary: "Withdraw a dispute", Tags: []string{tag},
	}, d.withdraw)
	server.Register(api, huma.Operation{
		OperationID: "list-disputes", Method: http.MethodGet, Path: racePath, Errors: errs,
		Summary: "List the disputes of a race", Tags: []string{tag},
	}, d.list)
	server.Register(api, huma.Operation{
		OperationID: "answer-dispute", Method: http.MethodPost, Path: racePath + "/{dispute_id}/answer", MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Decide a dispute", Tags: []string{tag},
		Description: "To uphold it, correct or remove the record first, then name that revision. The reason is public; a private note is for those who run the race. " +
			"The same answer again changes nothing.",
	}, d.answer)
	return &Service{d}
}

// Service is what pages do with disputes, as the calls do.
type Service struct{ calls disputes }

// Open disputes a result of the caller.
func (s *Service) Open(ctx context.Context, raceID, recordID string, in NewDispute) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.open(ctx, &openInput{RaceID: raceID, RecordID: recordID, Body: in})
	return err
}

// Mine returns a part of the caller's disputes, the newest first, and the cursor of the
// next part, empty after the last.
func (s *Service) Mine(ctx context.Context, part server.Page) ([]Dispute, string, error) {
	out, err := s.calls.mine(ctx, &myDisputesInput{part})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// Withdraw withdraws a dispute of the caller.
func (s *Service) Withdraw(ctx context.Context, disputeID string) error {
	_, err := s.calls.withdraw(ctx, &withdrawDisputeInput{DisputeID: disputeID})
	return err
}

type disputes struct {
	store *maindb.Store
	wake  func(ctx context.Context, raceID string)
}

// Dispute is a dispute as it is shown to those whom it concerns.
type Dispute struct {
	DisputeID        string            `json:"dispute_id" format:"uuid"`
	RaceID           string            `json:"race_id" format:"uuid"`
	RecordID         string            `json:"record_id" format:"uuid"`
	Bib              string            `json:"bib,omitempty"`
	Revision         int               `json:"revision" doc:"The record's revision when it was disputed."`
	State            race.DisputeState `json:"state" enum:"open,upheld,rejected,withdrawn"`
	Wrong            string            `json:"wrong,omitempty" doc:"What is wrong, in the runner's words."`
	RightWouldBe     string            `json:"right_would_be,omitempty" doc:"What would be right, in the runner's words."`
	OpenedAt         time.Time         `json:"opened_at"`
	ClosedAt         *time.Time        `json:"closed_at,omitempty"`
	Reason           string            `json:"reason,omitempty" doc:"The reason for the decision. Public."`
	AnsweredRevision int               `json:"answered_revision,omitempty" doc:"The correction that upholds it."`
}

func shown(d race.Dispute, bib string) Dispute {
	out := Dispute{
		DisputeID: d.ID, RaceID: d.RaceID, RecordID: d.RecordID, Bib: bib, Revision: d.Revision, State: d.State, Wrong: d.Wrong,
		RightWouldBe: d.RightWouldBe, OpenedAt: d.OpenedAt, Reason: d.Answer, AnsweredRevision: d.AnsweredRevision,
	}
	if !d.ClosedAt.IsZero() {
		out.ClosedAt = &d.ClosedAt
	}
	return out
}

// NewDispute is what a runner says is wrong with a result.
type NewDispute struct {
	Wrong        string `json:"wrong" minLength:"1" maxLength:"1000" example:"my chip was not read at the finish" doc:"What is wrong."`
	RightWouldBe string `json:"right_would_be,omitempty" maxLength:"1000" example:"about 3:58:20, see the finish video" doc:"What would be right."`
}

type openInput struct {
	RaceID   string `path:"race_id"`
	RecordID string `path:"record_id"`
	Body     NewDispute
}

type disputeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Dispute
}

func (d disputes) open(ctx context.Context, in *openInput) (*disputeOutput, error) {
	wrong := strings.TrimSpace(in.Body.Wrong)
	if wrong == "" {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "wrong", Message: "must say what is wrong, in 1 to 1000 characters"}}}
	}
	if !server.IsID(in.RaceID) || !server.IsID(in.RecordID) {
		return nil, race.ErrNotFound
	}
	opened, err := d.store.OpenDispute(ctx, race.Dispute{
		ID: server.ResourceID(ctx), RaceID: in.RaceID, RecordID: in.RecordID, RunnerID: server.CallerFrom(ctx).UserID,
		Wrong: wrong, RightWouldBe: strings.TrimSpace(in.Body.RightWouldBe),
	})
	if errors.Is(err, race.ErrNotOwn) {
		return nil, huma.Error403Forbidden("the record is not your result: claim it first (POST /v1/me/claims) if it should be")
	}
	if err != nil {
		return nil, err
	}
	return &disputeOutput{CacheControl: "no-store", Body: shown(opened, "")}, nil
}

type disputesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []Dispute `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

type myDisputesInput struct{ server.Page }

func (d disputes) mine(ctx context.Context, in *myDisputesInput) (*disputesOutput, error) {
	return page(in.Page, func(before string) ([]maindb.ListedDispute, error) {
		return d.store.DisputesOf(ctx, server.CallerFrom(ctx).UserID, before, in.Limit+1)
	})
}

type listDisputesInput struct {
	server.Page
	RaceID string            `path:"race_id"`
	State  race.DisputeState `query:"state" enum:"open,upheld,rejected,withdrawn" doc:"Only disputes in this state."`
}

func (d disputes) list(ctx context.Context, in *listDisputesInput) (*disputesOutput, error) {
	return page(in.Page, func(before string) ([]maindb.ListedDispute, error) {
		return d.store.Disputes(ctx, server.RaceFrom(ctx).ID, in.State, before, in.Limit+1)
	})
}

func page(page server.Page, read func(before string) ([]maindb.ListedDispute, error)) (*disputesOutput, error) {
	var before string
	if err := page.Seek(&before); err != nil {
		return nil, err
	}
	found, err := read(before)
	if err != nil {
		return nil, err
	}
	out := &disputesOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(page, found, func(last maindb.ListedDispute) []any { return []any{last.ID} })
	out.Body.Items = make([]Dispute, len(found))
	for i, listed := range found {
		out.Body.Items[i] = shown(listed.Dispute, listed.Bib)
	}
	return out, nil
}

type answerInput struct {
	RaceID    string `path:"race_id"`
	DisputeID string `path:"dispute_id"`
	Body      Answer
}

// Answer decides a dispute.
type Answer struct {
	Decision    race.DisputeState `json:"decision" enum:"upheld,rejected" example:"rejected"`
	Reason      string            `json:"reason" minLength:"1" maxLength:"500" example:"the finish video shows the time as recorded" doc:"Public."`
	PrivateNote string            `json:"private_note,omitempty" maxLength:"2000" doc:"Only for those who run the race; in its changes."`
	Revision    int               `json:"revision,omitempty" minimum:"1" doc:"The correction that upholds the dispute; the record's latest revision by default."`
}

// OfRace returns a part of the disputes of the race of ctx, the newest first, and the
// cursor of the next part, empty after the last. An empty state stands for all.
func (s *Service) OfRace(ctx context.Context, state race.DisputeState, part server.Page) ([]Dispute, string, error) {
	out, err := s.calls.list(ctx, &listDisputesInput{Page: part, State: state})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// OneOfRace returns a dispute of the race of ctx, or race.ErrNotFound.
func (s *Service) OneOfRace(ctx context.Context, disputeID string) (Dispute, error) {
	if !server.IsID(disputeID) {
		return Dispute{}, race.ErrNotFound
	}
	// The list goes on below a position: this one is just above the dispute.
	found, err := s.calls.store.Disputes(ctx, server.RaceFrom(ctx).ID, "", disputeID+"~", 1)
	if err != nil {
		return Dispute{}, err
	}
	if len(found) == 0 || found[0].ID != disputeID {
		return Dispute{}, race.ErrNotFound
	}
	return shown(found[0].Dispute, found[0].Bib), nil
}

// Answer decides a dispute of the race of ctx.
func (s *Service) Answer(ctx context.Context, disputeID string, in Answer) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.answer(ctx, &answerInput{DisputeID: disputeID, Body: in})
	return err
}

func (d disputes) answer(ctx context.Context, in *answerInput) (*disputeOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "must say why, in 1 to 500 characters"}}}
	}
	if !server.IsID(in.DisputeID) {
		return nil, race.ErrNotFound
	}
	change := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason, PrivateNote: strings.TrimSpace(in.Body.PrivateNote)}
	answered, err := d.store.AnswerDispute(ctx, server.RaceFrom(ctx).ID, in.DisputeID, in.Body.Decision, in.Body.Revision, change)
	return d.closed(ctx, answered, err)
}

type withdrawDisputeInput struct {
	DisputeID string `path:"dispute_id"`
}

func (d disputes) withdraw(ctx context.Context, in *withdrawDisputeInput) (*disputeOutput, error) {
	if !server.IsID(in.DisputeID) {
		return nil, race.ErrNotFound
	}
	withdrawn, err := d.store.WithdrawDispute(ctx, server.CallerFrom(ctx).UserID, in.DisputeID)
	return d.closed(ctx, withdrawn, err)
}

func (d disputes) closed(ctx context.Context, dispute race.Dispute, err error) (*disputeOutput, error) {
	if err != nil {
		return nil, err
	}
	d.wake(ctx, dispute.RaceID)
	return &disputeOutput{CacheControl: "no-store", Body: shown(dispute, "")}, nil
}
