package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// NoticesConfig says when people are told about changes.
type NoticesConfig struct {
	Settle time.Duration `env:"NOTICE_SETTLE" envDefault:"1m" min:"0s" help:"how long changes of results gather before people are told: what is corrected twice meanwhile is told once"`
}

const (
	// noticePage is how many results or rows of standings are gone through in one step.
	noticePage = 1000
	// noticeBatch is how many mails one step sends.
	noticeBatch = 500
	// noticeSenders is how many of them are handed over at once.
	noticeSenders = 4
	// maxNoticeFailures is after how many failures a step that sends gives up: the
	// provider does not take mails then.
	maxNoticeFailures = 8
	// baselineSlack is how much earlier than its change the revisions of a change may
	// have been written, by another clock.
	baselineSlack = 2 * time.Second
)

// Notices tells people about changes.
type Notices struct {
	cfg     NoticesConfig
	main    *maindb.Outcomes
	user    *userdb.Ledger
	mails   *Mails
	now     func() time.Time
	written *prometheus.CounterVec
}

// NewNotices returns the activities that find whom an event concerns and mail it to them.
func NewNotices(cfg NoticesConfig, main *maindb.Outcomes, user *userdb.Ledger, mails *Mails, now func() time.Time, registry prometheus.Registerer) *Notices {
	a := &Notices{cfg: cfg, main: main, user: user, mails: mails, now: now, written: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mrmrthon_notices_total", Help: "Notices that were written for recipients, by kind of event.",
	}, []string{"kind"})}
	registry.MustRegister(a.written)
	return a
}

// NoticeInput names an event.
type NoticeInput struct {
	Position int64       `json:"position"`
	Kind     notice.Kind `json:"kind"`
	After    string      `json:"after,omitempty"` // of FindRecipients: where the page begins
}

// NoticePlan says when an event is told.
type NoticePlan struct {
	Gone  bool      `json:"gone,omitempty"` // there is no such event
	DueAt time.Time `json:"due_at,omitzero"`
}

// NoticePage is what one step of finding recipients did.
type NoticePage struct {
	Written int    `json:"written,omitempty"`
	After   string `json:"after,omitempty"` // where the next page begins
	Done    bool   `json:"done,omitempty"`
}

// NoticesSent is what one step of sending did.
type NoticesSent struct {
	Sent   int  `json:"sent,omitempty"`
	Failed int  `json:"failed,omitempty"` // attempts: their mails wait for the next step
	More   bool `json:"more,omitempty"`
}

// PlanNotice returns when an event is told.
func (a *Notices) PlanNotice(ctx context.Context, in NoticeInput) (NoticePlan, error) {
	e, err := a.main.Notice(ctx, in.Position, in.Kind)
	if errors.Is(err, race.ErrNotFound) {
		return NoticePlan{Gone: true}, nil
	}
	return NoticePlan{DueAt: e.DueAt(a.cfg.Settle)}, err
}

// FindRecipients writes the notices of one page of those whom an event may concern. It
// may be repeated: nobody gets two.
func (a *Notices) FindRecipients(ctx context.Context, in NoticeInput) (NoticePage, error) {
	defer keepAlive(ctx)()
	e, err := a.main.Notice(ctx, in.Position, in.Kind)
	if errors.Is(err, race.ErrNotFound) {
		return NoticePage{Done: true}, nil
	}
	if err != nil {
		return NoticePage{}, err
	}
	definition, _ := notice.Of(e.Kind)
	of, err := a.main.Race(ctx, e.RaceID)
	switch {
	case errors.Is(err, race.ErrNotFound), err == nil && of.Status == race.Void, a.now().Sub(e.At) > definition.UsefulFor && e.Kind != notice.OfferEnding:
		return NoticePage{Done: true}, nil // of no use any more
	case err != nil:
		return NoticePage{}, err
	}
	t := &telling{Notices: a, event: e, definition: definition, race: of, after: in.After}
	switch e.Kind {
	case notice.EntryConfirmed, notice.MovedUp, notice.OfferMade, notice.OfferEnding:
		err = t.entries(ctx)
	case notice.ResultPosted:
		err = t.results(ctx)
	case notice.PointsCredited:
		err = t.points(ctx)
	case notice.PlaceMoved, notice.RaceOfficial:
		err = t.places(ctx)
	case notice.PostPublished:
		err = t.post(ctx)
	case notice.ClaimWaiting, notice.DisputeWaiting, notice.ImportApplied, notice.WebhookOff:
		err = t.staff(ctx)
	case notice.TaskDue, notice.TaskOverdue, notice.TaskChanged:
		err = t.tasks(ctx)
	case notice.ResultCorrected, notice.Security:
		t.page.Done = true
	}
	if err != nil {
		return NoticePage{}, err
	}
	t.page.Written, err = a.user.WriteNotices(ctx, e, t.mails, t.noticed)
	a.written.WithLabelValues(string(e.Kind)).Add(float64(t.page.Written))
	return t.page, err
}

// SendNotices hands mails of an event to the provider, some at once. What fails waits
// for the next step; when nothing succeeds, it returns an error, so that the next attempt
// waits longer.
func (a *Notices) SendNotices(ctx context.Context, in NoticeInput) (NoticesSent, error) {
	defer keepAlive(ctx)()
	waiting, err := a.user.NoticesToSend(ctx, in.Position, in.Kind, noticeBatch)
	if err != nil || len(waiting) == 0 {
		return NoticesSent{}, err
	}
	if withdrawn, err := a.withdrawn(ctx, in); err != nil {
		return NoticesSent{}, err
	} else if withdrawn {
		return NoticesSent{}, a.user.DropNotices(ctx, in.Position, in.Kind)
	}
	users := make([]string, len(waiting))
	for i, w := range waiting {
		users[i] = w.UserID
	}
	signing, err := a.user.Unsubscribers(ctx, users)
	if err != nil {
		return NoticesSent{}, err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	result, next := NoticesSent{}, make(chan userdb.WaitingNotice)
	for range noticeSenders {
		all.Go(func() {
			for w := range next {
				_, err := a.mails.send(ctx, w.MailID, func(m userdb.Mail) (mail.Message, error) {
					return mail.WriteNotice(m, signing[w.UserID], a.mails.publicURL)
				})
				mu.Lock()
				if err != nil {
					failed = err
					result.Failed++
				} else {
					result.Sent++
				}
				mu.Unlock()
			}
		})
	}
	for _, w := range waiting {
		mu.Lock()
		enough := result.Failed >= maxNoticeFailures
		mu.Unlock()
		if enough || ctx.Err() != nil {
			break
		}
		next <- w
	}
	close(next)
	all.Wait()
	result.More = result.Failed > 0 || len(waiting) == noticeBatch
	if result.Sent == 0 {
		return NoticesSent{}, errors.Join(failed, ctx.Err())
	}
	return result, nil
}

// withdrawn reports whether an event is the publication of a post that is not published
// any more.
func (a *Notices) withdrawn(ctx context.Context, in NoticeInput) (bool, error) {
	if in.Kind != notice.PostPublished {
		return false, nil
	}
	e, err := a.main.Notice(ctx, in.Position, in.Kind)
	if errors.Is(err, race.ErrNotFound) || err == nil && len(e.Subjects) == 0 {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	p, err := a.main.Post(ctx, e.RaceID, e.Subjects[0].ID)
	if errors.Is(err, race.ErrNotFound) {
		return true, nil
	}
	return err == nil && p.State != race.PostPublished, err
}

// FinishNotice notes that an event has been told.
func (a *Notices) FinishNotice(ctx context.Context, in NoticeInput) error {
	return a.main.FinishNotice(ctx, in.Position, in.Kind)
}
