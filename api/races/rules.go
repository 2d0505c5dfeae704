package races

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

func isFixed(r race.Race) bool { return r.Scoring == string(scoring.Fixed) }

// newRace reads the settings of a new race.
func newRace(body NewRaceBody, maxFixed int64) (race.Race, error) {
	var wrong race.FieldErrors
	r := race.Race{Ranking: race.Ranking(body.Ranking), Scoring: body.Scoring}
	SetText(&wrong, "name", &r.Name, body.Name)
	SetText(&wrong, "city", &r.City, body.City)
	r.Country = body.Country
	setDate(&wrong, &r, body.Date)
	setDistance(&wrong, &r, body.DistanceM)
	SetDivisions(&wrong, &r.Divisions, body.Divisions)
	setTimingPoints(&wrong, &r, body.TimingPoints)
	setTeams(&wrong, &r, body.Teams)
	setAwards(&wrong, &r, body.Awards)
	setPoints(&wrong, &r, body.Points, maxFixed)
	if body.Capacity != nil {
		r.Capacity = *body.Capacity
	}
	setEntry(&wrong, &r, body.Entry)
	checkName(&wrong, r)
	checkScoring(&wrong, r)
	return r, wrong.Err()
}

// changeRace applies a change to the settings of a race.
func changeRace(r *race.Race, body RaceChangeBody, maxFixed int64) error {
	var wrong race.FieldErrors
	if body.Name != nil {
		SetText(&wrong, "name", &r.Name, *body.Name)
	}
	if body.City != nil {
		SetText(&wrong, "city", &r.City, *body.City)
	}
	if body.Country != nil {
		r.Country = *body.Country
	}
	if body.Date != nil {
		setDate(&wrong, r, *body.Date)
	}
	if body.DistanceM != nil {
		setDistance(&wrong, r, *body.DistanceM)
	}
	if body.Divisions != nil {
		SetDivisions(&wrong, &r.Divisions, *body.Divisions)
	}
	if body.Capacity != nil {
		r.Capacity = *body.Capacity
	}
	if body.Ranking != nil {
		changeRanking(&r.Ranking, *body.Ranking)
	}
	changeScoring(&wrong, r, body, maxFixed)
	if body.Teams != nil {
		setTeams(&wrong, r, *body.Teams)
	}
	setAwards(&wrong, r, body.Awards)
	switch {
	case body.TimingPoints != nil:
		setTimingPoints(&wrong, r, *body.TimingPoints)
	case body.DistanceM != nil:
		checkTimingPoints(&wrong, *r)
	}
	setEntry(&wrong, r, body.Entry)
	checkName(&wrong, *r)
	checkScoring(&wrong, *r)
	return wrong.Err()
}

func changeRanking(ranking *race.Ranking, body RankingChangeBody) {
	if body.Basis != nil {
		ranking.Basis = *body.Basis
	}
	if body.DivisionsBasis != nil {
		ranking.DivisionsBasis = *body.DivisionsBasis
	}
	if body.Ties != nil {
		ranking.Ties = *body.Ties
	}
}

// changeScoring keeps the points of a race that stays fixed, and forgets them
// when another rule takes over.
func changeScoring(wrong *race.FieldErrors, r *race.Race, body RaceChangeBody, maxFixed int64) {
	wasFixed := isFixed(*r)
	if body.Scoring != nil {
		r.Scoring = *body.Scoring
	}
	if body.Points == nil && wasFixed && isFixed(*r) {
		return
	}
	setPoints(wrong, r, body.Points, maxFixed)
}

// SetText takes a text of one line.
func SetText(wrong *race.FieldErrors, field string, to *string, text string) {
	line, err := race.Line(text)
	if err != nil {
		wrong.Add(field, err)
		line = text // which is not said to be missing besides
	}
	*to = line
}

func checkName(wrong *race.FieldErrors, r race.Race) {
	if r.Name == "" {
		wrong.Add("name", errors.New("must not be empty"))
	}
}

func setDate(wrong *race.FieldErrors, r *race.Race, date string) {
	var err error
	r.Date, err = race.ParseDate(date)
	wrong.Add("date", err)
}

func setDistance(wrong *race.FieldErrors, r *race.Race, metres float64) {
	var err error
	r.Distance, err = race.DistanceOf(metres)
	wrong.Add("distance_m", err)
}

// SetDivisions takes divisions whose names differ by more than upper and lower
// case.
func SetDivisions(wrong *race.FieldErrors, to *[]race.Division, bodies []DivisionBody) {
	*to = make([]race.Division, len(bodies))
	names := make(map[string]bool, len(bodies))
	for i, body := range bodies {
		d, field := race.Division(body), fmt.Sprintf("divisions[%d].", i)
		SetText(wrong, field+"name", &d.Name, body.Name)
		key := strings.ToLower(d.Name)
		switch {
		case d.Name == "":
			wrong.Add(field+"name", errors.New("must not be empty"))
		case names[key]:
			wrong.Add(field+"name", errors.New("must differ from the names of the other divisions"))
		}
		names[key] = true
		if d.MinAge != nil && d.MaxAge != nil && *d.MinAge > *d.MaxAge {
			wrong.Add(field+"max_age", errors.New("must not be below min_age"))
		}
		(*to)[i] = d
	}
}

// setTimingPoints takes timing points in the order of their distance.
func setTimingPoints(wrong *race.FieldErrors, r *race.Race, bodies []TimingPointBody) {
	points := make([]race.TimingPoint, len(bodies))
	for i, body := range bodies {
		field := fmt.Sprintf("timing_points[%d].", i)
		SetText(wrong, field+"name", &points[i].Name, body.Name)
		var err error
		points[i].Distance, err = race.DistanceOf(body.DistanceM)
		wrong.Add(field+"distance_m", err)
	}
	if len(*wrong) > 0 { // distances that cannot be read have no order
		return
	}
	r.Course = r.Course.With(points)
	checkTimingPoints(wrong, *r)
}

func setTeams(wrong *race.FieldErrors, r *race.Race, bodies []TeamRuleBody) {
	r.Teams = make([]race.TeamRule, len(bodies))
	names := make(map[string]bool, len(bodies))
	for i, body := range bodies {
		rule, field := race.TeamRule(body), fmt.Sprintf("teams[%d].", i)
		SetText(wrong, field+"name", &rule.Name, body.Name)
		key := strings.ToLower(rule.Name)
		if key == "" || names[key] {
			wrong.Add(field+"name", errors.New("must not be empty, and differ from the names of the other rankings of teams"))
		}
		names[key] = true
		switch {
		case rule.MinPerSex > 0 && rule.Sex != race.Mixed:
			wrong.Add(field+"min_per_sex", errors.New("must be left out: only mixed teams have it"))
		case 2*rule.MinPerSex > rule.N:
			wrong.Add(field+"min_per_sex", errors.New("must be at most half of n"))
		}
		r.Teams[i] = rule
	}
}

func setAwards(wrong *race.FieldErrors, r *race.Race, body *AwardsBody) {
	if body == nil {
		return
	}
	r.Awards = race.AwardRules(*body)
	switch {
	case r.Awards.BySex && r.Awards.Overall == 0:
		wrong.Add("awards.by_sex", errors.New("must be left out without overall awards: divisions have a sex of their own"))
	case r.Awards.OneAwardOnly && (r.Awards.Overall == 0 || r.Awards.Divisions == 0):
		wrong.Add("awards.one_award_only", errors.New("must be left out unless there are overall awards and awards in divisions"))
	}
}

func checkTimingPoints(wrong *race.FieldErrors, r race.Race) {
	*wrong = append(*wrong, race.CheckTimingPoints(r.Course.Points, r.Distance)...)
}

func setPoints(wrong *race.FieldErrors, r *race.Race, points *int64, maxFixed int64) {
	r.Points = 0
	switch {
	case isFixed(*r) && points == nil:
		wrong.Add("points", errors.New("must be given for the rule fixed: what every finisher gets"))
	case !isFixed(*r) && points != nil:
		wrong.Add("points", errors.New("must be left out: only the rule fixed has them"))
	case points != nil && *points > maxFixed:
		wrong.Add("points", fmt.Errorf("must be at most %d here", maxFixed))
	case points != nil:
		r.Points = *points
	}
}

// checkScoring reports a distance for which the rule has no points. A distance
// that is wrong by itself has been reported before.
func checkScoring(wrong *race.FieldErrors, r race.Race) {
	if r.Distance == 0 {
		return
	}
	err := scoring.Supports(scoring.Rule(r.Scoring), int64(r.Distance))
	switch {
	case errors.Is(err, scoring.ErrDistanceNotListed):
		wrong.Add("distance_m", fmt.Errorf("must be a distance that the rule %s covers; the rule fixed covers every one", r.Scoring))
	case err != nil:
		wrong.Add("scoring", errors.New("must be one of the rules of the API's description"))
	}
}
