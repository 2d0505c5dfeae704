package pages_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// fakeTemporal is a Temporal in memory.
type fakeTemporal struct {
	mu     sync.Mutex
	down   bool
	latest map[string]temporal.Execution // by workflow ID
	failed []temporal.Run
	audits []temporal.Run
	found  workflows.Audit // by every audit
	resets []string        // workflow IDs
}

func (f *fakeTemporal) Describe(_ context.Context, workflowID string) (temporal.Execution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.latest[workflowID]
	switch {
	case f.down:
		return temporal.Execution{}, temporal.ErrUnavailable
	case !ok:
		return temporal.Execution{}, fmt.Errorf("describe: %w", race.ErrNotFound)
	}
	return found, nil
}

func (f *fakeTemporal) List(_ context.Context, query string, _ int) ([]temporal.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.down:
		return nil, temporal.ErrUnavailable
	case strings.Contains(query, "AuditCredits"):
		return f.audits, nil
	case strings.Contains(query, "Terminated"):
		return f.failed, nil
	}
	return nil, nil
}

func (f *fakeTemporal) Reset(_ context.Context, run temporal.Run, _ string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resets = append(f.resets, run.WorkflowID)
	return "new-run", nil
}

func (f *fakeTemporal) Start(_ context.Context, options client.StartWorkflowOptions, _ any, _ ...any) (temporal.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run := temporal.Run{WorkflowID: options.ID, RunID: "audit-run", Status: temporal.Completed, StartedAt: time.Now()}
	f.audits = append(f.audits, run)
	return run, nil
}

func (f *fakeTemporal) Result(_ context.Context, _ temporal.Run, result any) error {
	text, err := json.Marshal(f.found)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// letterBox is a queue with dead letters in memory.
type letterBox struct {
	mu       sync.Mutex
	down     bool
	letters  []queue.Letter
	redriven []string
}

func (b *letterBox) Depth(context.Context) (queue.Depth, error) {
	if b.down {
		return queue.Depth{}, errors.New("connection refused")
	}
	return queue.Depth{Visible: 7, InFlight: 2}, nil
}

func (b *letterBox) DeadLetterDepth(ctx context.Context) (queue.Depth, error) {
	if _, err := b.Depth(ctx); err != nil {
		return queue.Depth{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return queue.Depth{Visible: len(b.letters)}, nil
}

func (b *letterBox) TakeLetters(_ context.Context, most int, _ time.Duration) ([]queue.Letter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(most, len(b.letters))
	taken := b.letters[:n:n]
	b.letters = b.letters[n:]
	return taken, nil
}

func (b *letterBox) ReleaseLetters(_ context.Context, letters []queue.Letter) []queue.Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = append(b.letters, letters...)
	return nil
}

func (b *letterBox) Redrive(_ context.Context, letters []queue.Letter) []queue.Failure {
	for _, letter := range letters {
		b.redriven = append(b.redriven, letter.MessageID)
	}
	return nil
}

func (*letterBox) DeleteLetters(context.Context, []queue.Letter) []queue.Failure { return nil }

// operations registers the calls of operators.
func (b *testBundle) operations(api huma.API, clock func() time.Time, actions repair.Log) *ops.Service {
	wake := func(_ context.Context, id string) (string, error) { return "standings/" + id, nil }
	return ops.Register(api, ops.Config{
		Store: b.main, Ledger: b.accounts.Store, Accounts: b.accounts, Workflows: &b.temporal, Letters: &b.letters, Poke: func() {},
		WakeStandings: wake, WakeSeries: wake, TraceURL: func(id string) string { return "https://temporal.example.org/" + id },
		Now: clock, Log: slog.New(slog.NewTextHandler(&b.logs, nil)), Actions: actions,
	})
}

// operator is a browser of an operator.
func (b *testBundle) operator(t testing.TB) *browser {
	t.Helper()
	b.account(t, "oona", auth.Operator)
	return b.loggedIn(t, "oona")
}

// unsettled has a record of a bib that is pending, and takes it off the outbox.
func (b *testBundle) unsettled(t testing.TB, bib string) race.Record {
	t.Helper()
	record, _, err := b.main.PostRecord(t.Context(), b.raceID, newID(), race.Result{Bib: bib, Status: race.Finished, Gun: 9_000_000}, maindb.Change{By: b.organizer})
	require.NoError(t, err)
	b.drain(t)
	return record
}

// drain empties the outbox, as the relay does.
func (b *testBundle) drain(t testing.TB) (sent int) {
	t.Helper()
	sent, err := b.main.SendOutbox(t.Context(), 100_000, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) { return rows, nil })
	require.NoError(t, err)
	return sent
}

// runs makes the workflow of a record be as given.
func (b *testBundle) runs(r race.Record, status temporal.Status, failure string, pending ...temporal.PendingActivity) {
	b.temporal.mu.Lock()
	defer b.temporal.mu.Unlock()
	id := workflows.CreditWorkflowID(r.RaceID, r.ID, r.Revision)
	run := temporal.Run{WorkflowID: id, RunID: "run-1", Status: status, StartedAt: time.Now()}
	if b.temporal.latest == nil {
		b.temporal.latest = map[string]temporal.Execution{}
	}
	b.temporal.latest[id] = temporal.Execution{Run: run, Failure: failure, Pending: pending}
	if run.Ended() {
		b.temporal.failed = append(b.temporal.failed, run)
	}
}

func TestPathOfRecordsAtAGlance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.drain(t)
	failed := b.unsettled(t, "41")
	b.runs(failed, "Terminated", "by somebody")
	c := b.operator(t)
	a := c.visit("/en/operate")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, []string{"7", "0", "7", "0", "6", "1", "0", "1", "0", "0", "0", "0", "0", "0"}, a.texts(".stages b"))
	require.Equal(t, "page", a.Find(`.sections a[href="/en/operate"]`).AttrOr("aria-current", ""))
	require.Contains(t, a.Find(`.stages a[href="/en/operate/credits?status=failed"]`).Text(), "1")

	b.temporal.down, b.letters.down = true, true
	a = c.visit("/ko/operate")
	require.Equal(t, http.StatusOK, a.status, "a server that does not answer hides its own stages only; which failed is as it last said")
	require.Equal(t, []string{"7", "0", "응답 없음", "응답 없음", "6", "1", "0", "1", "0", "0", "응답 없음", "0", "0", "0"}, a.texts(".stages b"))
	require.Contains(t, b.logs.String(), "cannot read a stage")

	b.account(t, "rita", auth.Runner)
	other := b.loggedIn(t, "rita")
	require.Equal(t, http.StatusForbidden, other.visit("/en/operate").status)
	require.NotContains(t, other.visit("/en/my").body, `href="/en/operate"`)
}

func TestOperatorHealsCredits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.drain(t)
	failed, running := b.unsettled(t, "41"), b.unsettled(t, "42")
	b.runs(failed, "Terminated", "<b>by somebody</b>")
	b.runs(running, temporal.Running, "", temporal.PendingActivity{Activity: "CommitPoints", Attempt: 9, LastFailure: "connection refused"})
	rejected := b.unsettled(t, "43")
	_, err := b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: rejected.ID, RaceID: b.raceID, Revision: 1, Status: race.Rejected, Reason: "no participant with bib 43", WorkflowID: "credit/43",
	})
	require.NoError(t, err)
	c := b.operator(t)

	list := c.visit("/en/operate/credits?status=failed")
	require.Equal(t, http.StatusOK, list.status, list.body)
	require.Equal(t, 1, list.Find("tbody tr").Length())
	require.Equal(t, []string{"Pending 2", "Stuck 0", "Failed 1", "Rejected 1", "Unmatched"}, list.texts(".filters .segments a"))
	story := c.visit(list.Find("tbody th a").AttrOr("href", ""))
	require.Contains(t, story.Find(".lead").Text(), "ended without a credit (terminated)")
	require.Contains(t, story.body, "&lt;b&gt;by somebody")
	require.Equal(t, 1, story.Find(`a[href^="https://temporal.example.org/credit/"]`).Length())
	ask := c.visit("/en/operate/credits/" + failed.ID + "/retry")
	require.Contains(t, strings.Join(ask.texts(".does li"), " "), "puts revision 1 into the outbox again")
	done := c.post("/en/operate/credits/"+failed.ID+"/retry", ask.fill("main form.narrow", "reason", "the database is back")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, []string{"Sent again. It takes the usual path from here."}, c.visit(done.to()).texts(".said"))
	require.Equal(t, 1, b.drain(t))

	path := "/ko/operate/credits/" + running.ID + "/retry"
	ask = c.visit(path)
	require.Contains(t, ask.Find(".does").Text(), "CommitPoints")
	kept := c.post(path, ask.fill("main form.narrow", "reason", "because <i>")...)
	require.Equal(t, http.StatusUnprocessableEntity, kept.status, kept.body)
	require.NotEmpty(t, kept.Find("#field-confirm-wrong").Text())
	require.Equal(t, "because <i>", kept.Find("textarea").Text(), "no input is lost")
	require.Empty(t, b.temporal.resets)
	done = c.post(path, kept.fill("main form.narrow", "confirm", "yes")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Len(t, b.temporal.resets, 1)

	list = c.visit("/ko/operate/credits?status=rejected&reason=participant")
	require.Contains(t, list.Find("tbody").Text(), "참가자 명단에 배번 43이(가) 없음")
	ask = c.visit("/ko/operate/credits/" + rejected.ID + "/retry")
	require.Contains(t, ask.Find(".does").Text(), "바뀌는 것이 없습니다")
	story = c.visit("/ko/operate/credits/" + rejected.ID)
	require.Zero(t, story.Find(`a[href$="/retry"]`).Length(), "an outcome needs no retry")

	all := c.visit("/en/operate/retry?status=pending")
	require.Contains(t, all.Find(".does").Text(), "2 credits are on the list.")
	result := c.post("/en/operate/retry?status=pending", all.fill("main form.narrow", "reason", "all of them")...)
	require.Equal(t, http.StatusOK, result.status, result.body)
	require.Equal(t, []string{"sent again 1", "still running, left alone 1"}, result.texts(".tags li"))

	log := c.visit("/en/operate/actions")
	require.Equal(t, []string{"List of credits retried", "Credit retried", "Credit retried", "Credit retried"}, log.texts(".tale h2"))
	require.Contains(t, log.body, "because &lt;i&gt;")
	require.Equal(t, 1, c.visit("/en/operate/actions?target="+failed.ID).Find(".tale > li").Length())

	for query, field := range map[string]string{
		"status=nothing": "status", "bib=%20%01": "bib", "status=unmatched&bib=4": "bib", "race_id=x": "race_id", "status=stuck&minutes=-1": "minutes",
	} {
		wrong := c.visit("/ko/operate/credits?" + query)
		require.Equal(t, http.StatusUnprocessableEntity, wrong.status, query)
		require.NotEmpty(t, wrong.Find("#field-"+field+"-wrong").Text(), query)
	}
	require.Equal(t, 1, c.visit("/en/operate/credits?bib=0041").Find("tbody tr").Length())
	require.Equal(t, http.StatusNotFound, c.visit("/en/operate/credits/"+newID()).status)
}

func TestOperatorEmptiesDeadLetters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	body, err := queue.Message{RaceID: b.raceID, RecordID: b.records["1"], Revision: 1}.Encode()
	require.NoError(t, err)
	b.letters.letters = []queue.Letter{
		{Received: queue.Received{MessageID: "m1", Body: body}, Reason: "no workflow"},
		{Received: queue.Received{MessageID: "m2", Body: "<script>"}, Reason: "malformed"},
	}
	c := b.operator(t)
	list := c.visit("/en/operate/dead-letters")
	require.Equal(t, []string{"no workflow", "malformed"}, list.texts(".tale h2"))
	require.Contains(t, list.body, "&lt;script&gt;")
	require.Zero(t, list.Find(`a[href="/en/operate/dead-letters/redrive?message_id=m2"]`).Length())

	ask := c.visit("/en/operate/dead-letters/redrive?message_id=m1")
	done := c.post("/en/operate/dead-letters/redrive?message_id=m1", ask.fill("main form.narrow")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, []string{"m1"}, b.letters.redriven)
	gone := c.post("/en/operate/dead-letters/redrive?message_id=m1")
	require.Equal(t, http.StatusConflict, gone.status)
	require.Contains(t, gone.Find(".notice").Text(), "no longer there")

	ask = c.visit("/ko/operate/dead-letters/discard?message_id=m2")
	require.Contains(t, ask.Find("dl").Text(), "<script>")
	wrong := c.post("/ko/operate/dead-letters/discard?message_id=m2", ask.fill("main form.narrow", "reason", "  ")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "사유를 쓰세요.", wrong.Find("#field-reason-wrong").Text())
	done = c.post("/ko/operate/dead-letters/discard?message_id=m2", wrong.fill("main form.narrow", "reason", "a test")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Contains(t, c.visit(done.to()).Find("main").Text(), "배달 불능 메시지가 없습니다")
}

func TestOperatorAudits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.temporal.found = workflows.Audit{
		CreditAudit: activities.CreditAudit{Checked: 6, Lost: 1, Requeued: 1},
		Findings: []activities.Tally{
			{Kind: activities.WrongTotal, Found: 1, Examples: []activities.Finding{{ID: b.users["1"], Detail: "900, not 901"}}},
			{Kind: activities.LostOffer, Found: 1, Examples: []activities.Finding{{ID: b.raceID, Detail: "the workflow of a task is started again: a reminder is late"}}},
		},
	}
	c := b.operator(t)
	ask := c.visit("/en/operate/audits/start")
	done := c.post("/en/operate/audits/start", ask.fill("main form.narrow")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	list := c.visit(done.to())
	require.Contains(t, list.Find(".tale").Text(), "1 of 6 revisions had no credit; 1 were sent again.")
	require.Equal(t, http.StatusOK, c.visit(list.Find(`.tale a[href="/en/operate/races/`+b.raceID+`"]`).AttrOr("href", "")).status)
	kinds := c.visit("/ko/operate")
	require.Equal(t, len(workflows.Inputs()), kinds.Find("#kinds dd").Length(), "every kind of workflow is explained")
	require.NotContains(t, kinds.Find("#kinds").Text(), "operate.kind")
	total := c.visit(list.Find(`.tale a[href*="/totals/"]`).AttrOr("href", ""))
	require.Contains(t, total.Find("dl").Text(), "900")
}

func TestOperatorActsOnAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	c := b.operator(t)
	page := c.visit("/en/operate/accounts")
	require.Equal(t, []string{"Race Office 1 race"}, page.texts(".history li"))
	wrong := c.post("/en/operate/accounts", "login_id", "nobody@example.org")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "nobody@example.org", wrong.Find("#field-login_id").AttrOr("value", ""))
	found := c.post("/en/operate/accounts", "login_id", "OFFICE@example.org")
	require.Equal(t, "/en/operate/accounts/"+b.organizer, found.to(), "no login in an address")
	act := func(name, reason string) answer {
		path := "/en/operate/accounts/" + b.organizer + "/" + name
		ask := c.visit(path)
		require.Equal(t, http.StatusOK, ask.status, ask.body)
		done := c.post(path, ask.fill("main form.narrow", "reason", reason)...)
		require.Equal(t, http.StatusSeeOther, done.status, done.body)
		return c.visit(done.to())
	}
	require.Contains(t, act("verify", "a federation's member").Find("dl").Text(), "verified")
	require.Empty(t, c.visit("/en/operate/accounts").texts(".history li"))
	require.Contains(t, act("unverify", "left it").Find("dl").Text(), "not verified")
	require.Contains(t, act("suspend", "stolen <b>").Find("dl").Text(), "stolen <b>")
	require.NotContains(t, act("restore", "found").Find("dl").Text(), "suspended")
	act("remove-passkeys", "all lost")
	own, err := b.accounts.AccountByLogin(t.Context(), "oona")
	require.NoError(t, err)
	path := "/ko/operate/accounts/" + own.UserID + "/suspend"
	refused := c.post(path, "reason", "me")
	require.Equal(t, http.StatusConflict, refused.status)
	require.Regexp(t, `^[^a-z]+$`, refused.Find(".wrong").Text(), "in Korean")
	require.Equal(t, http.StatusNotFound, c.visit("/en/operate/accounts/"+b.users["1"]).status, "a stand-in")

	ofRace := "/en/operate/races/" + b.raceID
	require.Equal(t, "Spring Marathon", c.visit(ofRace).Find("h1").Text())
	heir := b.account(t, "heir", auth.Organizer)
	ask := c.visit(ofRace + "/hand-over")
	wrong = c.post(ofRace+"/hand-over", ask.fill("main form.narrow", "login_id", "oona", "reason", "r")...)
	require.NotEqual(t, http.StatusSeeOther, wrong.status, "an operator organizes nothing")
	require.Equal(t, "oona", wrong.Find("#field-login_id").AttrOr("value", ""))
	require.Equal(t, http.StatusSeeOther, c.post(ofRace+"/hand-over", "login_id", "heir", "reason", "the office is closed").status)
	require.Equal(t, http.StatusSeeOther, c.post(ofRace+"/recompute").status)
	ask = c.visit(ofRace + "/void")
	require.Contains(t, ask.Find(".consequences").Text(), "credited again")
	require.Equal(t, http.StatusSeeOther, c.post(ofRace+"/void", "reason", "a mistake").status)
	after, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	require.Equal(t, heir, after.OrganizerID)
	require.EqualValues(t, "void", after.Status)
	log := c.visit("/en/operate/changes?race_id=" + b.raceID)
	require.Equal(t, http.StatusOK, log.status, log.body)
	require.Contains(t, log.body, "a mistake")
}

func TestOperatorMergesPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field[:2])
	first, ada := b.raceID, b.users["1"]
	second := springMarathon(b.organizer)
	second.Name, second.Date.Month = "Summer <b>Marathon", time.July
	b.addRace(t, second, field[:1])
	c := b.operator(t)
	list := c.visit("/en/operate/people?season=2026")
	require.Equal(t, 1, list.Find(".tale > li").Length(), list.body)
	require.Contains(t, list.body, "Summer &lt;b&gt;Marathon")
	merge := list.Find(`.tale a.button`).AttrOr("href", "")
	ask := c.visit(merge)
	require.Contains(t, ask.Find(".consequences").Text(), "record is credited again")
	done := c.post(merge, ask.fill("main form.narrow", "reason", "the same club number")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Zero(t, c.visit("/en/operate/people?season=2026").Find(".tale > li").Length())

	separate := "/en/operate/people/separate?race_id=" + b.raceID + "&bib=1"
	ask = c.visit(separate)
	require.Equal(t, http.StatusOK, ask.status, ask.body)
	done = c.post(separate, ask.fill("main form.narrow", "reason", "two runners")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, http.StatusConflict, c.visit("/en/operate/people/separate?race_id=x&bib=1").status)
	require.Equal(t, http.StatusUnprocessableEntity, c.visit("/ko/operate/people?season=26").status)
	require.NotEmpty(t, first+ada)
}
