package pages

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	operatePath  = "/operate"
	creditsPath  = operatePath + "/credits"
	lettersPath  = operatePath + "/dead-letters"
	auditsPath   = operatePath + "/audits"
	accountsPath = operatePath + "/accounts"
	samePath     = operatePath + "/people"
	actionsPath  = operatePath + "/actions"
	changesPath  = operatePath + "/changes"
	opRacesPath  = operatePath + "/races"

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
	get(actionsPath, s.actions)
	get(changesPath, s.allChanges)
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
}

func (s *site) path(ctx context.Context, v *visit) (page, error) {
	p := s.Operations.Path(ctx)
	list := func(status string) string { return with(v.link(creditsPath), "status", status) }
	flight := ""
	if p.InFlight > 0 {
		flight = v.N("operate.flight", p.InFlight)
	}
	view := pathView{
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
		mails: []stage{{Stage: p.Mails, name: "mails"}, {Stage: p.Unsent, name: "unsent", bad: p.Unsent.Count > 0}},
	}
	return page{title: v.T("operate.path"), body: pathBody(v, view, s.Now()), module: "operate.js"}, nil
}

// unmatched is the list of revisions that main_db does not have.
const unmatched = "unmatched"

// creditsView is a list of credits.
type creditsView struct {
	ops.Credits
	filter  ops.CreditFilter
	minutes string
	lists   []choice
	more    string // the address of the next page
}

// creditFilter reads which credits the address asks for. What is wrong is said beside its
// field.
func (v *visit) creditFilter() ops.CreditFilter {
	f := ops.CreditFilter{Status: v.get("status"), Bib: v.get("bib"), RaceID: v.get("race_id"), Reason: v.get("reason"), OlderThan: defaultStuck * 60}
	if !slices.Contains([]string{"", history.ListPending, history.ListStuck, history.ListFailed, history.ListRejected, unmatched}, f.Status) {
		v.blame("status", v.T("operate.wrong.status"))
	}
	if f.Status == "" && f.Bib == "" {
		f.Status = history.ListPending
	}
	if f.Bib != "" && race.CheckBib(f.Bib) != nil {
		v.blame("bib", v.says(race.CheckBib(f.Bib).Error()))
	} else if f.Bib != "" && f.Status == unmatched {
		v.blame("bib", v.T("operate.wrong.unmatched"))
	}
	if f.RaceID != "" && !server.IsID(f.RaceID) {
		v.blame("race_id", v.T("operate.wrong.race"))
	}
	if f.Status != history.ListRejected || f.Bib != "" {
		f.Reason = ""
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

func (s *site) credits(ctx context.Context, v *visit) (page, error) {
	view := creditsView{filter: v.creditFilter(), minutes: cmp.Or(v.get("minutes"), strconv.Itoa(defaultStuck))}
	if !v.form.refused() {
		var err error
		if view.Credits, err = s.Operations.Credits(ctx, view.filter, v.partOfList()); err != nil {
			return page{}, err
		}
	}
	for _, status := range []string{history.ListPending, history.ListStuck, history.ListFailed, history.ListRejected, unmatched} {
		title := v.T("operate.list." + status)
		if n := view.count(status); n != nil {
			title += " " + v.Number(*n)
		}
		view.lists = append(view.lists, choice{title: title, address: v.here("status", status, "bib", "", "cursor", ""), chosen: status == view.filter.Status && view.filter.Bib == ""})
	}
	if view.Next != "" {
		view.more = v.here("cursor", view.Next)
	}
	return page{title: v.T("operate.credits"), body: creditsBody(v, view)}, nil
}

// count returns how many credits a list has, nil if that is not known.
func (c creditsView) count(status string) *int {
	switch {
	case status == unmatched:
		return c.Matching
	case c.Counts == nil:
		return nil
	case status == history.ListPending:
		return &c.Counts.Pending
	case status == history.ListStuck:
		return &c.Counts.Stuck
	case status == history.ListFailed:
		return c.Counts.Failed
	}
	return &c.Counts.Rejected
}

// retries reports whether all credits of the list can be retried at once.
func (c creditsView) retries() bool {
	return len(c.Items) > 0 && c.filter.Bib == "" && slices.Contains([]string{history.ListPending, history.ListStuck, history.ListFailed}, c.filter.Status)
}

// why says in the reader's language why something is rejected, where its words are
// known.
func (l *locale) why(reason string) string {
	if bib, ok := strings.CutPrefix(reason, "no participant with bib "); ok {
		return l.T("operate.why.nobody", "Bib", bib)
	}
	if rest, ok := strings.CutPrefix(reason, "bib "); ok {
		if bib, ok := strings.CutSuffix(rest, " is held by another record"); ok {
			return l.T("operate.why.held", "Bib", bib)
		}
	}
	return reason
}

// historyView is the whole history of a record.
type historyView struct {
	*history.Record
	condition history.Condition
	trace     func(workflowID string) string
	run       func(temporal.Run) string
}

func (s *site) record(ctx context.Context, v *visit) (page, error) {
	found, err := s.Operations.Record(ctx, v.param("record_id"))
	if err != nil {
		return page{}, err
	}
	view := historyView{Record: found, trace: s.Operations.TraceURL, run: s.Operations.RunURL}
	view.condition, _ = found.Verdict()
	return page{title: v.T("operate.record"), body: historyBody(v, view)}, nil
}

// repairable reports whether a retry changes anything.
func (r historyView) repairable() bool { return retryable(r.condition) }

func retryable(c history.Condition) bool {
	return slices.Contains([]history.Condition{history.InOutbox, history.NoWorkflow, history.Running, history.Failed, history.Lost, history.Ahead}, c)
}

// means says what a condition means and what can be done about it.
func (l *locale) means(h *history.Record, c history.Condition) string {
	credit, key := h.Ledger.Credit, string(c)
	data := []any{"N", h.Record.Revision, "Has", credit.Revision, "Points", l.Number(int(credit.Points)), "Why", l.why(credit.Reason)}
	switch {
	case c == history.Settled && credit.Status == race.Rejected:
		key = "rejected"
	case c == history.Settled && credit.Reason != "":
		key = "worthless"
	case c == history.InOutbox && h.Unsent != nil:
		data = append(data, "Since", l.Moment(h.Unsent.CreatedAt))
	case c == history.Failed:
		data = append(data, "Status", l.word("operate.run", string(h.Workflow.Status)))
	case c == history.Running:
		for _, pending := range h.Workflow.Pending {
			if pending.LastFailure != "" {
				key = "waiting"
				data = append(data, "Step", pending.Activity, "Attempt", pending.Attempt)
				break
			}
		}
	}
	return l.T("operate.means."+key, data...)
}

// confirmation is something that is done for good or to others. A page says what it will do
// before it is done.
type confirmation struct {
	title, button string
	back          string   // where it leads, done or not
	does          []string // what it will do
	facts         [][2]string
	fields        []field
	ticks         []field
	mayBe         bool // the reason may be left out
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
			if v.form.get("reason") == "" && !d.mayBe {
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

func (s *site) confirmRetry(ctx context.Context, v *visit) (confirmation, error) {
	found, err := s.Operations.Record(ctx, v.param("record_id"))
	if err != nil {
		return confirmation{}, err
	}
	condition, _ := found.Verdict()
	does := string(condition)
	if !retryable(condition) {
		does = "nothing"
	}
	d := confirmation{
		title: v.T("operate.retry"), button: v.T("operate.retry.button"), back: creditsPath + "/" + found.Live.ID, mayBe: true,
		does: []string{v.means(found, condition), v.T("operate.retry."+does, "N", found.Record.Revision), v.T("operate.retry.safe")},
		facts: [][2]string{
			{v.T("operate.race"), found.RaceName}, {v.T("operate.bib"), found.Live.Result.Bib}, {v.T("operate.revision"), strconv.Itoa(found.Record.Revision)},
		},
	}
	if condition == history.Running {
		d.ticks = []field{{name: "confirm", label: v.T("operate.retry.confirm")}}
	}
	d.do = func(ctx context.Context, reason string) (string, error) {
		done, err := s.Operations.Retry(ctx, found.Live.ID, reason, v.form.get("confirm") != "")
		if err == nil && done.Outcome == repair.Confirm {
			v.blame("confirm", v.T("operate.wrong.confirm"))
		}
		return "retry-" + string(done.Outcome), err
	}
	return d, nil
}

// retryAllView is what a retry of a whole list will do, or has done.
type retryAllView struct {
	filter   ops.CreditFilter
	matching int
	outcomes map[repair.Outcome]int // nil: it has not been done
	more     bool
	again    string // the address of the list
}

func (s *site) retryAllForm(ctx context.Context, v *visit) (page, error) {
	view := retryAllView{filter: v.creditFilter(), again: v.link(creditsPath) + strings.TrimPrefix(v.here(), v.link(v.path))}
	if !slices.Contains([]string{history.ListPending, history.ListStuck, history.ListFailed}, view.filter.Status) || view.filter.Bib != "" || v.form.refused() {
		return page{}, &redirect{to: view.again}
	}
	found, err := s.Operations.Credits(ctx, view.filter, server.Page{Limit: 1})
	if err != nil {
		return page{}, err
	}
	if found.Counts != nil {
		view.matching = found.Counts.Matching
	}
	return page{title: v.T("operate.retry.all"), body: retryAllBody(v, view)}, nil
}

func (s *site) retryAll(ctx context.Context, v *visit) (page, error) {
	view := retryAllView{filter: v.creditFilter(), again: v.link(creditsPath) + strings.TrimPrefix(v.here(), v.link(v.path))}
	var err error
	view.outcomes, view.more, err = s.Operations.RetryAll(ctx, view.filter, v.form.get("reason"), v.form.get("confirm") != "")
	if v.refused(err) {
		view.outcomes = nil
		return page{title: v.T("operate.retry.all"), body: retryAllBody(v, view)}, nil
	}
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("operate.retry.all"), body: retryAllBody(v, view)}, nil
}

// lettersView is the list of dead letters.
type lettersView struct {
	items []ops.ShownLetter
	depth queue.Depth
}

func (s *site) deadLetters(ctx context.Context, v *visit) (page, error) {
	var view lettersView
	var err error
	if view.items, view.depth, err = s.Operations.DeadLetters(ctx, rowsAtOnce); err != nil {
		return page{}, err
	}
	return page{title: v.T("operate.letters"), body: lettersBody(v, view)}, nil
}

// letterFacts are what a page says of a dead letter; none once it has been moved.
func (s *site) letterFacts(ctx context.Context, v *visit, messageID string) ([][2]string, error) {
	items, _, err := s.Operations.DeadLetters(ctx, repair.MaxLetters)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(items, func(l ops.ShownLetter) bool { return l.MessageID == messageID })
	if i < 0 {
		return nil, v.cannot(v.T("operate.letter.gone"))
	}
	facts := [][2]string{{v.T("operate.message"), messageID}, {v.T("operate.reason"), items[i].Reason}}
	if items[i].Broken != "" {
		facts = append(facts, [2]string{v.T("operate.broken"), items[i].Broken})
	}
	if items[i].RecordID != "" {
		facts = append(facts, [2]string{v.T("operate.record"), items[i].RecordID})
	}
	return append(facts, [2]string{v.T("operate.body"), items[i].Body}), nil
}

func (s *site) confirmRedrive(ctx context.Context, v *visit) (confirmation, error) {
	messageID := v.get("message_id")
	d := confirmation{title: v.T("operate.redrive"), button: v.T("operate.redrive"), back: lettersPath, mayBe: true, does: []string{v.T("operate.redrive.does")}}
	if messageID == "" {
		d.title, d.does = v.T("operate.redrive.all"), []string{v.T("operate.redrive.all.does"), v.T("operate.redrive.does")}
	} else {
		var err error
		if d.facts, err = s.letterFacts(ctx, v, messageID); err != nil {
			return confirmation{}, err
		}
	}
	d.do = func(ctx context.Context, reason string) (string, error) {
		done, err := s.Operations.Redrive(ctx, messageID, reason)
		switch {
		case err != nil:
			return "", gone(v, err)
		case done.Failed > 0:
			return "redriven-partly", nil
		case done.Broken > 0:
			return "redriven-but-broken", nil
		}
		return "redriven", nil
	}
	return d, nil
}

func (s *site) confirmDiscard(ctx context.Context, v *visit) (confirmation, error) {
	messageID := v.get("message_id")
	facts, err := s.letterFacts(ctx, v, messageID)
	if err != nil {
		return confirmation{}, err
	}
	return confirmation{
		title: v.T("operate.discard"), button: v.T("operate.discard"), back: lettersPath, danger: true,
		does: []string{v.T("operate.discard.does"), v.T("operate.discard.log")}, facts: facts,
		do: func(ctx context.Context, reason string) (string, error) {
			return "discarded", gone(v, s.Operations.Discard(ctx, messageID, reason))
		},
	}, nil
}

// gone says that a message is not there any more.
func gone(v *visit, err error) error {
	if errors.Is(err, race.ErrNotFound) {
		return v.cannot(v.T("operate.letter.gone"))
	}
	return err
}

func (s *site) audits(ctx context.Context, v *visit) (page, error) {
	runs, err := s.Operations.Audits(ctx)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("operate.audits"), body: auditsBody(v, runs, s.Operations.TraceURL)}, nil
}

func (s *site) confirmAudit(_ context.Context, v *visit) (confirmation, error) {
	return confirmation{
		title: v.T("operate.audit.start"), button: v.T("operate.audit.start"), back: auditsPath, mayBe: true,
		does: []string{v.T("operate.audit.does"), v.T("operate.audit.never"), v.T("operate.audit.one")},
		do: func(ctx context.Context, reason string) (string, error) {
			return "audit-started", s.Operations.RunAudit(ctx, reason)
		},
	}, nil
}

func (s *site) confirmTotal(ctx context.Context, v *visit) (confirmation, error) {
	userID := v.param("user_id")
	if !server.IsID(userID) {
		return confirmation{}, race.ErrNotFound
	}
	total, lines, err := s.Accounts.Total(ctx, userID)
	if err != nil {
		return confirmation{}, err
	}
	d := confirmation{
		title: v.T("operate.total"), button: v.T("operate.total.button"), back: auditsPath, mayBe: true, does: []string{v.T("operate.total.does")},
		facts: [][2]string{
			{v.T("operate.user"), userID}, {v.T("operate.total.now"), v.Number(int(total))}, {v.T("operate.total.lines"), v.Number(int(lines))},
		},
	}
	d.do = func(ctx context.Context, reason string) (string, error) {
		before, after, err := s.Operations.RebuildTotal(ctx, userID, reason)
		if before == after {
			return "total-right", err
		}
		return "total-rebuilt", err
	}
	return d, nil
}

// logView is a list of what was done.
type logView[T any] struct {
	items []T
	more  string
}

// loggedActions are the names of operators' actions, for the filter of their log.
var loggedActions = []repair.Action{
	repair.RetryCredit, repair.RetryCredits, "reset-credit", repair.RedriveLetters, repair.DiscardLetter, repair.RunAudit, repair.RebuildTotal, repair.RecomputeRace,
	repair.RankSeries, repair.VoidRace, repair.HandOverRace, repair.SuspendUser, repair.RestoreUser, repair.RemovePasskeys, repair.Verify, repair.Unverify,
	repair.MergePeople, repair.SeparatePerson,
}

func (s *site) actions(ctx context.Context, v *visit) (page, error) {
	action := v.get("action")
	if action != "" && !slices.Contains(loggedActions, repair.Action(action)) {
		v.blame("action", v.T("operate.wrong.action"))
	}
	var view logView[ops.ShownAction]
	if !v.form.refused() {
		var next string
		var err error
		if view.items, next, err = s.Operations.Actions(ctx, action, v.get("target"), v.partOfList()); err != nil {
			return page{}, err
		}
		if next != "" {
			view.more = v.here("cursor", next)
		}
	}
	return page{title: v.T("operate.actions"), body: actionsBody(v, view)}, nil
}

func (s *site) allChanges(ctx context.Context, v *visit) (page, error) {
	if id := v.get("race_id"); id != "" && !server.IsID(id) {
		v.blame("race_id", v.T("operate.wrong.race"))
	}
	var view logView[changes.LoggedChange]
	if !v.form.refused() {
		var next string
		var err error
		if view.items, next, err = s.Changes.All(ctx, v.get("action"), v.get("actor"), v.get("race_id"), v.partOfList()); err != nil {
			return page{}, err
		}
		if next != "" {
			view.more = v.here("cursor", next)
		}
	}
	return page{title: v.T("operate.changes"), body: allChangesBody(v, view)}, nil
}

// pretty writes a state for people, and nothing for null.
func pretty(state json.RawMessage) string {
	if len(state) == 0 || string(state) == "null" || string(state) == "{}" {
		return ""
	}
	var out bytes.Buffer
	if err := json.Indent(&out, state, "", "  "); err != nil {
		return string(state)
	}
	return out.String()
}

// targetPath is the page about what an action was done to, empty if there is none.
func targetPath(a ops.ShownAction) string {
	if !server.IsID(a.Target) {
		return ""
	}
	switch repair.Action(a.Action) { //nolint:exhaustive // other actions have no page
	case repair.RetryCredit, "reset-credit":
		return creditsPath + "/" + a.Target
	case repair.RecomputeRace, repair.VoidRace, repair.HandOverRace, repair.SeparatePerson:
		return opRacesPath + "/" + a.Target
	case repair.SuspendUser, repair.RestoreUser, repair.RemovePasskeys, repair.Verify, repair.Unverify:
		return accountsPath + "/" + a.Target
	}
	return ""
}

// organizer is an organizer for whom nobody vouches.
type organizer struct {
	maindb.UnverifiedOrganizer
	name string
}

func (s *site) accountsForm(ctx context.Context, v *visit) (page, error) {
	found, err := s.Operations.UnverifiedOrganizers(ctx, rowsAtOnce)
	if err != nil {
		return page{}, err
	}
	ids := make([]string, len(found))
	for i, one := range found {
		ids[i] = one.UserID
	}
	people, err := s.Accounts.Runners(ctx, ids)
	if err != nil {
		return page{}, err
	}
	list := make([]organizer, len(found))
	for i, one := range found {
		list[i] = organizer{one, people[one.UserID].Name}
	}
	return page{title: v.T("operate.accounts"), body: accountsBody(v, list)}, nil
}

// findAccount leads to an account by its login, which is in no address, or its ID.
func (s *site) findAccount(ctx context.Context, v *visit) (page, error) {
	asked := v.form.get("login_id")
	if server.IsID(asked) { //nolint:nestif // two ways to name an account
		if _, _, err := s.Operations.Account(ctx, asked); err == nil {
			return page{}, &redirect{to: v.link(accountsPath + "/" + asked)}
		} else if !errors.Is(err, race.ErrNotFound) {
			return page{}, err
		}
	} else if login, err := auth.ParseLogin(asked); err == nil {
		found, err := s.Accounts.AccountByLogin(ctx, login)
		if err == nil {
			return page{}, &redirect{to: v.link(accountsPath + "/" + found.UserID)}
		}
		if !errors.Is(err, race.ErrNotFound) {
			return page{}, err
		}
	}
	v.blame("login_id", v.T("operate.wrong.login"))
	return s.accountsForm(ctx, v)
}

// accountView is an account as operators see it.
type accountView struct {
	userdb.Account
	verified bool
	own      bool // the reader's
}

func (s *site) account(ctx context.Context, v *visit) (page, error) {
	account, verified, err := s.Operations.Account(ctx, v.param("user_id"))
	if err != nil {
		return page{}, err
	}
	view := accountView{Account: account, verified: verified, own: account.UserID == v.caller.UserID}
	return page{title: v.T("operate.account"), body: accountBody(v, view)}, nil
}

// onAccount is something that is done to an account.
type onAccount func(o *ops.Service, ctx context.Context, userID, reason string) error

var accountActions = map[string]onAccount{
	"suspend": (*ops.Service).Suspend, "restore": (*ops.Service).Restore, "remove-passkeys": (*ops.Service).RemovePasskeys,
	"verify": (*ops.Service).Verify, "unverify": (*ops.Service).Unverify,
}

func (s *site) confirmAccount(name string, do onAccount) func(context.Context, *visit) (confirmation, error) {
	return func(ctx context.Context, v *visit) (confirmation, error) {
		account, _, err := s.Operations.Account(ctx, v.param("user_id"))
		if err != nil {
			return confirmation{}, err
		}
		return confirmation{
			title: v.T("operate.do." + name), button: v.T("operate.do." + name), back: accountsPath + "/" + account.UserID,
			does: []string{v.T("operate.does." + name)}, danger: name == "suspend" || name == "remove-passkeys",
			facts: [][2]string{
				{v.T("field.name"), account.Name}, {v.T("field.login_id"), account.LoginID}, {v.T("operate.kind"), v.word("operate.type", string(account.Type))},
			},
			do: func(ctx context.Context, reason string) (string, error) {
				return name, do(s.Operations, ctx, account.UserID, reason)
			},
		}, nil
	}
}

// opRaceView is a race as operators see it.
type opRaceView struct {
	race.Race
	owner    string
	verified bool
}

func (s *site) operatedRace(ctx context.Context, v *visit) (page, error) {
	found, err := s.Races.Race(ctx, v.raceID)
	if err != nil {
		return page{}, err
	}
	people, err := s.Accounts.Runners(ctx, []string{found.OrganizerID})
	if err != nil {
		return page{}, err
	}
	verified, err := s.Races.VerifiedOrganizers(ctx, []string{found.OrganizerID})
	if err != nil {
		return page{}, err
	}
	view := opRaceView{Race: found, owner: people[found.OrganizerID].Name, verified: verified[found.OrganizerID]}
	return page{title: found.Name, body: opRaceBody(v, view)}, nil
}

// onRace begins a confirmation on a race, with the context that calls about the race have.
func (s *site) onRace(ctx context.Context, v *visit, name string) (context.Context, confirmation, error) {
	found, err := s.Races.Race(ctx, v.raceID)
	if err != nil {
		return nil, confirmation{}, err
	}
	return server.WithRace(ctx, found, ""), confirmation{
		title: v.T("operate.do." + name), button: v.T("operate.do." + name), back: opRacesPath + "/" + found.ID,
		does: []string{v.T("operate.does." + name)}, facts: [][2]string{{v.T("operate.race"), found.Name}, {v.T("operate.date"), v.Date(found.Date)}},
	}, nil
}

func (s *site) confirmRecompute(ctx context.Context, v *visit) (confirmation, error) {
	_, d, err := s.onRace(ctx, v, "recompute")
	d.mayBe = true
	d.do = func(ctx context.Context, reason string) (string, error) {
		return "recompute", s.Operations.Recompute(ctx, v.raceID, reason)
	}
	return d, err
}

func (s *site) confirmHandOver(ctx context.Context, v *visit) (confirmation, error) {
	of, d, err := s.onRace(ctx, v, "hand-over")
	if err != nil {
		return d, err
	}
	d.public = true
	d.fields = []field{{name: "login_id", label: v.T("operate.owner.new"), required: true, max: 400}}
	d.do = func(_ context.Context, reason string) (string, error) {
		to := staff.NewOwner{LoginID: v.form.get("login_id"), Reason: reason}
		if server.IsID(to.LoginID) {
			to.LoginID, to.UserID = "", to.LoginID
		}
		return "hand-over", s.Staff.HandOver(of, to)
	}
	return d, nil
}

func (s *site) confirmVoid(ctx context.Context, v *visit) (confirmation, error) {
	of, d, err := s.onRace(ctx, v, "void")
	if err != nil {
		return d, err
	}
	d.public, d.danger = true, true
	if server.RaceFrom(of).Status != race.Void {
		planned, err := s.Settings.PlanVoid(of)
		if err != nil {
			return d, err
		}
		d.consequences = []maindb.RaceConsequences{{RaceID: v.raceID, Consequences: planned}}
	}
	d.do = func(_ context.Context, reason string) (string, error) { return "void", s.Settings.Void(of, reason) }
	return d, nil
}

// sameView is the list of who may be one person.
type sameView struct {
	season int
	items  []ops.Suggestion
	names  map[string]string // of races
	more   string
}

const (
	firstSeason = 1900
	lastSeason  = 2200
)

func (s *site) samePeople(ctx context.Context, v *visit) (page, error) {
	view := sameView{season: s.Now().Year()}
	if given := v.get("season"); given != "" {
		year, err := strconv.Atoi(given)
		if err != nil || year < firstSeason || year > lastSeason {
			v.blame("season", v.T("operate.wrong.season"))
		} else {
			view.season = year
		}
	}
	if !v.form.refused() {
		var next string
		var err error
		if view.items, next, err = s.Operations.Suggestions(ctx, view.season, v.partOfList()); err != nil {
			return page{}, err
		}
		if next != "" {
			view.more = v.here("cursor", next)
		}
	}
	ids := []string{}
	for _, one := range view.items {
		for _, person := range one.People {
			for _, result := range person.Races {
				ids = append(ids, result.RaceID)
			}
		}
	}
	var err error
	view.names, err = s.raceNames(ctx, ids)
	return page{title: v.T("operate.people"), body: sameBody(v, view)}, err
}

func (s *site) raceNames(ctx context.Context, ids []string) (map[string]string, error) {
	names := map[string]string{}
	for _, id := range ids {
		if names[id] != "" {
			continue
		}
		found, err := s.Races.Race(ctx, id)
		if err != nil {
			return nil, err
		}
		names[id] = found.Name
	}
	return names, nil
}

func (s *site) confirmMerge(ctx context.Context, v *visit) (confirmation, error) {
	from, into := v.get("from"), v.get("into")
	if !server.IsID(from) || !server.IsID(into) {
		return confirmation{}, race.ErrNotFound
	}
	people, err := s.Accounts.Runners(ctx, []string{from, into})
	if err != nil {
		return confirmation{}, err
	}
	d := confirmation{
		title: v.T("operate.merge"), button: v.T("operate.merge"), back: samePath,
		does: []string{v.T("operate.merge.does"), v.T("operate.merge.undo")},
		facts: [][2]string{
			{v.T("operate.merge.from"), v.shown(people[from].Name) + " · " + from}, {v.T("operate.merge.into"), v.shown(people[into].Name) + " · " + into},
		},
		do: func(ctx context.Context, reason string) (string, error) {
			return "merged", s.Operations.Merge(ctx, from, into, reason)
		},
	}
	if !v.form.sent {
		if d.consequences, err = s.Operations.PlanMerge(ctx, from, into); err != nil {
			return confirmation{}, err
		}
	}
	err = s.nameRaces(ctx, &d)
	return d, err
}

func (s *site) confirmSeparate(ctx context.Context, v *visit) (confirmation, error) {
	raceID, bib := v.get("race_id"), v.get("bib")
	if !server.IsID(raceID) || race.CheckBib(bib) != nil {
		return confirmation{}, v.cannot(v.T("operate.wrong.result"))
	}
	d := confirmation{
		title: v.T("operate.separate"), button: v.T("operate.separate"), back: samePath, does: []string{v.T("operate.separate.does")},
		facts: [][2]string{{v.T("operate.bib"), bib}},
		do: func(ctx context.Context, reason string) (string, error) {
			changed, err := s.Operations.Separate(ctx, raceID, bib, reason)
			if !changed {
				return "separated-before", err
			}
			return "separated", err
		},
	}
	if !v.form.sent {
		planned, err := s.Operations.PlanSeparate(ctx, raceID, bib)
		if err != nil {
			return confirmation{}, err
		}
		d.consequences = []maindb.RaceConsequences{{RaceID: raceID, Consequences: planned}}
	}
	err := s.nameRaces(ctx, &d)
	return d, err
}

// nameRaces reads the names of the races in which a confirmation has consequences.
func (s *site) nameRaces(ctx context.Context, d *confirmation) (err error) {
	ids := make([]string, len(d.consequences))
	for i, one := range d.consequences {
		ids[i] = one.RaceID
	}
	d.names, err = s.raceNames(ctx, ids)
	return err
}

// listName is the name of a list in texts: without a status it is that of a bib.
func listName(status string) string { return cmp.Or(status, "bib") }

// tail is the query of the address without the part of the list.
func tail(v *visit) string {
	_, query, _ := strings.Cut(v.here("cursor", ""), "?")
	if query == "" {
		return ""
	}
	return "?" + query
}

// badgeOf is the style of the badge of a state.
func badgeOf(state string) string {
	switch state {
	case "credited", string(history.Settled), string(temporal.Completed):
		return "official"
	case "pending", string(history.InOutbox), string(history.NoWorkflow), string(temporal.Running), string(history.Unknown), "running":
		return "provisional"
	}
	return "void"
}

func (v *visit) actionChoices() []option {
	list := []option{{"", v.T("operate.action.all")}}
	for _, one := range loggedActions {
		list = append(list, option{string(one), v.word("operate.did", string(one))})
	}
	return list
}
