package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestResult(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	ada := b.get(t, b.path("en", "/results/1"))
	require.Equal(t, "Ada Alm", ada.Find("h1").Text())
	require.Contains(t, ada.Find(".clock").Text(), "2:30:00")
	require.Contains(t, ada.Find(".clock").Text(), "3:33 /km")
	require.Equal(t, []string{"Runners 1 of 4", "Women 1 of 2", "F open 1 of 2"}, spaced(ada.texts(".places a")))
	require.Contains(t, ada.Find("main").Text(), "Age grade 90 %: open standard 2:09:56 ÷ age factor 0.9903 (age 30) ÷ time 2:30:00.")
	require.Equal(t, "2:30:00 · 1 of 4 · Sun 19 April 2026 · Seoul · Marathon · Provisional results", ada.Find(`meta[property="og:description"]`).AttrOr("content", ""))
	require.Equal(t, "Ada Alm · Spring Marathon", ada.Find(`meta[property="og:title"]`).AttrOr("content", ""))
	require.Contains(t, b.get(t, b.path("en", "/results/6")).Find(`meta[property="og:description"]`).AttrOr("content", ""), "Did not finish · Sun 19 April 2026")
	require.Contains(t, ada.Find("main").Text(), "once the results are official")
	require.Zero(t, ada.Find(`a[href*="certificate"]`).Length())

	require.Equal(t, "Ada Alm", b.get(t, b.path("ko", "/results/001")).Find("h1").Text(), "however the bib is written")
	require.Equal(t, "Ève Núñez", b.get(t, b.path("en", "/results/w%205%2Fa")).Find("h1").Text())
	require.Contains(t, b.get(t, b.path("en", "/results/6")).Find("main").Text(), "Did not finish")
	require.Equal(t, http.StatusNotFound, b.get(t, b.path("en", "/results/77")).status)

	b.publish(t)
	gun := race.Time(9_300_000)
	b.correct(t, "1", "finish photo", maindb.RecordPatch{Gun: &gun})
	corrected := b.get(t, b.path("en", "/results/1"))
	require.Contains(t, corrected.Find(".history").Text(), "Gun time: 2:30:00 → 2:35:00")
	require.Contains(t, corrected.Find(".history").Text(), "finish photo")
	require.Equal(t, []string{"Runners 3 of 4", "Women 2 of 2", "F open 1 of 2"}, spaced(corrected.texts(".places a")))
}

// spaced puts a space between the parts of a tile.
func spaced(texts []string) []string {
	for i, text := range texts {
		text = strings.NewReplacer("1of", "1 of", "2of", "2 of", "3of", "3 of").Replace(text)
		for _, title := range []string{"Runners", "Women", "F open"} {
			if rest, found := strings.CutPrefix(text, title); found {
				texts[i] = title + " " + strings.TrimSpace(rest)
			}
		}
	}
	return texts
}

func TestACertificateIsOfficialAndCanBeVerified(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	early := b.get(t, b.path("en", "/certificate/1"))
	require.Equal(t, http.StatusNotFound, early.status)
	require.Contains(t, early.Find("main").Text(), "as soon as the results are official")
	require.Equal(t, http.StatusNotFound, b.get(t, b.path("en", "/verify/1")).status)

	b.publish(t)
	require.Equal(t, http.StatusNotFound, b.get(t, b.path("en", "/certificate/6")).status, "who did not finish has none")
	certificate := b.get(t, b.path("ko", "/certificate/1"))
	require.Equal(t, "Ada Alm", certificate.Find("h1").Text())
	require.Equal(t, 1, certificate.Find("svg.qr path").Length())
	link := certificate.Find(".proof a").AttrOr("href", "")
	path, found := strings.CutPrefix(link, "https://results.example.org")
	require.True(t, found, link)
	require.Contains(t, b.get(t, path).Find(".verdict").Text(), "진본 증명서")

	gun := race.Time(9_300_000)
	b.correct(t, "1", "finish photo", maindb.RecordPatch{Gun: &gun})
	now := b.get(t, path)
	require.Contains(t, now.Find(".verdict.wrong").Text(), "공식 기록이 바뀌었습니다")
	require.Contains(t, now.Find("main").Text(), "2:30:00")
	require.Contains(t, now.Find("main").Text(), "2:35:00")
	require.Equal(t, http.StatusNotFound, b.get(t, b.path("en", "/verify/1?version=1")).status, "a provisional version proves nothing")
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	require.Contains(t, b.get(t, b.path("en", "/compare")).Find("main").Text(), "only one version")
	dq := race.Disqualified
	b.correct(t, "1", "cut the course", maindb.RecordPatch{Status: &dq})
	live := b.get(t, b.path("en", "/compare"))
	require.Contains(t, live.Find("main").Text(), "places have changed")
	require.NotContains(t, live.Find("main").Text(), "cut the course", "reasons are not public yet")
	require.Contains(t, live.texts(".changes td.up"), "1 moved up")
	b.publish(t)
	require.Contains(t, b.get(t, b.path("en", "/compare?from=1&to=3")).Find(".changes").Text(), "cut the course")
	wrong := b.get(t, b.path("en", "/compare?from=3&to=1"))
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.Find("main").Text(), "“to” must be a later version")
}

func TestLeaderboard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.get(t, "/en/leaderboard").Find("main").Text(), "Nobody has points in this season yet.")
	_, err := b.main.SetVerified(t.Context(), b.organizer, true, maindb.Change{By: newID(), Reason: "known to us"})
	require.NoError(t, err)
	b.addRace(t, springMarathon(b.organizer), field)
	upcoming := springMarathon(b.organizer)
	upcoming.Date.Year = 2031
	_, err = b.main.CreateRace(t.Context(), upcoming)
	require.NoError(t, err)
	board := b.get(t, "/en/leaderboard")
	require.Equal(t, []string{"2026"}, board.texts(".segments a"), "the seasons that have results")
	require.Equal(t, []string{"Ada Alm", "김하나", "Cem Can", "Dan Dow", "Ève Núñez", "Fay Fox"}, board.column("th"))
	require.Equal(t, []string{"Cem Can", "Dan Dow"}, b.get(t, "/ko/leaderboard?season=2026&sex=M").column("th"))
	require.Equal(t, []string{"Cem Can"}, b.get(t, "/ko/leaderboard?age_group=40-49").column("th"))
	require.Equal(t, http.StatusUnprocessableEntity, b.get(t, "/ko/leaderboard?age_group=old").status)
}

func TestTheAnnouncerSeesTheLatestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	page := b.get(t, b.path("en", "/announcer?bib=002"))
	require.Equal(t, []string{"W 5/a", "4", "3", "2", "1"}, page.texts("#feed .bib"))
	require.Equal(t, []string{"김하나"}, page.texts("#person h2"))
	require.Contains(t, b.get(t, b.path("en", "/announcer?bib=77")).Find("#person").Text(), "There is no result for bib 77 yet.")
}

// TestNamesDisappear checks that pages take names where the standings do.
func TestNamesDisappear(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	require.NoError(t, b.accounts.EraseAccount(t.Context(), b.users["1"]))
	b.recompute(t)
	for _, path := range []string{"/standings", "/results/1", "", "/announcer", "/announcer?bib=1", "/compare"} {
		got := b.get(t, b.path("en", path))
		require.Equal(t, http.StatusOK, got.status)
		require.NotContains(t, got.body, "Ada Alm", path)
	}
	require.Equal(t, "Name not shown", b.get(t, b.path("en", "/results/1")).Find("h1").Text())
}
