package ops_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type recordHistory struct {
	Revision    int      `json:"revision"`
	Condition   string   `json:"condition"`
	Explanation string   `json:"explanation"`
	Unavailable []string `json:"unavailable"`
	RaceName    string   `json:"race_name"`
	Unmatched   []struct {
		Revision int    `json:"revision"`
		Reason   string `json:"reason"`
	} `json:"unmatched"`
	Revisions []struct {
		Revision  int    `json:"revision"`
		GunTime   string `json:"gun_time"`
		Reason    string `json:"reason"`
		ChangedBy string `json:"changed_by"`
		Message   string `json:"message"`
		Workflow  struct {
			TraceURL string `json:"trace_url"`
			Status   string `json:"status"`
			Failure  string `json:"failure"`
			Pending  []struct {
				Activity    string `json:"activity"`
				Attempt     int    `json:"attempt"`
				LastFailure string `json:"last_failure"`
			} `json:"pending_activities"`
			Runs []struct {
				RunID    string `json:"run_id"`
				Status   string `json:"status"`
				TraceURL string `json:"trace_url"`
			} `json:"runs"`
		} `json:"workflow"`
	} `json:"revisions"`
	Outbox []struct {
		Revision int `json:"revision"`
	} `json:"outbox"`
	Credit *struct {
		Revision int    `json:"revision"`
		Status   string `json:"status"`
		Points   int64  `json:"points"`
	} `json:"credit"`
	Ledger []struct {
		UserID   string `json:"user_id"`
		Revision int    `json:"revision"`
		Entry    string `json:"entry"`
		Points   int64  `json:"points"`
		Rule     string `json:"rule"`
		Edition  string `json:"edition"`
		TraceURL string `json:"trace_url"`
	} `json:"ledger"`
	Standings *struct {
		Version int `json:"version"`
	} `json:"standings"`
}

func (b *bundle) history(t *testing.T, r race.Record) recordHistory {
	t.Helper()
	return decode[recordHistory](t, b.call(t, http.MethodGet, "/v1/ops/credits/"+r.ID, nil), http.StatusOK)
}

// rank writes a version of the standings with what the databases have now.
func (b *bundle) rank(t *testing.T) {
	t.Helper()
	at := time.Now()
	in, err := b.main.StandingsInputs(t.Context(), b.raceID)
	require.NoError(t, err)
	credits, err := b.ledger.RaceCredits(t.Context(), b.raceID)
	require.NoError(t, err)
	for i := range in.Entries {
		c := credits[in.Entries[i].RecordID]
		in.Entries[i].Credited, in.Entries[i].Points = c.Status == race.Credited, c.Points
	}
	rules := maindb.RulesetOf(in.Race)
	require.NoError(t, b.outcomes.AddStandings(t.Context(), maindb.NewStandings{
		RaceID: b.raceID, Version: in.Latest.Version + 1, Status: race.Provisional, ComputedAt: at,
		Rules: rules, Rows: standings.Rank(rules.Rules, in.Entries), Mark: in.Mark,
	}))
}

func TestHistoryOfACorrectedRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, b.raceID, "7")
	b.settle(t, r, race.Credited)
	b.runs(r, temporal.Completed)
	b.rank(t)
	r = b.correct(t, r, 5_100_000)
	b.rank(t)
	b.settle(t, r, race.Credited)
	b.runs(r, temporal.Completed)
	second := workflowID(r.RaceID, r.ID, 2)
	b.temporal.runs = []temporal.Run{{WorkflowID: second, RunID: "older", Status: "Terminated", StartedAt: time.Now().Add(-time.Hour)}}
	require.Nil(t, b.history(t, r).Standings, "no version has the new points")
	b.rank(t)
	b.rank(t)

	got := b.history(t, r)
	require.Equal(t, "Harbour Half", got.RaceName)
	require.Equal(t, "settled", got.Condition)
	require.Equal(t, "Revision 2 is credited with 702 points.", got.Explanation)
	require.Empty(t, got.Unavailable)
	require.Empty(t, got.Outbox)
	require.Len(t, got.Revisions, 2)
	require.Equal(t, "1:23:20", got.Revisions[0].GunTime)
	require.Equal(t, "1:25:00", got.Revisions[1].GunTime)
	require.Equal(t, "read late", got.Revisions[1].Reason)
	require.Equal(t, operatorID, got.Revisions[1].ChangedBy)
	require.Equal(t, "received", got.Revisions[1].Message)
	runs := got.Revisions[1].Workflow.Runs
	require.Len(t, runs, 2)
	require.Equal(t, "older", runs[0].RunID)
	require.Equal(t, "http://ui/"+second+"/run-of-7/history", runs[1].TraceURL)
	require.Equal(t, 2, got.Credit.Revision)
	require.Len(t, got.Ledger, 3)
	for i, want := range []struct {
		entry    string
		revision int
		points   int64
	}{{"credit", 1, 701}, {"reversal", 2, -701}, {"credit", 2, 702}} {
		line := got.Ledger[i]
		require.Equal(t, runnerID, line.UserID)
		require.Equal(t, want.entry, line.Entry)
		require.Equal(t, want.revision, line.Revision)
		require.Equal(t, want.points, line.Points)
		require.Equal(t, "agegrade", line.Rule)
		require.Equal(t, "2025", line.Edition)
		require.Equal(t, "http://ui/"+workflowID(r.RaceID, r.ID, want.revision), line.TraceURL)
	}
	require.Equal(t, 3, got.Standings.Version, "the first that has it")
}

func TestHistoriesOfUnsettledRecords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare     func(t *testing.T, b *bundle, r race.Record)
		condition   string
		explanation string
		message     string
	}{
		"in the outbox": {func(t *testing.T, b *bundle, r race.Record) {
			t.Helper()
			_, err := b.main.Requeue(t.Context(), []maindb.LatestRevision{{RecordID: r.ID, RaceID: r.RaceID, Revision: 1}})
			require.NoError(t, err)
		}, "in_outbox", "has been waiting in the outbox since", "in_outbox"},
		"sent": {func(*testing.T, *bundle, race.Record) {}, "no_workflow", "not been received yet, or it was lost", "sent"},
		"waiting for a step": {func(_ *testing.T, b *bundle, r race.Record) {
			b.runs(r, temporal.Running, temporal.PendingActivity{Activity: "CommitPoints", Attempt: 7, LastFailure: "connection refused"})
		}, "running", "waits for CommitPoints, which is at attempt 7. Its last failure: connection refused", "received"},
		"terminated": {func(_ *testing.T, b *bundle, r race.Record) {
			b.runs(r, "Terminated")
		}, "failed", "ended as Terminated", "received"},
		"completed": {func(_ *testing.T, b *bundle, r race.Record) {
			b.runs(r, temporal.Completed)
		}, "lost", "the ledger does not have the revision", "received"},
		"without Temporal": {func(_ *testing.T, b *bundle, _ race.Record) {
			b.temporal.down = true
		}, "unknown", "Temporal does not answer", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := b.post(t, b.raceID, "7")
			c.prepare(t, b, r)
			got := b.history(t, r)
			require.Equal(t, c.condition, got.Condition)
			require.Contains(t, got.Explanation, c.explanation)
			require.Equal(t, c.message, got.Revisions[0].Message)
			require.Nil(t, got.Credit)
			require.Empty(t, got.Ledger)
		})
	}
}

func TestHistoryWhileTheLedgerIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, b.raceID, "7")
	b.settle(t, r, race.Credited)
	b.runs(r, temporal.Completed)
	b.mount(b.main, userdb.New(down(t), time.Now))
	got := b.history(t, r)
	require.Equal(t, "unknown", got.Condition)
	require.Equal(t, []string{"user_db"}, got.Unavailable)
	require.Equal(t, "Completed", got.Revisions[0].Workflow.Status)

	b.temporal.down = true
	require.Equal(t, []string{"temporal", "user_db"}, b.history(t, r).Unavailable)
}

// TestErrorsNameTheServerThatIsDown makes every call without each of the parts: an answer says
// what is missing, and none is a 500.
func TestErrorsNameTheServerThatIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, b.raceID, "7")
	b.wake = func(string) error { return nil }
	credit := "/v1/ops/credits/" + r.ID
	type call struct {
		method, path string
		body         any
	}
	calls := []call{
		{http.MethodGet, "/v1/ops/credits?status=pending", nil},
		{http.MethodGet, "/v1/ops/credits?status=stuck", nil},
		{http.MethodGet, "/v1/ops/credits?status=failed", nil},
		{http.MethodGet, "/v1/ops/credits?status=rejected", nil},
		{http.MethodGet, "/v1/ops/credits?status=unmatched", nil},
		{http.MethodGet, "/v1/ops/credits?bib=7", nil},
		{http.MethodGet, credit, nil},
		{http.MethodGet, "/v1/ops/credits/" + newID(), nil},
		{http.MethodPost, credit + "/retry", nil},
		{http.MethodPost, "/v1/ops/credits/retry", object{"status": "pending"}},
		{http.MethodGet, "/v1/ops/dead-letters", nil},
		{http.MethodPost, "/v1/ops/dead-letters/m1/discard", object{"reason": "x"}},
		{http.MethodPost, "/v1/ops/dead-letters/redrive", object{"all": true}},
		{http.MethodPost, "/v1/ops/audit", nil},
		{http.MethodGet, "/v1/ops/audit", nil},
		{http.MethodPost, "/v1/ops/users/" + runnerID + "/rebuild-total", nil},
		{http.MethodPost, "/v1/ops/races/" + b.raceID + "/recompute", nil},
		{http.MethodGet, "/v1/ops/actions", nil},
	}
	for part, words := range map[string]string{"main_db": "main_db", "user_db": "user_db", "queue": "queue", "temporal": "emporal"} {
		b.letters.put(t, "m1", "", "")
		b.letters.down, b.temporal.down = part == "queue", part == "temporal"
		main, ledger := b.main, b.ledger
		switch part {
		case "main_db":
			main = maindb.New(down(t), time.Now)
		case "user_db":
			ledger = userdb.New(down(t), time.Now)
		}
		b.mount(main, ledger)
		for _, c := range calls {
			answer := b.call(t, c.method, c.path, c.body)
			if answer.Code < http.StatusBadRequest || answer.Code == http.StatusNotFound {
				continue // it does without
			}
			require.Equal(t, http.StatusServiceUnavailable, answer.Code, "%s without %s: %s", c.path, part, answer.Body)
			require.Contains(t, answer.Body.String(), words+" does not answer", "%s without %s", c.path, part)
			require.NotEmpty(t, answer.Header().Get("Retry-After"))
		}
	}
}

func TestHistoryHoldsNoPersonalData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inUser(t, "UPDATE user SET name = 'Pheidippides', birth_date = '1980-01-01', sex = 'M', login_id = 'p@example.org'")
	r := b.post(t, b.raceID, "7")
	b.settle(t, r, race.Credited)
	answer := b.call(t, http.MethodGet, "/v1/ops/credits/"+r.ID, nil)
	require.True(t, json.Valid(answer.Body.Bytes()))
	for _, personal := range []string{"Pheidippides", "1980", "example.org", `"sex"`, `"age"`, `"name"`} {
		require.NotContains(t, answer.Body.String(), personal)
	}
}

func TestHistoryOfARecordThatMainDBLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, b.raceID, "7")
	b.settle(t, r, race.Credited)
	r = b.correct(t, r, 5_100_000)
	b.settle(t, r, race.Credited)

	b.inMain(t, "UPDATE official_record SET revision = 1")
	b.inMain(t, "DELETE FROM official_record_revision WHERE revision = 2")
	got := b.history(t, r)
	require.Equal(t, "ahead", got.Condition)
	require.Contains(t, got.Explanation, "it has revision 2, which main_db has lost or assigned again")
	item := b.list(t, "bib=7").Items[0]
	require.Equal(t, "ahead", item.Status)
	require.Equal(t, "sent", b.retry(t, r, nil).Outcome, "the record is revised above the ledger")

	b.inMain(t, "DELETE FROM official_record")
	got = b.history(t, r)
	require.Equal(t, "no_record", got.Condition)
	require.Contains(t, got.Explanation, "the ledger has revision 2 of it with 702 points")
	require.Len(t, got.Ledger, 3)

	stray := race.Record{ID: newID(), RaceID: b.raceID}
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, "/v1/ops/credits/"+stray.ID, nil).Code)
	require.NoError(t, b.outcomes.AddUnmatched(t.Context(), maindb.Unmatched{RaceID: b.raceID, RecordID: stray.ID, Revision: 3, Reason: "there is no such record"}))
	b.temporal.down = true
	got = b.history(t, stray)
	require.Equal(t, "no_record", got.Condition)
	require.Equal(t, []string{"temporal"}, got.Unavailable)
	require.Len(t, got.Unmatched, 1)
	require.Equal(t, 3, got.Unmatched[0].Revision)
	answer := b.call(t, http.MethodPost, "/v1/ops/credits/"+stray.ID+"/retry", nil)
	require.Equal(t, http.StatusConflict, answer.Code, answer.Body.String())
}
