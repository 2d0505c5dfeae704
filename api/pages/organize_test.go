package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// director is a browser of an organizer with an account of their own.
func (b *testBundle) director(t testing.TB) *browser {
	t.Helper()
	b.organizer = b.account(t, "director", auth.Organizer)
	return b.loggedIn(t, "director")
}

// run is the address of a page of those who run the race.
func (b *testBundle) run(lang, rest string) string {
	return "/" + lang + "/organize/races/" + b.raceID + rest
}

// submit sends the form of a page with some fields changed, as a browser does.
func (c *browser) submit(path string, changes ...string) answer {
	c.t.Helper()
	return c.post(path, c.visit(path).fill("main form", changes...)...)
}

func TestOrganizerCreatesARace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	empty := c.visit("/ko/organize")
	require.Equal(t, http.StatusOK, empty.status, empty.body)
	require.NotEmpty(t, empty.texts(".notice"), "an organizer whom nobody has verified hears so")

	const path = "/ko/organize/races/new"
	wrong := c.submit(path, "name", "<i>가을</i> 마라톤", "date", "2026-13-40", "distance_m", "far", "country", "Korea", "city", "서울", "scoring", "fixed", "points", "")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	for _, name := range []string{"distance_m", "country"} {
		said := wrong.Find(`[id="field-` + name + `-wrong"]`).Text()
		require.Regexp(t, "[가-힣]", said, name)
		require.Contains(t, wrong.Find(`[id="field-`+name+`"]`).AttrOr("aria-describedby", ""), "field-"+name+"-wrong")
	}
	require.Equal(t, "<i>가을</i> 마라톤", wrong.Find("input[name=name]").AttrOr("value", ""), "no input is lost")
	require.Equal(t, "Korea", wrong.Find("input[name=country]").AttrOr("value", ""))
	wrong = c.post(path, wrong.fill("main form", "date", "2026-13-40", "distance_m", "42,195", "country", "kr", "points", "5000")...)
	require.NotEmpty(t, wrong.Find("#field-date-wrong").Text())
	require.Regexp(t, "[가-힣]", wrong.Find("#field-points-wrong").Text())

	form := wrong.fill("main form", "date", "2026-10-11", "scoring", "agegrade-2025", "points", "", "capacity", "5000")
	first := c.post(path, form...)
	require.Equal(t, http.StatusSeeOther, first.status, first.body)
	require.Equal(t, first.to(), c.post(path, form...).to(), "a double click makes one race")
	owned, err := b.main.RacesOf(t.Context(), b.organizer, "", 10)
	require.NoError(t, err)
	require.Len(t, owned, 1)
	r := owned[0].Race
	require.Equal(t, "<i>가을</i> 마라톤", r.Name)
	require.Equal(t, "KR", r.Country)
	require.Equal(t, 5000, r.Capacity)
	require.Len(t, r.Divisions, 14, "groups of ten years of both sexes")
	require.Equal(t, "F U20", r.Divisions[0].Name)

	shown := c.visit(first.to())
	require.Equal(t, http.StatusOK, shown.status, shown.body)
	require.Equal(t, "<i>가을</i> 마라톤", shown.Find("h1").Text())
	require.Contains(t, c.visit("/ko/organize").texts(".panel h2")[0], "<i>가을</i> 마라톤")
}

func TestSettingsShowWhatTheyMove(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	path := b.run("en", "/settings/ranking")

	// By net time bib 3 is a second ahead of bib 2, with whom it shares a place by gun time.
	form := c.visit(path).fill("main form", "ranking.basis", "net")
	preview := c.post(path, form...)
	require.Equal(t, http.StatusOK, preview.status, preview.body)
	require.Equal(t, "What this change moves", preview.Find("h1").Text())
	require.Contains(t, preview.Find(".podiums").Text(), "김하나")
	require.Contains(t, preview.Find("main").Text(), "Podiums that change")
	unchanged, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	require.Equal(t, race.Gun, unchanged.Ranking.Basis, "nothing is changed before it is confirmed")

	// A result that comes in between makes the preview worthless.
	gun, err := race.ParseTime("2:00:00")
	require.NoError(t, err)
	_, _, err = b.main.PostRecord(t.Context(), b.raceID, newID(), race.Result{Bib: "77", Status: race.Finished, Gun: gun, Net: gun}, maindb.Change{By: b.organizer})
	require.NoError(t, err)
	again := c.post(path, preview.fill("main form", "do", "save")...)
	require.NotEmpty(t, again.texts(".notice"), "shown again")
	done := c.post(path, again.fill("main form", "do", "save")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	changed, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	require.Equal(t, race.Net, changed.Ranking.Basis)
	require.Equal(t, race.Net, changed.Ranking.DivisionsBasis)

	// What moves nothing needs no preview.
	renamed := c.submit(b.run("en", "/settings/general"), "name", "Spring & Summer Marathon")
	require.Equal(t, http.StatusSeeOther, renamed.status, renamed.body)
}

func TestSettingsInTwoTabs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	path := b.run("en", "/settings/general")
	first, second := c.visit(path), c.visit(path)
	require.Equal(t, http.StatusSeeOther, c.post(path, first.fill("main form", "city", "Busan")...).status)

	late := c.post(path, second.fill("main form", "city", "Incheon", "name", "<u>My</u> Marathon")...)
	require.Equal(t, http.StatusPreconditionFailed, late.status, late.body)
	require.Equal(t, "Incheon", late.Find("input[name=city]").AttrOr("value", ""), "no input is lost")
	require.Equal(t, "<u>My</u> Marathon", late.Find("input[name=name]").AttrOr("value", ""))
	require.Equal(t, []string{"Place"}, late.texts(".waits dt"))
	require.Equal(t, []string{"Seoul Busan"}, late.texts(".waits dd"))
	require.Equal(t, http.StatusSeeOther, c.post(path, late.fill("main form")...).status, "sending it again is a decision")
	r, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	require.Equal(t, "Incheon", r.City)

	// Tabs about different things do not meet.
	divisions := c.visit(b.run("en", "/settings/divisions"))
	require.Equal(t, http.StatusSeeOther, c.submit(path, "city", "Jeju").status)
	preview := c.post(b.run("en", "/settings/divisions"), divisions.fill("main form", "divisions[0].name", "Women")...)
	require.Equal(t, "What this change moves", preview.Find("h1").Text())
}

func TestDivisionsAreEdited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	r := springMarathon(b.organizer)
	_, err := b.main.CreateRace(t.Context(), r)
	require.NoError(t, err)
	b.raceID = r.ID
	path := b.run("ko", "/settings/divisions")

	// The second row goes, an empty one stays empty, and what is wrong is said in its row.
	wrong := c.submit(path, "divisions[0].remove", "yes", "divisions[3].name", "M40+", "divisions[3].min_age", "50", "divisions[3].max_age", "40")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status, wrong.body)
	require.Equal(t, "M40+", wrong.Find(`input[name="divisions[0].name"]`).AttrOr("value", ""))
	require.Equal(t, "다른 부문과 이름이 달라야 합니다.", wrong.Find(`[id="field-divisions[1].name-wrong"]`).Text())
	require.Equal(t, "최소 나이보다 작을 수 없습니다.", wrong.Find(`[id="field-divisions[1].max_age-wrong"]`).Text())
	done := c.post(path, wrong.fill("main form", "divisions[1].name", "M50+", "divisions[1].max_age", "")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	found, err := b.main.Race(t.Context(), r.ID)
	require.NoError(t, err)
	require.Len(t, found.Divisions, 2)
	require.Equal(t, []string{"M40+", "M50+"}, []string{found.Divisions[0].Name, found.Divisions[1].Name})

	preset := c.submit(path, "do", "five")
	require.Equal(t, "F U20", preset.Find(`input[name="divisions[0].name"]`).AttrOr("value", ""))
	require.Equal(t, http.StatusSeeOther, c.post(path, preset.fill("main form", "do", "save")...).status)
	found, err = b.main.Race(t.Context(), r.ID)
	require.NoError(t, err)
	require.Len(t, found.Divisions, 24)

	for part, form := range map[string][]string{
		"awards": {"awards.overall", "3", "awards.by_sex", "yes", "teams[0].name", "Clubs", "teams[0].n", "4", "teams[0].rule", "times", "teams[0].sex", "mixed"},
		"course": {"timing_points[0].name", "Half", "timing_points[0].distance_m", "21097.5"},
	} {
		a := c.submit(b.run("en", "/settings/"+part), form...)
		require.Equal(t, http.StatusSeeOther, a.status, part+a.body)
	}
	found, err = b.main.Race(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, race.AwardRules{Overall: 3, BySex: true}, found.Awards)
	require.Equal(t, "Clubs", found.Teams[0].Name)
	require.Equal(t, race.Mixed, found.Teams[0].Sex)
	require.Len(t, found.Course.Points, 1)
}

func TestRaceIsPublished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	path := b.run("en", "/publish")
	_, err := b.main.OpenDispute(t.Context(), race.Dispute{ID: newID(), RaceID: b.raceID, RecordID: b.records["2"], RunnerID: b.users["2"], Wrong: "<b>my chip</b>"})
	require.NoError(t, err)

	page := c.visit(path)
	require.Contains(t, page.texts(".checklist .bad")[0], "1 dispute is open")
	wrong := c.submit(path, "despite_disputes", "yes", "reason", "")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status, wrong.body)
	require.NotEmpty(t, wrong.Find("#field-reason-wrong").Text())
	require.Equal(t, http.StatusSeeOther, c.submit(path, "protest_window_s", "3600").status)
	open := c.visit(path)
	require.Regexp(t, `^(1:00:00|59:\d\d)$`, open.Find(".countdown").Text())
	require.Equal(t, http.StatusSeeOther, c.post(path, "do", "cancel").status)
	publication, err := b.main.Publication(t.Context(), b.raceID)
	require.NoError(t, err)
	require.False(t, publication.Open())

	require.Equal(t, http.StatusSeeOther, c.submit(path, "protest_window_s", "0").status)
	b.recompute(t)
	require.Contains(t, c.visit(path).texts(".state")[0], "1 open dispute holds up publication")

	disputes := c.visit(b.run("en", "/disputes?state=open"))
	require.Equal(t, []string{"<b>my chip</b>"}, disputes.texts("q"))
	address := disputes.Find(".panel a").AttrOr("href", "")
	b.correct(t, "2", "chip time from the video", maindb.RecordPatch{Status: new(race.Disqualified)})
	dispute := c.visit(address)
	require.NotEmpty(t, dispute.texts(".notice"), "the record has been corrected since")
	wrong = c.post(address, "decision", "upheld", "reason", " ")
	require.NotEmpty(t, wrong.Find("#field-reason-wrong").Text())
	require.Equal(t, "upheld", wrong.Find("input[checked]").AttrOr("value", ""))
	require.Equal(t, http.StatusSeeOther, c.post(address, "decision", "upheld", "reason", "<i>video</i>", "private_note", "seen twice").status)
	b.recompute(t)
	official := c.visit(path)
	require.Equal(t, "Official", official.Find(".badge").First().Text())
	require.Contains(t, official.Find("main").Text(), "Official results stay official")

	versions := c.visit(b.run("en", "/versions"))
	require.NotEmpty(t, versions.Find(`a[href*="/compare?from="]`).Nodes)
	b.correct(t, "3", "wrong lap count", maindb.RecordPatch{Status: new(race.Disqualified)})
	require.Contains(t, c.visit(b.run("en", "/versions")).Find("q").Text(), "wrong lap count")
	fixed := c.submit(b.run("en", "/settings/ranking"), "ranking.basis", "net")
	require.Equal(t, http.StatusConflict, fixed.status)
	require.Contains(t, fixed.Find("#wrong").Text(), "no longer change")
	log := c.visit(b.run("en", "/changes"))
	require.Contains(t, log.texts(".history strong"), "Results made official")
	require.Contains(t, log.Find("main").Text(), "<i>video</i>")
	file := c.visit(log.Find("a[download][href*=ndjson]").AttrOr("href", ""))
	require.Contains(t, file.header.Get("Content-Disposition"), "changes.ndjson")
	require.Contains(t, file.body, `"action":"race.published"`)
}

func TestRejectedResultsSayWhatToDo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	gun, err := race.ParseTime("3:00:00")
	require.NoError(t, err)
	stray, _, err := b.main.PostRecord(t.Context(), b.raceID, newID(), race.Result{Bib: "99", Status: race.Finished, Gun: gun}, maindb.Change{By: b.organizer})
	require.NoError(t, err)
	require.Contains(t, c.visit("/en/organize").texts(".tallies .waits"), "1 in progress")
	_, err = b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: stray.ID, RaceID: b.raceID, Revision: stray.Revision, Status: race.Rejected, Reason: "no participant with bib 99", WorkflowID: "w",
	})
	require.NoError(t, err)
	page := c.visit(b.run("en", ""))
	require.Contains(t, page.texts(".tallies .fails"), "1 rejected")
	require.Contains(t, page.Find(".panel.fails").Text(), "Add the bib to the start list")
	require.Equal(t, b.run("en", "/records/"+stray.ID), page.Find(".panel.fails a").AttrOr("href", ""))

	// What leads to the rejected results leads to them alone.
	toAll := c.visit(b.run("en", "/publish")).Find(`.checklist a[href*="/records"]`).AttrOr("href", "")
	require.NotEmpty(t, toAll)
	require.Equal(t, 1, c.visit(toAll).Find(".rows tbody tr").Length())
	require.Equal(t, http.StatusOK, c.visit(b.run("en", "/records/"+stray.ID)).status)
}

func TestStaffClaimsAndKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	helper := b.account(t, "helper", auth.Runner)
	b.account(t, "rival", auth.Organizer)
	rival := b.loggedIn(t, "rival")
	for _, path := range []string{"", "/settings/general", "/staff", "/claims", "/claim-codes", "/claim-codes.csv", "/keys", "/changes", "/participants", "/disputes", "/publish", "/void", "/hand-over"} {
		require.Equal(t, http.StatusForbidden, rival.visit(b.run("en", path)).status, path)
		require.Equal(t, http.StatusSeeOther, b.browser(t).visit(b.run("en", path)).status, path)
	}

	wrong := c.post(b.run("ko", "/staff"), "login_id", "x", "role", "timing", "reason", "<b>hi</b>")
	require.Regexp(t, "[가-힣]", wrong.Find("#field-login_id-wrong").Text())
	require.Equal(t, http.StatusSeeOther, c.submit(b.run("en", "/staff"), "login_id", "someone-else").status)
	withdraw := c.visit(b.run("en", "/staff")).Find(`form[action$="/withdraw"]`).AttrOr("action", "")
	for _, said := range []string{"The invitation is withdrawn.", "This invitation is no longer open"} { // a double click
		require.Equal(t, b.run("en", "/staff"), c.post(withdraw).to())
		require.Contains(t, c.visit(b.run("en", "/staff")).Find("main").Text(), said)
	}
	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/staff"), "login_id", "helper", "role", "viewer", "reason", "<b>hi</b>").status)
	h := b.loggedIn(t, "helper")
	invited := h.visit("/en/organize")
	require.Equal(t, []string{"<b>hi</b>"}, invited.texts(".panel q"))
	withdraw = c.visit(b.run("en", "/staff")).Find(`form[action$="/withdraw"]`).AttrOr("action", "")
	answers := invited.Find(".panel form").AttrOr("action", "")
	accepted := h.post(answers, "answer", "accept")
	require.Equal(t, b.run("en", ""), accepted.to())
	require.Equal(t, http.StatusOK, h.visit(accepted.to()).status)
	require.Equal(t, b.run("en", "/staff"), c.post(withdraw).to(), "accepted meanwhile")
	require.Equal(t, "/en/organize", h.post(answers, "answer", "decline").to(), "answered before")
	require.Contains(t, h.visit("/en/organize").Find("main").Text(), "This invitation is no longer open")
	require.Equal(t, http.StatusForbidden, h.visit(b.run("en", "/settings/general")).status)
	require.Equal(t, http.StatusForbidden, h.post(b.run("en", "/publish"), "protest_window_s", "0").status)
	require.Equal(t, http.StatusForbidden, h.visit(b.run("en", "/claim-codes")).status)
	require.Equal(t, http.StatusNotFound, h.post(b.run("en", "/staff/"+helper), "do", "change", "role", "editor").status, "nobody promotes themselves")
	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/staff/"+helper), "do", "change", "role", "editor").status)
	require.Equal(t, http.StatusOK, h.visit(b.run("en", "/settings/general")).status)
	require.Equal(t, http.StatusSeeOther, h.post(b.run("en", "/staff/"+helper), "do", "remove").status)
	require.Equal(t, http.StatusForbidden, h.visit(b.run("en", "")).status)
	require.Equal(t, b.run("en", "/staff"), c.post(b.run("en", "/staff/"+helper), "do", "change", "role", "viewer").to(), "they have left meanwhile")
	require.Contains(t, c.visit(b.run("en", "/staff")).Find("main").Text(), "They are no longer on the staff")
	require.Equal(t, b.run("en", "/staff"), c.post(b.run("en", "/staff/"+helper), "do", "remove").to())

	claim := newID()
	_, _, err := b.main.OpenClaim(t.Context(), maindb.ClaimRequest{ID: claim, RaceID: b.raceID, Bib: "3", UserID: helper, Kind: race.ByBirth, BirthDateMatches: new(true)}, b.accounts.StandIn)
	require.NoError(t, err)
	require.Contains(t, c.visit("/en/organize").Find(".todo").Text(), "1 claim to decide")
	address := c.visit(b.run("en", "/claims?state=requested")).Find(".panel a").AttrOr("href", "")
	require.Equal(t, b.run("en", "/claims/"+claim), address)
	require.Contains(t, c.visit(address).Find("main").Text(), "as in the start list")
	require.Equal(t, http.StatusUnprocessableEntity, c.post(address, "do", "refuse").status)
	require.Equal(t, http.StatusSeeOther, c.post(address, "do", "approve").status)
	require.Contains(t, c.visit(address).Find("dd").First().Text(), "accepted")
	require.Equal(t, http.StatusNotFound, c.visit(b.run("en", "/claims/"+newID())).status)

	codes := c.visit(b.run("ko", "/claim-codes"))
	require.Len(t, codes.texts(".slips li"), len(field))
	file := c.visit(b.run("ko", "/claim-codes.csv"))
	require.Contains(t, file.header.Get("Content-Disposition"), "claim-codes.csv")
	require.Contains(t, file.body, codes.texts(".slips code")[0])

	past := c.post(b.run("en", "/keys"), "name", "<b>laptop</b>", "scope", "timing", "expires_at", "2001-01-01")
	require.NotEmpty(t, past.Find("#field-expires_at-wrong").Text())
	made := c.post(b.run("en", "/keys"), "name", "<b>laptop</b>", "scope", "timing", "expires_at", time.Now().AddDate(1, 0, 0).Format(time.DateOnly))
	require.Equal(t, http.StatusOK, made.status, made.body)
	secret := made.Find("#secret").AttrOr("value", "")
	require.True(t, strings.HasPrefix(secret, "mrk_"))
	listed := c.visit(b.run("en", "/keys"))
	require.NotContains(t, listed.body, secret, "shown only once")
	require.Equal(t, []string{"<b>laptop</b>"}, listed.texts(".panel strong"))
	require.Equal(t, http.StatusSeeOther, c.post(listed.Find(".panel form").AttrOr("action", "")).status)
	require.Equal(t, []string{"ended"}, c.visit(b.run("en", "/keys")).texts(".panel .badge"))

	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/hand-over"), "login_id", "rival", "reason", "they organize it now").status)
	offer := rival.visit("/en/organize")
	require.Contains(t, offer.Find(".panel").Text(), "you would own the race")
	require.Equal(t, http.StatusSeeOther, rival.post(offer.Find(".panel form").AttrOr("action", ""), "answer", "accept").status)
	require.Equal(t, http.StatusForbidden, c.visit(b.run("en", "")).status)
}

// TestChangeLogNamesTheStaffAlone: claims are for the owner, so that what a viewer reads of
// them in the log must not name who made them.
func TestChangeLogNamesTheStaffAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.account(t, "helper", auth.Organizer)
	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/staff"), "login_id", "helper", "role", "viewer").status)
	viewer := b.loggedIn(t, "helper")
	viewer.post(viewer.visit("/en/organize").Find(".panel form").AttrOr("action", ""), "answer", "accept")
	runner := b.account(t, "cem", auth.Runner)
	_, err := b.accounts.UpdateAccount(t.Context(), runner, userdb.Change{Name: new("Cem Hidden")})
	require.NoError(t, err)
	ctx := race.WithActor(t.Context(), race.Actor{Kind: race.ByAccount, ID: runner, AccountID: runner})
	_, _, err = b.main.OpenClaim(ctx, maindb.ClaimRequest{ID: newID(), RaceID: b.raceID, Bib: "3", UserID: runner, Kind: race.ByBirth, BirthDateMatches: new(true)}, b.accounts.StandIn)
	require.NoError(t, err)

	require.Equal(t, http.StatusForbidden, viewer.visit(b.run("en", "/claims")).status)
	log := viewer.visit(b.run("en", "/changes"))
	require.Equal(t, http.StatusOK, log.status, log.body)
	require.Contains(t, log.Find("main").Text(), "Uta", "who works on the race")
	require.NotContains(t, log.body, "Cem Hidden")
}

func TestRaceIsVoidedOnlyByItsName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.director(t)
	b.addRace(t, springMarathon(b.organizer), field)
	path := b.run("en", "/void")
	require.Contains(t, c.visit(path).Find(".sums").Text(), "results are credited")
	wrong := c.post(path, "do", "void", "confirm", "spring", "reason", "<b>twice</b>")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "<b>twice</b>", wrong.Find("#field-reason").AttrOr("value", ""))
	require.NotEmpty(t, wrong.Find("#field-confirm-wrong").Text())
	require.Equal(t, http.StatusSeeOther, c.post(path, "do", "void", "confirm", " Spring  Marathon ", "reason", "<b>twice</b>").status)
	require.Contains(t, c.visit(b.run("en", "")).Find(".notice").Text(), "<b>twice</b>")
	require.Equal(t, http.StatusOK, c.visit(path).status)

	empty := springMarathon(b.organizer)
	_, err := b.main.CreateRace(t.Context(), empty)
	require.NoError(t, err)
	b.raceID = empty.ID
	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/void"), "do", "delete", "confirm", "Spring Marathon").status)
	_, err = b.main.Race(t.Context(), empty.ID)
	require.ErrorIs(t, err, race.ErrNotFound)

	copied := springMarathon(b.organizer)
	copied.Name = "מרתון\u202D האביב" // as it may have been stored
	_, err = b.main.CreateRace(t.Context(), copied)
	require.NoError(t, err)
	b.raceID = copied.ID
	_, name, _ := strings.Cut(c.visit(b.run("en", "/void")).Find(`label[for="field-confirm"]`).First().Text(), ": ")
	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/void"), "do", "delete", "confirm", name).status, "%+q", name)
}

// TestHostileTextOnOrganizersPages writes markup wherever people can write, and reads
// every page.
func TestHostileTextOnOrganizersPages(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script>'` + "\u202Eא" // also turns around what stands after it
	b := setup(t)
	c := b.director(t)
	r := springMarathon(b.organizer)
	r.Name, r.City, r.Divisions = hostile, hostile, []race.Division{{Name: hostile}}
	r.Teams = []race.TeamRule{{Name: hostile, Rule: race.SumOfTimes, N: 2, Sex: race.Mixed}}
	r.Awards = race.AwardRules{Overall: 3}
	rows := append([]runnerRow{{"7", hostile, race.Male, 30, race.Runner, "2:29:00"}}, field...)
	b.addRace(t, r, rows)
	_, err := b.main.OpenDispute(t.Context(), race.Dispute{ID: newID(), RaceID: b.raceID, RecordID: b.records["7"], RunnerID: b.users["7"], Wrong: hostile, RightWouldBe: hostile})
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, c.post(b.run("en", "/staff"), "login_id", "someone", "role", "timing", "reason", hostile).status)
	require.Equal(t, http.StatusOK, c.post(b.run("en", "/keys"), "name", hostile, "scope", "read").status, "what nobody sees is dropped from forms")
	b.correct(t, "3", hostile, maindb.RecordPatch{Status: new(race.Disqualified)})
	paths := []string{
		"", "/participants", "/versions", "/exports", "/changes", "/publish", "/void", "/staff", "/hand-over", "/claims", "/claim-codes", "/disputes", "/keys",
		"/settings/general", "/settings/ranking", "/settings/divisions", "/settings/awards", "/settings/course",
	}
	for _, lang := range []string{"en", "ko"} {
		for _, path := range append(paths, strings.TrimPrefix(c.visit(b.run(lang, "/disputes")).Find(".panel a").AttrOr("href", ""), b.run(lang, ""))) {
			a := c.visit(b.run(lang, path))
			require.Equal(t, http.StatusOK, a.status, path)
			require.Empty(t, a.Find("script:not([src])").Nodes, path)
			require.NotContains(t, a.body, "<script>alert", path)
			require.NotContains(t, a.body, "\u202E", path)
			require.Equal(t, "no-store", a.header.Get("Cache-Control"), path)
		}
		require.NotContains(t, c.visit("/"+lang+"/organize").body, "<script>alert")
	}
	preview := c.submit(b.run("en", "/settings/ranking"), "ranking.basis", "net")
	require.Equal(t, "What this change moves", preview.Find("h1").Text())
	require.NotContains(t, preview.body, "<script>alert")
}
