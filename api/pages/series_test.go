package pages_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// TestOrganizerMakesASeries follows a series from its form to the page that explains a
// runner's total.
func TestOrganizerMakesASeries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	spring := b.raceID
	autumn := springMarathon(b.organizer)
	autumn.Name = hostile
	_, err := b.main.CreateRace(t.Context(), autumn)
	require.NoError(t, err)
	const list = "/ko/organize/series"
	require.Equal(t, list, c.visit("/ko/organize").Find(`.hero a.second`).AttrOr("href", ""))
	form := c.visit(list + "/new")
	require.NotContains(t, form.body, "<script>alert")
	require.Regexp(t, "[가-힣]", c.post(list+"/new", form.fill("main form", "name", " ")...).Find("#field-name-wrong").Text())
	wrong := c.post(list+"/new", form.fill("main form", "name", hostile, "race."+spring, "yes", "multiplier."+spring, "1.00005",
		"ties[0]", "best_race", "ties[1]", "best_race", "best", "1", "divisions[0].name", "F", "divisions[0].sex", "F")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	for _, name := range []string{"multiplier." + spring, "ties"} {
		require.Regexp(t, "[가-힣]", wrong.Find(`[id="field-`+name+`-wrong"]`).Text(), name)
	}
	require.Equal(t, "1.00005", wrong.Find(`[id="field-multiplier.`+spring+`"]`).AttrOr("value", ""))
	good := wrong.fill("main form", "name", hostile, "multiplier."+spring, "1.5", "ties[1]", "most_races", "race."+autumn.ID, "yes")
	path := c.post(list+"/new", good...).to()
	require.Equal(t, path, c.post(list+"/new", good...).to(), "a double click makes one series")
	require.Contains(t, path, list+"/")
	seriesID := path[len(list)+1:]
	found, err := b.main.ListSeries(t.Context(), b.organizer, "", 10)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, int64(1500), found[0].Races[0].Multiplier+found[0].Races[1].Multiplier-1000)

	public := "/ko/series/" + seriesID
	require.Contains(t, b.get(t, public).Find("main").Text(), "아직 순위가 없습니다")
	_, err = b.series.RecomputeSeries(t.Context(), activities.SeriesInput{SeriesID: seriesID})
	require.NoError(t, err)
	b.recompute(t) // forgets what caches hold
	shown := b.get(t, public)
	require.Equal(t, http.StatusOK, shown.status)
	require.NotContains(t, shown.body, "<script>alert")
	require.Empty(t, shown.header.Get("Set-Cookie"))
	require.Equal(t, []string{"Ada Alm", "김하나", "Cem Can", "Dan Dow", "Fay Fox"}, shown.texts("table.standings tbody th"))
	require.Equal(t, "1350", shown.texts("table.standings tbody td.ranks")[0], "900 points, one and a half times")
	women := b.get(t, public+"?sex=F&division=F")
	require.Equal(t, []string{"Ada Alm", "김하나", "Fay Fox"}, women.texts("table.standings tbody th"))
	ada := b.get(t, shown.Find("table.standings tbody th a").First().AttrOr("href", ""))
	require.Equal(t, "1350 포인트", ada.texts(".clock")[0])
	require.Equal(t, []string{"900", "×1.5", "1350", "합산"}, ada.texts("table tbody tr td"))
	require.Equal(t, http.StatusNotFound, b.get(t, public+"/runners/"+newID()).status)
	require.Equal(t, http.StatusNotFound, b.get(t, "/ko/series/"+newID()).status)
	require.Equal(t, http.StatusUnprocessableEntity, b.get(t, public+"?page=9").status)
	require.Contains(t, b.get(t, "/en/series").body, seriesID)
	require.Contains(t, b.get(t, "/en/races/"+spring).body, "/en/series/"+seriesID)

	op := b.operator(t)
	recompute := op.visit("/ko/operate/races/"+spring).Find(`main a[href*="/operate/series/"]`).AttrOr("href", "")
	require.Equal(t, "/ko/operate/series/"+seriesID+"/recompute", recompute)
	asked := op.post(recompute, op.visit(recompute).fill("main form.narrow", "reason", hostile)...)
	require.Equal(t, http.StatusSeeOther, asked.status)
	require.Contains(t, op.visit(asked.to()).Find(".said").Text(), "다시", "the page it leads to says that it was done")
	require.Contains(t, op.visit("/en/operate/actions").Find("main").Text(), "<script>alert")

	old := c.visit(path)
	require.Equal(t, path, c.submit(path, "best", "2").to())
	stale := c.post(path, old.fill("main form", "best", "3")...)
	require.Equal(t, http.StatusPreconditionFailed, stale.status)
	require.Equal(t, "3", stale.Find("#field-best").AttrOr("value", ""))
	require.Equal(t, path, c.post(path, stale.fill("main form")...).to(), "sent again, it is a decision")

	b.account(t, "rival", auth.Organizer)
	rival := b.loggedIn(t, "rival")
	require.Equal(t, http.StatusForbidden, rival.visit(path).status)
	require.Equal(t, http.StatusForbidden, rival.post(path+"/delete", "sure", "yes").status)
	require.Equal(t, http.StatusUnprocessableEntity, c.post(path+"/delete").status)
	for range 2 { // a double click
		require.Equal(t, list, c.post(path+"/delete", "sure", "yes").to())
	}
	require.Equal(t, http.StatusNotFound, c.visit(path).status)
}
