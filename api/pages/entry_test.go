package pages_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// addLimited adds a race of next month that runners enter by themselves.
func (b *testBundle) addLimited(t testing.TB, entry race.EntrySettings) race.Race {
	t.Helper()
	r := springMarathon(b.organizer)
	r.Date = race.DateOf(time.Now().AddDate(0, 1, 0))
	if entry.Zone == "" {
		entry.Zone = "Asia/Seoul"
	}
	r.Entry = &entry
	added, err := b.main.CreateRace(t.Context(), r)
	require.NoError(t, err)
	return added
}

// runners are browsers of so many runners who have logged in.
func (b *testBundle) runners(t testing.TB, logins ...string) []*browser {
	t.Helper()
	list := make([]*browser, len(logins))
	for i, login := range logins {
		b.account(t, login, auth.Runner)
		list[i] = b.loggedIn(t, login)
	}
	return list
}

// TestOnePlaceForThreeRunners follows a place from hand to hand.
func TestOnePlaceForThreeRunners(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1, WaitingList: true, BibFrom: 7, BibTo: 9})
	public, mine := "/en/races/"+r.ID, "/en/my/races/"+r.ID
	all := b.runners(t, "ann", "ben", "cas")
	ann, ben, cas := all[0], all[1], all[2]

	shown := ann.visit(public)
	require.Contains(t, shown.Find("main").Text(), "1 of 1 places is left.")
	require.Empty(t, shown.header.Get("Set-Cookie"))
	require.Contains(t, shown.header.Get("Cache-Control"), "public")
	require.Equal(t, "Enter this race", shown.Find("a.button").First().Text())
	require.Regexp(t, `· Seoul · Marathon · Entry is open$`, shown.Find(`meta[property="og:description"]`).AttrOr("content", ""))

	form := ann.visit(mine)
	require.Equal(t, 1, form.Find("#enter button").Length())
	for range 2 {
		require.Equal(t, mine, ann.post(mine, form.fill("#enter")...).to(), "a second press counts once")
	}
	in := ann.visit(mine)
	require.Equal(t, []string{"You have entered the race."}, in.texts(".said"))
	require.Equal(t, "You are in.", in.Find(".verdict").Text())
	require.Equal(t, "7", in.Find(".bib").Text())
	require.Empty(t, in.Find("#entry").AttrOr("data-live", ""), "nothing happens without her")

	for _, c := range []*browser{ben, cas} {
		require.Equal(t, mine, c.post(mine, c.visit(mine).fill("#enter")...).to())
	}
	line := cas.visit(mine)
	require.Equal(t, "You are number 2 in line.", line.Find(".verdict").Text())
	require.Contains(t, line.Find("main").Text(), "Before you: 1")
	require.Contains(t, line.Find("main").Text(), "up to 24 hours")
	require.Equal(t, "3", line.Find("#entry").AttrOr("data-number", ""), "the third to ask")
	korean := cas.visit("/ko/my/races/" + r.ID)
	require.Equal(t, "대기 순번 2번입니다.", korean.Find(".verdict").Text())
	require.Contains(t, cas.visit("/en/my").texts(".rows .badge"), "Number 2 in line")
	require.Equal(t, mine, cas.post(mine+"/standing", line.fill(".act form")...).to())
	standing := cas.visit(mine)
	require.Equal(t, "Ask me first", standing.Find(".act button").Text())

	require.Equal(t, mine, ann.post(mine+"/cancel").to())
	offered := ben.visit(mine)
	require.Contains(t, ben.visit("/ko/my").texts(".rows li")[0], "받은 자리 제안 응답 시한:", "with the deadline")
	require.Contains(t, ben.visit("/en/my/races").texts(".rows .badge"), "A place is held for you")
	require.Equal(t, "A place is held for you", offered.Find(".verdict").Text())
	require.Regexp(t, `, \d\d:\d\d KST`, offered.Find(".offer strong").Text(), "by the race's clock, to the minute")
	require.Equal(t, 1, offered.Find(`.offer [data-offset="32400"]`).Length(), "so that site.js shows no second time to readers in the same zone")
	require.Regexp(t, `:00Z$`, offered.Find(".offer time").AttrOr("datetime", ""), "and by the reader's own")
	require.Contains(t, offered.Find(".offer").Text(), "If you do not answer by then")
	require.Equal(t, mine, ben.post(mine+"/decline", offered.fill(`form[action$="decline"]`)...).to())
	declined := ben.visit(mine)
	require.Equal(t, []string{"You declined the place."}, declined.texts(".said"))
	require.Contains(t, declined.texts(".notice")[0], "from the end of the line")
	late := ben.post(mine + "/accept")
	require.Equal(t, http.StatusConflict, late.status)
	require.NotEmpty(t, late.texts(".wrong p"))

	require.Equal(t, "You are in.", cas.visit(mine).Find(".verdict").Text(), "without an offer")
	stranger := b.runners(t, "dan")[0]
	require.Equal(t, http.StatusNotFound, stranger.post(mine+"/accept").status)
	require.Equal(t, http.StatusNotFound, stranger.post(mine+"/standing").status)
}

// TestEntryOpensLater fills in the form before the opening, and presses too early.
func TestEntryOpensLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	opens := time.Now().Add(time.Hour).Truncate(time.Second)
	group := opens.Add(24 * time.Hour)
	r := b.addLimited(t, race.EntrySettings{OpensAt: opens, WaitingList: true, LastKey: 3, Pools: []race.EntryPool{
		{Key: 1, Name: "Group A", Capacity: 5}, {Key: 2, Name: hostile, Capacity: 5, OpensAt: group}, {Key: 3, Name: "Men", Capacity: 5, Division: "M40+"},
	}})
	mine := "/en/my/races/" + r.ID
	ann := b.runners(t, "ann")[0]
	require.Contains(t, ann.visit("/en/races/"+r.ID).Find("main").Text(), "Entry opens")
	require.Contains(t, ann.visit("/ko/races/"+r.ID).Find("main").Text(), "신청 시작:")

	form := ann.visit(mine)
	require.Equal(t, 2, form.Find("input[name=pool]").Length(), "the men's places are not hers to choose")
	require.Equal(t, opens.UTC().Format(time.RFC3339Nano), form.Find("#field-pool").AttrOr("data-opens", ""))
	require.Equal(t, group.UTC().Format(time.RFC3339Nano), form.Find("#field-pool1").AttrOr("data-opens", ""))
	require.Empty(t, form.Find("#enter button[disabled]").Nodes, "without JavaScript it can be pressed")
	require.NotContains(t, form.body, "<script>alert")
	early := ann.post(mine, form.fill("#enter", "pool", hostile, "team", "Harbour Runners", "standing_acceptance", "yes")...)
	require.Equal(t, http.StatusConflict, early.status)
	require.Contains(t, early.texts(".wrong p")[1], "has not opened yet")
	require.Equal(t, "Harbour Runners", early.Find("#field-team").AttrOr("value", ""))
	require.Equal(t, 1, early.Find("#field-pool1[checked]").Length())
	require.Equal(t, 1, early.Find("#field-standing_acceptance[checked]").Length())

	b.changeEntry(t, r.ID, func(s *race.EntrySettings) { s.OpensAt, s.Paused = time.Time{}, true })
	paused := ann.post(mine, early.fill("#enter", "pool", "Group A")...)
	require.Equal(t, http.StatusConflict, paused.status, "the same form, after it was refused")
	require.Contains(t, paused.Find(".wrong").Text(), "paused")
	b.changeEntry(t, r.ID, func(s *race.EntrySettings) { s.Paused = false })
	require.Equal(t, mine, ann.post(mine, paused.fill("#enter")...).to())
	require.Contains(t, ann.visit(mine).Find("#entry").Text(), "Harbour Runners")

	b.changeEntry(t, r.ID, func(s *race.EntrySettings) {
		s.ClosesAt, s.Pools[1].OpensAt = time.Now().Add(-time.Minute), time.Time{}
	})
	ben := b.runners(t, "ben")[0]
	closed := ben.visit(mine)
	require.Zero(t, closed.Find("#enter").Length())
	require.Contains(t, closed.Find(".verdict").Text(), "Entry has closed")
	require.Equal(t, http.StatusConflict, ben.post(mine, form.fill("#enter")...).status)
}

func TestFullWithoutAWaitingList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1})
	mine := "/ko/my/races/" + r.ID
	all := b.runners(t, "ann", "ben")
	form := all[1].visit(mine)
	require.Zero(t, form.Find("#field-standing_acceptance").Length())
	require.Equal(t, mine, all[0].post(mine, all[0].visit(mine).fill("#enter")...).to())
	full := all[1].post(mine, form.fill("#enter", "team", "달리기")...)
	require.Equal(t, http.StatusConflict, full.status)
	require.Contains(t, full.texts(".wrong p"), "정원 1명이 모두 찼습니다.")
	require.Equal(t, "달리기", full.Find("#field-team").AttrOr("value", ""))
	require.Contains(t, all[1].visit("/ko/races/"+r.ID).Find("main").Text(), "모든 자리가 찼습니다.")
}

// changeEntry changes the entry settings of a race.
func (b *testBundle) changeEntry(t testing.TB, raceID string, change func(*race.EntrySettings)) {
	t.Helper()
	_, _, err := b.main.UpdateRace(t.Context(), raceID, func(r *race.Race) error { change(r.Entry); return nil }, nil)
	require.NoError(t, err)
}

// TestTooManyEnter: the form comes back with what was in it, and counts when it is sent
// again.
func TestTooManyEnter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1})
	mine := "/en/my/races/" + r.ID
	ann := b.runners(t, "ann")[0]
	b.entering = maindb.NewEntering(b.main, func(context.Context, []string) (map[string]maindb.Account, error) { return nil, maindb.ErrBusy })
	b.serve(t, time.Now, origin)
	busy := ann.post(mine, ann.visit(mine).fill("#enter", "team", "Harbour Runners")...)
	require.Equal(t, http.StatusServiceUnavailable, busy.status)
	require.NotEmpty(t, busy.header.Get("Retry-After"))
	require.Contains(t, busy.Find(".wrong").Text(), "press again")
	require.Equal(t, "Harbour Runners", busy.Find("#field-team").AttrOr("value", ""))
	b.entering = nil
	b.serve(t, time.Now, origin)
	require.Equal(t, mine, ann.post(mine, busy.fill("#enter")...).to())
	require.Equal(t, "You are in.", ann.visit(mine).Find(".verdict").Text())
}

// TestOrganizerRunsEntry pauses, makes room, enters by hand and removes.
func TestOrganizerRunsEntry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1, WaitingList: true})
	b.raceID = r.ID
	mine, entriesPath := "/en/my/races/"+r.ID, b.run("en", "/entries")
	all := b.runners(t, "ann", "ben", "cas", "dan")
	for _, c := range all[:3] {
		require.Equal(t, mine, c.post(mine, c.visit(mine).fill("#enter", "team", hostile)...).to())
	}
	require.Equal(t, entriesPath, director.visit(b.run("en", "")).Find(`a[href$="/entries"]`).AttrOr("href", ""))
	list := director.visit(entriesPath)
	require.Equal(t, http.StatusOK, list.status)
	require.NotContains(t, list.body, "<script>alert")
	require.Len(t, list.Find("table").Last().Find("tbody tr").Nodes, 3)
	require.Len(t, director.visit(entriesPath+"?status=waiting&pool=1").Find("table").Last().Find("tbody tr").Nodes, 2)
	require.Equal(t, http.StatusUnprocessableEntity, director.visit(entriesPath+"?status=any").status)
	require.Equal(t, "신청과 대기자", director.visit(b.run("ko", "/entries")).Find("h1").Text())

	require.Equal(t, entriesPath, director.post(entriesPath, "do", "pause").to())
	require.Equal(t, http.StatusConflict, all[3].post(mine, all[3].visit(mine).fill("#enter")...).status)
	require.Equal(t, "Resume entry", director.visit(entriesPath).Find(`button[name="do"]`).Text())
	require.Equal(t, entriesPath, director.post(entriesPath, "do", "resume").to())
	for _, wrong := range []string{"", "0", "-1", "many", "9999999"} {
		refused := director.post(entriesPath, director.visit(entriesPath).fill("#capacity", "entry.capacity", wrong)...)
		require.Equal(t, http.StatusUnprocessableEntity, refused.status, wrong)
		require.NotEmpty(t, refused.Find(`[id="field-entry.capacity-wrong"]`).Text(), wrong)
	}
	old := director.visit(entriesPath).fill("#capacity")
	require.Equal(t, entriesPath, director.post(entriesPath, director.visit(entriesPath).fill("#capacity", "entry.capacity", "2")...).to())
	require.Equal(t, "A place is held for you", all[1].visit(mine).Find(".verdict").Text(), "more places serve the line at once")
	require.Equal(t, entriesPath, director.post(entriesPath, old...).to(), "a form opened before changes nothing that it did not mean to")
	require.Equal(t, "2", director.visit(entriesPath).Find(`[id="field-entry.capacity"]`).AttrOr("value", ""))

	cas := director.visit(entriesPath+"?status=waiting").Find("table").Last().Find("tbody a").AttrOr("href", "")
	entry := director.visit(cas)
	full := director.post(cas+"/enter", entry.fill("#by-hand", "reason", "invited")...)
	require.Equal(t, http.StatusConflict, full.status)
	require.Equal(t, "invited", full.Find("#field-reason").AttrOr("value", ""))
	require.Equal(t, http.StatusUnprocessableEntity, director.post(cas+"/enter", "over_capacity", "yes").status, "without a reason")
	require.Equal(t, cas, director.post(cas+"/enter", full.fill("#by-hand", "over_capacity", "yes")...).to())
	require.Equal(t, "You are in.", all[2].visit(mine).Find(".verdict").Text())
	require.Equal(t, http.StatusUnprocessableEntity, director.post(cas+"/remove").status)
	require.Equal(t, cas, director.post(cas+"/remove", director.visit(cas).fill("#remove", "reason", "another's name")...).to())
	removed := all[2].visit(mine)
	require.Contains(t, removed.texts(".notice")[0], "removed your entry")
	require.NotContains(t, removed.body, "another&#39;s name")
	require.Zero(t, removed.Find("#enter").Length())
	require.Equal(t, http.StatusConflict, all[2].post(mine).status)

	file := director.visit(entriesPath + ".csv")
	require.Equal(t, `attachment; filename="entries.csv"`, file.header.Get("Content-Disposition"))
	require.Contains(t, file.body, "another's name")
	require.Equal(t, http.StatusNotFound, director.visit(entriesPath+"/"+newID()).status)
	require.Equal(t, http.StatusForbidden, all[0].visit(entriesPath).status)
	b.account(t, "rival", auth.Organizer)
	rival := b.loggedIn(t, "rival")
	require.Equal(t, http.StatusForbidden, rival.visit(entriesPath).status)
	require.Equal(t, http.StatusForbidden, rival.post(cas+"/enter", "reason", "x").status)
}

// TestOrganizerSetsEntry gives a race an opening, places and pools on a page.
func TestOrganizerSetsEntry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := springMarathon(b.organizer)
	r.Date, r.Country = race.DateOf(time.Now().AddDate(0, 1, 0)), "KR"
	r, err := b.main.CreateRace(t.Context(), r)
	require.NoError(t, err)
	b.raceID = r.ID
	settings, entries := b.run("ko", "/settings/entry"), b.run("ko", "/entries")
	require.Equal(t, settings, director.visit(entries).Find(`main .actions a`).First().AttrOr("href", ""))
	form := director.visit(settings)
	require.Equal(t, "Asia/Seoul", form.Find(`[id="field-entry.time_zone"]`).AttrOr("value", ""), "proposed by the country")
	wrong := director.post(settings, form.fill("main form",
		"entry.time_zone", "Mars/Base", "entry.opens_at", "soon", "entry.pools[0].name", hostile, "entry.pools[0].capacity", "many",
		"entry.pools[1].name", "B", "entry.pools[1].capacity", "5", "entry.pools[1].division", "M40+")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, hostile, wrong.Find(`[id="field-entry.pools[0].name"]`).AttrOr("value", ""), "nothing is lost")
	require.NotContains(t, wrong.body, "<script>alert")
	for _, field := range []string{"entry.opens_at", "entry.pools[0].capacity"} {
		require.NotEmpty(t, wrong.Find(`[id="field-`+field+`-wrong"]`).Text(), field)
	}
	wrong = director.post(settings, wrong.fill("main form", "entry.opens_at", "2026-01-02T09:00", "entry.closes_at", "2026-01-01T09:00",
		"entry.pools[0].name", "A", "entry.pools[0].capacity", "900", "entry.pools[0].bib_from", "5", "entry.pools[1].name", "a")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	for _, field := range []string{"entry.time_zone", "entry.closes_at", "entry.pools[0].capacity", "entry.pools[0].bib_to", "entry.pools[1].name"} {
		require.Regexp(t, "[가-힣]", wrong.Find(`[id="field-`+field+`-wrong"]`).Text(), field)
	}
	skipped := director.post(settings, wrong.fill("main form", "entry.time_zone", "Europe/Berlin", "entry.opens_at", "2026-03-29T02:30")...)
	require.Contains(t, skipped.Find(`[id="field-entry.opens_at-wrong"]`).Text(), "서머타임")

	good := wrong.fill("main form", "entry.time_zone", "Asia/Seoul", "entry.closes_at", "2099-01-01T09:00", "entry.pools[0].capacity", "9",
		"entry.pools[0].bib_to", "13", "entry.pools[1].name", "B", "entry.offer_hold", "6h0m0s")
	preview := director.post(settings, good...)
	require.Equal(t, http.StatusOK, preview.status, preview.texts(".wrong"))
	require.Contains(t, strings.Join(preview.texts(".effects li"), "\n"), "새 모집 구분 B: 정원 5명")
	require.Nil(t, b.reload(t).Entry, "nothing is saved by looking")
	require.Equal(t, entries, director.post(settings, preview.fill("main form", "do", "save")...).to())
	set := b.reload(t).Entry
	require.Equal(t, "Asia/Seoul", set.Zone)
	require.Equal(t, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), set.OpensAt, "by the race's clock")
	require.Equal(t, 6*time.Hour, set.OfferHold)
	require.True(t, set.WaitingList)
	require.Equal(t, []race.EntryPool{{Key: 2, Name: "A", Capacity: 9, BibFrom: 5, BibTo: 13}, {Key: 3, Name: "B", Capacity: 5, Division: "M40+"}}, set.Pools)
	stale := director.post(settings, good...)
	require.Equal(t, http.StatusPreconditionFailed, stale.status, "somebody has set it meanwhile")
	require.Equal(t, entries, director.submit(settings).to(), "nothing changes, and nothing is asked")
	require.Equal(t, set, b.reload(t).Entry)

	// A form that is changed once runners have entered says who gets a place.
	all := b.runners(t, "ann", "ben", "cas")
	require.Equal(t, entries, director.post(settings, director.post(settings,
		director.visit(settings).fill("main form", "entry.pools[0].capacity", "1")...).fill("main form", "do", "save")...).to())
	mine := "/en/my/races/" + r.ID
	for _, c := range all {
		require.Equal(t, mine, c.post(mine, c.visit(mine).fill("#enter", "pool", "A")...).to())
	}
	preview = director.post(settings, director.visit(settings).fill("main form", "entry.pools[0].capacity", "2")...)
	require.Contains(t, preview.texts(".effects li"), "A: 대기 순번 앞의 1명이 바로 자리나 제안을 받습니다.")
	gone := director.post(settings, director.visit(settings).fill("main form", "entry.pools[0].remove", "yes")...)
	require.Equal(t, http.StatusConflict, gone.status)
	require.Contains(t, gone.Find("#wrong").Text(), "A")
	require.Regexp(t, "[가-힣]", gone.Find("#wrong li").Text())
}

// reload reads the race of the test.
func (b *testBundle) reload(t testing.TB) race.Race {
	t.Helper()
	found, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	return found
}
