package pages

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	operatePath    = "/operate"
	creditsPath    = operatePath + "/credits"
	lettersPath    = operatePath + "/dead-letters"
	auditsPath     = operatePath + "/audits"
	accountsPath   = operatePath + "/accounts"
	samePath       = operatePath + "/people"
	actionsPath    = operatePath + "/actions"
	deliveriesPath = operatePath + "/deliveries"
	commentsPath   = operatePath + "/comments"
	offersPath     = operatePath + "/offers"
	changesPath    = operatePath + "/changes"
	opRacesPath    = operatePath + "/races"

	// rowsAtOnce is how many rows a list of operators has on a page.
	rowsAtOnce = 50
	// defaultStuck is the age from which a pending credit counts as stuck, in minutes.
	defaultStuck = 10
	maxStuck     = 60 * 24 * 365
)

// operatePages adds the pages of operators.
func (s *site) operatePages() {
	get := func(path string, act action) { s.visit(http.MethodGet, path, act) }
	get(operatePath, s.path)
	get(creditsPath, s.credits)
	get(creditsPath+"/{record_id}", s.record)
	s.confirmation(creditsPath+"/{record_id}/retry", s.confirmRetry)
	s.visit(http.MethodGet, operatePath+"/retry", s.retryAllForm)
	s.visit(http.MethodPost, operatePath+"/retry", s.retryAll)
	get(lettersPath, s.deadLetters)
	s.confirmation(lettersPath+"/redrive", s.confirmRedrive)
	s.confirmation(lettersPath+"/discard", s.confirmDiscard)
	get(auditsPath, s.audits)
	s.confirmation(auditsPath+"/start", s.confirmAudit)
	s.confirmation(operatePath+"/totals/{user_id}", s.confirmTotal)
	get(offersPath, s.offers)
	get(deliveriesPath, s.deliveries)
	s.visit(http.MethodPost, deliveriesPath+"/{delivery_id}/replay", s.replayDelivery)
	get(commentsPath, s.reportedComments)
	s.confirmation(commentsPath+"/{comment_id}/hide", s.confirmHideComment)
	s.confirmation(commentsPath+"/{comment_id}/show", s.confirmShowComment)
	s.mailPages()
	get(actionsPath, s.actions)
	get(changesPath, s.allChanges)
	get(changesPath+"/export", s.changesFile)
	get(accountsPath, s.accountsForm)
	s.visit(http.MethodPost, accountsPath, s.findAccount)
	get(accountsPath+"/{user_id}", s.account)
	for name, do := range accountActions {
		s.confirmation(accountsPath+"/{user_id}/"+name, s.confirmAccount(name, do))
	}
	get(opRacesPath+"/{race_id}", s.operatedRace)
	s.confirmation(opRacesPath+"/{race_id}/recompute", s.confirmRecompute)
	s.confirmation(opRacesPath+"/{race_id}/hand-over", s.confirmHandOver)
	s.confirmation(opRacesPath+"/{race_id}/void", s.confirmVoid)
	s.confirmation(operatePath+"/series/{series_id}/recompute", s.confirmSeries)
	get(samePath, s.samePeople)
	s.confirmation(samePath+"/merge", s.confirmMerge)
	s.confirmation(samePath+"/separate", s.confirmSeparate)
}

// operateSections are the kinds of pages that operators have.
func (v *visit) operateSections() []choice {
	list := []choice{}
	for _, one := range [][2]string{
		{operatePath, "operate.path"},
		{creditsPath, "operate.credits"},
		{lettersPath, "operate.letters"},
		{offersPath, "operate.offers"},
		{deliveriesPath, "operate.deliveries"},
		{commentsPath, "operate.comments"},
		{mailsPath, "operate.mails"},
		{auditsPath, "operate.audits"},
		{accountsPath, "operate.accounts"},
		{samePath, "operate.people"},
		{actionsPath, "operate.actions"},
		{changesPath, "operate.changes"},
	} {
		list = append(list, choice{
			title: v.T(one[1]), address: v.link(one[0]), chosen: v.path == one[0] || one[0] != operatePath && strings.HasPrefix(v.path, one[0]+"/"),
		})
	}
	return list
}

// partOfList is the part of a list that the reader asks for.
func (v *visit) partOfList() server.Page {
	return server.Page{Limit: rowsAtOnce, Cursor: v.get("cursor")}
}

// Age says for how long something has waited, in its two largest units.
func (l *locale) Age(d time.Duration) string {
	switch minutes := int(d.Minutes()); {
	case d < time.Minute:
		return l.T("operate.age.seconds", "S", max(int(d.Seconds()), 0))
	case minutes < 60:
		return l.T("operate.age.minutes", "M", minutes)
	case minutes < 48*60:
		return l.T("operate.age.hours", "H", minutes/60, "M", minutes%60)
	default:
		return l.T("operate.age.days", "D", minutes/(24*60), "H", minutes/60%24)
	}
}

// stage is a stage of the path of records as it is shown.
type stage struct {
	ops.Stage
	name    string // the key of its texts
	address string // of what is there; empty: nothing lists it
	bad     bool   // something there needs an operator
	more    string
}

// pathView is the path of records at a glance.
type pathView struct {
	stages []stage // in the order of the path
	wrong  []stage // off the path
	mails  []stage
	people []stage // what people ask operators for

	grafana string // its address; empty: nobody has said it
}

func (s *site) path(ctx context.Context, v *visit) (page, error) {
	p := s.Operations.Path(ctx)
	list := func(status string) string { return with(v.link(creditsPath), "status", status) }
	flight := ""
	if p.InFlight > 0 {
		flight = v.N("operate.flight", p.InFlight)
	}
	view := pathView{
		grafana: s.GrafanaURL,
		stages: []stage{
			{Stage: p.Posted, name: "posted"},
			{Stage: p.Outbox, name: "outbox"},
			{Stage: p.Queue, name: "queue", more: flight},
			{Stage: p.Running, name: "running"},
			{Stage: p.Credited, name: "credited"},
		},
		wrong: []stage{
			{Stage: p.Pending, name: "pending", address: list(history.ListPending)},
			{Stage: p.Stuck, name: "stuck", address: list(history.ListStuck), bad: p.Stuck.Count > 0},
			{Stage: p.Failed, name: "failed", address: list(history.ListFailed), bad: p.Failed.Count > 0},
			{Stage: p.Rejected, name: "rejected", address: list(history.ListRejected), bad: p.Rejected.Count > 0},
			{Stage: p.Unmatched, name: "unmatched", address: list(unmatched), bad: p.Unmatched.Count > 0},
			{Stage: p.Letters, name: "letters", address: v.link(lettersPath), bad: p.Letters.Count > 0},
		},
		people: []stage{{Stage: p.Reported, name: "reported", address: v.link(commentsPath), bad: p.Reported.Count > 0}},
		mails: []stage{
			{Stage: p.Mails, name: "mails", address: v.link(mailsPath)},
			{Stage: p.Unsent, name: "unsent", address: with(v.link(mailsPath), "state", string(userdb.FailedList)), bad: p.Unsent.Count > 0},
		},
	}
	return page{title: v.T("operate.path"), body: pathBody(v, view, s.Now()), module: "operate.js"}, nil
}

// confirmation is something that is done for good or to others. A page says what it will do
// before it is done.
type confirmation struct {
	title, button string
	back          string   // where it leads, done or not
	does          []string // what it will do
	facts         [][2]string
	read          time.Time // since when the text that is decided about has been as it is shown
	fields        []field
	ticks         []field
	mayBe         bool // the reason may be left out
	silent        bool // no reason is kept
	public        bool // everybody can read the reason
	danger        bool
	consequences  []maindb.RaceConsequences
	names         map[string]string // of races
	do            func(ctx context.Context, reason string) (said string, err error)
}

// errSaid is returned where the form says already what is wrong.
var errSaid = errors.New("the form says what is wrong")

// cannot says why something cannot be done as things are.
func (v *visit) cannot(text string) error {
	v.form.problem, v.form.status = text, http.StatusConflict
	return errSaid
}

// confirmation registers the page of a confirmation, and its form.
func (s *site) confirmation(path string, prepare func(ctx context.Context, v *visit) (confirmation, error)) {
	act := func(ctx context.Context, v *visit) (page, error) {
		d, err := prepare(ctx, v)
		if errors.Is(err, errSaid) || v.refused(err) { // it cannot be done as things are
			return page{title: v.T("error.409.title"), body: impossibleBody(v)}, nil
		}
		if err != nil {
			return page{}, err
		}
		if v.form.sent { //nolint:nestif // one step after the other
			if v.form.get("reason") == "" && !d.mayBe && !d.silent {
				v.blame("reason", v.T("operate.wrong.reason"))
			}
			if !v.form.refused() {
				said, err := d.do(ctx, v.form.get("reason"))
				if err != nil && !errors.Is(err, errSaid) && !v.refused(err) {
					return page{}, err
				}
				if err == nil && !v.form.refused() {
					return v.done(d.back, said)
				}
			}
		}
		return page{title: d.title, body: confirmationBody(v, d)}, nil
	}
	s.visit(http.MethodGet, path, act)
	s.visit(http.MethodPost, path, act)
}
