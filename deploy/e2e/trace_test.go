package e2e_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// born is a birth date that must not appear in any log or trace.
const born = "1931-07-29"

// tracedSystem starts a system in a folder of its own, because its logs are counted. It
// sends spans to a collector at once and logs at debug level.
func tracedSystem(t *testing.T, c *collector) *system {
	t.Helper()
	s := ownSystem(t, "traced-"+rand.Text()[:8], func(opts *stack.Options) {
		for _, part := range []stack.Part{stack.API, stack.Worker} {
			maps.Copy(opts.Env[part], map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_BSP_SCHEDULE_DELAY": "50", "LOG_LEVEL": "debug",
			})
		}
	})
	t.Cleanup(func() {
		for _, piece := range personal {
			require.NotContains(t, c.text(), piece)
		}
	})
	return s
}

// creditTrace waits until the trace of a revision's credit is complete and returns it.
func (c *collector) creditTrace(t *testing.T, recordID string, revision int) trace {
	t.Helper()
	var found trace
	eventually(t, patience, func() error {
		runs := c.find(func(s span) bool {
			return s.name == "RunWorkflow:CreditRecord" && s.attributes["record_id"] == recordID &&
				s.attributes["revision"] == fmt.Sprint(revision)
		})
		if len(runs) != 1 {
			return fmt.Errorf("%d spans of the workflow of %s", len(runs), recordID)
		}
		found = c.trace(runs[0].trace)
		return found.whole()
	})
	return found
}

// whole reports whether every span has its parent, up to one root. A parent may end, and
// arrive, after its child.
func (tr trace) whole() error {
	known := map[string]bool{"": true}
	for _, s := range tr {
		known[s.id] = true
	}
	for _, s := range tr {
		if !known[s.parent] {
			return fmt.Errorf("%s has no parent in\n%s", s.name, tr)
		}
	}
	return nil
}

// TestTracing follows records from the request to the ledger by their spans and
// log lines.
func TestTracing(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := tracedSystem(t, c)
	b := startBoston(t, s, 12)
	b.runner.call(t, http.MethodPatch, "/v1/me", inJSON(t, map[string]string{"birth_date": born})).into(t, http.StatusOK, nil)

	posted := b.postTraced(t, b.rows[0])
	one := c.creditTrace(t, posted.RecordID, 1)
	t.Logf("a credit:\n%s", one)
	b.oneTraceShowsThePath(t, one, posted)
	b.logLinesCarryTheirIDs(t, one, posted)
	b.importsAreLinked(t, c)
	b.schedulesAreNoParents(t, c)
	b.aCrashKeepsTheTrace(t, c)
	b.unreachableCollectorChangesNothing(t, c)
}

// requestID is the ID of the test's request.
const requestID = "e2e-test_0123456789"

// postTraced posts the record of a row and enters it in the book.
func (b *boston) postTraced(t *testing.T, r row) (posted record) {
	t.Helper()
	got := b.organizer.call(t, http.MethodPost, recordsOf(b.raceID),
		inJSON(t, map[string]any{"bib": r.bib, "gun_time": r.gun, "net_time": r.net, "status": r.status}), "X-Request-Id", requestID)
	got.into(t, http.StatusCreated, &posted)
	require.Equal(t, requestID, got.header.Get("X-Request-Id"))
	b.ids[r.bib] = posted.RecordID
	b.book.enter(t, posted.RecordID, 1, b.book.marathonOutcome(t, r))
	return posted
}

// oneTraceShowsThePath: every step is in the trace, as a child of its cause.
func (b *boston) oneTraceShowsThePath(t *testing.T, tr trace, posted record) {
	t.Helper()
	const route = "POST /v1/races/{race_id}/official-records"
	path := []struct {
		service, name string
		kind          tracepb.Span_SpanKind
	}{
		{"mrmrthon-api", route, tracepb.Span_SPAN_KIND_SERVER},
		{"mrmrthon-api", "send records", tracepb.Span_SPAN_KIND_PRODUCER},
		{"mrmrthon-worker", "process records", tracepb.Span_SPAN_KIND_CONSUMER},
		{"mrmrthon-worker", "StartWorkflow:CreditRecord", tracepb.Span_SPAN_KIND_CLIENT},
		{"mrmrthon-worker", "RunWorkflow:CreditRecord", tracepb.Span_SPAN_KIND_SERVER},
	}
	parent := ""
	for _, want := range path {
		got := tr.only(t, want.name)
		require.Equal(t, want.service, got.service)
		require.Equal(t, want.kind, got.kind, want.name)
		require.Equal(t, parent, got.parent, want.name)
		require.Equal(t, b.raceID, got.attributes["race_id"], want.name)
		require.False(t, got.failed)
		if want.name != route {
			require.Equal(t, posted.RecordID, got.attributes["record_id"], want.name)
			require.Equal(t, "1", got.attributes["revision"], want.name)
		}
		parent = got.id
	}
	request, run := tr.only(t, route), tr.only(t, "RunWorkflow:CreditRecord")
	require.Equal(t, "201", request.attributes["http.response.status_code"])
	for _, statement := range []string{"SQL INSERT INTO official_record", "SQL INSERT INTO official_record_revision", "SQL INSERT INTO outbox", "SQL commit"} {
		require.Contains(t, tr.below(request), statement)
	}
	require.Equal(t, creditID(b.raceID, posted.RecordID, 1), run.attributes["workflow_id"])
	require.NotEmpty(t, run.attributes["run_id"])

	steps := []string{"ValidateParticipant", "ComputePoints", "CommitPoints"}
	require.Equal(t, []string{"StartActivity:" + steps[0], "StartActivity:" + steps[1], "StartActivity:" + steps[2]}, tr.below(run))
	for _, step := range steps {
		ran := tr.only(t, "RunActivity:"+step)
		require.Equal(t, tr.only(t, "StartActivity:"+step).id, ran.parent)
		require.Equal(t, posted.RecordID, ran.attributes["record_id"])
	}
	require.Equal(t, []string{"SQL Facts"}, tr.below(tr.only(t, "RunActivity:"+steps[0])), "for the next step too")
	commit := tr.only(t, "RunActivity:CommitPoints")
	require.Contains(t, tr.below(commit), "SQL commit")
	for _, s := range tr {
		if s.parent == commit.id {
			require.Equal(t, "user_db", s.attributes["db.namespace"])
		}
		require.NotContains(t, s.attributes["db.query.text"], posted.RecordID, "statements have no values")
	}
}

// logLinesCarryTheirIDs: the log lines of the request, the start and the steps carry
// each of their IDs.
func (b *boston) logLinesCarryTheirIDs(t *testing.T, tr trace, posted record) {
	t.Helper()
	id, traceID := posted.RecordID, tr[0].trace
	request := b.logged(t, stack.API, func(l logLine) bool { return l["trace_id"] == traceID && l["msg"] == "request" }, 1)[0]
	require.Equal(t, requestID, request["request_id"])
	require.Equal(t, b.raceID, request["race_id"])
	require.Equal(t, "/v1/races/{race_id}/official-records", request["route"])
	require.Equal(t, tr[0].id, request["span_id"])

	run := tr.only(t, "RunWorkflow:CreditRecord")
	of := func(msg string) func(logLine) bool {
		return func(l logLine) bool { return l["record_id"] == id && l["msg"] == msg }
	}
	lines := slices.Concat(b.logged(t, stack.Worker, of("workflow started"), 1), b.logged(t, stack.Worker, of("step"), 3))
	for _, line := range lines {
		require.Equal(t, b.raceID, line["race_id"])
		require.InDelta(t, 1, line["revision"], 0)
		require.Equal(t, run.attributes["workflow_id"], line["workflow_id"])
		require.Equal(t, run.attributes["run_id"], line["run_id"])
		require.Equal(t, traceID, line["trace_id"])
		require.Len(t, line["span_id"], 16)
	}
}

// importsAreLinked: each credit of a file has its own trace with a link to the import's.
func (b *boston) importsAreLinked(t *testing.T, c *collector) {
	t.Helper()
	rows := b.rows[1:11]
	got := b.organizer.importResults(t, b.raceID, "", results(rows))
	require.Equal(t, len(rows), got.Added)
	for _, r := range b.organizer.records(t, b.raceID) {
		b.ids[r.Bib] = r.RecordID
	}
	traces := map[string]bool{}
	for _, r := range rows {
		b.book.enter(t, b.ids[r.bib], 1, b.book.marathonOutcome(t, r))
		tr := c.creditTrace(t, b.ids[r.bib], 1)
		root := tr.only(t, "send records")
		require.Empty(t, root.parent)
		require.Len(t, root.links, 1)
		traceID, spanID, _ := strings.Cut(root.links[0], "/")
		from := c.trace(traceID)
		require.NoError(t, from.whole())
		request := from.only(t, "POST /v1/races/{race_id}/official-records/import")
		require.Equal(t, request.id, spanID)
		require.NotContains(t, from.String(), "send records", "the import's own trace stays short")
		traces[tr[0].trace] = true
	}
	require.Len(t, traces, len(rows))
}

// schedulesAreNoParents: each workflow that a schedule starts has its own trace instead
// of being part of the one that created the schedule.
func (b *boston) schedulesAreNoParents(t *testing.T, c *collector) {
	t.Helper()
	eventually(t, patience, func() error {
		swept := c.find(func(s span) bool { return s.name == "RunWorkflow:SweepStandings" })
		if len(swept) == 0 {
			return errors.New("no sweep yet")
		}
		require.Empty(t, swept[0].parent)
		return nil
	})
}

// aCrashKeepsTheTrace: the API is killed between the commit and the send; the next one
// continues the trace.
func (b *boston) aCrashKeepsTheTrace(t *testing.T, c *collector) {
	t.Helper()
	require.NoError(t, b.Kill(stack.SQS))
	posted := b.postTraced(t, b.rows[11])
	eventually(t, patience, func() error { // what the crash does not take along
		for _, s := range c.find(func(s span) bool { return s.name == "POST /v1/races/{race_id}/official-records" }) {
			if !strings.Contains(c.trace(s.trace).String(), "process records") {
				return nil
			}
		}
		return fmt.Errorf("the request's span did not come")
	})
	require.NoError(t, b.Kill(stack.API))
	require.NoError(t, b.StartPart(t.Context(), stack.SQS))
	require.NoError(t, b.StartPart(t.Context(), stack.API))
	tr := c.creditTrace(t, posted.RecordID, 1)
	request := tr.only(t, "POST /v1/races/{race_id}/official-records")
	require.Empty(t, request.parent)
	require.Equal(t, request.id, tr.only(t, "send records").parent)
	b.check(t)
}

// unreachableCollectorChangesNothing: only spans are lost.
func (b *boston) unreachableCollectorChangesNothing(t *testing.T, c *collector) {
	t.Helper()
	c.Close()
	r := &b.rows[0]
	r.gun = "4:20:30.4"
	b.change(t, r.bib, map[string]any{"gun_time": r.gun}, b.book.marathonOutcome(t, *r))
	b.check(t)
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		b.logged(t, part, func(l logLine) bool {
			return strings.HasPrefix(fmt.Sprint(l["msg"]), "the collector does not accept spans")
		}, 1)
	}
}
