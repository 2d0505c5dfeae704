package e2e_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// outcome is the expected outcome of one revision of a record.
type outcome struct {
	status string // credited, rejected
	userID string // of the runner; empty when rejected or removed
	points int64
	reason string // part of it; empty: any
}

// line is a line of the point ledger.
type line struct {
	recordID string
	revision int
	entry    string // credit, reversal
	userID   string
	points   int64
}

// book is the expected ledger of one race. The test enters every revision in the order
// in which it makes them.
type book struct {
	tables tables
	users  map[string]string // user ID by bib, as the start list was taken

	latest    map[string]outcome // by record ID
	revision  map[string]int     // by record ID
	lines     []line
	revisions int
	rejected  int // revisions that were rejected, corrected ones too
	credited  map[string]int
}

func newBook(t *testing.T) *book {
	t.Helper()
	return &book{
		tables: readTables(t), users: map[string]string{},
		latest: map[string]outcome{}, revision: map[string]int{}, credited: map[string]int{},
	}
}

// marathonOutcome is the expected outcome of a row of the sample race.
func (b *book) marathonOutcome(t *testing.T, r row) outcome {
	t.Helper()
	userID, entered := b.users[bibKey(r.bib)]
	switch {
	case !entered:
		return outcome{status: "rejected", reason: "no participant with bib " + r.bib}
	case r.status != "OK":
		return outcome{status: "credited", userID: userID, reason: "disqualified"}
	case r.gun == "":
		return outcome{status: "rejected", reason: "gun"}
	case r.field != "runner":
		return outcome{status: "credited", userID: userID, reason: r.field}
	}
	return outcome{
		status: "credited", userID: userID,
		points: b.tables.ageGrade(t, r.sex, "Marathon", r.age, millisOf(t, r.gun)),
	}
}

// bibKey is the form in which bibs are compared.
func bibKey(bib string) string { return strings.TrimLeft(strings.ToUpper(bib), "0") }

// enter adds the outcome of a record's next revision and checks its number.
func (b *book) enter(t *testing.T, recordID string, revision int, o outcome) {
	t.Helper()
	require.NotEmpty(t, recordID)
	require.Equal(t, b.revision[recordID]+1, revision)
	if old := b.latest[recordID]; old.userID != "" && old.points != 0 {
		b.lines = append(b.lines, line{recordID, revision, "reversal", old.userID, -old.points})
	}
	if o.userID != "" {
		b.lines = append(b.lines, line{recordID, revision, "credit", o.userID, o.points})
		b.credited[o.userID]++
	}
	if o.status == "rejected" {
		b.rejected++
	}
	b.latest[recordID], b.revision[recordID] = o, revision
	b.revisions++
}

// progress is the expected count of the race's credits.
func (b *book) progress() progress {
	p := progress{Total: b.revisions, Superseded: b.revisions - len(b.latest)}
	for _, o := range b.latest {
		if o.status == "rejected" {
			p.Rejected++
		} else {
			p.Credited++
		}
	}
	return p
}

// totals are the expected points of everybody on the start list.
func (b *book) totals() map[string]int64 {
	totals := map[string]int64{}
	for userID := range maps.Values(b.users) {
		totals[userID] = 0
	}
	for _, l := range b.lines {
		totals[l.userID] += l.points
	}
	return totals
}

// sorted orders lines by record and revision, a reversal before the credit that
// replaces it.
func sorted(lines []line) []line {
	return slices.SortedFunc(slices.Values(lines), func(a, b line) int {
		return cmp.Or(cmp.Compare(a.recordID, b.recordID), cmp.Compare(a.revision, b.revision), cmp.Compare(b.entry, a.entry))
	})
}
