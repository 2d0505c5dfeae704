package pages_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestPostPages: a notice from its draft to the comments on it, by forms alone.
func TestPostPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.organizer = b.account(t, "director", auth.Organizer)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	director := b.loggedIn(t, "director")
	own := "/en/organize/races/" + r.ID + "/posts"
	require.Equal(t, 1, director.visit("/en/organize/races/"+r.ID).Find(`a[href="`+own+`"]`).Length())

	form := director.visit(own + "/new")
	require.Equal(t, "yes", form.Find(`#field-comments[checked]`).AttrOr("value", ""))
	preview := director.post(own+"/new", form.fill("#post", "title", "Parking", "body", "**Bring** <b>money</b>", "notify", "yes", "do", "preview")...)
	require.Equal(t, http.StatusOK, preview.status)
	require.Contains(t, preview.body, "<strong>Bring</strong> &lt;b&gt;money")
	require.Equal(t, "Parking", preview.Find("#field-title").AttrOr("value", ""), "nothing is lost")
	refused := director.post(own+"/new", preview.fill("#post", "title", "", "do", "published")...)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Equal(t, "**Bring** <b>money</b>", refused.Find("#field-body").Text())
	undated := director.post(own+"/new", preview.fill("#post", "do", "planned")...)
	require.Equal(t, http.StatusUnprocessableEntity, undated.status)
	require.NotEmpty(t, undated.texts(".is"))
	require.Equal(t, own, director.post(own+"/new", preview.fill("#post", "do", "draft")...).to())
	require.Equal(t, []string{"The draft is saved."}, director.visit(own).texts(".said"))
	require.NotContains(t, b.get(t, "/ko/races/"+r.ID).body, "Parking")

	edit := director.visit(own).Find(".plain-list h2 a").AttrOr("href", "")
	require.Equal(t, own, director.post(edit, director.visit(edit).fill("#post", "publish_at", time.Now().Add(72*time.Hour).Format("2006-01-02T15:04"), "do", "planned")...).to())
	old := director.visit(edit)
	require.NotEmpty(t, old.Find("#field-publish_at").AttrOr("value", ""))
	require.Equal(t, own, director.post(edit, old.fill("#post", "do", "published", "publish_at", "")...).to())
	require.Equal(t, http.StatusConflict, director.post(edit, old.fill("#post", "title", "Trains", "do", "save")...).status, "another editor was faster")
	page := b.get(t, "/en/races/"+r.ID)
	require.Contains(t, page.body, "Parking")
	list := b.get(t, "/en/races/"+r.ID+"/posts")
	require.Contains(t, list.body, `type="application/atom+xml"`)
	require.Empty(t, list.header.Get("Set-Cookie"))
	postID := edit[strings.LastIndex(edit, "/")+1:]
	public := "/en/races/" + r.ID + "/posts/" + postID
	require.Contains(t, b.get(t, public).body, "<strong>Bring</strong>")
	require.Equal(t, http.StatusOK, b.get(t, "/ko/races/"+r.ID+"/posts/"+postID).status)

	ann := b.runners(t, "ann")[0]
	thread := "/en/my/races/" + r.ID + "/posts/" + postID
	require.Zero(t, ann.visit(thread).Find("#comment").Length(), "who is not entered does not comment")
	mine := "/en/my/races/" + r.ID
	require.Equal(t, mine, ann.post(mine, ann.visit(mine).fill("#enter")...).to())
	long := ann.post(thread, ann.visit(thread).fill("#comment", "text", strings.Repeat("x", 2001))...)
	require.Equal(t, http.StatusUnprocessableEntity, long.status)
	require.Len(t, long.Find("#field-text").Text(), 2001)
	twice := ann.visit(thread).fill("#comment", "text", "<i>Where</i> is it?")
	require.Equal(t, thread, ann.post(thread, twice...).to())
	require.Equal(t, thread, ann.post(thread, twice...).to())
	require.Equal(t, []string{"<i>Where</i> is it?"}, ann.visit(thread).texts(".comments .said-text"), "a form that is sent twice counts once")
	own1 := ann.visit(thread)
	longest := strings.Repeat("x", 1998) + "\r\n" + "x" // as a browser sends 2,000 characters
	require.Equal(t, thread, ann.post(thread, own1.fill(".comments form", "text", longest, "do", "edit")...).to())
	require.Equal(t, thread, ann.post(thread, own1.fill(".comments form", "text", "Where?", "do", "edit")...).to())

	ben := b.runners(t, "ben")[0]
	theirs := ben.visit(thread)
	require.Equal(t, thread, ben.post(thread, theirs.fill(".comments form", "reason", "rude", "do", "report")...).to())
	judge := "/en/organize/races/" + r.ID + "/comments"
	unread := director.visit(judge)
	require.Equal(t, thread, ann.post(thread, ann.visit(thread).fill(".comments form", "text", "Where is it, please?", "do", "edit")...).to())
	reported := director.post(judge, unread.fill(".panel form", "do", "hide", "reason", "not here")...)
	require.Equal(t, http.StatusConflict, reported.status, "its author has changed it since")
	require.Contains(t, reported.Find(".panel").Text(), "Where is it, please?")
	require.Equal(t, "not here", reported.Find("#field-reason").AttrOr("value", ""))
	require.Contains(t, reported.body, "rude")
	require.Equal(t, http.StatusUnprocessableEntity, director.post(judge, reported.fill(".panel form", "do", "hide", "reason", "")...).status, "why?")
	require.Equal(t, judge, director.post(judge, reported.fill(".panel form", "do", "hide", "reason", "not here")...).to())
	require.Contains(t, director.visit(judge+"?state=hidden").body, "Where is it, please?")
	hidden := ben.visit(thread).body // a page for everyone is up to a second old
	require.Contains(t, hidden, "Hidden by the organizer or the operators: not here")
	require.NotContains(t, hidden, "Where is it")
	deletes := ann.visit(thread).fill(".comments form", "do", "delete")
	for range 2 { // a double click
		require.Equal(t, thread, ann.post(thread, deletes...).to())
	}
	vanished := director.post(judge, reported.fill(".panel form", "do", "hide", "reason", "not here")...)
	require.Equal(t, http.StatusConflict, vanished.status)
	require.Contains(t, vanished.Find("#wrong").Text(), "its author has deleted it")

	feed := b.get(t, "/en/races/"+r.ID+"/posts.atom")
	require.Equal(t, "application/atom+xml; charset=utf-8", feed.header.Get("Content-Type"))
	require.NotEmpty(t, feed.header.Get("ETag"))
	var parsed struct {
		ID, Updated string
		Link        []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
		Author struct {
			Name string `xml:"name"`
		} `xml:"author"`
		Entry []struct {
			ID      string `xml:"id"`
			Title   string `xml:"title"`
			Updated string `xml:"updated"`
			Content string `xml:"content"`
		} `xml:"entry"`
	}
	require.NoError(t, xml.Unmarshal([]byte(feed.body), &parsed))
	require.Equal(t, "urn:uuid:"+postID, parsed.Entry[0].ID)
	require.Contains(t, parsed.Entry[0].Content, "<strong>Bring</strong> &lt;b&gt;")
	require.Equal(t, "https://results.example.org/en/races/"+r.ID+"/posts.atom", parsed.Link[0].Href)
	_, err := time.Parse(time.RFC3339, parsed.Entry[0].Updated)
	require.NoError(t, err)

	unseen := director.post(edit, "revision", "1", "do", "remove")
	require.Equal(t, http.StatusConflict, unseen.status)
	require.Contains(t, unseen.Find("#wrong").Text(), "not removed")
	require.Equal(t, "Parking", unseen.Find("#field-title").AttrOr("value", ""), "its form is not empty")
	// What somebody writes while comments are closed, or the notice goes away, is not lost.
	twice = ann.visit(thread).fill("#comment", "text", "Thank you!")
	require.Equal(t, thread, ann.post(thread, twice...).to())
	asks := ann.visit(thread)
	require.Equal(t, own, director.post(edit, director.visit(edit).fill("#post", "comments", "", "do", "save")...).to())
	closed := ann.post(thread, asks.fill("#comment", "text", "When does it open?")...)
	require.Equal(t, http.StatusConflict, closed.status)
	require.Equal(t, "When does it open?", closed.Find("#field-text").Text())
	require.Equal(t, []string{"This post takes no comments"}, closed.texts(".field .is"))
	require.Zero(t, closed.Find("#comment").Length())
	requireSound(t, closed, thread)
	require.Equal(t, own, director.post(edit, director.visit(edit).fill("#post", "comments", "yes", "do", "save")...).to())
	tooLong := ann.post(thread, asks.fill(".comments details form:has(textarea)", "text", strings.Repeat("y", 2001), "do", "edit")...)
	require.Equal(t, http.StatusUnprocessableEntity, tooLong.status)
	require.Len(t, tooLong.Find(".comments details[open] #field-text").Text(), 2001, "in the form that it was written in")
	requireSound(t, tooLong, thread)

	last := director.visit(edit)
	require.Equal(t, own, director.post(edit, last.fill("#post", "do", "withdrawn")...).to())
	require.Equal(t, http.StatusNotFound, ann.visit(thread).status)
	gone := ann.post(thread, asks.fill("#comment", "text", "When does it open?")...)
	require.Equal(t, http.StatusConflict, gone.status)
	require.Equal(t, "When does it open?", gone.Find("#field-text").Text())
	requireSound(t, gone, thread)
	written := director.visit(edit)
	require.Equal(t, own, director.post(edit, written.fill("main details form", "do", "remove")...).to())
	for _, do := range []string{"save", "preview"} {
		removed := director.post(edit, written.fill("#post", "body", "By train.", "do", do)...)
		require.Equal(t, http.StatusConflict, removed.status)
		require.Contains(t, removed.Find("#wrong").Text(), "has removed this notice")
		require.Equal(t, "By train.", removed.Find("#field-body").Text())
		require.Equal(t, own+"/new", removed.Find("#post").AttrOr("action", ""))
	}
}

// TestNoticeOutlivesItsSession: a notice that is sent after the session has ended is sent
// again after the login, as long as notices may be.
func TestNoticeOutlivesItsSession(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.organizer = b.account(t, "director", auth.Organizer)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	director := b.loggedIn(t, "director")
	own := "/ko/organize/races/" + r.ID + "/posts"
	text := strings.Repeat("가", 10_000)
	form := director.visit(own+"/new").fill("#post", "title", "주차", "body", text, "do", "draft")
	delete(director.cookies, "__Host-session")
	ended := director.post(own+"/new", form...)
	require.Equal(t, http.StatusUnauthorized, ended.status)
	again := director.post("/ko/account/login", ended.fill("main form", "login_id", "director", "password", password)...)
	require.Equal(t, http.StatusOK, again.status, again.body)
	require.Equal(t, own, director.post(again.Find("main form").AttrOr("action", ""), again.fill("main form")...).to())
	written := director.visit(director.visit(own).Find(".plain-list h2 a").AttrOr("href", ""))
	require.Equal(t, text, written.Find("#field-body").Text())
}

// TestFurtherPagesOfComments: a form that is refused comes back on the page of the list that
// it was on, with what was typed.
func TestFurtherPagesOfComments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.organizer = b.account(t, "director", auth.Organizer)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	reporter := b.account(t, "ann", auth.Runner)
	director, ann := b.loggedIn(t, "director"), b.loggedIn(t, "ann")
	p, err := b.main.AddPost(t.Context(), race.Post{ID: newID(), RaceID: r.ID, CreatedBy: b.organizer, Title: "Parking", Body: "None.", State: race.PostPublished, Comments: true})
	require.NoError(t, err)
	for range 101 {
		c, err := b.main.AddComment(t.Context(), race.Comment{ID: newID(), RaceID: r.ID, PostID: p.ID, UserID: b.organizer, Text: "Where?"})
		require.NoError(t, err)
		require.NoError(t, b.main.ReportComment(t.Context(), c, reporter, "rude"))
	}
	long := strings.Repeat("x", 501)

	judge := director.visit(director.visit("/en/organize/races/"+r.ID+"/comments").Find(`a[href*="after="]`).AttrOr("href", ""))
	action := judge.Find(".panel form").First().AttrOr("action", "")
	refused := director.post(action, judge.fill(".panel form", "do", "hide", "reason", long)...)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Equal(t, long, refused.Find("#field-reason").AttrOr("value", ""))
	requireSound(t, refused, action)
	require.Equal(t, "/en/organize/races/"+r.ID+"/comments", director.post(action, refused.fill(".panel form", "do", "hide", "reason", "rude")...).to())

	thread := ann.visit(ann.visit("/en/my/races/"+r.ID+"/posts/"+p.ID).Find(`a[href*="after="]`).AttrOr("href", ""))
	action = thread.Find(".comments form").AttrOr("action", "")
	refused = ann.post(action, thread.fill(".comments form", "do", "report", "reason", long)...)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Equal(t, long, refused.Find(".comments details[open] #field-reason").AttrOr("value", ""))
}

// TestOperatorJudgesComments: an operator sees what was reported in any race, what the
// race's staff did about it, and hides and shows comments after a confirmation.
func TestOperatorJudgesComments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.organizer = b.account(t, "director", auth.Organizer)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	director, operator := b.loggedIn(t, "director"), b.operator(t)
	const home, list = "/en/operate", "/en/operate/comments"
	require.Contains(t, strings.Join(operator.visit(home).texts(".stages li"), "\n"), "Reported comments 0 ")

	posted := director.post("/en/organize/races/"+r.ID+"/posts/new", "title", "Parking", "body", "None.", "comments", "yes", "do", "published")
	require.Equal(t, http.StatusSeeOther, posted.status)
	notices, err := b.main.NewestPosts(t.Context(), r.ID, 1)
	require.NoError(t, err)
	thread := "/en/my/races/" + r.ID + "/posts/" + notices[0].ID
	runners := b.runners(t, "ann", "ben", "cem")
	ann, ben, cem := runners[0], runners[1], runners[2]
	mine := "/en/my/races/" + r.ID
	require.Equal(t, mine, ann.post(mine, ann.visit(mine).fill("#enter")...).to())
	require.Equal(t, thread, ann.post(thread, ann.visit(thread).fill("#comment", "text", "<b>Cheap</b> shoes here")...).to())
	report := func(by *browser, reason string) {
		t.Helper()
		require.Equal(t, thread, by.post(thread, by.visit(thread).fill(".comments form", "reason", reason, "do", "report")...).to())
	}
	report(ben, "spam")

	require.Equal(t, http.StatusForbidden, director.visit(list).status)
	require.Equal(t, 1, operator.visit(home).Find(`.stages .bad a[href="`+list+`"]`).Length(), "what waits is on the first page")
	shown := operator.visit(list)
	require.Contains(t, shown.Find(".tale").Text(), "<b>Cheap</b> shoes here")
	require.Contains(t, shown.Find(".tale").Text(), "spam")
	require.Contains(t, shown.Find(".tale").Text(), "Nobody has decided yet")

	// The staff keeps the comment; somebody reports it again.
	judge := "/en/organize/races/" + r.ID + "/comments"
	require.Equal(t, judge, director.post(judge, director.visit(judge).fill(".panel form", "do", "show")...).to())
	require.Equal(t, http.StatusOK, operator.visit(list).status)
	require.Zero(t, operator.visit(list).Find(".tale li").Length())
	report(cem, "still spam")
	shown = operator.visit(list)
	require.Contains(t, shown.Find(".tale").Text(), "closed earlier reports")
	require.NotContains(t, shown.Find(".tale").Text(), "“spam”", "of reports that are closed")

	hide := shown.Find(".tale .actions a").AttrOr("href", "")
	form := operator.visit(hide)
	require.Contains(t, form.Find("main").Text(), "everyone reads that it was hidden")
	refused := operator.post(hide, form.fill("main form.narrow", "reason", "")...)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Equal(t, thread, ann.post(thread, ann.visit(thread).fill(".comments form", "text", "<b>Dear</b> shoes here", "do", "edit")...).to())
	changed := operator.post(hide, form.fill("main form.narrow", "reason", "advertising")...)
	require.Equal(t, http.StatusConflict, changed.status, "nobody judges a text that they have not read")
	require.Contains(t, changed.Find("main dl").Text(), "<b>Dear</b> shoes here")
	require.Equal(t, "advertising", changed.Find("#field-reason").Text())
	require.Equal(t, list, operator.post(hide, changed.fill("main form.narrow")...).to())
	require.Equal(t, []string{"The comment is hidden."}, operator.visit(list).texts(".said"))
	require.Contains(t, ben.visit(thread).body, "advertising")
	require.Equal(t, http.StatusConflict, operator.visit(hide).status, "it is hidden already")

	hidden := operator.visit(list + "?race_id=" + r.ID + "&state=hidden")
	show := hidden.Find(".tale .actions a").AttrOr("href", "")
	require.Zero(t, operator.visit(show).Find("#field-reason").Length(), "no reason is kept")
	require.Equal(t, list, operator.post(show, operator.visit(show).fill("main form.narrow")...).to())
	require.Contains(t, ben.visit(thread).body, "&lt;b&gt;Dear")

	// Its author deletes it while the operator reads the confirmation.
	form = operator.visit(hide)
	require.Equal(t, thread, ann.post(thread, ann.visit(thread).fill(".comments form", "do", "delete")...).to())
	gone := operator.post(hide, form.fill("main form.narrow", "reason", "advertising")...)
	require.Equal(t, http.StatusConflict, gone.status)
	require.Contains(t, gone.body, "its author has deleted it")
	require.Equal(t, http.StatusNotFound, operator.visit(list+"?race_id=x").status)
}
