package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/relay"
	"github.com/mrmrthon/mrmrthon/internal/settings"
)

// load is one race that an organizer posts while the system fails: an import in ten
// parts, each followed by corrections of some of its records.
type load struct {
	*chaos
	raceID string
	rows   []row // as they are in the end
	book   *book // its users alone: which revisions are superseded is left to chance
}

const parts = 10

// newLoad enters everybody before anything fails.
func (c *chaos) newLoad(t *testing.T) *load {
	t.Helper()
	l := &load{chaos: c, rows: append([]row(nil), c.rows...), book: newBook(t)}
	l.raceID = c.organizer.createRace(t, marathon("Chaos"))
	got := c.organizer.importStartList(t, l.raceID, startList(l.rows))
	require.Equal(t, len(l.rows), got.Added)
	l.book.users = c.participants(t, l.raceID)
	return l
}

// post imports and corrects. It calls accepted after each part is imported, before the
// corrections.
func (l *load) post(t *testing.T, accepted func(part int)) {
	t.Helper()
	for part := range parts {
		from, to := part*len(l.rows)/parts, (part+1)*len(l.rows)/parts
		got := l.organizer.importResults(t, l.raceID, "", results(l.rows[from:to]))
		// A retry after a lost answer finds its rows unchanged.
		require.Equal(t, to-from, got.Added+got.Changed+got.Unchanged)
		require.Empty(t, got.Errors)
		if accepted != nil {
			accepted(part)
		}
		for i := from; i < to; i++ {
			l.revise(t, i)
		}
	}
}

// revise corrects the time of every tenth record, disqualifies every twentieth, and
// reverses that for every fortieth.
func (l *load) revise(t *testing.T, i int) {
	t.Helper()
	r := &l.rows[i]
	if i%10 == 0 {
		r.gun += ".7"
		l.amend(t, *r, map[string]any{"gun_time": r.gun})
	}
	if i%20 == 0 {
		r.status = "DQ"
		l.amend(t, *r, map[string]any{"status": r.status})
	}
	if i%40 == 0 {
		r.status = "OK"
		l.amend(t, *r, map[string]any{"status": r.status})
	}
}

// amend changes the record of r's bib to r. After a lost answer the next attempt finds a
// newer revision.
func (l *load) amend(t *testing.T, r row, fields map[string]any) {
	t.Helper()
	fields["reason"] = "chaos"
	for {
		var page struct {
			Items []record `json:"items"`
		}
		l.organizer.call(t, http.MethodGet, recordsOf(l.raceID)+"?bib="+url.QueryEscape(r.bib), payload{}).
			into(t, http.StatusOK, &page)
		require.Len(t, page.Items, 1, r.bib)
		found := page.Items[0]
		if found.GunTime == r.gun && found.Status == r.status {
			return
		}
		got := l.organizer.patch(t, l.raceID, found.RecordID, found.Revision, fields)
		if got.status == http.StatusOK {
			return
		}
		got.problem(t, http.StatusPreconditionFailed)
	}
}

// drain waits until no credit is pending.
func (l *load) drain(t *testing.T) {
	t.Helper()
	limit := 2*l.undisturbed + 2*time.Minute
	eventually(t, limit, func() error {
		if p := l.organizer.credits(t, l.raceID); p.Pending > 0 || p.Credited != len(l.rows) {
			return fmt.Errorf("credits: %+v", p)
		}
		return nil
	})
}

// sent waits until the relay has sent as many messages as may wait on the queue, or all
// of them, and returns their number.
func (s *system) sent(t *testing.T) (depth int) {
	t.Helper()
	var relayConfig relay.Config
	require.NoError(t, settings.Read(&relayConfig, nil))
	eventually(t, patience, func() error {
		left, err := tryCount(t.Context(), s.mainDB, "SELECT COUNT(*) FROM outbox")
		if err != nil {
			return err
		}
		if depth, err = s.depth(t.Context(), s.QueueURL()); err == nil && left > 0 && depth < relayConfig.Ahead*3/4 { // it sends again when a quarter has room
			err = fmt.Errorf("%d rows in the outbox, %d messages on the queue", left, depth)
		}
		return err
	})
	return depth
}

// messages returns the messages of all revisions of the race, the oldest first.
func (l *load) messages(t *testing.T) []message {
	t.Helper()
	var all []message
	err := scan(t.Context(), l.mainDB, func(rows *sql.Rows) error {
		m := message{Version: 1, RaceID: l.raceID}
		err := rows.Scan(&m.RecordID, &m.Revision)
		all = append(all, m)
		return err
	}, `SELECT v.record_id, v.revision FROM official_record_revision AS v
		JOIN official_record AS r ON r.record_id = v.record_id WHERE r.race_id = ? ORDER BY v.changed_at`, l.raceID)
	require.NoError(t, err)
	require.Greater(t, len(all), len(l.rows))
	return all
}

// check compares the race's records, credits, ledger and totals with the expected ones,
// and waits until outbox, queue and workflows are done.
func (l *load) check(t *testing.T) {
	t.Helper()
	l.nothingLeft(t)
	want := l.outcomes(t)
	revisions := l.creditsAre(t, want)
	got := l.organizer.credits(t, l.raceID)
	require.Equal(t, progress{
		Credited: len(l.rows), Superseded: revisions - len(l.rows), Total: revisions,
	}, got)
	lines, err := l.ledger(t.Context(), l.raceID)
	require.NoError(t, err)
	earned := replay(t, lines)
	totals := map[string]int64{}
	for recordID, o := range want {
		require.Equal(t, o.points, earned[recordID], recordID)
		totals[o.userID] += o.points
	}
	have, err := l.totals(t.Context(), l.raceID)
	require.NoError(t, err)
	require.Equal(t, totals, have)
	require.NoError(t, l.balanced(t.Context()))
	t.Log("standings followed after", l.standingsFollow(t, l.raceID).Round(time.Millisecond))
}

// outcomes returns the expected outcomes by record ID.
func (l *load) outcomes(t *testing.T) map[string]outcome {
	t.Helper()
	byBib := map[string]row{}
	for _, r := range l.rows {
		byBib[r.bib] = r
	}
	want := map[string]outcome{}
	for _, r := range l.organizer.records(t, l.raceID) {
		want[r.RecordID] = l.book.marathonOutcome(t, byBib[r.Bib])
	}
	require.Len(t, want, len(l.rows), "each row is one record")
	return want
}

// creditsAre checks that each record's latest revision is the one credited, and
// returns how many revisions there are in all.
func (l *load) creditsAre(t *testing.T, want map[string]outcome) (revisions int) {
	t.Helper()
	seen := 0
	err := scan(t.Context(), l.userDB, func(rows *sql.Rows) error {
		var recordID string
		var latest, credited int
		var got outcome
		if err := rows.Scan(&recordID, &latest, &credited, &got.status, &got.userID, &got.points); err != nil {
			return err
		}
		seen++
		revisions += latest
		expected := want[recordID]
		expected.reason = ""
		require.Equal(t, expected, got, recordID)
		require.Equal(t, latest, credited, recordID)
		return nil
	}, `SELECT r.record_id, r.revision, c.revision, c.status, COALESCE(c.user_id, ''), c.points
		FROM main_db.official_record AS r JOIN credit AS c ON c.record_id = r.record_id WHERE r.race_id = ?`, l.raceID)
	require.NoError(t, err)
	require.Len(t, want, seen)
	return revisions
}

// nothingLeft waits until outbox and queue are empty and no workflow is open,
// and checks that no message was dead-lettered.
func (l *load) nothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, patience, func() error {
		outbox, err := tryCount(t.Context(), l.mainDB, "SELECT COUNT(*) FROM outbox")
		if err != nil {
			return err
		}
		queued, err := l.depth(t.Context(), l.QueueURL())
		if err != nil {
			return err
		}
		running, err := l.countWorkflows(t.Context(), "ExecutionStatus = 'Running' AND WorkflowType = 'CreditRecord'")
		if err == nil && outbox+queued+int(running) > 0 {
			err = fmt.Errorf("%d rows in the outbox, %d messages on the queue, %d open workflows", outbox, queued, running)
		}
		return err
	})
	dead, err := l.depth(t.Context(), l.DeadLetterQueueURL())
	require.NoError(t, err)
	require.Zero(t, dead, "messages were dead-lettered")
}

// replay checks the lines of each record in the order of its revisions: a record is
// credited once, and before it is credited again, the earlier credit is reversed for the
// runner who had it. It returns the points of each record in the end.
func replay(t *testing.T, lines []line) map[string]int64 {
	t.Helper()
	held := map[string]line{}
	for _, l := range lines {
		switch had := held[l.recordID]; l.entry {
		case "credit":
			require.Zero(t, had.points, "credited again without a reversal: %+v", l)
			held[l.recordID] = l
		case "reversal":
			require.Equal(t, had.userID, l.userID)
			require.Equal(t, -had.points, l.points)
			held[l.recordID] = line{}
		}
	}
	worth := map[string]int64{}
	for recordID, l := range held {
		worth[recordID] = l.points
	}
	return worth
}
