package pages

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const noticesPath = "/my/notices"

// noticeRow is a kind of notice in the form.
type noticeRow struct {
	notice.Definition
	state notice.State
}

// ticked reports whether the form shows the kind as switched on.
func (n noticeRow) ticked() bool { return n.state != notice.Off }

// noticesForm shows what somebody is told about: kinds for those who run races only to
// those who may.
func (s *site) noticesForm(ctx context.Context, v *visit) (page, error) {
	chosen, err := s.People.Notices(ctx)
	if err != nil {
		return page{}, err
	}
	account, err := s.Accounts.Account(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	var rows []noticeRow
	for _, d := range notice.Definitions() {
		if !d.ForStaff && v.caller.Type != auth.Runner && d.Kind != notice.Security && d.Kind != notice.RaceOfficial {
			continue // of what only runners do
		}
		rows = append(rows, noticeRow{d, chosen.State(d, notice.Email)})
	}
	until := ""
	if chosen.PausedUntil.After(s.Now()) {
		until = chosen.PausedUntil.Format(time.DateOnly)
	}
	return page{title: v.T("notices.title"), body: noticesBody(v, account, rows, until)}, nil
}

func (s *site) changeNotices(ctx context.Context, v *visit) (page, error) {
	var in accounts.NoticesChange
	for _, kind := range v.form.values["kind"] { // those that the form showed
		d, known := notice.Of(notice.Kind(kind))
		if !known || d.Class == notice.Transactional {
			continue
		}
		state := notice.Off
		if slices.Contains(v.form.values["on"], kind) {
			state = d.Default()
		}
		in.Items = append(in.Items, accounts.ChosenNotice{Kind: kind, State: string(state)})
	}
	until := v.form.get("paused_until")
	if until != "" { // a day, which ends with it
		if day, err := time.Parse(time.DateOnly, until); err == nil {
			until = day.Format(time.RFC3339)
		}
	}
	in.PausedUntil = &until
	err := s.People.ChangeNotices(ctx, in)
	if v.refused(err) {
		return s.noticesForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(noticesPath, "saved")
}

// maxUnsubscribe is how much of a body is read that says nothing we need, in bytes.
const maxUnsubscribe = 64 << 10

// unsubscribe is where the links of notices lead (RFC 8058). A GET shows a page and
// changes nothing, because scanners follow links; a POST, which a mail provider sends
// without cookies, origin or login, switches the kind off and never redirects. Its body
// is List-Unsubscribe=One-Click in one of two encodings, and is not looked at: the token
// is the proof, and whoever posts to it means it.
func (s *site) unsubscribe(w http.ResponseWriter, r *http.Request) {
	lang := s.preferred(r)
	w.Header().Set("Cache-Control", keepNone.header())
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxUnsubscribe))
	link, ok := notice.ParseToken(chi.URLParam(r, "token"))
	if !ok {
		s.fail(w, r, lang, race.ErrNotFound)
		return
	}
	var err error
	if r.Method == http.MethodPost {
		err = s.People.Unsubscribe(r.Context(), link)
	}
	state := notice.Off
	if err == nil {
		state, err = s.People.Unsubscription(r.Context(), link)
	}
	if errors.Is(err, userdb.ErrLink) {
		err = race.ErrNotFound
	}
	if err != nil {
		s.fail(w, r, lang, err)
		return
	}
	asked := &request{locale: lang, path: "/races", query: url.Values{}, base: s.base(r)}
	p := page{
		title: lang.T("unsubscribe.title"), keep: keepNone, hidden: true,
		body: unsubscribeBody(lang, r.URL.EscapedPath(), link.Kind.Kind, state == notice.Off),
	}
	made, err := s.render(r.Context(), asked, p, http.StatusOK)
	if err != nil {
		s.fail(w, r, lang, err)
		return
	}
	made.tag = ""
	made.write(w, r)
}
