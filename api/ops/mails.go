package ops

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const mailsPath = "/v1/ops/mails"

// mails lists mails that were not just sent, and has them sent again.
type mails struct {
	store *userdb.Accounts
	main  *maindb.Store
	log   repair.Log
	links links
	now   func() time.Time
}

// mailError is an error of the database that keeps the mails, which lets an answer name
// what is down.
type mailError struct{ err error }

func (e *mailError) Error() string { return "mails: " + e.err.Error() }

func (e *mailError) Unwrap() error { return e.err }

func ofMails(err error) error {
	if _, refused := errors.AsType[*race.ConflictError](err); err == nil || refused || errors.Is(err, race.ErrNotFound) {
		return err
	}
	return &mailError{err}
}

func (m mails) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-mails", Method: http.MethodGet, Path: mailsPath, Summary: "List mails that wait, or were not delivered",
		Description: "Those of the last 30 days, the newest first, without their addresses and what they say. `waiting`: neither sent nor given up; each is tried every five minutes at least. `failed`: no longer useful before the provider took it, or rejected by the provider. `bounced`: the address takes no mail. `complained`: the mail arrived, and its reader reported it as unwanted. `suppressed`: not sent, because the address is switched off here or on the provider's own suppression list, the account is suspended, or its owner had opted out.",
		Errors:      statusesOf(),
	}, m.list)
	register(api, huma.Operation{
		OperationID: "resend-mail", Method: http.MethodPost, Path: mailsPath + "/{mail_id}/resend", DefaultStatus: http.StatusAccepted, Summary: "Send a mail again that was not delivered",
		Description: "The same mail, under the same Message-ID, to the same address, within a second or so. Refused, with the reason, is one that may have arrived, that is no longer useful (its link or offer has ended, its post was withdrawn, its race is void, or it is days old), that concerns its reader no longer, because they left the race or its staff, that its reader does not want any more, and one whose address is switched off: only its owner switches that on again, by confirming an address.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusConflict),
	}, m.resend)
	register(api, huma.Operation{
		OperationID: "list-addresses-off", Method: http.MethodGet, Path: "/v1/ops/mail-addresses", Summary: "List accounts whose mail address is switched off",
		Description: "The newest account first, by account: addresses themselves are not shown. The owner of an account reads the problem at `GET /v1/me` and on the pages of their settings, with what to do: they confirm the address again, or another one. Nobody else can switch it on.",
		Errors:      statusesOf(),
	}, m.addresses)
}

// mailKind is a kind of mails: about an account, or a notice.
type mailKind string

// Schema lists the kinds, so that a filter by another one is refused.
func (mailKind) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, kind := range userdb.AccountMailKinds() {
		s.Enum = append(s.Enum, string(kind))
	}
	for _, d := range notice.Definitions() {
		if d.Kind != notice.Security {
			s.Enum = append(s.Enum, string(d.Kind))
		}
	}
	s.PrecomputeMessages()
	return s
}

type mailsInput struct {
	server.Page
	State     userdb.MailList `query:"state" enum:"waiting,failed,bounced,complained,suppressed" default:"waiting" doc:"What became of them."`
	Kind      mailKind        `query:"kind" doc:"Only mails of this kind."`
	RaceID    string          `query:"race_id" format:"uuid" doc:"Only notices about this race."`
	UserID    string          `query:"user_id" format:"uuid" doc:"Only mails to this account."`
	OlderThan int             `query:"older_than" minimum:"0" maximum:"31536000" doc:"Only mails that were written, or last sent again, at least so many seconds ago."`
}

// ListedMail is what became of a mail.
type ListedMail struct {
	MailID     string            `json:"mail_id" format:"uuid"`
	UserID     string            `json:"user_id" format:"uuid" doc:"The account whose mail it is."`
	Kind       userdb.MailKind   `json:"kind" doc:"What it is about."`
	RaceID     string            `json:"race_id,omitempty" format:"uuid" doc:"Of a notice."`
	State      userdb.MailState  `json:"state" enum:"queued,sending,sent,bounced,complained,failed" doc:"sending: an attempt was begun. If it is not known to have succeeded, the next follows by itself."`
	Reason     userdb.MailReason `json:"reason,omitempty" enum:"expired,address-off,opted-out,suspended,sender-off,withdrawn,rejected,refused,returned,suppressed" doc:"Why it was not delivered. expired: it was no longer useful. address-off: its address was switched off before. opted-out: its reader had switched such notices off, or paused them, before it was sent. suspended: the account was suspended before it was sent. sender-off: MAIL_SENDER was off. withdrawn: the post that it is about was withdrawn. rejected: the provider did not send what it had accepted. refused: the provider refused the address at once. returned: it came back later. suppressed: the provider's own list has the address."`
	Error      string            `json:"error,omitempty" doc:"Of the last attempt, if that failed; without addresses."`
	Attempts   int               `json:"attempts"`
	Resends    int               `json:"resends,omitempty" doc:"How often an operator has had it sent again."`
	CreatedAt  time.Time         `json:"created_at"`
	ResentAt   *time.Time        `json:"resent_at,omitempty"`
	ChangedAt  time.Time         `json:"changed_at" doc:"When its state last changed."`
	ExpiresAt  time.Time         `json:"expires_at" doc:"From when it is no longer useful, and not sent."`
	Resendable bool              `json:"resendable" doc:"Whether it may be worth sending again: it was not delivered, and is still useful. The call has the last word."`
	WorkflowID string            `json:"workflow_id"`
	TraceURL   string            `json:"trace_url" doc:"The workflow that sends it in the Temporal Web UI: its own, or that of the event it tells of."`
}

type mailsOutput struct {
	Body struct {
		Items      []ListedMail `json:"items" nullable:"false"`
		NextCursor string       `json:"next_cursor,omitempty"`
		Counts     MailCounts   `json:"counts" doc:"How many there are, whatever the filter says."`
	}
}

// MailCounts is how many mails there are on each list, and accounts whose address has a
// problem.
type MailCounts struct {
	Waiting      int `json:"waiting"`
	Failed       int `json:"failed"`
	Bounced      int `json:"bounced"`
	Complained   int `json:"complained"`
	Suppressed   int `json:"suppressed"`
	AddressesOff int `json:"addresses_off"`
}

func (m mails) list(ctx context.Context, in *mailsInput) (*mailsOutput, error) {
	before := ""
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	filter := userdb.MailFilter{
		List: in.State, Kind: userdb.MailKind(in.Kind), RaceID: in.RaceID, UserID: in.UserID, OlderThan: time.Duration(in.OlderThan) * time.Second,
	}
	found, err := m.store.KeptMails(ctx, filter, before, in.Limit+1)
	if err != nil {
		return nil, ofMails(err)
	}
	out := &mailsOutput{}
	if out.Body.Counts, err = m.counts(ctx); err != nil {
		return nil, ofMails(err)
	}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last userdb.KeptMail) []any { return []any{last.ID} })
	out.Body.Items = make([]ListedMail, len(found))
	for i, one := range found {
		out.Body.Items[i] = m.listed(one)
	}
	return out, nil
}

func (m mails) listed(one userdb.KeptMail) ListedMail {
	id := workflows.MailWorkflowID(one.ID, one.Resends)
	if one.NoticePosition > 0 && one.Resends == 0 {
		id = workflows.NoticeWorkflowID(one.NoticePosition, one.NoticeKind)
	}
	undelivered := one.State == userdb.MailFailed || one.State == userdb.MailBounced
	return ListedMail{
		MailID: one.ID, UserID: one.UserID, Kind: one.Kind, RaceID: one.RaceID, State: one.State, Reason: one.Reason, Error: one.Fault,
		Attempts: one.Attempts, Resends: one.Resends, CreatedAt: one.CreatedAt, ResentAt: server.TimeOrNil(one.ResentAt), ChangedAt: one.UpdatedAt,
		ExpiresAt: one.ExpiresAt, Resendable: undelivered && one.ExpiresAt.After(m.now()), WorkflowID: id, TraceURL: m.links.traceURL(id),
	}
}

func (m mails) counts(ctx context.Context) (MailCounts, error) {
	of, err := m.store.CountMails(ctx)
	if err != nil {
		return MailCounts{}, err
	}
	off, err := m.store.CountAddressesOff(ctx)
	found := MailCounts{
		Waiting: of[userdb.WaitingList], Failed: of[userdb.FailedList], Bounced: of[userdb.BouncedList], Complained: of[userdb.ComplainedList], Suppressed: of[userdb.SuppressedList],
	}
	for _, n := range off {
		found.AddressesOff += n
	}
	return found, err
}

type mailInput struct {
	MailID string `path:"mail_id"`
	Body   *why
}

func (m mails) resend(ctx context.Context, in *mailInput) (*struct{}, error) {
	if err := checkID(in.MailID); err != nil {
		return nil, err
	}
	found, err := m.store.KeptMail(ctx, in.MailID)
	if err != nil {
		return nil, ofMails(err)
	}
	order := repair.Order{
		Action: repair.ResendMail, OperatorID: operator(ctx), Target: in.MailID, Reason: reasonOf(in.Body),
		Before: map[string]any{"kind": found.Kind, "state": found.State, "reason": found.Reason, "attempts": found.Attempts},
	}
	return nil, m.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		if err := m.stands(ctx, found); err != nil {
			return nil, err
		}
		is, err := m.store.ResendMail(ctx, in.MailID)
		if err != nil {
			return nil, ofMails(err)
		}
		return map[string]any{"state": is.State, "resends": is.Resends}, nil
	})
}

// stands returns a *race.ConflictError for a notice that the worker would not write any
// more: of a race that is void, of an offer that was answered or withdrawn before its time
// was over, of a post that is not published any more, and to somebody whom the race does
// not concern any more.
func (m mails) stands(ctx context.Context, of userdb.KeptMail) error {
	if of.RaceID == "" {
		return nil // about the account
	}
	r, role, err := m.main.RaceFor(ctx, of.RaceID, of.UserID)
	if err != nil && !errors.Is(err, race.ErrNotFound) {
		return err
	}
	if err != nil || r.Status == race.Void {
		return &race.ConflictError{Message: "the race that the mail is about is void"}
	}
	switch kind := notice.Kind(of.Kind); kind { //nolint:exhaustive // the others tell a runner what has happened to their result
	case notice.OfferMade, notice.OfferEnding, notice.EntryConfirmed, notice.MovedUp:
		return m.entryStands(ctx, kind, of)
	case notice.PostPublished:
		published, err := m.published(ctx, of)
		if err != nil && !errors.Is(err, race.ErrNotFound) {
			return err
		}
		if !published {
			return &race.ConflictError{Message: "what the mail is about was withdrawn"}
		}
	case notice.TaskDue, notice.TaskOverdue, notice.TaskChanged:
		if role == "" {
			return errNotOnStaff
		}
	case notice.ClaimWaiting, notice.DisputeWaiting, notice.WebhookOff, notice.ImportApplied:
		staff, err := m.main.NoticeStaff(ctx, r, kind)
		if err != nil {
			return err
		}
		if !slices.Contains(staff, of.UserID) {
			return errNotOnStaff
		}
	}
	return nil
}

// errNotOnStaff refuses a notice to those who run a race to somebody who left or has
// another role by now.
var errNotOnStaff = &race.ConflictError{Message: "the mail is for those who run the race, and its reader does not do that any more"}

// entryStands returns a *race.ConflictError unless the reader's entry is as a notice says.
func (m mails) entryStands(ctx context.Context, kind notice.Kind, of userdb.KeptMail) error {
	entry, err := m.main.EntryOf(ctx, of.RaceID, of.UserID)
	if err != nil && !errors.Is(err, race.ErrNotFound) {
		return err
	}
	offer := kind == notice.OfferMade || kind == notice.OfferEnding
	switch {
	case offer && (err != nil || entry.Status != race.Offered):
		return &race.ConflictError{Message: "the offer that the mail is about has been answered, or has ended"}
	case !offer && (err != nil || entry.Status != race.Entered):
		return &race.ConflictError{Message: "its reader is no longer entered in the race that the mail is about"}
	}
	return nil
}

// published reports whether readers still see the post that a mail is about. It returns
// race.ErrNotFound when the post was removed.
func (m mails) published(ctx context.Context, of userdb.KeptMail) (bool, error) {
	event, err := m.main.Notice(ctx, of.NoticePosition, of.NoticeKind)
	if err != nil || len(event.Subjects) == 0 {
		return false, err
	}
	p, err := m.main.Post(ctx, of.RaceID, event.Subjects[0].ID)
	return p.State == race.PostPublished, err
}

type addressesInput struct {
	server.Page
	Problem string `query:"problem" enum:"bounced,complained,unwanted,pending-bounced,pending-complained" doc:"Only accounts with this problem, as GET /v1/me says it."`
}

// AddressOff is an account whose address is switched off.
type AddressOff struct {
	UserID  string     `json:"user_id" format:"uuid"`
	Problem string     `json:"problem" enum:"bounced,complained,unwanted,pending-bounced,pending-complained" doc:"bounced, complained: nothing goes to the address. unwanted: no notices that may be switched off. pending-bounced, pending-complained: the address that was to be confirmed was dropped."`
	Since   *time.Time `json:"since,omitempty"`
}

type addressesOutput struct {
	Body struct {
		Items      []AddressOff `json:"items" nullable:"false"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func (m mails) addresses(ctx context.Context, in *addressesInput) (*addressesOutput, error) {
	before := ""
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := m.store.AddressesOff(ctx, in.Problem, before, in.Limit+1)
	if err != nil {
		return nil, ofMails(err)
	}
	out := &addressesOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last userdb.AddressOff) []any { return []any{last.UserID} })
	out.Body.Items = make([]AddressOff, len(found))
	for i, one := range found {
		out.Body.Items[i] = AddressOff{UserID: one.UserID, Problem: one.Problem, Since: server.TimeOrNil(one.Since)}
	}
	return out, nil
}

// MailFilter selects mails, as the parameters of GET /v1/ops/mails do.
type MailFilter struct {
	State                userdb.MailList
	Kind, RaceID, UserID string
	OlderThan            int // seconds
}

// Mails is a page of a list of mails.
type Mails struct {
	Items  []ListedMail
	Next   string // the cursor of the next page; empty: this is the last
	Counts MailCounts
}

// Mails lists mails.
func (s *Service) Mails(ctx context.Context, f MailFilter, part server.Page) (Mails, error) {
	in := &mailsInput{Page: part, State: f.State, Kind: mailKind(f.Kind), RaceID: f.RaceID, UserID: f.UserID, OlderThan: f.OlderThan}
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*mailsOutput, error) { return s.mails.list(ctx, in) })
	if err != nil {
		return Mails{}, err
	}
	return Mails{Items: out.Body.Items, Next: out.Body.NextCursor, Counts: out.Body.Counts}, nil
}

// Mail returns what became of a mail. It returns race.ErrNotFound when there is none.
func (s *Service) Mail(ctx context.Context, mailID string) (ListedMail, error) {
	if err := checkID(mailID); err != nil {
		return ListedMail{}, err
	}
	return within(ctx, readTimeout, func(ctx context.Context) (ListedMail, error) {
		found, err := s.mails.store.KeptMail(ctx, mailID)
		return s.mails.listed(found), ofMails(err)
	})
}

// ResendMail has a mail sent again.
func (s *Service) ResendMail(ctx context.Context, mailID, reason string) error {
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*struct{}, error) {
		return s.mails.resend(ctx, &mailInput{MailID: mailID, Body: &why{Reason: reason}})
	})
	return err
}

// AddressesOff lists accounts whose address is switched off, and the cursor of the next
// part.
func (s *Service) AddressesOff(ctx context.Context, part server.Page) ([]AddressOff, string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*addressesOutput, error) {
		return s.mails.addresses(ctx, &addressesInput{Page: part})
	})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}
