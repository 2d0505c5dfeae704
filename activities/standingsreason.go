package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

const (
	maxReasons      = 5   // records that the reason of a version names
	maxReasonLength = 500 // characters, as its column holds
)

// reason says in words why standings change: which rules did, or which records
// were revised, and why. Provisional versions, of which a burst writes one every
// second, name changes of the rules alone.
func (s *Standings) reason(ctx context.Context, in maindb.StandingsInputs, rows []standings.Row) (string, error) {
	if in.Race.Voided != nil {
		return shorten("race voided: "+in.Race.Voided.Reason, maxReasonLength), nil
	}
	rules, err := changedRules(in)
	if err != nil {
		return "", err
	}
	if in.Race.Status != race.Official {
		return rules, nil
	}
	_, earlier, err := s.store.Standings(ctx, in.Race.ID, in.Latest.Version)
	if err != nil {
		return "", err
	}
	revised := standings.Revised(earlier, rows)
	switch {
	case rules != "": // each record may have been revised for it
		return rules, nil
	case len(revised) == 0:
		return "credits settled", nil
	}
	named := revised[:min(len(revised), maxReasons)]
	ids := make([]string, len(named))
	for i, change := range named {
		ids[i] = change.Row().RecordID
	}
	reasons, err := s.store.RevisionReasons(ctx, ids)
	if err != nil {
		return "", err
	}
	var parts []string
	for i, change := range named {
		parts = append(parts, inWords(change, reasons[ids[i]]))
	}
	if more := len(revised) - len(named); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return shorten(strings.Join(parts, "; "), maxReasonLength), nil
}

// changedRules names the settings that differ from those of the latest version,
// as in "divisions changed"; it is empty when none does.
func changedRules(in maindb.StandingsInputs) (string, error) {
	if in.Latest.Version == 0 {
		return "", nil
	}
	before, err := in.Latest.Rules()
	if err != nil {
		return "", fmt.Errorf("standings %d of race %s: %w", in.Latest.Version, in.Race.ID, err)
	}
	changed := before.Changed(maindb.RulesetOf(in.Race))
	if len(changed) == 0 {
		return "", nil
	}
	return strings.Join(changed, " and ") + " changed", nil
}

// inWords lists the reasons of the revisions that a record got from one ranking
// to the next, without repeating one.
func inWords(change standings.Change, revisions []maindb.RevisionReason) string {
	after := 0
	if change.From != nil {
		after = change.From.Revision
	}
	bib := "bib " + change.Row().Result.Bib
	var told []string
	for _, r := range revisions {
		if r.Revision <= after || r.Reason == "" || len(told) > 0 && told[len(told)-1] == r.Reason {
			continue
		}
		told = append(told, r.Reason)
	}
	switch {
	case len(told) > 0:
		return bib + ": " + strings.Join(told, ", ")
	case change.From == nil:
		return bib + ": new record"
	case change.To == nil:
		return bib + ": record removed"
	}
	return bib + ": record corrected"
}

// shorten cuts a text to a number of characters.
func shorten(text string, limit int) string {
	characters := []rune(text)
	if len(characters) <= limit {
		return text
	}
	return string(characters[:limit-1]) + "…"
}
