package activities

import (
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// Judge says what a record earns by the facts: the rule of the project, pure. It
// returns a *race.Rejection when the record earns no credit as it stands and a
// correction can heal that, and another error when the facts make no sense.
// What no correction would change is credited with no points and the reason.
func Judge(facts maindb.Facts) (Award, error) {
	rule, err := scoring.ParseRule(facts.Rule)
	if err != nil {
		return Award{}, fmt.Errorf("race %s: %w", facts.Record.RaceID, err)
	}
	award := Award{Status: race.Credited, Rule: rule.Name(), Edition: rule.Edition()}
	if facts.Record.Removed {
		award.Reason = "record removed"
		return award, nil
	}
	entrant, err := entrantOf(facts)
	if err != nil {
		return Award{}, err
	}
	award.RunnerID = entrant.UserID
	result := facts.Record.Result
	if result.Status != race.Finished {
		award.Reason = noPoints(result.Status)
		return award, nil
	}
	time := facts.Ranking.RankingTime(result)
	if time == 0 {
		return Award{}, &race.Rejection{Reason: fmt.Sprintf("no %s time, which ranks this race", facts.Ranking.Basis)}
	}
	if rule != scoring.Fixed && entrant.Field != race.Runner {
		award.Reason = fmt.Sprintf("the scoring rule covers runners, not the field %s", entrant.Field)
		return award, nil
	}
	points, err := scoring.Points(rule, scoring.Performance{
		DistanceMM: int64(facts.Distance), Sex: string(entrant.Sex), Age: entrant.Age,
		TimeMS: int64(time), FixedPoints: facts.Fixed,
	})
	if err != nil {
		return unscored(award, entrant, err)
	}
	award.Points = points
	return award, nil
}

// unscored says what becomes of a performance that the rule cannot score: no
// points if everything about the entrant is known and the tables just do not go
// there, a rejection if something is missing.
func unscored(award Award, entrant race.Participant, err error) (Award, error) {
	var unscorable *scoring.Unscorable
	outside := errors.Is(err, scoring.ErrAgeOutOfRange) ||
		errors.Is(err, scoring.ErrSexUnknown) && entrant.Sex == race.NonBinary
	switch {
	case !errors.As(err, &unscorable):
		return Award{}, err
	case outside:
		award.Reason = unscorable.Reason
		return award, nil
	}
	return Award{}, &race.Rejection{Reason: unscorable.Reason}
}

// entrantOf returns who ran with the record's bib, or a *race.Rejection.
func entrantOf(facts maindb.Facts) (race.Participant, error) {
	bib := facts.Record.Result.Bib
	switch {
	case !facts.Record.HoldsBib:
		return race.Participant{}, &race.Rejection{Reason: fmt.Sprintf("bib %s is held by another record", bib)}
	case facts.Entrant == nil:
		return race.Participant{}, &race.Rejection{Reason: "no participant with bib " + bib}
	}
	return *facts.Entrant, nil
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
