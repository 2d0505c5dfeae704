package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestPlaceTransferred follows a place from one runner to another, by forms alone.
func TestPlaceTransferred(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1, BibFrom: 7, BibTo: 9, TransferUntil: time.Now().Add(48 * time.Hour)})
	b.raceID = r.ID
	all := b.runners(t, "ann", "ben", "cas")
	ann, ben, cas := all[0], all[1], all[2]
	mine, giving, receiving, listed := "/en/my/races/"+r.ID, "/en/my/races/"+r.ID+"/transfer", "/en/my/races/"+r.ID+"/receive", b.run("en", "/transfers")
	require.Contains(t, ann.visit(giving).Find("main").Text(), "You have no place in this race")
	require.Equal(t, http.StatusNotFound, ann.post(giving).status, "there is nothing to give")
	require.Equal(t, mine, ann.post(mine, ann.visit(mine).fill("#enter")...).to())

	entered, err := b.main.ListParticipants(t.Context(), r.ID, "", 1)
	require.NoError(t, err)
	_, err = b.accounts.UpdateAccount(t.Context(), entered[0].UserID, accountChange("Uta \u202E<b>Uhl</b>")) // as it may have been stored
	require.NoError(t, err)
	require.Equal(t, giving, ann.visit(mine).Find(`a[href$="/transfer"]`).AttrOr("href", ""))
	form := ann.visit(giving).fill("#offer")
	made := ann.post(giving, form...)
	require.Equal(t, http.StatusOK, made.status, made.body)
	code := made.Find("#code").AttrOr("value", "")
	require.Regexp(t, `^\w{4}-\w{4}-\w{4}$`, code)
	require.Equal(t, origin+receiving, made.Find("#where").AttrOr("value", ""))
	require.Equal(t, code, ann.post(giving, form...).Find("#code").AttrOr("value", ""), "a second press makes no second offer")
	require.NotContains(t, ann.visit(giving).body, code, "shown once")
	require.Contains(t, ann.visit(mine).texts(".notice")[0], "Nobody has accepted it yet")
	require.Contains(t, ann.visit("/en/my").texts(".offer h2"), "You are offering your place")

	away := b.browser(t).visit(receiving)
	require.Equal(t, "/en/account/login?next=%2Fen%2Fmy%2Fraces%2F"+r.ID+"%2Freceive", away.to(), "only with an account")
	require.Equal(t, receiving, ben.visit(mine).Find(`a[href$="/receive"]`).AttrOr("href", ""))
	for _, wrong := range []string{"K7QF-2M9X-3TAB", "", "<script>alert(1)</script>", "0123456789012345678901234567890123456789012345"} {
		refused := ben.post(receiving, "do", "open", "code", wrong)
		require.Equal(t, http.StatusUnprocessableEntity, refused.status, wrong)
		require.NotEmpty(t, refused.Find("#field-code-wrong").Text(), wrong)
		require.Equal(t, wrong, refused.Find("#field-code").AttrOr("value", ""))
	}
	require.Regexp(t, `코드`, ben.post("/ko/my/races/"+r.ID+"/receive", "do", "open", "code", "K7QF").Find("#field-code-wrong").Text())
	own := ann.post(receiving, "do", "accept", "code", code, "name", "Uta <b>Uhl</b>")
	require.Equal(t, http.StatusConflict, own.status, "one's own place")

	opened := ben.post(receiving, "do", "open", "code", code)
	require.Equal(t, http.StatusOK, opened.status, opened.body)
	require.Contains(t, opened.Find(".other").Text(), "Uta <b>Uhl</b>")
	for _, told := range []string{opened.Find("main").Text(), ann.visit(giving).Find("main").Text(), ann.visit("/en/my").Find(".offer").Text()} {
		require.Regexp(t, `, \d\d:\d\d [A-Z]`, told, "the deadline, to the minute")
		require.NotRegexp(t, `\d:\d\d:\d\d`, told)
	}
	require.Equal(t, "7", opened.Find(".bib").Text())
	other := ben.post(receiving, opened.fill("#answer", "do", "accept", "name", "Somebody Else")...)
	require.Equal(t, http.StatusConflict, other.status)
	require.NotEmpty(t, other.Find("#field-name-wrong").Text(), "beside the name")
	accepted := ben.post(receiving, opened.fill("#answer", "do", "accept")...)
	require.Equal(t, http.StatusOK, accepted.status, accepted.body)
	require.Contains(t, accepted.Find("main > .notice").Text(), "You have accepted")
	require.Equal(t, http.StatusUnprocessableEntity, cas.post(receiving, "do", "open", "code", code).status, "somebody else has it")
	require.Contains(t, ben.visit("/en/my").texts(".offer h2"), "You have accepted a place: the other runner has to confirm you")
	require.Contains(t, ann.visit("/en/my").texts(".offer h2"), "Somebody has accepted your place: confirm them")

	confirming := ann.visit(giving)
	require.Equal(t, "Uta <b>Uhl</b> has accepted your place.", strings.TrimSpace(confirming.Find("main > .notice").Text()))
	require.Equal(t, http.StatusConflict, ann.post(giving+"/confirm", "name", "Somebody Else").status)
	require.Contains(t, director.visit(listed).texts("tbody td"), "Accepted, not confirmed yet")
	require.Equal(t, giving, ann.post(giving+"/confirm", confirming.fill("#confirm")...).to())
	require.Contains(t, ann.visit(giving).texts(".said"), "The place has been transferred.")
	require.Contains(t, ann.visit(mine).texts(".notice")[0], "transferred your place")
	in := ben.visit(mine)
	require.Equal(t, "You are in.", in.Find(".verdict").Text())
	require.Equal(t, "7", in.Find(".bib").Text(), "with its bib")
	require.Contains(t, ben.post(receiving, "do", "open", "code", code).Find(".verdict").Text(), "The place is yours.")
	require.Empty(t, ben.visit("/en/my").texts(".offer h2"))
	require.Contains(t, director.visit(listed).texts("tbody td"), "Transferred")
	require.Equal(t, "자리 양도", director.visit(b.run("ko", "/transfers")).Find("h1").Text())
	require.Equal(t, http.StatusForbidden, cas.visit(listed).status)

	// A runner who changes their mind keeps the place, and the code is worth nothing.
	again := ben.post(giving, ben.visit(giving).fill("#offer")...).Find("#code").AttrOr("value", "")
	require.Equal(t, giving, ben.post(giving+"/withdraw").to())
	require.Equal(t, http.StatusUnprocessableEntity, cas.post(receiving, "do", "open", "code", again).status)
	declined := ben.post(giving, ben.visit(giving).fill("#offer")...).Find("#code").AttrOr("value", "")
	require.Equal(t, receiving, cas.post(receiving, "do", "decline", "code", declined).to())
	require.Contains(t, ben.visit(giving).Find("main > .notice").Text(), "declined")
}

// TestPlaceTransferredByOrganizer: the organizer does it for a runner, with a reason.
func TestPlaceTransferredByOrganizer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1})
	b.raceID = r.ID
	all := b.runners(t, "ann", "ben")
	mine, receiving := "/en/my/races/"+r.ID, "/en/my/races/"+r.ID+"/receive"
	require.Equal(t, mine, all[0].post(mine, all[0].visit(mine).fill("#enter")...).to())
	require.Zero(t, all[0].visit(mine).Find(`a[href$="/transfer"]`).Length(), "the race lets nobody transfer a place")
	require.Equal(t, http.StatusConflict, all[0].post(mine+"/transfer").status)

	entry := director.visit(b.run("en", "/entries")).Find("tbody th a").AttrOr("href", "")
	require.NotEmpty(t, entry)
	without := director.post(entry+"/transfer", director.visit(entry).fill("#transfer-by-hand", "reason", "")...)
	require.Equal(t, http.StatusUnprocessableEntity, without.status)
	require.NotEmpty(t, without.Find("#field-reason-wrong").Text())
	made := director.post(entry+"/transfer", director.visit(entry).fill("#transfer-by-hand", "reason", hostile)...)
	require.Equal(t, http.StatusOK, made.status, made.body)
	code := made.Find("#code").AttrOr("value", "")
	opened := all[1].post(receiving, "do", "open", "code", code)
	require.Equal(t, http.StatusOK, all[1].post(receiving, opened.fill("#answer", "do", "accept")...).status)
	list := director.visit(b.run("en", "/transfers"))
	require.NotContains(t, list.body, "<script>alert")
	require.Len(t, list.Find("tbody tr").Nodes, 1)
	require.Equal(t, entry, director.post(entry+"/transfer/confirm", director.visit(entry).fill("#confirm")...).to())
	require.Equal(t, "You are in.", all[1].visit(mine).Find(".verdict").Text())
	require.Equal(t, http.StatusForbidden, all[1].post(entry+"/transfer/withdraw").status)

	own, err := b.main.TransfersOfRace(t.Context(), r.ID, "", 1)
	require.NoError(t, err)
	require.Len(t, own, 1)
	older, err := b.main.TransfersOfRace(t.Context(), r.ID, own[0].ID, 1)
	require.NoError(t, err)
	require.Empty(t, older)
	require.Equal(t, http.StatusUnprocessableEntity, director.visit(b.run("en", "/transfers")+"?after=x").status)
	require.Empty(t, director.visit(b.run("en", "/transfers")+"?after="+server.Cursor(own[0].ID)).Find("tbody tr").Nodes)
}
