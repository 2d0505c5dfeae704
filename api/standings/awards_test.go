package standings_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestAwards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.get(t, "/awards")
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.Empty(t, got.items(t, "title"))
	require.EqualValues(t, 0, got.body["version"])

	_, _, err := b.main.UpdateRace(t.Context(), b.raceID, func(r *race.Race) error {
		r.Awards = race.AwardRules{Overall: 1, BySex: true, Divisions: 2, OneAwardOnly: true}
		return nil
	}, nil)
	require.NoError(t, err)
	b.creditAll(t)
	b.recompute(t)
	got = b.get(t, "/awards")
	require.Equal(t, []any{"Overall women", "Overall men", "Overall women, wheelchair", "F open", "M40+"}, got.items(t, "title"), got.raw)
	require.Equal(t, "provisional", got.body["status"])
	require.EqualValues(t, 1, got.body["version"])
	bibs := map[any][]any{}
	for i, title := range got.items(t, "title") {
		list, _ := got.items(t, "awards")[i].([]any)
		for _, item := range list {
			award, _ := item.(map[string]any)
			bibs[title] = append(bibs[title], award["bib"])
		}
	}
	require.Equal(t, map[any][]any{
		"Overall women": {"1"}, "Overall men": {"3"}, "Overall women, wheelchair": {"5"}, "F open": {"2"}, "M40+": {"4"},
	}, bibs)

	table := b.get(t, "/awards.csv")
	require.Equal(t, "text/csv; charset=utf-8", table.header.Get("Content-Type"))
	require.Contains(t, table.raw, "M40+,,runner,1,4,'=Dan Dow,50,M40+,,4,2:13:23,2:13:04\n")
	text := b.get(t, "/awards.txt")
	require.Contains(t, text.raw, "Test Marathon, 2026-04-20\nAwards by version 1 of the standings, provisional\n\nOverall women\n  1.  Ada Alm  bib 1  2:13:20")

	b.patch(t, "1", "cut the course", maindb.RecordPatch{Status: new(race.Disqualified)})
	b.recompute(t)
	require.NotContains(t, b.get(t, "/awards.txt").raw, "Ada Alm")
	require.Equal(t, text.raw, b.get(t, "/awards.txt?version=1").raw)
	require.Equal(t, http.StatusNotFound, b.get(t, "/awards?version=9").status)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, "/v1/races/x/awards", "", "").status)
}

func TestTeamStandings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	require.Equal(t, 1, b.recompute(t).Version)
	require.Empty(t, b.get(t, "/standings/teams").items(t, "team"))
	require.Equal(t, http.StatusUnprocessableEntity, b.get(t, "/standings/teams?rule=x").status)
	require.NotContains(t, b.get(t, "/standings.csv").raw, "team")

	rows := []maindb.StartListRow{}
	for bib, team := range map[string]string{"1": "Red", "2": "=Blue", "3": "Red", "4": "=blue"} {
		rows = append(rows, maindb.StartListRow{Bib: bib, Age: race.UnknownAge, Team: team, StandIn: maindb.RunnerAccount{UserID: b.users[bib]}})
	}
	enlist := func() int {
		planned, err := b.main.PlanStartList(t.Context(), b.raceID, rows)
		require.NoError(t, err)
		revised, err := b.main.ImportStartList(t.Context(), b.raceID, rows, planned)
		require.NoError(t, err)
		return revised
	}
	require.Zero(t, enlist(), "the race ranks no teams")
	require.False(t, b.recompute(t).Changed, "its hash has no teams")

	_, _, err := b.main.UpdateRace(t.Context(), b.raceID, func(r *race.Race) error {
		r.Teams = []race.TeamRule{
			{Name: "Clubs", Rule: race.SumOfTimes, N: 2, Sex: race.Mixed, MinPerSex: 1}, {Name: "Women", Rule: race.SumOfPlaces, N: 2, Sex: "F"},
		}
		return nil
	}, nil)
	require.NoError(t, err)
	require.Equal(t, 2, b.recompute(t).Version)
	versions := b.get(t, "/standings/versions")
	require.Equal(t, "teams changed", versions.items(t, "reason")[0])

	got := b.get(t, "/standings/teams")
	require.Equal(t, []any{"Red", "=Blue"}, got.items(t, "team"), got.raw)
	require.Equal(t, []any{"4:26:42", "4:26:44"}, got.items(t, "time"))
	require.Equal(t, []any{1.0, 2.0}, got.items(t, "place"))
	women := b.get(t, "/standings/teams?rule=women")
	require.Equal(t, []any{"=Blue", "Red"}, women.items(t, "team"))
	require.Equal(t, []any{1.0, 1.0}, women.items(t, "missing"))
	require.Equal(t, []any{nil, nil}, women.items(t, "place"))
	first := b.get(t, "/standings/teams?limit=1")
	require.Equal(t, []any{"Red"}, first.items(t, "team"))
	cursor, _ := first.body["next_cursor"].(string)
	second := b.get(t, "/standings/teams?limit=1&cursor="+cursor)
	require.Equal(t, []any{"=Blue"}, second.items(t, "team"))
	require.NotContains(t, second.body, "next_cursor")

	table := b.get(t, "/standings/teams.csv").raw
	require.Contains(t, table, "Clubs,2,'=Blue,4:26:44,,4,'=Dan Dow,M,4,2,2:13:23,yes\n")
	lines := strings.Split(b.get(t, "/standings.csv").raw, "\n")
	require.True(t, strings.HasSuffix(lines[0], ",points,team"))
	require.True(t, strings.HasSuffix(lines[2], ",'=Blue"))

	rows = []maindb.StartListRow{{Bib: "3", Age: race.UnknownAge, ClearTeam: true, StandIn: maindb.RunnerAccount{UserID: b.users["3"]}}}
	require.Equal(t, 1, enlist(), "the standings follow the revision")
	require.Equal(t, 3, b.recompute(t).Version)
	b.clock.Advance(time.Second)
	require.Equal(t, []any{nil, 1.0}, b.get(t, "/standings/teams").items(t, "missing"))
	require.Equal(t, []any{nil, nil}, b.get(t, "/standings/teams?version=2").items(t, "missing"))
}
