package scoring

import (
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Facts is everything that decides what a record earns.
type Facts struct {
	Record    race.Record       // its latest revision
	ChangedAt time.Time         // when that revision was made
	Race      race.Race         // Status, Distance, Ranking, Scoring and Points are read
	Entrant   *race.Participant // the entrant with the record's bib; nil: nobody
}

// Award is what a revision of a record earns. It is kept in workflow histories,
// so it holds IDs and points and no personal data.
type Award struct {
	Status   race.CreditStatus `json:"status"` // Credited, Rejected or Superseded
	RunnerID string            `json:"runner_id,omitempty"`
	Points   int64             `json:"points"`
	Rule     string            `json:"rule,omitempty"`    // without its edition
	Edition  string            `json:"edition,omitempty"` // of the rule
	Reason   string            `json:"reason,omitempty"`  // why rejected, or why it is worth no points
	Parts    *race.Parts       `json:"-"`                 // what Points were computed from; kept out of histories because they are personal data
	// Fingerprint is that of the facts; Judge's caller sets it.
	Fingerprint race.Fingerprint `json:"fingerprint,omitempty"`
}

// Judge decides what a record earns. It returns a *race.Rejection when the record
// earns no credit as it stands and a correction can change that, and another error
// when the facts are inconsistent. A record that no correction would make worth
// points is credited with zero points and a reason.
func Judge(facts Facts) (Award, error) {
	rule, err := ParseRule(facts.Race.Scoring)
	if err != nil {
		return Award{}, fmt.Errorf("race %s: %w", facts.Record.RaceID, err)
	}
	award := Award{Status: race.Credited, Rule: rule.Name(), Edition: rule.Edition()}
	if facts.Record.Removed {
		award.Reason = "record removed"
		return award, nil
	}
	entrant, err := facts.Holder()
	if facts.Race.Status == race.Void {
		award.RunnerID, award.Reason = entrant.UserID, "race voided"
		return award, nil
	}
	if err != nil {
		return Award{}, err
	}
	award.RunnerID = entrant.UserID
	result := facts.Record.Result
	if result.Status != race.Finished {
		award.Reason = noPoints(result.Status)
		return award, nil
	}
	elapsed := facts.Race.Ranking.RankingTime(result)
	if elapsed == 0 {
		return Award{}, &race.Rejection{Reason: fmt.Sprintf("no %s time, which ranks this race", facts.Race.Ranking.Basis)}
	}
	if reason := facts.Implausible(); reason != "" {
		return Award{}, &race.Rejection{Reason: reason}
	}
	if rule != Fixed && entrant.Field != race.Runner {
		award.Reason = fmt.Sprintf("the scoring rule covers runners, not the field %s", entrant.Field)
		return award, nil
	}
	points, parts, err := score(rule, Performance{
		DistanceMM: int64(facts.Race.Distance), Sex: string(entrant.Sex), Age: entrant.Age,
		TimeMS: int64(elapsed), FixedPoints: facts.Race.Points,
	})
	if err != nil {
		return unscored(award, entrant, err)
	}
	award.Points, award.Parts = points, &parts
	if rule != Fixed {
		parts.Clock = race.Gun
		if facts.Race.Ranking.Basis == race.Net {
			parts.Clock = race.Net
		}
	}
	return award, nil
}

// Holder returns the participant whose result the record is, or a
// *race.Rejection when nobody is entered with its bib or another record of the
// race holds that bib.
func (f Facts) Holder() (race.Participant, error) {
	bib := f.Record.Result.Bib
	switch {
	case !f.Record.HoldsBib:
		return race.Participant{}, &race.Rejection{Reason: fmt.Sprintf("bib %s is held by another record", bib)}
	case f.Entrant == nil:
		return race.Participant{}, &race.Rejection{Reason: "no participant with bib " + bib}
	}
	return *f.Entrant, nil
}

// unscored decides the outcome of a performance that the rule cannot score: zero
// points if everything about the entrant is known and the tables do not cover it, a
// rejection if something is missing.
func unscored(award Award, entrant race.Participant, err error) (Award, error) {
	var unscorable *Unscorable
	outside := errors.Is(err, ErrAgeOutOfRange) ||
		errors.Is(err, ErrSexUnknown) && entrant.Sex == race.NonBinary
	switch {
	case !errors.As(err, &unscorable):
		return Award{}, err
	case outside:
		award.Reason = unscorable.Reason
		return award, nil
	}
	return Award{}, &race.Rejection{Reason: unscorable.Reason}
}

// noPoints is the reason why a result that is not OK is worth no points.
func noPoints(status race.ResultStatus) string {
	switch status {
	case race.Finished:
		return ""
	case race.DidNotFinish:
		return "did not finish"
	case race.DidNotStart:
		return "did not start"
	case race.Disqualified:
		return "disqualified"
	case race.Overtime:
		return "finished after the cut-off"
	}
	return "status " + string(status) + " has no points"
}
