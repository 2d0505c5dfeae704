package pages_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestTeamsAwardsAndSplits: a race shows what it has, and only that.
func TestTeamsAwardsAndSplits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	require.Equal(t, http.StatusNotFound, b.get(t, b.path("en", "/teams")).status)
	require.Equal(t, http.StatusNotFound, b.get(t, b.path("en", "/awards")).status)
	require.NotContains(t, b.get(t, b.path("en", "/results/1")).body, "Splits")

	r := springMarathon(b.organizer)
	r.Teams = []race.TeamRule{{Name: hostile, Rule: race.SumOfTimes, N: 1, Sex: race.Mixed}, {Name: "Women", Rule: race.SumOfPlaces, N: 2, Sex: "F"}}
	r.Awards = race.AwardRules{Overall: 2, BySex: true, Divisions: 1}
	r.Course.Points = []race.TimingPoint{{Key: 1, Name: hostile, Distance: 21_097_500}, {Key: 2, Name: "30 km", Distance: 30_000_000}}
	r.Course.LastKey = 2
	b.addRace(t, r, field)
	shown := b.get(t, b.path("ko", "/awards"))
	require.Equal(t, http.StatusOK, shown.status, shown.body)
	require.Equal(t, []string{"전체 · 여자", "전체 · 남자"}, shown.texts("main section h2")[:2])
	require.Equal(t, "Ada Alm", shown.texts(".podium a")[0])
	require.NotEmpty(t, b.get(t, b.path("en", "")).Find(`a[href$="/awards"]`).Nodes)
	teams := b.get(t, b.path("en", "/teams"))
	require.Equal(t, http.StatusOK, teams.status, teams.body)
	require.NotContains(t, teams.body, "<script>alert")
	require.Equal(t, "No team is in this ranking.", teams.texts(".notice")[0])
	require.Equal(t, "Women", b.get(t, b.path("en", "/teams?list=Women")).texts(".segments [aria-current]")[0])

	record, err := b.main.Record(t.Context(), b.raceID, b.records["1"])
	require.NoError(t, err)
	half, err := race.ParseTime("1:14:00")
	require.NoError(t, err)
	_, _, err = b.main.PatchRecord(t.Context(), b.raceID, record.ID, record.Revision, maindb.RecordPatch{Splits: race.Splits{1: half}}, maindb.Change{By: b.organizer, Reason: "mat"})
	require.NoError(t, err)
	b.recompute(t)
	kept, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	require.Len(t, kept.Course.Points, 2)
	result := b.get(t, b.path("ko", "/results/1"))
	require.NotContains(t, result.body, "<script>alert")
	require.Contains(t, result.texts("figure table tbody tr")[0], "1:14:00")
	require.Contains(t, result.texts("figure table tbody tr")[1], "계측 없음")
	require.Len(t, result.Find("figure svg").First().Find("rect").Nodes, 2, "to the half, and from there to the finish")
}

// TestAddOneResult: at the finish line, pressed twice, with a time that nobody can have
// run.
func TestAddOneResult(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	path := b.run("ko", "/records/new")
	require.Equal(t, path, c.visit(b.run("ko", "/records")).Find("main .actions a").First().AttrOr("href", ""))
	wrong := c.submit(path, "bib", "", "gun_time", "soon", "net_time", "")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	for _, name := range []string{"bib", "gun_time"} {
		require.Regexp(t, "[가-힣]", wrong.Find(`[id="field-`+name+`-wrong"]`).Text(), name)
	}
	require.Equal(t, "soon", wrong.Find("#field-gun_time").AttrOr("value", ""))
	good := wrong.fill("main form", "bib", "77", "gun_time", "3:10:00")
	first := c.post(path, good...).to()
	require.Equal(t, first, c.post(path, good...).to(), "a double click adds it once")
	found, err := b.main.ListRecords(t.Context(), b.raceID, maindb.RecordFilter{Bib: "77"}, "", 10)
	require.NoError(t, err)
	require.Len(t, found, 1)
	again := c.visit(first)
	require.Equal(t, "77", again.Find(".panel .bib").Text())
	require.Empty(t, again.Find("#field-bib").AttrOr("value", ""), "ready for the next runner")
	taken := c.post(path, again.fill("main form", "bib", "77", "gun_time", "3:11:00")...)
	require.Equal(t, http.StatusConflict, taken.status)

	doubt := c.post(path, again.fill("main form", "bib", "78", "gun_time", "0:20:00")...)
	require.Equal(t, http.StatusUnprocessableEntity, doubt.status)
	require.NotEmpty(t, doubt.Find("#field-confirm_time").Nodes)
	require.Regexp(t, "[가-힣]", doubt.texts(".notice")[0])
	unsaid := c.post(path, doubt.fill("main form", "confirm_time", "yes")...)
	require.Equal(t, http.StatusUnprocessableEntity, unsaid.status)
	require.NotEmpty(t, unsaid.Find("#field-confirm_time[checked]").Nodes)
	require.Contains(t, c.post(path, unsaid.fill("main form", "reason", "seen by the referee")...).to(), "added=")
	found, err = b.main.ListRecords(t.Context(), b.raceID, maindb.RecordFilter{Bib: "78"}, "", 10)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.True(t, found[0].TimeConfirmed)
	require.Equal(t, http.StatusSeeOther, c.submit(path, "bib", "79", "status", "DNF").status)
}
