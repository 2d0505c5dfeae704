package activities

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
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
	noticePage = 3000
	// noticeBatch is how many mails one step sends at most.
	noticeBatch = 50_000
	// noticeSending is how long one step goes on sending: a process does few steps at once,
	// and a mail that is urgent, whose event takes four of them, must not wait each time until
	// the provider has taken thousands. To list what waits takes 40 ms of it for 30,000.
	noticeSending = 10 * time.Second
	// noticeSenders is how many of them are handed over at once: providers bound the
	// connections of a client.
	noticeSenders = 8
	// noticesUnnoted is how many of them are sent before it is noted what became of them.
	noticesUnnoted = 256
	// noticesRead is how many wait to be sent at most.
	noticesRead = 256
	// noticeAttempt bounds one of them.
	noticeAttempt = 40 * time.Second
	// noticeLease is how long the mails of an event are left alone of which a step has noted
	// nothing: longer than one waits to be sent and an attempt takes, so that a step which
	// Temporal takes for dead while it goes on, cut off from Temporal, does not have its
	// mails sent twice.
	noticeLease = time.Minute
	// maxNoticeFailures is after how many failures a step that sends gives up: the
	// provider does not take mails then.
	maxNoticeFailures = 8
	// baselineSlack is how much earlier than its change the revisions of a change may
	// have been written, by another clock.
	baselineSlack = 2 * time.Second
)

// Notices tells people about changes.
type Notices struct {
	// Busy reports whether credits wait, for which mails give way; nil: never.
	Busy func() bool

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
	sender := uuid.NewString()
	waiting, err := a.user.NoticesToSend(ctx, in.Position, in.Kind, sender, noticeLease, noticeBatch)
	if err != nil {
		return NoticesSent{}, err
	}
	defer leave(ctx, func(ctx context.Context) error { return a.user.LeaveNotices(ctx, in.Position, in.Kind, sender) })
	if len(waiting) == 0 {
		return NoticesSent{}, nil
	}
	s, until := &noticesSending{mails: a.mails}, a.now().Add(noticeSending)
	err = turns[string, signedMail, userdb.MailOutcome]{
		atOnce: noticeSenders, unnoted: noticesUnnoted, most: noticesRead, busy: a.Busy,
		stop: func() bool {
			return s.withdrawn.Load() || s.held.Load() != nil || s.failed.Load() >= maxNoticeFailures || a.now().After(until)
		},
		read: func(ctx context.Context, next []string) ([]signedMail, error) {
			withdrawn, err := a.withdrawn(ctx, in)
			if err != nil || withdrawn {
				s.withdrawn.Store(withdrawn)
				return nil, err
			}
			return a.signed(ctx, next)
		},
		note: func(ctx context.Context, done []userdb.MailOutcome) error {
			err := a.user.NoteNotices(ctx, in.Position, in.Kind, sender, noticeLease, done)
			if held, is := errors.AsType[*userdb.HeldError](err); is {
				s.held.Store(held)
				return nil
			}
			return err
		},
		send: s.send,
	}.run(ctx, waiting)
	switch {
	case err != nil:
	case s.held.Load() != nil:
		err = s.held.Load()
	case s.withdrawn.Load():
		err = a.user.DropNotices(ctx, in.Position, in.Kind, noticeLease)
	}
	sent := NoticesSent{Sent: int(s.sent.Load()), Failed: int(s.failed.Load())}
	if err == nil && sent.Sent == 0 && sent.Failed > 0 {
		err = *s.err.Load()
	}
	if err != nil {
		return NoticesSent{}, err
	}
	waiting, err = a.user.NoticesToSend(ctx, in.Position, in.Kind, sender, noticeLease, 1)
	sent.More = err != nil || len(waiting) > 0
	return sent, nil // the next step looks again
}

// signedMail is a mail with what signs the links of its reader.
type signedMail struct {
	userdb.Mail
	by notice.Unsubscriber
}

// signed returns mails of an event as they are now.
func (a *Notices) signed(ctx context.Context, mailIDs []string) ([]signedMail, error) {
	mails, err := a.user.ReadNotices(ctx, mailIDs)
	if err != nil {
		return nil, err
	}
	users := make([]string, len(mails))
	for i, m := range mails {
		users[i] = m.UserID
	}
	by, err := a.user.Unsubscribers(ctx, users)
	signed := make([]signedMail, len(mails))
	for i, m := range mails {
		signed[i] = signedMail{m, by[m.UserID]}
	}
	return signed, err
}

// noticesSending is what became of the mails of a step so far.
type noticesSending struct {
	mails *Mails

	sent, failed atomic.Int64
	withdrawn    atomic.Bool                      // the post that they tell of: no more are sent
	held         atomic.Pointer[userdb.HeldError] // by another step: likewise
	err          atomic.Pointer[error]            // of the last that failed
}

func (s *noticesSending) send(ctx context.Context, m signedMail) userdb.MailOutcome {
	ctx, cancel := context.WithTimeout(ctx, noticeAttempt)
	defer cancel()
	outcome, err := s.mails.send(ctx, m.Mail, func() (mail.Message, error) {
		return mail.WriteNotice(m.Mail, m.by, s.mails.publicURL)
	})
	if err != nil {
		s.err.Store(&err)
		s.failed.Add(1)
		outcome.State = userdb.MailQueued
		return outcome
	}
	s.sent.Add(1)
	return outcome
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
