package activities

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-retry"

	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// MailInput names a mail.
type MailInput struct {
	MailID string
}

// MailResult says what became of a mail. It holds no address.
type MailResult struct {
	State    userdb.MailState
	Attempts int
}

// mailStore keeps mails; userdb.Ledger implements it. Tests lose its answers.
type mailStore interface {
	BeginMail(ctx context.Context, mailID string) (userdb.Mail, error)
	FinishMail(ctx context.Context, mailID string, state userdb.MailState, providerID string) error
	NoteMailFault(ctx context.Context, mailID, fault string) error
	Unsubscribers(ctx context.Context, userIDs []string) (map[string]notice.Unsubscriber, error)
}

// Mails sends mails.
type Mails struct {
	store     mailStore
	sender    mail.Sender
	publicURL string
	outcomes  *prometheus.CounterVec
	faults    prometheus.Counter
}

// NewMails returns the activities that send mails; links in them lead to publicURL.
func NewMails(store mailStore, sender mail.Sender, publicURL string, registry prometheus.Registerer) *Mails {
	a := &Mails{store: store, sender: sender, publicURL: publicURL, outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mrmrthon_mails_total",
		Help: "Mails that nothing more is done about, by outcome: sent, bounced (the address takes none), expired (not sent while it was of use), withheld (the address was switched off, the account suspended or its owner had opted out), off (MAIL_SENDER is off).",
	}, []string{"outcome"}), faults: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mrmrthon_mail_attempts_failed_total", Help: "Attempts to send a mail that failed, because the provider did not answer or refused us: the mail is tried again.",
	})}
	registry.MustRegister(a.outcomes, a.faults)
	for _, outcome := range []string{mailSent, mailBounced, mailExpired, mailWithheld, mailOff} {
		a.outcomes.WithLabelValues(outcome) // so that a rate exists from the first one on
	}
	return a
}

// What became of a mail, as the metric says it.
const (
	mailSent     = "sent"
	mailBounced  = "bounced"
	mailExpired  = "expired"
	mailWithheld = "withheld"
	mailOff      = "off"
)

// SendMail sends a mail that is not final yet: one about an account, or a notice that an
// operator has sent again. The attempt is noted before it is made. When the answer to it
// is lost, the next attempt sends the mail once more, under the same Message-ID:
// providers offer no better.
func (a *Mails) SendMail(ctx context.Context, in MailInput) (MailResult, error) {
	m, err := a.store.BeginMail(ctx, in.MailID)
	if errors.Is(err, race.ErrNotFound) {
		return MailResult{State: userdb.MailFailed}, nil // its owner has left
	}
	if err != nil && m.Unsent == nil {
		return MailResult{}, err
	}
	outcome, err := a.send(ctx, m, func() (mail.Message, error) {
		if len(m.About) == 0 {
			return mail.Write(m, a.publicURL)
		}
		signing, err := a.store.Unsubscribers(ctx, []string{m.UserID})
		if err != nil {
			return mail.Message{}, err
		}
		return mail.WriteNotice(m, signing[m.UserID], a.publicURL)
	})
	result := MailResult{State: m.State, Attempts: m.Attempts}
	if err == nil && outcome.State != "" {
		result.State, err = outcome.State, a.finish(ctx, outcome)
	}
	if outcome.Fault != "" {
		// Operators read it in the list of mails; if it cannot be kept, they see that there
		// was an attempt.
		_ = a.store.NoteMailFault(ctx, m.ID, outcome.Fault)
	}
	if err != nil {
		return MailResult{}, err
	}
	return result, nil
}

// send sends a mail that was begun, as write composes it. Of one that is final already
// nothing is to be noted.
func (a *Mails) send(ctx context.Context, m userdb.Mail, write func() (mail.Message, error)) (outcome userdb.MailOutcome, err error) {
	outcome.MailID = m.ID
	switch {
	case errors.Is(m.Unsent, userdb.ErrMailExpired):
		a.outcomes.WithLabelValues(mailExpired).Inc()
	case errors.Is(m.Unsent, userdb.ErrWithheld):
		a.outcomes.WithLabelValues(mailWithheld).Inc()
	}
	if m.State.Final() {
		return outcome, nil
	}
	message, err := write()
	if err != nil {
		return outcome, err
	}
	state, label := userdb.MailSent, mailSent
	providerID, err := a.sender.Send(ctx, message)
	switch {
	case errors.Is(err, mail.ErrBounced):
		state, label = userdb.MailBounced, mailBounced
	case errors.Is(err, mail.ErrOff):
		state, label = userdb.MailFailed, mailOff
	case err != nil:
		a.faults.Inc()
		outcome.Fault = mail.Masked(err.Error())
		return outcome, err
	}
	a.outcomes.WithLabelValues(label).Inc()
	outcome.State, outcome.ProviderID = state, providerID
	return outcome, nil
}

// finishTries and finishPause are how the outcome of an attempt is kept through a
// short outage: forgotten, the mail would be sent once more.
const (
	finishTries = 10
	finishPause = 500 * time.Millisecond
)

func (a *Mails) finish(ctx context.Context, o userdb.MailOutcome) error {
	return retry.Do(ctx, retry.WithMaxRetries(finishTries, retry.NewConstant(finishPause)), func(ctx context.Context) error {
		return retry.RetryableError(a.store.FinishMail(ctx, o.MailID, o.State, o.ProviderID))
	})
}
