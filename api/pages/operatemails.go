package pages

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	mailsPath = operatePath + "/mails"

	// addressesOff is the list of accounts whose address is switched off.
	addressesOff = "addresses"
)

// mailsView is a list of mails that wait or were not delivered, or of addresses that are
// switched off.
type mailsView struct {
	ops.Mails
	filter    ops.MailFilter
	lists     []choice
	addresses []ops.AddressOff
	more      string
}

// off reports whether the list of addresses is shown.
func (m mailsView) off() bool { return m.filter.State == addressesOff }

func (s *site) mails(ctx context.Context, v *visit) (page, error) {
	view := mailsView{filter: v.mailFilter()}
	if err := s.readMails(ctx, v, &view); err != nil {
		return page{}, err
	}
	counts := view.Counts
	for _, list := range []struct {
		name  string
		count int
	}{
		{string(userdb.WaitingList), counts.Waiting},
		{string(userdb.FailedList), counts.Failed},
		{string(userdb.BouncedList), counts.Bounced},
		{string(userdb.ComplainedList), counts.Complained},
		{string(userdb.SuppressedList), counts.Suppressed},
		{addressesOff, counts.AddressesOff},
	} {
		view.lists = append(view.lists, choice{
			title: v.T("mails.list."+list.name) + " " + v.Number(list.count), address: v.here("state", list.name, "cursor", ""), chosen: list.name == string(view.filter.State),
		})
	}
	return page{title: v.T("operate.mails"), body: mailsBody(v, view)}, nil
}

func (s *site) readMails(ctx context.Context, v *visit, view *mailsView) error {
	filter, part := view.filter, v.partOfList()
	if view.off() || v.form.refused() { // of mails, only the counts
		filter, part = ops.MailFilter{State: userdb.WaitingList}, server.Page{Limit: 1}
	}
	var err error
	if view.Mails, err = s.Operations.Mails(ctx, filter, part); err != nil {
		return err
	}
	next := view.Next
	if view.off() && !v.form.refused() {
		if view.addresses, next, err = s.Operations.AddressesOff(ctx, v.partOfList()); err != nil {
			return err
		}
	}
	if next != "" {
		view.more = v.here("cursor", next)
	}
	return nil
}

// mailFilter reads which mails the address asks for. What is wrong is said beside its
// field.
func (v *visit) mailFilter() ops.MailFilter {
	f := ops.MailFilter{State: userdb.MailList(cmp.Or(v.get("state"), string(userdb.WaitingList))), Kind: v.get("kind"), RaceID: v.get("race_id"), UserID: v.get("user_id")}
	if !slices.Contains(userdb.MailLists(), f.State) && f.State != addressesOff {
		v.blame("state", v.T("operate.wrong.status"))
	}
	if f.Kind != "" && !slices.ContainsFunc(v.mailKinds(), func(o option) bool { return o.value == f.Kind }) {
		v.blame("kind", v.T("mails.wrong.kind"))
	}
	if f.RaceID != "" && !server.IsID(f.RaceID) {
		v.blame("race_id", v.T("operate.wrong.race"))
	}
	if f.UserID != "" && !server.IsID(f.UserID) {
		v.blame("user_id", v.T("mails.wrong.user"))
	}
	if given := v.get("minutes"); given != "" {
		minutes, err := strconv.Atoi(given)
		if err != nil || minutes < 0 || minutes > maxStuck {
			v.blame("minutes", v.T("operate.wrong.minutes"))
		}
		f.OlderThan = minutes * 60
	}
	return f
}

// mailKinds are the kinds of mails to choose from, and first of all none.
func (v *visit) mailKinds() []option {
	list := []option{{"", v.T("mails.kind.any")}}
	for _, kind := range userdb.AccountMailKinds() {
		list = append(list, option{string(kind), v.mailKind(kind)})
	}
	for _, d := range notice.Definitions() {
		if d.Kind != notice.Security {
			list = append(list, option{string(d.Kind), v.mailKind(userdb.MailKind(d.Kind))})
		}
	}
	return list
}

// mailKind says what mails of a kind are about.
func (l *locale) mailKind(kind userdb.MailKind) string {
	return l.word("mails.kind", string(kind))
}

// confirmResend asks before a mail is sent again.
func (s *site) confirmResend(ctx context.Context, v *visit) (confirmation, error) {
	m, err := s.Operations.Mail(ctx, v.param("mail_id"))
	if err != nil {
		return confirmation{}, err
	}
	facts := [][2]string{
		{v.T("mails.kind"), v.mailKind(m.Kind)},
		{v.T("operate.user"), m.UserID},
		{v.T("operate.race.id"), m.RaceID},
		{v.T("operate.state"), v.T("mails.state." + string(m.State))},
		{v.T("mails.error"), m.Error},
	}
	if m.Reason != "" {
		facts = append(facts, [2]string{v.T("operate.reason"), v.T("mails.reason." + string(m.Reason))})
	}
	return confirmation{
		title: v.T("mails.resend"), button: v.T("mails.resend"), back: mailsPath, mayBe: true,
		does: []string{v.T("mails.resend.does"), v.T("mails.resend.refused")}, facts: facts,
		do: func(ctx context.Context, reason string) (string, error) {
			return "mail-again", s.Operations.ResendMail(ctx, m.MailID, reason)
		},
	}, nil
}

// mailPages adds the pages about mails.
func (s *site) mailPages() {
	s.visit(http.MethodGet, mailsPath, s.mails)
	s.confirmation(mailsPath+"/{mail_id}/resend", s.confirmResend)
}
