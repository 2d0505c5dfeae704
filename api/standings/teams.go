package standings

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// TeamsInput names a ranking of teams. It is exported like VersionInput.
type TeamsInput struct {
	VersionInput
	Rule string `query:"rule" maxLength:"100" doc:"The name of one of the race's rankings of teams; the first when left out."`
}

type teamsPageInput struct {
	TeamsInput
	server.Page
}

type teamMember struct {
	Bib      string `json:"bib"`
	Name     string `json:"name" doc:"Empty for a runner whose account was erased."`
	Sex      string `json:"sex,omitempty" enum:"M,F,X"`
	Place    int    `json:"place" doc:"Overall, in the field."`
	SexPlace int    `json:"sex_place,omitempty"`
	Time     string `json:"time" doc:"The time that ranks the race."`
	Counts   bool   `json:"counts" doc:"Is part of the sum."`
	RecordID string `json:"record_id" format:"uuid"`
}

type teamPlacing struct {
	Place   int          `json:"place,omitempty" doc:"Left out for a team with too few runners."`
	Team    string       `json:"team"`
	Time    string       `json:"time,omitempty" doc:"The sum, where times are added."`
	Points  int64        `json:"points,omitempty" doc:"The sum, where places are added."`
	Missing int          `json:"missing,omitempty" doc:"How many runners the team lacks."`
	Members []teamMember `json:"members" nullable:"false" doc:"Runners with a place whom the ranking is open to, the best first."`
}

type teamsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		OfVersion
		Rule       *race.TeamRule `json:"rule,omitempty" doc:"As used; left out when the version ranks no teams."`
		Items      []teamPlacing  `json:"items" nullable:"false" doc:"Teams with a place first, then those with too few runners."`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

func (d derived) registerTeams(api huma.API, errs []int) {
	server.Register(api, huma.Operation{
		OperationID: "get-team-standings", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings/teams",
		Summary: "Read the standings of teams", Tags: []string{tag},
		Description: "By one of the race's rankings of teams, from one version of the standings. Equal sums are decided by the next runner of each team, and so on.",
		Errors:      errs,
	}, d.teams)
	server.Register(api, huma.Operation{
		OperationID: "export-team-standings", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings/teams.csv",
		Summary: "Export the standings of teams as CSV", Tags: []string{tag},
		Description: "As standings.csv, with a line for each runner of a team.", Responses: fileResponse("text/csv"), Errors: errs,
	}, d.teamsTable)
}

// rankedTeams returns the teams of a version by the rule that was asked for, nil
// while there is none.
func (d derived) rankedTeams(ctx context.Context, in TeamsInput) (*loaded, *race.TeamRule, []standings.Team, maindb.Ruleset, error) {
	version, err := d.read(ctx, in.VersionInput)
	if err != nil || version == nil {
		return nil, nil, nil, maindb.Ruleset{}, err
	}
	rules, err := version.Rules()
	if err != nil {
		return nil, nil, nil, rules, err
	}
	for i := range rules.Teams {
		if rule := &rules.Teams[i]; in.Rule == "" || strings.EqualFold(in.Rule, rule.Name) {
			return version, rule, standings.Teams(*rule, rules.Ranking, version.rows), rules, nil
		}
	}
	if in.Rule == "" {
		return version, nil, nil, rules, nil
	}
	return nil, nil, nil, rules, server.Invalid("query.rule", "must be the name of a ranking of teams that this version has")
}

func (d derived) teams(ctx context.Context, in *teamsPageInput) (*teamsOutput, error) {
	version, position, err := at(Query{RaceID: in.RaceID, Version: in.Version}, in.Cursor, 0)
	if err != nil {
		return nil, err
	}
	in.Version = version
	loaded, rule, ranked, rules, err := d.rankedTeams(ctx, in.TeamsInput)
	if err != nil {
		return nil, err
	}
	out := &teamsOutput{CacheControl: cacheLatest}
	out.Body.OfVersion, out.Body.Items = OfVersion{Status: string(race.Provisional)}, []teamPlacing{}
	if loaded == nil {
		return out, nil
	}
	out.Body.OfVersion = versionOf(loaded)
	out.Body.Rule = rule
	ranked = ranked[min(position, len(ranked)):]
	if len(ranked) > in.Limit {
		ranked = ranked[:in.Limit]
		out.Body.NextCursor = server.EncodeCursor(strconv.Itoa(loaded.Version), strconv.Itoa(position+in.Limit))
	}
	names, err := d.namesOf(ctx, in.RaceID, membersOf(ranked))
	if err != nil {
		out.CacheControl = d.cacheControl(ctx, false, false)
	}
	for _, t := range ranked {
		out.Body.Items = append(out.Body.Items, teamOf(t, *rule, rules.Ranking, names))
	}
	return out, nil
}

func membersOf(teams []standings.Team) (rows []*standings.Row) {
	for _, t := range teams {
		for _, m := range t.Members {
			rows = append(rows, m.Row)
		}
	}
	return rows
}

func teamOf(t standings.Team, rule race.TeamRule, ranking race.Ranking, names map[string]name) teamPlacing {
	shown := teamPlacing{Place: t.Place, Team: t.Name, Missing: t.Missing, Members: []teamMember{}}
	switch {
	case t.Place == 0:
	case rule.Rule == race.SumOfTimes:
		shown.Time = race.Time(t.Total).String()
	default:
		shown.Points = t.Total
	}
	for _, m := range t.Members {
		shown.Members = append(shown.Members, teamMember{
			Bib: m.Row.Result.Bib, Name: names[m.Row.UserID].plain, Sex: string(m.Row.Sex), Place: m.Row.Place, SexPlace: m.Row.SexPlace,
			Time: ranking.RankingTime(m.Row.Result).String(), Counts: m.Counts, RecordID: m.Row.RecordID,
		})
	}
	return shown
}

func (d derived) teamsTable(ctx context.Context, in *TeamsInput) (*fileOutput, error) {
	loaded, rule, ranked, rules, err := d.rankedTeams(ctx, *in)
	if err != nil {
		return nil, err
	}
	cacheControl, version := cacheLatest, 0
	names, err := d.namesOf(ctx, in.RaceID, membersOf(ranked))
	if err != nil {
		cacheControl = d.cacheControl(ctx, false, false)
	}
	rows := [][]string{{"ranking", "team_place", "team", "total", "missing", "bib", "name", "sex", "place", "sex_place", "time", "counts"}}
	if loaded != nil {
		version = loaded.Version
	}
	for _, t := range ranked {
		shown := teamOf(t, *rule, rules.Ranking, names)
		total := shown.Time
		if shown.Points > 0 {
			total = strconv.FormatInt(shown.Points, 10)
		}
		for _, m := range shown.Members {
			counts := ""
			if m.Counts {
				counts = "yes"
			}
			rows = append(rows, []string{
				server.SpreadsheetText(rule.Name), place(shown.Place), server.SpreadsheetText(shown.Team), total, place(shown.Missing), server.SpreadsheetText(m.Bib), server.SpreadsheetText(m.Name), m.Sex,
				place(m.Place), place(m.SexPlace), m.Time, counts,
			})
		}
	}
	return csvFile("teams", version, cacheControl, rows)
}
