package pages

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

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
