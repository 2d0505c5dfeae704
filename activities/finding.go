package activities

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"
)

// FindingKind is a kind of damage or delay that the audit looks for.
type FindingKind string

// The kinds, as the metrics have them.
const (
	LostCredit      FindingKind = "lost_credit"      // a revision without a credit: sent again
	EndedUncredited FindingKind = "ended_uncredited" // its workflow has completed all the same: reset
	WrongTotal      FindingKind = "wrong_total"      // a total that is not the sum of its ledger lines: rebuilt
	WrongLines      FindingKind = "wrong_lines"      // ledger lines that do not add up to the credit: never touched
	LateOutbox      FindingKind = "late_outbox"      // a revision that waits in the outbox for too long
	LateWorkflow    FindingKind = "late_workflow"    // a credit's workflow that is open for too long
)

func findingKinds() []FindingKind {
	return []FindingKind{LostCredit, EndedUncredited, WrongTotal, WrongLines, LateOutbox, LateWorkflow}
}

// Finding is one thing that the audit found. It is kept in a history: IDs and
// points only.
type Finding struct {
	ID     string `json:"id"`     // of a user, a record or a workflow
	Detail string `json:"detail"` // in words
	Mended bool   `json:"mended,omitempty"`
}

// maxExamples is how many findings of a kind an audit's result shows; all are
// counted and logged.
const maxExamples = 20

// Tally is what the audit found of one kind.
type Tally struct {
	Kind     FindingKind `json:"kind"`
	Found    int         `json:"found"`
	Mended   int         `json:"mended"`             // of these
	Examples []Finding   `json:"examples,omitempty"` // the first of them
	// Partial: there was more to look at than one audit does. The oldest come first,
	// so the rest has its turn when they are mended.
	Partial bool `json:"partial,omitempty"`
}

// InWords says what was found, empty for nothing.
func (t Tally) InWords() string {
	if t.Found == 0 && !t.Partial {
		return ""
	}
	lines := []string{fmt.Sprintf("%d %s, %d mended", t.Found, map[FindingKind]string{
		EndedUncredited: "revisions whose workflow has completed although the ledger lacks them",
		WrongTotal:      "totals that were not the sum of their ledger lines",
		WrongLines:      "times that the lines of the ledger did not add up to a credit",
		LateOutbox:      "revisions that wait in the outbox for too long",
		LateWorkflow:    "workflows of credits that are open for too long",
	}[t.Kind], t.Mended)}
	if t.Partial {
		lines[0] += ", and more to look at next time"
	}
	for _, finding := range t.Examples {
		lines = append(lines, "- "+finding.ID+": "+finding.Detail)
	}
	return strings.Join(lines, "\n")
}

// note adds a finding, counts it and logs it.
func (t *Tally) note(ctx context.Context, metrics *Metrics, finding Finding) {
	mended := 0
	if finding.Mended {
		mended = 1
	}
	t.count(metrics, 1, mended)
	t.show(finding)
	activity.GetLogger(ctx).Error("the audit found damage", "kind", t.Kind, "id", finding.ID, "detail", finding.Detail, "mended", finding.Mended)
}

func (t *Tally) count(metrics *Metrics, found, mended int) {
	t.Found, t.Mended = t.Found+found, t.Mended+mended
	metrics.found(t.Kind, found, mended)
}

func (t *Tally) show(finding Finding) {
	if len(t.Examples) < maxExamples {
		t.Examples = append(t.Examples, finding)
	}
}
