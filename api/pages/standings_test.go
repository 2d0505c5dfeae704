package pages_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func accountChange(name string) userdb.Change { return userdb.Change{Name: &name} }

func TestRaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, r := range []struct {
		name, city string
		days       int
	}{{"Old Half", "Busan", -400}, {"Day Before", "Seoul", -1}, {"On Now", "Seoul", 0}, {"Soon", "부산", 3}, {"Later", "Berlin", 30}} {
		on := springMarathon(b.organizer)
		on.Name, on.City, on.Date = r.name, r.city, race.DateOf(time.Now().UTC().AddDate(0, 0, r.days))
		_, err := b.main.CreateRace(t.Context(), on)
		require.NoError(t, err)
	}
	all := b.get(t, "/en/races")
	require.Equal(t, []string{"Today and yesterday", "Upcoming", "Results"}, all.texts("h2"))
	require.Equal(t, []string{"On Now", "Day Before", "Soon", "Later", "Old Half"}, all.texts(".card strong"))
	require.Equal(t, []string{"Soon"}, b.get(t, "/ko/races?q=부산").texts(".card strong"))
	require.Equal(t, []string{"Old Half"}, b.get(t, "/en/races?q=half").texts(".card strong"))
	require.Contains(t, b.get(t, "/en/races?q=zzz").Find("main").Text(), "No race matches")

	for i := range 25 {
		on := springMarathon(b.organizer)
		on.Name, on.Date = fmt.Sprintf("Series %02d", i), race.DateOf(time.Now().UTC().AddDate(0, 0, -500-i))
		_, err := b.main.CreateRace(t.Context(), on)
		require.NoError(t, err)
	}
	first := b.get(t, "/en/races?q=series")
	require.Len(t, first.texts(".card"), 20)
	more := b.get(t, first.Find("a.more").AttrOr("href", ""))
	require.Equal(t, []string{"Series 20", "Series 21", "Series 22", "Series 23", "Series 24"}, more.texts(".card strong"))
}

func TestRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	upcoming, err := b.main.CreateRace(t.Context(), springMarathon(b.organizer))
	require.NoError(t, err)
	b.raceID = upcoming.ID
	before := b.get(t, b.path("en", ""))
	require.Contains(t, before.Find(".state").Text(), "No results have been posted yet.")
	require.Contains(t, before.Find("main").Text(), "Race Office (not verified: the race does not count for the season)")
	require.Contains(t, before.Find("main").Text(), "by net time, from the runner's own crossing of the start line")

	b.addRace(t, springMarathon(b.organizer), field)
	live := b.get(t, b.path("en", ""))
	require.Contains(t, live.Find(".state").Text(), "Places may still change")
	require.Equal(t, []string{"1Ada Alm2:30:00", "2김하나2:31:00", "1Cem Can2:31:00", "2Dan Dow2:40:00.5", "1Ève Núñez1:50:00"}, squeezed(live.texts(".podium li")))
	_, err = b.main.OpenPublication(t.Context(), b.raceID, b.organizer, time.Hour)
	require.NoError(t, err)
	b.serve(t, time.Now, "")
	require.Contains(t, b.get(t, b.path("ko", "")).Find(".state").Text(), "이의 신청 마감")
	require.NoError(t, b.main.CancelPublication(t.Context(), b.raceID))

	b.publish(t)
	official := b.get(t, b.path("en", ""))
	require.Contains(t, official.Find(".state").Text(), "Official results, published")
	published, err := time.Parse(time.RFC3339, official.Find(".state time").AttrOr("datetime", ""))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), published, time.Minute)
	require.Equal(t, "Sun 19 April 2026 · Seoul · Marathon · Official results", official.Find(`meta[property="og:description"]`).AttrOr("content", ""))
	require.Equal(t, "2026년 4월 19일 (일) · Seoul · 마라톤 · 공식 결과", b.get(t, b.path("ko", "")).Find(`meta[property="og:description"]`).AttrOr("content", ""))

	require.Equal(t, "Spring Marathon", official.Find(`meta[property="og:title"]`).AttrOr("content", ""))

	_, _, err = b.main.VoidRace(t.Context(), b.raceID, maindb.Change{By: b.organizer, Reason: "entered twice"})
	require.NoError(t, err)
	b.recompute(t)
	require.Contains(t, b.get(t, b.path("en", "")).Find(".state").Text(), "This race was voided")
}

// squeezed leaves out spaces between parts of a text.
func squeezed(texts []string) []string {
	for i, text := range texts {
		runes := []rune{}
		for j, r := range text {
			if r == ' ' && j > 0 && (text[j-1] < 'A' || text[j+1] >= '0' && text[j+1] <= '9') {
				continue
			}
			runes = append(runes, r)
		}
		texts[i] = string(runes)
	}
	return texts
}

func TestStandings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty, err := b.main.CreateRace(t.Context(), springMarathon(b.organizer))
	require.NoError(t, err)
	b.raceID = empty.ID
	require.Contains(t, b.get(t, b.path("en", "/standings")).Find("main").Text(), "There are no standings yet")

	b.addRace(t, springMarathon(b.organizer), field)
	all := b.get(t, b.path("en", "/standings"))
	require.Equal(t, []string{"1", "2", "2", "4"}, all.column("td.place"))
	require.Equal(t, []string{"1", "2", "3", "4"}, all.column(".bib"))
	require.Equal(t, []string{"Ada Alm", "김하나", "Cem Can", "Dan Dow"}, all.column("th a"))
	require.Equal(t, []string{"Gun time ranks"}, all.texts("th[aria-sort]"))
	require.Equal(t, []string{"2:30:00", "2:31:00", "2:31:00", "2:40:00.5"}, all.column("td.ranks"))
	require.Contains(t, all.Find("caption").Text(), "4 finishers")
	require.Equal(t, b.raceID, all.Find("main").AttrOr("data-race", ""))

	women := b.get(t, b.path("ko", "/standings?sex=F"))
	require.Equal(t, []string{"1", "2"}, women.column("td.place"))
	require.Equal(t, []string{"여자"}, women.texts(".segments [aria-current]:last-of-type, .segments [aria-current]")[1:])
	division := b.get(t, b.path("en", "/standings?division=M40%2B"))
	require.Equal(t, []string{"3", "4"}, division.column(".bib"))
	require.Equal(t, []string{"Net time ranks"}, division.texts("th[aria-sort]"), "divisions are ranked by net time")
	require.Equal(t, []string{"W 5/a"}, b.get(t, b.path("en", "/standings?field=wheelchair")).column(".bib"))
	out := b.get(t, b.path("en", "/standings?list=unplaced"))
	require.Equal(t, []string{"DNF"}, out.column("td abbr"))
	require.Equal(t, []string{"Fay Fox"}, out.column("th a"))
	require.Empty(t, b.get(t, b.path("en", "/standings?division=nothing")).column(".bib"))

	several := b.get(t, b.path("en", "/standings?q=an"))
	require.Contains(t, several.Find(".hits h2").Text(), "2 runners match “an”")
	one := b.get(t, b.path("en", "/standings?q=하나"))
	require.Equal(t, []string{"김하나"}, one.texts("tr#found th a"))
	require.Equal(t, []string{"Cem Can"}, b.get(t, b.path("en", "/standings?q=003")).texts("tr#found th a"), "a bib, however it is written")
	require.Equal(t, []string{"Fay Fox"}, b.get(t, b.path("en", "/standings?q=fay")).texts("tr#found th a"), "also who has no place")
	require.Contains(t, b.get(t, b.path("en", "/standings?q=zzz")).Find("#found").Text(), "Nobody on this list matches “zzz”.")
	require.Contains(t, b.get(t, b.path("en", "/standings?sex=F&bib=4")).Find("#found").Text(), "Bib 4 is not on this list.")

	csv := b.get(t, all.Find("a[download]").AttrOr("href", ""))
	require.Equal(t, http.StatusOK, csv.status)
	require.Contains(t, csv.header.Get("Content-Type"), "text/csv")
}

// TestALargeFieldStaysSmall reads a race of many finishers page by page.
func TestALargeFieldStaysSmall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var crowd []runnerRow
	for i := range 250 {
		crowd = append(crowd, runnerRow{fmt.Sprint(i + 1), fmt.Sprintf("Runner Number%d", i+1), race.Male, 30 + i%40, race.Runner, race.Time(9_000_000 + 1000*i).String()})
	}
	b.addRace(t, springMarathon(b.organizer), crowd)
	first := b.get(t, b.path("en", "/standings"))
	require.Len(t, first.column(".bib"), 100)
	require.Equal(t, []string{"1", "2", "3"}, first.texts(".pager li"))
	second := b.get(t, first.Find(".pager a[rel=next]").AttrOr("href", ""))
	require.Equal(t, "101", second.column("td.place")[0])
	require.Equal(t, b.path("en", "/standings"), second.Find(".pager a[rel=prev]").AttrOr("href", ""), "the first page has one address")
	last := b.get(t, b.path("en", "/standings?page=3"))
	require.Len(t, last.column(".bib"), 50)
	around := b.get(t, b.path("en", "/standings?q=number120"))
	require.Len(t, around.column(".bib"), 101)
	require.Equal(t, "70", around.column(".bib")[0])
	require.Equal(t, []string{"120"}, around.texts("tr#found .bib"))
	require.Len(t, b.get(t, b.path("en", "/standings?rows=1000")).column(".bib"), 250)
	many := b.get(t, b.path("en", "/standings?q=runner"))
	require.Len(t, many.texts(".hits li"), 100)
	require.Contains(t, many.Find(".hits h2").Text(), "More than 100 runners match")
	require.Less(t, len(b.get(t, b.path("en", "/standings"), "Accept-Encoding", "br").body), 14<<10, "the first 100 rows on a phone")
}

func TestAPageFollowsACorrection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	before := b.get(t, b.path("en", "/standings"))
	dq := race.Disqualified
	b.correct(t, "1", "cut the course", maindb.RecordPatch{Status: &dq})
	after := b.get(t, b.path("en", "/standings"))
	require.Equal(t, []string{"2", "3", "4"}, after.column(".bib"))
	require.NotEqual(t, before.header.Get("ETag"), after.header.Get("ETag"))
	old := b.get(t, b.path("en", "/standings?version=1"))
	require.Equal(t, []string{"1", "2", "3", "4"}, old.column(".bib"))
	require.Contains(t, old.Find(".state").Text(), "This is version 1 of the standings, not the latest")
	require.Empty(t, old.Find("main").AttrOr("data-race", ""), "an old version is not followed")
}
