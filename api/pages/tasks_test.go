package pages_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// hire puts somebody on the staff of a race.
func (b *testBundle) hire(t *testing.T, r race.Race, userID string, role race.Role) {
	t.Helper()
	i := maindb.Invitation{ID: newID(), RaceID: r.ID, Role: role, Invited: maindb.Invited{UserID: userID}, By: r.OrganizerID, At: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	require.NoError(t, b.main.Invite(t.Context(), i))
	_, err := b.main.AcceptStaffInvitation(t.Context(), i.ID, i.Invited, false)
	require.NoError(t, err)
}

// preparing is a race in Seoul with its owner and a viewer who helps.
func (b *testBundle) preparing(t *testing.T) (r race.Race, director, helper *browser, helperID string) {
	t.Helper()
	b.organizer = b.account(t, "director", auth.Organizer)
	helperID = b.account(t, "helper", auth.Runner)
	r = b.addLimited(t, race.EntrySettings{Capacity: 5})
	b.hire(t, r, helperID, race.Viewer)
	return r, b.loggedIn(t, "director"), b.loggedIn(t, "helper"), helperID
}

// TestTaskPages takes tasks over the board by forms alone, with the owner, a helper and
// two tabs.
func TestTaskPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, director, helper, helperID := b.preparing(t)
	board := "/en/organize/races/" + r.ID + "/tasks"
	home := director.visit("/en/organize/races/" + r.ID)
	require.Equal(t, 1, home.Find(`.menu a[href="`+board+`"]`).Length())
	require.Contains(t, home.body, "9:00 if it has no time")
	require.Contains(t, director.visit(board).body, "There are no tasks yet.")

	// A form that is refused loses nothing.
	form := director.visit(board + "/new")
	past := time.Now().UTC().AddDate(0, 0, -3).Format(time.DateOnly)
	refused := director.post(board+"/new", form.fill("#task", "title", "Medals", "note", "1,200\r\npieces", "deadline_time", "18:00", "watcher_ids", helperID, "remind_days", "7, soon")...)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.ElementsMatch(t, []string{"Choose the day, too.", "Write numbers of days, such as 7, 3, 1."}, refused.texts(".field .is"))
	require.Equal(t, "Medals", refused.Find("#field-title").AttrOr("value", ""))
	require.Equal(t, "18:00", refused.Find("#field-deadline_time").AttrOr("value", ""))
	require.Equal(t, 1, refused.Find(`[name=watcher_ids][value="`+helperID+`"][checked]`).Length())
	twice := refused.fill("#task", "deadline", past, "remind_days", "7 3", "assignee_id", helperID)
	made := director.post(board+"/new", twice...)
	require.Regexp(t, "^"+board+"#task-", made.to())
	require.Equal(t, made.to(), director.post(board+"/new", twice...).to(), "a form that is sent twice counts once")
	_, medals, _ := strings.Cut(made.to(), "#task-")
	for _, title := range []string{"Police", "Water"} {
		require.Equal(t, http.StatusSeeOther, director.post(board+"/new", form.fill("#task", "title", title, "key", newID())...).status)
	}
	page := director.visit(board)
	require.Equal(t, []string{"Medals", "Police", "Water"}, page.texts(".open h3"))
	require.Regexp(t, "Overdue by [23] days", page.Find("#task-"+medals+" .due").Text(), "in words")
	require.Contains(t, page.Find("#task-"+medals+" .due").Text(), ", 18:00")
	requireSound(t, page, board)

	// Filters are in the address, and the buttons keep them.
	require.Equal(t, []string{"Medals"}, director.visit(board+"?overdue=yes").texts(".open h3"))
	require.Equal(t, []string{"Police", "Water"}, director.visit(board+"?assignee=none").texts(".open h3"))
	require.Empty(t, director.visit(board+"?assignee=me").texts(".open h3"))
	require.Equal(t, http.StatusUnprocessableEntity, director.visit(board+"?assignee="+newID()).status)
	unassigned := director.visit(board + "?assignee=none")
	water := unassigned.Find(".open li").Eq(1)
	press := func(c *browser, from answer, card, button string) answer {
		t.Helper()
		found := from.Find("#" + card + " button").FilterFunction(func(_ int, s *goquery.Selection) bool { return strings.HasPrefix(strings.TrimSpace(s.Text()), button) })
		require.Equal(t, 1, found.Length(), button)
		sent := found.Closest("form")
		fields := []string{found.AttrOr("name", ""), found.AttrOr("value", "")}
		sent.Find("input").Each(func(_ int, s *goquery.Selection) {
			fields = append(fields, s.AttrOr("name", ""), s.AttrOr("value", ""))
		})
		return c.post(sent.AttrOr("action", ""), fields...)
	}
	card := water.AttrOr("id", "")
	moved := press(director, unassigned, card, "↑")
	require.Equal(t, board+"?assignee=none#"+card, moved.to())
	require.Equal(t, []string{"Medals", "Water", "Police"}, director.visit(board).texts(".open h3"), "past the one that was seen")
	require.Equal(t, board+"?assignee=none#"+card, press(director, unassigned, card, "↑").to())
	require.Contains(t, director.visit(board).texts(".said")[0], "look again", "pressed in a tab that was older")

	// The assignee says how far it is; other tasks are not theirs to move.
	theirs := helper.visit(board)
	require.Equal(t, 1, theirs.Find(".moves").Length())
	require.Zero(t, theirs.Find(`a[href$="/tasks/new"]`).Length())
	require.Equal(t, http.StatusForbidden, helper.visit(board+"/new").status)
	require.Equal(t, http.StatusForbidden, helper.post(board+"/"+strings.TrimPrefix(card, "task-")+"/status", "status", "done").status)
	require.Equal(t, http.StatusForbidden, helper.post(board+"/"+medals+"/place", "place", "2", "revision", "1").status)
	require.Equal(t, http.StatusForbidden, helper.post(board+"/"+medals, "title", "Mine").status)
	require.Equal(t, board+"#task-"+medals, press(helper, theirs, "task-"+medals, "Start").to())
	own := helper.visit("/en/organize")
	require.Equal(t, []string{"Medals"}, own.texts("#my-tasks li a"))
	require.Equal(t, []string{"Medals"}, helper.visit("/en/my").texts("#my-tasks li a"), "where a runner who helps arrives")
	one := helper.visit(own.Find("#my-tasks li a").AttrOr("href", ""))
	require.Zero(t, one.Find("#task").Length())
	require.Contains(t, one.Find(".said-text").Text(), "1,200\npieces")

	// Two tabs: the second is told, keeps what it has, and may save it all the same.
	edit := board + "/" + medals
	old := director.visit(edit)
	require.Contains(t, old.body, "To do → In progress")
	require.Equal(t, edit, director.post(edit, old.fill("#task", "title", "Order medals", "do", "save")...).to())
	clash := director.post(edit, old.fill("#task", "title", "Buy medals", "do", "save")...)
	require.Equal(t, http.StatusConflict, clash.status)
	require.Equal(t, "Buy medals", clash.Find("#field-title").AttrOr("value", ""))
	require.Contains(t, clash.Find(".panel.waits").Text(), "Order medals")
	require.Equal(t, edit, director.post(edit, clash.fill("#task", "do", "save")...).to())
	saved := director.visit(edit)
	require.Equal(t, "Buy medals", saved.Find("h1").Text())
	require.Contains(t, saved.texts(".history strong"), "Title or description changed")
	require.Equal(t, past, saved.Find("#field-deadline").AttrOr("value", ""))
	kept := director.post(edit, old.fill("#remove", "do", "remove")...)
	require.Equal(t, http.StatusConflict, kept.status, "it has changed since")
	require.Contains(t, kept.Find("#wrong").Text(), "not removed")
	require.Equal(t, "Buy medals", kept.Find("#field-title").AttrOr("value", ""), "its form is not empty, and saving it takes nothing away")
	require.Contains(t, kept.Find("#field-note").Text(), "pieces")
	require.Equal(t, edit, director.post(edit, saved.fill("#task", "status", "done", "assignee_id", "", "deadline", "", "deadline_time", "", "do", "save")...).to())
	done := director.visit(board)
	require.Equal(t, []string{"Buy medals"}, done.texts(".done h3"))
	removing := director.visit(edit)
	remove := removing.fill("#remove", "do", "remove")
	require.Equal(t, board, director.post(edit, remove...).to())
	require.Equal(t, board, director.post(edit+"/status", "status", "open").to())
	require.Equal(t, []string{"Somebody has removed the task meanwhile."}, director.visit(board).texts(".said"))
	lost := director.post(edit, removing.fill("#task", "title", "Engrave medals", "do", "save")...)
	require.Equal(t, http.StatusConflict, lost.status)
	require.Contains(t, lost.Find("#wrong").Text(), "has removed this task")
	require.Equal(t, "Engrave medals", lost.Find("#field-title").AttrOr("value", ""))
	require.Regexp(t, "^"+board+"#task-", director.post(lost.Find("#task").AttrOr("action", ""), lost.fill("#task")...).to(), "it can be added again")
	require.Equal(t, board, director.post(edit, remove...).to(), "pressed twice")
	require.Equal(t, http.StatusNotFound, director.visit(edit).status)
	require.Equal(t, http.StatusNotFound, director.visit(board+"/x").status)

	// A stranger sees nothing.
	b.account(t, "stranger", auth.Organizer)
	require.Equal(t, http.StatusForbidden, b.loggedIn(t, "stranger").visit(board).status)
}

// TestDeadlineOfAMoment: a moment stays one when a form that shows it is saved.
func TestDeadlineOfAMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, director, _, _ := b.preparing(t)
	moment := race.Deadline{At: time.Date(2027, 3, 1, 23, 30, 0, 0, time.UTC)}
	task, err := b.main.AddTask(t.Context(), race.Task{ID: newID(), RaceID: r.ID, Title: "Call", Status: race.TaskOpen, Deadline: moment})
	require.NoError(t, err)
	edit := "/ko/organize/races/" + r.ID + "/tasks/" + task.ID
	form := director.visit(edit)
	require.Equal(t, []string{"2027-03-02", "08:30"}, []string{form.Find("#field-deadline").AttrOr("value", ""), form.Find("#field-deadline_time").AttrOr("value", "")}, "in Seoul")
	require.Contains(t, form.Find(".due").Text(), "2027년 3월 2일 (화) 08:30")
	require.Equal(t, edit, director.post(edit, form.fill("#task", "title", "Call them", "do", "save")...).to())
	task, err = b.main.Task(t.Context(), r.ID, task.ID)
	require.NoError(t, err)
	require.Equal(t, moment, task.Deadline)
	require.Equal(t, edit, director.post(edit, director.visit(edit).fill("#task", "deadline_time", "09:00", "do", "save")...).to())
	task, err = b.main.Task(t.Context(), r.ID, task.ID)
	require.NoError(t, err)
	require.Equal(t, "2027-03-02T09:00", task.Deadline.String())
}

// TestCopyAndCalendarPages copies last year's tasks after a look at what that adds, and
// makes, replaces and revokes an address of the calendar.
func TestCopyAndCalendarPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, director, helper, helperID := b.preparing(t)
	last := springMarathon(b.organizer)
	last.Name, last.Date = "Last year's", race.DateOf(r.Date.Midnight().AddDate(-1, 0, 0))
	last, err := b.main.CreateRace(t.Context(), last)
	require.NoError(t, err)
	copying := "/en/organize/races/" + r.ID + "/tasks/copy"
	require.Contains(t, director.visit(copying).body, "You work on no other race")
	b.hire(t, last, helperID, race.Viewer)
	_, err = b.main.AddTask(t.Context(), race.Task{
		ID: newID(), RaceID: last.ID, Title: "Medals", Status: race.TaskDone, AssigneeID: helperID, Deadline: race.Deadline{Day: race.DateOf(last.Date.Midnight().AddDate(0, 0, -30)), Clock: "18:00"},
	})
	require.NoError(t, err)
	choose := director.visit(copying)
	require.Contains(t, choose.Find("#from").Text(), "1 task")
	plan := director.visit(copying + "?from=" + last.ID)
	require.Contains(t, plan.Find("tbody tr").Text(), ", 18:00")
	require.Contains(t, plan.Find("tbody tr").Text(), r.Date.Midnight().AddDate(0, 0, -30).Format("2 January"))
	requireSound(t, plan, copying)
	board := "/en/organize/races/" + r.ID + "/tasks"
	require.Zero(t, director.visit(board).Find("li.panel").Length(), "a preview changes nothing")
	sent := plan.fill("#copy")
	require.Equal(t, board, director.post(copying+"?from="+last.ID, sent...).to())
	require.Equal(t, []string{"Medals"}, director.visit(board).texts(".open h3"))
	require.Equal(t, board, director.post(copying+"?from="+last.ID, sent...).to())
	require.Equal(t, []string{"There was nothing left to copy."}, director.visit(board).texts(".said"))
	require.Len(t, director.visit(board).texts(".lane h3"), 1)
	require.Contains(t, director.visit(copying+"?from="+last.ID).body, "All of its tasks have been copied already.")
	require.Equal(t, http.StatusUnprocessableEntity, director.visit(copying+"?from="+newID()).status)
	require.Equal(t, http.StatusUnprocessableEntity, director.post(copying, "from_race_id", newID()).status)

	// The helper's own address, although they change nothing.
	path := "/ko/organize/races/" + r.ID + "/calendar"
	require.Equal(t, 1, helper.visit(path).Find("#calendar button").Length())
	made := helper.post(path, "do", "make")
	require.Equal(t, http.StatusOK, made.status)
	require.Equal(t, "no-store", made.header.Get("Cache-Control"))
	address := made.Find("#address").AttrOr("value", "")
	require.Regexp(t, `^https://results\.example\.org/v1/calendar/\S+\?lang=ko$`, address)
	require.Equal(t, "webcal"+strings.TrimPrefix(address, "https"), made.Find(`.said a`).AttrOr("href", ""))
	read := func(address string) answer {
		return b.get(t, strings.TrimPrefix(address, "https://results.example.org"))
	}
	require.Contains(t, read(address).body, "SUMMARY:Medals")
	require.Contains(t, strings.ReplaceAll(read(address).body, "\r\n ", ""), "/ko/organize/races/"+r.ID+"/tasks/")
	again := helper.visit(path)
	require.NotContains(t, again.body, "/v1/calendar/", "it is shown once")
	require.Equal(t, 2, again.Find("#calendar button").Length())
	next := helper.post(path, "do", "make").Find("#address").AttrOr("value", "")
	require.Equal(t, http.StatusNotFound, read(address).status)
	require.Equal(t, http.StatusOK, read(next).status)
	require.Equal(t, path, helper.post(path, "do", "revoke").to())
	require.Equal(t, http.StatusNotFound, read(next).status)
	require.Equal(t, path, helper.post(path, "do", "revoke").to(), "pressed twice")
}

// TestMovingTheDayOfARace: deadlines stay where they are until somebody moves them, and
// those that somebody else has changed meanwhile stay at that.
func TestMovingTheDayOfARace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, director, _, _ := b.preparing(t)
	settings := "/en/organize/races/" + r.ID + "/settings/general"
	moveTo := func(days int) answer {
		t.Helper()
		return director.post(settings, director.visit(settings).fill("main form", "date", r.Date.Midnight().AddDate(0, 0, days).Format(time.DateOnly))...)
	}
	require.Equal(t, "/en/organize/races/"+r.ID, moveTo(1).to(), "there is nothing to move")
	due := func(days int, clock string) race.Deadline {
		return race.Deadline{Day: race.DateOf(r.Date.Midnight().AddDate(0, 0, days)), Clock: clock}
	}
	var ids []string
	for i, deadline := range []race.Deadline{due(-9, ""), due(-8, "18:00"), due(-7, ""), {}} {
		task, err := b.main.AddTask(t.Context(), race.Task{ID: newID(), RaceID: r.ID, Title: fmt.Sprint("task ", i), Status: race.TaskOpen, Deadline: deadline})
		require.NoError(t, err)
		ids = append(ids, task.ID)
	}
	moved := moveTo(8)
	require.Equal(t, "/en/organize/races/"+r.ID+"/tasks/move?days=7", moved.to())
	form := director.visit(moved.to())
	require.Contains(t, form.texts(".said")[0], "still where they were")
	require.Equal(t, 3, form.Find("tbody tr").Length())
	require.Contains(t, form.Find("tbody tr").First().Text(), r.Date.Midnight().AddDate(0, 0, -2).Format("2 January"))
	requireSound(t, form, moved.to())

	path := "/en/organize/races/" + r.ID + "/tasks/move"
	sent := []string{"days", "7", "key", newID()}
	form.Find("[name=task]").Each(func(i int, s *goquery.Selection) {
		if i < 2 {
			sent = append(sent, "task", s.AttrOr("value", ""))
		}
	})
	title := "changed meanwhile"
	_, err := b.main.ChangeTask(t.Context(), r.ID, ids[0], 1, maindb.TaskPatch{Title: &title})
	require.NoError(t, err)
	require.Equal(t, "/en/organize/races/"+r.ID+"/tasks", director.post(path, sent...).to())
	require.Contains(t, director.visit("/en/organize/races/" + r.ID + "/tasks").texts(".said")[0], "Some tasks had changed")
	require.Equal(t, http.StatusSeeOther, director.post(path, sent...).status, "a form that is sent twice counts once")
	for i, want := range []race.Deadline{due(-9, ""), due(-1, "18:00"), due(-7, ""), {}} {
		task, err := b.main.Task(t.Context(), r.ID, ids[i])
		require.NoError(t, err)
		require.Equal(t, want, task.Deadline, i)
	}
	require.Equal(t, http.StatusConflict, director.post(path, "days", "7").status)
	older := director.post(path, "days", "7", "task", ids[0]+":1")
	require.Equal(t, http.StatusConflict, older.status)
	require.Equal(t, 1, older.Find("[name=task][checked]").Length(), "those that were not ticked stay so")
	require.Equal(t, http.StatusUnprocessableEntity, director.post(path, "days", "0", "task", ids[0]+":2").status, "that moves nothing")
	unsaid := director.post(path, "task", ids[0]+":2")
	require.Equal(t, http.StatusUnprocessableEntity, unsaid.status, "by how many days?")
	require.Contains(t, unsaid.Find(".field .is").Text(), "from -3660 to 3660")
	typed := director.visit(path + "?days=7+days")
	require.Equal(t, http.StatusUnprocessableEntity, typed.status)
	require.Equal(t, "7 days", typed.Find("#field-days").AttrOr("value", ""))
	require.Contains(t, typed.Find(".field .is").Text(), "from -3660 to 3660")
	wrong := director.post(path, "days", "a week")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "a week", wrong.Find("#field-days").AttrOr("value", ""))
	require.Equal(t, path, moveTo(4008).to(), "a year that was mistyped is not refused after it was saved")
}
