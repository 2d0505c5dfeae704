package pages_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const hostile = `<script>alert(1)</script>"'>`

// TestRunnerOnPages goes from a claim by code to a withdrawn dispute, as a runner does.
func TestRunnerOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t, "uta", auth.Runner)
	r := springMarathon(b.organizer)
	r.Name = hostile
	b.addRace(t, r, field)
	c := b.loggedIn(t, "uta")

	result := c.visit(b.path("ko", "/results/1"))
	claim := c.visit(result.Find(`a[href*="/my/claims/new"]`).AttrOr("href", ""))
	require.Equal(t, http.StatusOK, claim.status, claim.body)
	require.Equal(t, "1", claim.Find("#field-bib").AttrOr("value", ""))
	wrong := c.post("/ko/my/claims/new", claim.fill("main form", "code", "AAAA-BBBB-CCCC")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "이 배번의 코드가 아닙니다.", wrong.Find("#field-code-wrong").Text())
	require.Equal(t, "AAAA-BBBB-CCCC", wrong.Find("#field-code").AttrOr("value", ""))
	code := claims.Code(sha256.Sum256, b.raceID, race.BibKey("1"))
	fields := wrong.fill("main form", "code", code)
	require.Equal(t, "/ko/my/claims", c.post("/ko/my/claims/new", fields...).to())
	require.Equal(t, "/ko/my/claims", c.post("/ko/my/claims/new", fields...).to(), "the back button and a second click")
	list := c.visit("/ko/my/claims")
	require.Equal(t, []string{"기록이 연결되었습니다."}, list.texts(".said"))
	require.Len(t, list.texts(".cases li"), 1)
	require.Contains(t, list.texts(".cases li")[0], hostile)

	mine := c.visit("/en/my/results")
	require.Equal(t, http.StatusOK, mine.status, mine.body)
	require.Equal(t, []string{"2:30:00 Gun time · ranks"}, mine.texts("td.ranks"), "the time that ranks, as on the page of the standings")
	changed := c.visit("/en/my/changes")
	require.Contains(t, changed.texts(".history strong"), "Result claimed")
	require.Contains(t, changed.Find(".history li").Text(), hostile)
	require.Contains(t, changed.texts(".history small"), "You")
	require.Equal(t, 1, c.visit("/en/my/settings").Find(`a[href="/en/my/changes"]`).Length())
	dispute := mine.Find(`a[href$="/dispute"]`).AttrOr("href", "")
	empty := c.post(dispute, "wrong", " ", "right_would_be", hostile)
	require.Equal(t, http.StatusUnprocessableEntity, empty.status)
	require.Equal(t, hostile, empty.Find("textarea[name=right_would_be]").Text(), "what was written is still there")
	require.Equal(t, "/en/my/results", c.post(dispute, empty.fill("main form", "wrong", hostile)...).to())
	opened := c.visit("/en/my/results")
	require.Contains(t, opened.texts(".cases li")[0], hostile)
	require.Equal(t, "/en/my/results", c.post(opened.Find(".cases form").AttrOr("action", "")).to())
	require.Contains(t, c.visit("/en/my/results").texts(".cases li")[0], "withdrawn")
	ended := c.post(list.Find(".cases form").AttrOr("action", ""))
	require.Equal(t, "/ko/my/claims", ended.to(), ended.body)

	for _, path := range []string{
		"", "/results", "/points", "/races", "/claims", "/records", "/records/new", "/settings", "/email", "/password", "/sessions", "/passkeys", "/changes", "/leave", "/races/" + b.raceID,
	} {
		for _, lang := range []string{"en", "ko"} {
			page := c.visit("/" + lang + "/my" + path)
			require.Equal(t, http.StatusOK, page.status, path)
			require.NotContains(t, page.body, "<script>alert", path)
			require.NotContains(t, page.body, "<b>Uhl", path)
			require.Equal(t, 1, page.Find("h1").Length(), path)
			require.Equal(t, 1, page.Find(`.sections [aria-current="page"]`).Length(), path)
		}
	}
	require.Equal(t, http.StatusForbidden, c.visit("/en/my/keys").status, "of organizers")
	other := b.browser(t)
	require.Equal(t, "/en/account/login?next=%2Fen%2Fmy%2Fresults", other.visit("/en/my/results").to())
}

func TestOwnRecordsOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t, "uta", auth.Runner)
	c := b.loggedIn(t, "uta")
	form := c.visit("/en/my/records/new")
	wrong := c.post("/en/my/records/new", form.fill("main form", "date", "2026-02-30", "distance_m", "five", "time", "fast", "title", hostile)...)
	require.Equal(t, "Must be a number of kilometres, such as 5 or 21.0975.", wrong.Find("#field-distance_m-wrong").Text())
	wrong = c.post("/en/my/records/new", wrong.fill("main form", "distance_m", "5")...)
	require.NotEmpty(t, wrong.Find("#field-date-wrong").Text())
	require.NotEmpty(t, wrong.Find("#field-time-wrong").Text())
	require.Equal(t, "2026-02-30", wrong.Find("#field-date").AttrOr("value", ""))
	good := wrong.fill("main form", "date", "2026-02-03", "time", "21:40.5", "distance_m", "5,0")
	for range 2 {
		require.Equal(t, "/en/my/records", c.post("/en/my/records/new", good...).to())
	}
	require.Len(t, c.visit("/en/my/records").texts("tbody tr"), 1, "a double click adds one record")
	require.Equal(t, 0, c.visit("/en/my/records").Find(".progress").Length(), "one point is no picture")
	again := c.visit("/en/my/records/new").fill("main form", "date", "2026-03-03", "time", "20:40", "distance_m", "5")
	require.Equal(t, "/en/my/records", c.post("/en/my/records/new", again...).to())
	list := c.visit("/en/my/records")
	require.Len(t, list.texts("tbody tr"), 2)
	require.Equal(t, []string{"2 times, the best 0:20:40"}, list.texts(".progress figcaption p"))
	require.Equal(t, "M12 188L588 12", list.Find(".progress .line").AttrOr("d", ""))
	require.NotContains(t, list.body, "<script>alert")

	edit := c.visit(list.Find("tbody a").First().AttrOr("href", ""))
	path := edit.Find("main form").First().AttrOr("action", "")
	require.Equal(t, "/en/my/records", c.post(path, edit.fill("main form", "title", "Parkrun", "distance_m", "21.0975")...).to())
	require.Contains(t, strings.Join(c.visit("/en/my/records").texts("tbody tr"), " "), "Half marathon")
	b.account(t, "other", auth.Runner)
	stranger := b.loggedIn(t, "other")
	require.Equal(t, http.StatusNotFound, stranger.visit(path).status)
	stranger.post(path + "/delete")
	require.Len(t, c.visit("/en/my/records").texts("tbody tr"), 2, "of somebody else")
	for range 2 {
		require.Equal(t, "/en/my/records", c.post(path+"/delete").to())
	}
	require.Len(t, c.visit("/en/my/records").texts("tbody tr"), 1)
}

// TestFormOfAnEndedSessionIsKept: what somebody wrote is sent once they have logged in.
func TestFormOfAnEndedSessionIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t, "uta", auth.Runner)
	c := b.loggedIn(t, "uta")
	form := c.visit("/en/my/records/new").fill("main form", "date", "2026-02-03", "time", "21:40", "distance_m", "5", "note", hostile)
	delete(c.cookies, "__Host-session")
	ended := c.post("/en/my/records/new", form...)
	require.Equal(t, http.StatusUnauthorized, ended.status)
	byPasskey := ended.fill("main form", "login_id", "", "password", "") // as passkey.js sends it
	require.Equal(t, http.StatusUnprocessableEntity, c.post("/en/account/login", byPasskey...).status)
	kept := b.loggedIn(t, "uta").post("/en/account/login", byPasskey...)
	require.Equal(t, http.StatusOK, kept.status)
	require.Equal(t, "/en/my/records/new", kept.Find("main form").AttrOr("action", ""))
	require.Equal(t, hostile, kept.Find("main form [name=note]").AttrOr("value", ""))
	again := c.post("/en/account/login", ended.fill("main form", "login_id", "uta", "password", password)...)
	require.Equal(t, http.StatusOK, again.status, again.body)
	require.NotContains(t, again.body, "<script>alert")
	require.Equal(t, "/en/my/records/new", again.Find("main form").AttrOr("action", ""))
	require.Equal(t, "/en/my/records", c.post("/en/my/records/new", again.fill("main form")...).to())
	list := c.visit("/en/my/records")
	require.Len(t, list.texts("tbody tr"), 1)

	ended = b.browser(t).post("/en/my/password", "current_password", "secret words", "password", "other secret words")
	require.NotContains(t, ended.body, "secret words", "a password is not kept in a page")
}

func TestEntryAndSettingsOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.account(t, "uta", auth.Runner)
	r := springMarathon(b.organizer)
	r.Date = race.DateOf(time.Now().AddDate(0, 1, 0))
	r.Capacity = 1
	added, err := b.main.CreateRace(t.Context(), r)
	require.NoError(t, err)
	c := b.loggedIn(t, "uta")
	enter := c.visit("/en/races/"+added.ID).Find(`a[href*="/my/races/"]`).AttrOr("href", "")
	form := c.visit(enter)
	for range 2 {
		require.Equal(t, enter, c.post(enter, form.fill("main form", "team", hostile)...).to())
	}
	require.Equal(t, []string{"You have entered the race."}, c.visit(enter).texts(".said"))
	require.Contains(t, c.visit("/en/my").texts(".rows li")[0], r.Name)
	b.account(t, "late", auth.Runner)
	late := b.loggedIn(t, "late")
	full := late.post(strings.Replace(enter, "/en/", "/ko/", 1), late.visit(enter).fill("main form")...)
	require.Equal(t, http.StatusConflict, full.status)
	require.Contains(t, full.texts(".wrong p"), "정원 1명이 모두 찼습니다.")
	require.Equal(t, enter, c.post(enter+"/cancel").to())
	require.Empty(t, c.visit("/en/my").texts(".rows li"))

	settings := c.visit("/en/my/settings")
	require.Equal(t, "/en/my/settings", c.post("/en/my/settings", settings.fill("main form", "name", hostile, "hide_name", "yes", "language", "ko", "birth_date", "1990-05-01", "sex", "F")...).to())
	account, err := b.accounts.Account(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, hostile, account.Name)
	require.True(t, *account.HideName)
	require.Nil(t, account.HideAge)
	require.NotContains(t, c.visit("/en/my").body, "<script>alert")

	elsewhere := b.loggedIn(t, "uta")
	require.Len(t, c.visit("/en/my/sessions").texts(".cases li"), 2)
	wrong := c.post("/ko/my/password", "current_password", "not it", "password", "a new one of mine")
	require.Equal(t, "지금 쓰는 비밀번호가 아닙니다.", wrong.Find("#field-current_password-wrong").Text())
	require.Equal(t, "/en/my/settings", c.post("/en/my/password", "current_password", password, "password", "a new one of mine").to())
	require.Equal(t, http.StatusSeeOther, elsewhere.visit("/en/my").status, "the other device")
	require.Equal(t, http.StatusOK, c.visit("/en/my").status, "this one")

	export := c.visit("/en/my/export")
	require.Equal(t, `attachment; filename="mrmrthon.json"`, export.header.Get("Content-Disposition"))
	require.Contains(t, export.body, `"session"`)
	require.NotContains(t, export.body, "secret_hash")
	unsure := c.post("/en/my/leave", "password", "a new one of mine")
	require.NotEmpty(t, unsure.Find("#field-sure-wrong").Text())
	require.Equal(t, "/en/account/login", c.post("/en/my/leave", "password", "a new one of mine", "sure", "yes").to())
	require.Equal(t, http.StatusSeeOther, c.visit("/en/my").status)
	_, err = b.accounts.AccountByLogin(t.Context(), "uta")
	require.ErrorIs(t, err, race.ErrNotFound)
}
