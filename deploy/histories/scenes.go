package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	raceID    = "01960000-0000-7000-8000-000000000000"
	seriesID  = "01960000-0000-7000-8000-0000000000d1"
	runnerID  = "01960000-0000-7000-8000-00000000000a"
	mailID    = "01960000-0000-7000-8000-00000000000b"
	webhookID = "01960000-0000-7000-8000-00000000000c"
)

// scene is one path through CreditRecord, identified by the record's ID. A function that
// is nil succeeds.
type scene struct {
	name     string
	recordID string
	facts    func(context.Context, *scoring.Facts) error
	apply    func(context.Context, *userdb.Applied) error
}

// mailScene is a mail, and a provider that is out of reach at first.
type mailScene struct{ tried bool }

func (mailScene) BeginMail(context.Context, string) (userdb.Mail, error) {
	return userdb.Mail{ID: mailID, Kind: userdb.PasswordChanged, State: userdb.MailSending, Attempts: 1}, nil
}

func (mailScene) FinishMail(context.Context, string, userdb.MailState, string) error { return nil }

func (mailScene) NoteMailFault(context.Context, string, string) error { return nil }

func (mailScene) Unsubscribers(context.Context, []string) (map[string]notice.Unsubscriber, error) {
	return nil, nil
}

func (s *mailScene) Send(context.Context, mail.Message) (string, error) {
	if !s.tried {
		s.tried = true
		return "", errOutage
	}
	return mailID, nil
}

var errOutage = errors.New("connection refused")

// scenes lists every path through CreditRecord.
func scenes() []scene {
	all := []scene{
		{name: "credited"},
		{name: "no_points", facts: func(_ context.Context, f *scoring.Facts) error {
			f.Record.Result.Status = race.DidNotFinish
			return nil
		}},
		{name: "removed", facts: func(_ context.Context, f *scoring.Facts) error {
			f.Record.Removed, f.Record.HoldsBib = true, false
			return nil
		}},
		{name: "rejected", facts: func(_ context.Context, f *scoring.Facts) error {
			f.Entrant = nil
			return nil
		}},
		{name: "rejected_when_computed", facts: func(_ context.Context, f *scoring.Facts) error {
			f.Record.Result.Gun = 0
			return nil
		}},
		{name: "race_mismatch", facts: func(_ context.Context, f *scoring.Facts) error {
			f.Record.RaceID = "another"
			return nil
		}},
		{name: "superseded", facts: func(_ context.Context, f *scoring.Facts) error {
			f.Record.Revision = 3
			return nil
		}},
		{name: "superseded_at_the_ledger", apply: func(_ context.Context, a *userdb.Applied) error {
			*a = userdb.Applied{Standing: race.Credit{Revision: 3, Status: race.Credited}}
			return nil
		}},
		{name: "credited_before", apply: func(_ context.Context, a *userdb.Applied) error {
			a.Changed = false
			return nil
		}},
		{name: "outage", facts: durableOnly[scoring.Facts], apply: durableOnly[userdb.Applied]},
	}
	return numbered(all, 1)
}

// tracedScenes are those that are recorded once more with a trace in their
// headers: on the fast path and on the durable one.
func tracedScenes() []scene {
	return numbered([]scene{
		{name: "credited_traced"},
		{name: "outage_traced", facts: durableOnly[scoring.Facts], apply: durableOnly[userdb.Applied]},
	}, 101)
}

// numbered gives each scene its own record.
func numbered(scenes []scene, first int) []scene {
	for i := range scenes {
		scenes[i].recordID = fmt.Sprintf("01960000-0000-7000-8000-%012d", first+i)
	}
	return scenes
}

// durableOnly fails every local attempt and the first ordinary one.
func durableOnly[T any](ctx context.Context, _ *T) error {
	if info := activity.GetInfo(ctx); info.IsLocalActivity || info.Attempt == 1 {
		return errOutage
	}
	return nil
}

// stage replaces the two databases and the queue.
type stage struct{}

func sceneOf(recordID string) scene {
	for _, s := range slices.Concat(scenes(), tracedScenes()) {
		if s.recordID == recordID {
			return s
		}
	}
	return scene{}
}

func (stage) Facts(ctx context.Context, recordID string) (scoring.Facts, error) {
	facts := scoring.Facts{
		Record: race.Record{
			ID: recordID, RaceID: raceID, Revision: 2, HoldsBib: true,
			Result: race.Result{Bib: "34", Gun: 9_000_000, Status: race.Finished},
		},
		Race: race.Race{Scoring: "agegrade-2025", Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun}},
		Entrant: &race.Participant{
			UserID: runnerID, Sex: race.Female, Age: 35, Field: race.Runner,
		},
	}
	if change := sceneOf(recordID).facts; change != nil {
		if err := change(ctx, &facts); err != nil {
			return scoring.Facts{}, err
		}
	}
	return facts, nil
}

func (stage) ApplyCredit(ctx context.Context, c race.Credit) (userdb.Applied, error) {
	applied := userdb.Applied{Changed: true, Standing: c}
	if change := sceneOf(c.RecordID).apply; change != nil {
		if err := change(ctx, &applied); err != nil {
			return userdb.Applied{}, err
		}
	}
	return applied, nil
}

func (stage) LatestRevisions(context.Context, maindb.LatestRevision, time.Time, int) ([]maindb.LatestRevision, error) {
	return nil, nil
}

func (stage) Requeue(context.Context, []maindb.LatestRevision) (int, error) { return 0, nil }

func (stage) OutboxIsEmpty(context.Context) (bool, error) { return true, nil }

func (stage) Depth(context.Context) (queue.Depth, error) { return queue.Depth{}, nil }

func (stage) AddUnmatched(context.Context, maindb.Unmatched) error { return nil }

func (stage) AddOutsideAction(context.Context, maindb.Action, string) (bool, error) { return true, nil }

func (stage) HasAction(context.Context, string) (bool, error) { return false, nil }

func (stage) ResetCause(context.Context, temporal.Run) (temporal.ResetCause, error) {
	return temporal.ResetCause{Reason: "by hand", At: time.Now()}, nil
}

// offerScene is an offer that is open when it is looked at for the first time, and then
// expires; and, for the audit, a pool whose counters were wrong.
type offerScene struct {
	looked, lookedAtDraw, lookedAtPost bool
	reminders                          int
}

func (s *offerScene) ExpireOffer(context.Context, maindb.Offer) (maindb.OfferState, error) {
	if !s.looked {
		s.looked = true
		return maindb.OfferState{Status: race.Offered, Left: 100 * time.Millisecond}, nil
	}
	return maindb.OfferState{Status: race.OfferExpired}, nil
}

func (*offerScene) RecountPools(context.Context) ([]maindb.WrongPool, error) {
	return []maindb.WrongPool{{RaceID: raceID, Pool: 1, Counted: [4]int{1000, 1, 5, 0}, Actual: [4]int{1000, 0, 5, 0}}}, nil
}

func (*offerScene) OpenOffers(context.Context, time.Duration, int) ([]maindb.OpenOffer, error) {
	return []maindb.OpenOffer{{Offer: maindb.Offer{RaceID: raceID, Pool: 1, Seq: 1001, No: 1}}}, nil
}

func (*offerScene) RequeueOffer(context.Context, maindb.Offer) error { return nil }

func (s *offerScene) DrawPlaces(context.Context, string) (maindb.DrawOutcome, error) {
	if !s.lookedAtDraw {
		s.lookedAtDraw = true
		return maindb.DrawOutcome{Left: 100 * time.Millisecond}, nil
	}
	return maindb.DrawOutcome{Drawn: true, Entered: 1000, Waiting: 500}, nil
}

func (*offerScene) OpenDraws(context.Context, time.Duration, int) ([]string, error) { return nil, nil }

func (*offerScene) RequeueDraw(context.Context, string) error { return nil }

// PublishPost publishes at the second attempt: the first finds that it is not yet time.
func (s *offerScene) PublishPost(context.Context, string, string) (maindb.PostProgress, error) {
	if !s.lookedAtPost {
		s.lookedAtPost = true
		return maindb.PostProgress{State: race.PostPlanned, Left: 100 * time.Millisecond}, nil
	}
	return maindb.PostProgress{State: race.PostPublished}, nil
}

func (*offerScene) PlannedPosts(context.Context, time.Duration, int) ([]maindb.PlannedPost, error) {
	return nil, nil
}

func (*offerScene) RequeuePost(context.Context, maindb.PlannedPost) error { return nil }

// RemindTask reminds twice, and then finds that the task is done.
func (s *offerScene) RemindTask(context.Context, string) (maindb.TaskReminder, error) {
	s.reminders++
	return maindb.TaskReminder{Over: s.reminders > 2, Overdue: s.reminders == 2, Left: 100 * time.Millisecond}, nil
}

func (*offerScene) RequeueLateTasks(context.Context, time.Duration, int) ([]maindb.LateTask, error) {
	return nil, nil
}

func (stage) PostRuns(context.Context, activities.PostInput) (bool, error) { return false, nil }

func (stage) DrawRuns(context.Context, activities.DrawInput) (bool, error) { return false, nil }

func (stage) OfferRuns(context.Context, activities.OfferInput) (bool, error) { return false, nil }

// webhookScene is an endpoint with one delivery, whose first attempt is refused and whose
// next is due a moment later; it is removed meanwhile.
type webhookScene struct{ looked int }

func (s *webhookScene) DueWebhooks(context.Context, string, string, time.Duration, int) (maindb.WebhookBatch, error) {
	s.looked++
	switch s.looked {
	case 1:
		return maindb.WebhookBatch{
			Webhook: maindb.Webhook{ID: webhookID, URL: "https://10.0.0.1/"}, // which no sender calls
			Due:     []maindb.DueDelivery{{ID: webhookID}},
		}, nil
	case 2:
		return maindb.WebhookBatch{Next: time.Now().Add(time.Second)}, nil
	}
	return maindb.WebhookBatch{}, race.ErrNotFound
}

func (*webhookScene) StillDue(context.Context, string, string, []maindb.DueDelivery) ([]maindb.WebhookDelivery, error) {
	return []maindb.WebhookDelivery{{ID: webhookID, WebhookID: webhookID, Type: "race.changed", Data: []byte(`{}`)}}, nil
}

func (*webhookScene) NoteDeliveries(context.Context, string, string, time.Duration, []maindb.DeliveryOutcome) (maindb.DeliveriesNoted, error) {
	return maindb.DeliveriesNoted{}, nil
}

func (*webhookScene) LeaveWebhook(context.Context, string, string) error { return nil }

// noticeScene is an event that is told to three accounts, found on two pages; the provider
// is out of reach at first.
type noticeScene struct{ sent int }

// PlanNotice says that the event is due in a moment.
func (*noticeScene) PlanNotice(context.Context, activities.NoticeInput) (activities.NoticePlan, error) { //nolint:unparam // the form of an activity
	return activities.NoticePlan{DueAt: time.Now().Add(300 * time.Millisecond)}, nil
}

// FindRecipients finds two accounts, then one.
func (*noticeScene) FindRecipients(_ context.Context, in activities.NoticeInput) (activities.NoticePage, error) { //nolint:unparam // likewise
	if in.After == "" {
		return activities.NoticePage{Written: 2, After: runnerID}, nil
	}
	return activities.NoticePage{Written: 1, Done: true}, nil
}

// SendNotices fails, then sends two mails, then the last.
func (s *noticeScene) SendNotices(context.Context, activities.NoticeInput) (activities.NoticesSent, error) {
	s.sent++
	switch s.sent {
	case 1:
		return activities.NoticesSent{}, errOutage
	case 2:
		return activities.NoticesSent{Sent: 2, Failed: 1, More: true}, nil
	}
	return activities.NoticesSent{Sent: 1}, nil
}

// FinishNotice succeeds.
func (*noticeScene) FinishNotice(context.Context, activities.NoticeInput) error { return nil }
