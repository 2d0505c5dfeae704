package ops

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// Service is what pages do for operators, as the calls do.
type Service struct {
	credits     credits
	letters     letters
	queue       repair.Queue
	audits      audits
	repairs     repairs
	suspensions suspensions
	organizers  organizers
	people      people
	actions     actions
	offers      offers
	deliveries  deliveries
	mails       mails
	log         *slog.Logger
}

// within bounds what a handler does for a page as register does for a call.
func within[O any](ctx context.Context, timeout time.Duration, do func(context.Context) (O, error)) (O, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := do(bounded)
	if err != nil {
		err = nameUnavailable(ctx, err)
	}
	return out, err
}

// Stage is what waits at one stage of a record's path.
type Stage struct {
	Count   int
	More    bool          // there are more than Count
	Oldest  time.Duration // for how long the oldest has waited; 0: unknown, or there is none
	Unknown bool          // the server that knows does not answer
}

// Path is where records and mails are, and what readers have reported.
type Path struct {
	Posted    Stage // all latest revisions
	Pending   Stage // of these, without a credit
	Outbox    Stage
	Queue     Stage
	InFlight  int // messages that the worker has received and not deleted
	Running   Stage
	Credited  Stage
	Stuck     Stage
	Failed    Stage
	Rejected  Stage
	Unmatched Stage
	Letters   Stage
	Mails     Stage
	Unsent    Stage // mails that were given up or bounced, of those that are kept
	Reported  Stage // comments on notices of races
}

// runningCounted is how many running workflows are counted at most.
const runningCounted = 1000

// Path returns how much is at each stage and for how long the oldest has waited. The
// servers are asked at once; what one does not answer in time is unknown.
func (s *Service) Path(ctx context.Context) Path {
	path := Path{}
	ask := func(what string, do func(context.Context) error, stages ...*Stage) func() {
		return func() {
			bounded, cancel := context.WithTimeout(ctx, pathTimeout)
			defer cancel()
			if err := do(bounded); err != nil {
				s.log.WarnContext(ctx, "cannot read a stage of the path of records: it is shown as unknown", "stage", what, "error", err)
				for _, stage := range stages {
					*stage = Stage{Unknown: true}
				}
			}
		}
	}
	var waiting sync.WaitGroup
	for _, one := range []func(){
		ask("credits", func(ctx context.Context) error { return s.countCredits(ctx, &path) },
			&path.Posted, &path.Pending, &path.Credited, &path.Stuck, &path.Failed, &path.Rejected),
		ask("unmatched", func(ctx context.Context) (err error) {
			_, path.Unmatched.Count, err = s.credits.store.Unmatched(ctx, "", maindb.Unmatched{}, 1)
			return err
		}, &path.Unmatched),
		ask("outbox", func(ctx context.Context) error {
			ofRace, oldest, err := s.credits.store.OutboxDepth(ctx)
			for _, n := range ofRace {
				path.Outbox.Count += n
			}
			path.Outbox.Oldest = oldest
			return err
		}, &path.Outbox),
		ask("queue", func(ctx context.Context) error {
			depth, err := s.queue.Depth(ctx)
			path.Queue.Count, path.InFlight = depth.Visible, depth.InFlight
			return err
		}, &path.Queue),
		ask("dead letters", func(ctx context.Context) error {
			depth, err := s.queue.DeadLetterDepth(ctx)
			path.Letters.Count = depth.Visible + depth.InFlight
			return err
		}, &path.Letters),
		ask("workflows", func(ctx context.Context) error {
			runs, err := s.audits.workflows.List(ctx, "WorkflowType = 'CreditRecord' AND ExecutionStatus = 'Running'", runningCounted)
			path.Running.Count, path.Running.More = len(runs), len(runs) >= runningCounted
			for _, run := range runs {
				path.Running.Oldest = max(path.Running.Oldest, s.credits.now().Sub(run.StartedAt))
			}
			return err
		}, &path.Running),
		ask("mails", func(ctx context.Context) error {
			counts, err := s.mails.store.CountMails(ctx)
			if err != nil {
				return err
			}
			path.Mails.Count = counts[userdb.WaitingList]
			path.Unsent.Count = counts[userdb.FailedList] + counts[userdb.BouncedList] + counts[userdb.SuppressedList]
			path.Mails.Oldest, err = s.mails.store.WaitingMails(ctx)
			return err
		}, &path.Mails, &path.Unsent),
		ask("reported comments", func(ctx context.Context) (err error) {
			path.Reported.Count, path.Reported.Oldest, err = s.credits.store.CountReportedComments(ctx)
			return err
		}, &path.Reported),
	} {
		waiting.Go(one)
	}
	waiting.Wait()
	return path
}

// pathTimeout bounds each server's part of the path.
const pathTimeout = 5 * time.Second

func (s *Service) countCredits(ctx context.Context, path *Path) error {
	page, err := s.credits.reader.Find(ctx, history.Search{List: history.ListPending, OlderThan: stuckAfter}, history.Position{}, 1)
	if err != nil {
		return err
	}
	counts := page.Counts
	path.Posted.Count = counts.Pending + counts.Rejected + counts.Credited
	path.Pending = Stage{Count: counts.Pending, Oldest: page.Oldest}
	path.Stuck = Stage{Count: counts.Stuck}
	if counts.Stuck > 0 {
		path.Stuck.Oldest = page.Oldest
	}
	path.Credited.Count, path.Rejected.Count = counts.Credited, counts.Rejected
	path.Failed.Unknown = counts.Failed == nil
	if counts.Failed != nil {
		path.Failed.Count = *counts.Failed
	}
	return nil
}

// CreditFilter selects credits, as the parameters of GET /v1/ops/credits do.
type CreditFilter struct {
	Status, Bib, RaceID, Reason string
	OlderThan                   int // seconds
}

// Credits is a page of a list of credits.
type Credits struct {
	Items       []Listed
	Next        string // the cursor of the next page; empty: this is the last
	Counts      *history.Counts
	Matching    *int
	AsOf        *time.Time
	Unavailable bool // Temporal did not answer
}

// Credits lists credits.
func (s *Service) Credits(ctx context.Context, f CreditFilter, part server.Page) (Credits, error) {
	in := &creditsInput{Page: part, Status: f.Status, Bib: f.Bib, RaceID: f.RaceID, Reason: f.Reason, OlderThan: f.OlderThan}
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*creditsOutput, error) { return s.credits.list(ctx, in) })
	if err != nil {
		return Credits{}, err
	}
	return Credits{
		Items: out.Body.Items, Next: out.Body.NextCursor, Counts: out.Body.Counts, Matching: out.Body.Matching, AsOf: out.Body.AsOf,
		Unavailable: len(out.Body.Unavailable) > 0,
	}, nil
}

// Record returns the history of a record.
func (s *Service) Record(ctx context.Context, recordID string) (*history.Record, error) {
	if err := checkID(recordID); err != nil {
		return nil, err
	}
	return within(ctx, readTimeout, func(ctx context.Context) (*history.Record, error) { return s.credits.reader.Record(ctx, recordID) })
}

// TraceURL returns the page of a workflow in the Temporal Web UI.
func (s *Service) TraceURL(workflowID string) string { return s.credits.links.traceURL(workflowID) }

// RunURL returns the page of one run.
func (s *Service) RunURL(run temporal.Run) string { return s.credits.links.run(run) }

// Retry retries the credit of a record.
func (s *Service) Retry(ctx context.Context, recordID, reason string, confirm bool) (Retried, error) {
	in := &retryInput{RecordID: recordID, Body: &retryBody{Reason: reason, Confirm: confirm}}
	if err := server.Valid(*in.Body); err != nil {
		return Retried{}, err
	}
	out, err := within(ctx, repairTimeout, func(ctx context.Context) (*retryOutput, error) { return s.credits.retry(ctx, in) })
	if err != nil {
		return Retried{}, err
	}
	return out.Body, nil
}

// RetryAll retries up to 1,000 credits of a list and returns how many had which
// outcome, and whether there are more.
func (s *Service) RetryAll(ctx context.Context, f CreditFilter, reason string, confirm bool) (outcomes map[repair.Outcome]int, more bool, err error) {
	in := &retryAllInput{}
	in.Body.Status, in.Body.RaceID, in.Body.OlderThan, in.Body.Limit = f.Status, f.RaceID, &f.OlderThan, retriedAtOnce
	in.Body.Reason, in.Body.Confirm = reason, confirm
	if err := server.Valid(in.Body); err != nil {
		return nil, false, err
	}
	out, err := within(ctx, repairTimeout, func(ctx context.Context) (*retryAllOutput, error) { return s.credits.retryAll(ctx, in) })
	if err != nil {
		return nil, false, err
	}
	return out.Body.Outcomes, out.Body.NextCursor != "", nil
}

// retriedAtOnce is how many credits a form retries.
const retriedAtOnce = 1000

// DeadLetters lists dead letters, and how many the queue holds.
func (s *Service) DeadLetters(ctx context.Context, limit int) ([]ShownLetter, queue.Depth, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*lettersOutput, error) {
		return s.letters.list(ctx, &lettersInput{Limit: limit})
	})
	if err != nil {
		return nil, queue.Depth{}, err
	}
	return out.Body.Items, queue.Depth{Visible: out.Body.Visible, InFlight: out.Body.InFlight}, nil
}

// Redrive sends a dead letter, or all when messageID is empty, to the records queue.
func (s *Service) Redrive(ctx context.Context, messageID, reason string) (repair.Redriven, error) {
	in := &redriveInput{}
	in.Body.MessageID, in.Body.All, in.Body.Reason = messageID, messageID == "", reason
	if err := server.Valid(in.Body); err != nil {
		return repair.Redriven{}, err
	}
	out, err := within(ctx, repairTimeout, func(ctx context.Context) (*redriveOutput, error) { return s.letters.redrive(ctx, in) })
	if err != nil {
		return repair.Redriven{}, err
	}
	return out.Body, nil
}

// Discard deletes a dead letter for good.
func (s *Service) Discard(ctx context.Context, messageID, reason string) error {
	in := &discardInput{MessageID: messageID}
	in.Body.Reason = reason
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*discardOutput, error) { return s.letters.discard(ctx, in) })
	return err
}

// AuditRun is a run of the audit, with what it found if it is over.
type AuditRun struct {
	ShownAudit
	Found workflows.Audit
}

// Audits returns the last runs of the audit, the newest first.
func (s *Service) Audits(ctx context.Context) ([]AuditRun, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*auditsOutput, error) { return s.audits.list(ctx, nil) })
	if err != nil {
		return nil, err
	}
	runs := make([]AuditRun, len(out.Body.Items))
	for i, item := range out.Body.Items {
		runs[i].ShownAudit = item
		if item.Found == nil {
			continue
		}
		text, err := json.Marshal(item.Found)
		if err == nil {
			err = json.Unmarshal(text, &runs[i].Found)
		}
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// RunAudit starts the audit.
func (s *Service) RunAudit(ctx context.Context, reason string) error {
	body := &why{Reason: reason}
	if err := server.Valid(*body); err != nil {
		return err
	}
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*auditOutput, error) { return s.audits.run(ctx, &auditInput{Body: body}) })
	return err
}

// RebuildTotal sets the total of a runner to the sum of the ledger lines, and returns
// both.
func (s *Service) RebuildTotal(ctx context.Context, userID, reason string) (before, after int64, err error) {
	body := &why{Reason: reason}
	if err := server.Valid(*body); err != nil {
		return 0, 0, err
	}
	out, err := within(ctx, repairTimeout, func(ctx context.Context) (*totalOutput, error) {
		return s.repairs.rebuildTotal(ctx, &totalInput{UserID: userID, Body: body})
	})
	if err != nil {
		return 0, 0, err
	}
	return out.Body.Before, out.Body.After, nil
}

// Recompute has the standings of a race computed again.
func (s *Service) Recompute(ctx context.Context, raceID, reason string) error {
	body := &why{Reason: reason}
	if err := server.Valid(*body); err != nil {
		return err
	}
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*recomputeOutput, error) {
		return s.repairs.recompute(ctx, &recomputeInput{RaceID: raceID, Body: body})
	})
	return err
}

// RecomputeSeries has the standings of a series computed again.
func (s *Service) RecomputeSeries(ctx context.Context, seriesID, reason string) error {
	body := &why{Reason: reason}
	if err := server.Valid(*body); err != nil {
		return err
	}
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*recomputeOutput, error) {
		return s.repairs.recomputeSeries(ctx, &recomputeSeriesInput{SeriesID: seriesID, Body: body})
	})
	return err
}

func onAccount[I interface{ body() any }, O any](ctx context.Context, in I, do func(context.Context, I) (*O, error)) error {
	if err := server.Valid(in.body()); err != nil {
		return err
	}
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*O, error) { return do(ctx, in) })
	return err
}

// Actions lists what operators did, the newest first.
func (s *Service) Actions(ctx context.Context, action, target string, part server.Page) ([]ShownAction, string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*actionsOutput, error) {
		return s.actions.handle(ctx, &actionsInput{Page: part, Action: repair.Action(action), Target: target})
	})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// Account returns an account and whether operators vouch for it as an organizer. It
// returns race.ErrNotFound for a stand-in.
func (s *Service) Account(ctx context.Context, userID string) (userdb.Account, bool, error) {
	if err := checkID(userID); err != nil {
		return userdb.Account{}, false, err
	}
	account, err := s.organizers.accounts.Account(ctx, userID)
	if err != nil {
		return userdb.Account{}, false, nameUnavailable(ctx, ofLedger(err))
	}
	if account.LoginID == "" {
		return userdb.Account{}, false, race.ErrNotFound
	}
	verified, err := s.organizers.store.VerifiedOrganizers(ctx, []string{userID})
	return account, verified[userID], err
}
