package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.temporal.io/sdk/activity"
)

// FindingKind is a kind of damage or delay that the audit looks for.
type FindingKind string

// The kinds, as named in the metrics.
const (
	LostCredit      FindingKind = "lost_credit"      // a revision without a credit: sent again
	EndedUncredited FindingKind = "ended_uncredited" // a revision without a credit although its workflow completed: reset
	WrongTotal      FindingKind = "wrong_total"      // a total that is not the sum of its ledger lines: rebuilt
	WrongLines      FindingKind = "wrong_lines"      // ledger lines that do not add up to the credit: never touched
	LateOutbox      FindingKind = "late_outbox"      // a revision that waits in the outbox for too long
	LateWorkflow    FindingKind = "late_workflow"    // a credit's workflow that is open for too long
	LedgerAhead     FindingKind = "ledger_ahead"     // a credit of a revision that its record does not have: the record is revised above it
	OrphanedCredit  FindingKind = "orphaned_credit"  // a credit whose record does not exist: reversed
	WrongPool       FindingKind = "wrong_pool"       // counters of places that differ from the entries: counted again
	LostOffer       FindingKind = "lost_offer"       // an open offer of a place, a draw to come, a planned post or a task whose workflow is not running or late: started again, or ended
)

func findingKinds() []FindingKind {
	return []FindingKind{LostCredit, EndedUncredited, WrongTotal, WrongLines, LateOutbox, LateWorkflow, LedgerAhead, OrphanedCredit, WrongPool, LostOffer}
}

// Finding is one thing that the audit found. It is kept in a history: IDs and
// points only.
type Finding struct {
	ID     string `json:"id"`     // of a user, a record or a workflow
	Detail string `json:"detail"` // in words
	// Repaired is called mended in histories and answers.
	Repaired bool `json:"mended,omitempty"`
}

// maxExamples is how many findings of a kind an audit's result shows; all of them
// are counted and logged.
const maxExamples = 20

// Tally is what the audit found of one kind of finding.
type Tally struct {
	Kind     FindingKind `json:"kind"`
	Found    int         `json:"found"`
	Repaired int         `json:"mended"`             // of these
	Examples []Finding   `json:"examples,omitempty"` // the first of them
	// Partial means that there was more to check than one audit may. The next one
	// continues from there.
	Partial bool `json:"partial,omitempty"`
}

// InWords describes what was found; it is empty if nothing was.
func (t Tally) InWords() string {
	if t.Found == 0 && !t.Partial {
		return ""
	}
	lines := []string{fmt.Sprintf("%d %s, %d repaired", t.Found, map[FindingKind]string{
		EndedUncredited: "revisions whose workflow completed although the ledger does not have them",
		WrongTotal:      "totals that were not the sum of their ledger lines",
		WrongLines:      "credits that the lines of the ledger did not add up to",
		LateOutbox:      "revisions that have been in the outbox for too long",
		LateWorkflow:    "workflows of credits that have been open for too long",
		LedgerAhead:     "records that the ledger was ahead of",
		OrphanedCredit:  "credits without a record",
		WrongPool:       "pools whose counters differed from their entries",
		LostOffer:       "open offers of places, or draws, without a workflow",
	}[t.Kind], t.Repaired)}
	if t.Partial {
		lines[0] += ", and more for the next audit"
	}
	for _, finding := range t.Examples {
		lines = append(lines, "- "+finding.ID+": "+finding.Detail)
	}
	return strings.Join(lines, "\n")
}

// note adds a finding, counts it and logs it.
func (t *Tally) note(ctx context.Context, metrics *Metrics, finding Finding) {
	repaired := 0
	if finding.Repaired {
		repaired = 1
	}
	t.count(metrics, 1, repaired)
	t.show(finding)
	activity.GetLogger(ctx).Error("the audit found damage", "kind", t.Kind, "id", finding.ID, "detail", finding.Detail, "repaired", finding.Repaired)
}

func (t *Tally) count(metrics *Metrics, found, repaired int) {
	t.Found, t.Repaired = t.Found+found, t.Repaired+repaired
	metrics.found(t.Kind, found, repaired)
}

func (t *Tally) show(finding Finding) {
	if len(t.Examples) < maxExamples {
		t.Examples = append(t.Examples, finding)
	}
}

// Results returns the type of the result of each activity, by its name. The replay
// test uses it to add the fields of other releases to saved results.
func Results() map[string]reflect.Type {
	results := map[string]reflect.Type{}
	for _, steps := range []any{(*Credits)(nil), (*Notes)(nil), (*Audits)(nil), (*Standings)(nil), (*Sweeps)(nil), (*Series)(nil), (*Mails)(nil), (*Offers)(nil), (*Webhooks)(nil), (*Notices)(nil)} {
		for method := range reflect.TypeOf(steps).Methods() {
			if method.Type.NumOut() == 2 { // a result and an error
				results[method.Name] = method.Type.Out(0)
			}
		}
	}
	return results
}

// JSONField is a field of a struct as JSON names it.
type JSONField struct {
	Name string
	Type reflect.Type
}

// JSONFields returns the fields of a struct that JSON has, those of embedded
// structs included. Any other type, and one with its own JSON encoding, has none.
func JSONFields(of reflect.Type) (fields []JSONField) {
	marshaler := reflect.TypeFor[json.Marshaler]()
	if of.Kind() != reflect.Struct || of.Implements(marshaler) {
		return nil
	}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" || field.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		fields = append(fields, JSONField{Name: name, Type: field.Type})
	}
	return fields
}

// JSONPaths lists the fields of a type and of the structs within it, as in
// "findings.detail".
func JSONPaths(of reflect.Type) (paths []string) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	for _, field := range JSONFields(of) {
		paths = append(paths, field.Name)
		for _, below := range JSONPaths(field.Type) {
			paths = append(paths, field.Name+"."+below)
		}
	}
	return paths
}
