package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// match sends a change that is based on a revision.
func (b *testBundle) match(t *testing.T, who kind, method, path, body string, revision any) int {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}, "If-Match": {fmt.Sprint(revision)}}
	return b.send(t, method, path, b.tokens[who], body, header).Code
}

// TestTasks goes through the life of a task with those who may and may not change it.
func TestTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID + "/tasks"
	for _, refused := range []string{
		`{"title":""}`, `{"title":"a\nb"}`, `{"title":"x","deadline":"soon"}`, `{"title":"x","remind_days":[0]}`, `{"title":"x","assignee_id":"me"}`,
		`{"title":"x","assignee_id":"` + b.bystanderID + `"}`, `{"title":"x","watcher_ids":["` + newID() + `"]}`, `{"title":"x","status":"later"}`,
	} {
		b.as(t, owner, http.MethodPost, path, refused, http.StatusUnprocessableEntity)
	}
	body := `{"title":"Order the medals","deadline":"2027-10-01","assignee_id":"` + b.ids[viewer] + `","watcher_ids":["` + b.ids[timing] + `"]}`
	made := b.as(t, editor, http.MethodPost, path, body, http.StatusCreated)
	require.Equal(t, []any{"open", "2027-10-01", "2027-10-02T00:00:00Z", []any{3.0, 1.0}}, []any{made["status"], made["deadline"], made["due_at"], made["remind_days"]})
	require.Equal(t, map[string]any{"user_id": b.ids[viewer], "name": "Ada Example"}, made["assignee"])
	one := path + "/" + fmt.Sprint(made["task_id"])
	b.as(t, owner, http.MethodPost, path, `{"title":"Call the police","deadline":"2027-10-01T09:00:00+09:00"}`, http.StatusCreated)
	b.as(t, owner, http.MethodPost, path, `{"title":"Some day"}`, http.StatusCreated)

	for query, want := range map[string]int{
		"": 3, "?status=open": 3, "?status=done": 0, "?assignee=none": 2, "?assignee=" + b.ids[viewer]: 1, "?assignee=me": 0,
		"?due_before=2027-10-01T00:00:00Z": 1, "?due_before=2027-10-02T00:00:00Z": 2, "?limit=2": 2,
	} {
		require.Len(t, items(t, b.as(t, owner, http.MethodGet, path+query, "", http.StatusOK)), want, query)
	}
	late := b.as(t, owner, http.MethodPost, path, `{"title":"Late","deadline":"2020-02-01T18:00"}`, http.StatusCreated)
	require.Equal(t, []any{"2020-02-01T18:00", "2020-02-01T18:00:00Z", true}, []any{late["deadline"], late["due_at"], late["overdue"]})
	b.as(t, owner, http.MethodPatch, "/v1/races/"+b.race.ID, `{"entry":{"capacity":9,"time_zone":"Asia/Seoul"}}`, http.StatusOK)
	overdue := items(t, b.as(t, owner, http.MethodGet, path+"?overdue=true", "", http.StatusOK))
	require.Len(t, overdue, 1)
	require.Equal(t, []any{"2020-02-01T18:00", "2020-02-01T09:00:00Z"}, []any{overdue[0]["deadline"], overdue[0]["due_at"]}, "by the race's clock, in whatever zone it is")
	require.Equal(t, http.StatusNoContent, b.match(t, owner, http.MethodDelete, path+"/"+fmt.Sprint(late["task_id"]), "", 1))
	rest := b.as(t, owner, http.MethodGet, path+"?limit=2&cursor="+fmt.Sprint(b.as(t, owner, http.MethodGet, path+"?limit=2", "", http.StatusOK)["next_cursor"]), "", http.StatusOK)
	require.Equal(t, "Some day", items(t, rest)[0]["title"])
	require.Len(t, items(t, b.as(t, viewer, http.MethodGet, "/v1/me/tasks", "", http.StatusOK)), 1)

	require.Equal(t, http.StatusPreconditionRequired, b.send(t, http.MethodPatch, one, b.tokens[editor], `{"note":"x"}`, http.Header{"Content-Type": {"application/json"}}).Code)
	require.Equal(t, http.StatusOK, b.match(t, editor, http.MethodPatch, one, `{"note":"1,200 pieces","deadline":"","place":9}`, `"1"`))
	require.Equal(t, http.StatusPreconditionFailed, b.match(t, owner, http.MethodPatch, one, `{"note":"900 pieces"}`, 1))
	require.Equal(t, http.StatusForbidden, b.match(t, viewer, http.MethodPatch, one, `{"note":"x"}`, 2), "the assignee changes the status alone")
	b.as(t, timing, http.MethodPost, one+"/status", `{"status":"done"}`, http.StatusForbidden)
	done := b.as(t, viewer, http.MethodPost, one+"/status", `{"status":"done"}`, http.StatusOK)
	require.Equal(t, []any{"done", "1,200 pieces", nil}, []any{done["status"], done["note"], done["deadline"]})
	require.Empty(t, items(t, b.as(t, viewer, http.MethodGet, "/v1/me/tasks", "", http.StatusOK)))

	// What people wrote is not in the log, which is kept for ever.
	logged := fmt.Sprint(b.as(t, owner, http.MethodGet, "/v1/races/"+b.race.ID+"/changes?action=task.", "", http.StatusOK))
	require.Contains(t, logged, "task.changed")
	require.NotContains(t, logged, "medals")
	require.NotContains(t, logged, "pieces")

	copied := b.as(t, owner, http.MethodPost, "/v1/races", `{"name":"B","date":"2027-11-20","distance_m":42195,"ranking":{"basis":"gun"}}`, http.StatusCreated)
	into := "/v1/races/" + fmt.Sprint(copied["race_id"]) + "/tasks/copy"
	planned := b.as(t, owner, http.MethodPost, into, `{"from_race_id":"`+b.race.ID+`","dry_run":true}`, http.StatusOK)
	require.Zero(t, planned["copied"])
	require.Len(t, items(t, planned), 3)
	require.EqualValues(t, 3, b.as(t, owner, http.MethodPost, into, `{"from_race_id":"`+b.race.ID+`"}`, http.StatusOK)["copied"])
	b.as(t, owner, http.MethodPost, into, `{"from_race_id":"`+newID()+`"}`, http.StatusUnprocessableEntity)
	foreign := b.as(t, otherOrganizer, http.MethodPost, "/v1/races", `{"name":"C","date":"2027-11-20","distance_m":42195,"ranking":{"basis":"gun"}}`, http.StatusCreated)
	b.as(t, otherOrganizer, http.MethodPost, "/v1/races/"+fmt.Sprint(foreign["race_id"])+"/tasks/copy", `{"from_race_id":"`+b.race.ID+`"}`, http.StatusUnprocessableEntity)

	require.Equal(t, http.StatusNoContent, b.match(t, owner, http.MethodDelete, one, "", 3))
	b.as(t, owner, http.MethodGet, one, "", http.StatusNotFound)
}

// properties reads a calendar as RFC 5545 says, as far as we write it.
func properties(t *testing.T, calendar string) (found []string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(calendar, "\r\n"), "\r\n") {
		require.LessOrEqual(t, len(line), 75)
		require.True(t, utf8.ValidString(line), "folded within a character: %q", line)
		require.NotContains(t, line, "\n")
		if rest, folded := strings.CutPrefix(line, " "); folded {
			found[len(found)-1] += rest
		} else {
			found = append(found, line)
		}
	}
	return found
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	b := setup(t)
	racePath := "/v1/races/" + b.race.ID
	opens := time.Date(2027, 3, 1, 1, 0, 0, 0, time.UTC)
	b.as(t, owner, http.MethodPatch, racePath, `{"entry":{"capacity":9,"opens_at":"`+opens.Format(time.RFC3339)+`","time_zone":"Asia/Seoul"}}`, http.StatusOK)
	title := strings.Repeat("메달; 티셔츠, 물 ", 15)
	day := b.as(t, owner, http.MethodPost, racePath+"/tasks", `{"title":"`+title+`","note":"one\ntwo\\three","deadline":"2027-02-28"}`, http.StatusCreated)
	at := b.as(t, owner, http.MethodPost, racePath+"/tasks", `{"title":"Meeting","status":"done","deadline":"2027-02-01T10:00:00+09:00"}`, http.StatusCreated)
	b.as(t, owner, http.MethodPost, racePath+"/tasks", `{"title":"Dinner","deadline":"2027-02-02T19:00"}`, http.StatusCreated)
	b.as(t, owner, http.MethodPost, racePath+"/tasks", `{"title":"Dropped","status":"dropped","deadline":"2027-02-01"}`, http.StatusCreated)
	b.as(t, viewer, http.MethodGet, racePath+"/calendar", "", http.StatusNotFound)
	address := fmt.Sprint(b.as(t, viewer, http.MethodPost, racePath+"/calendar", "", http.StatusCreated)["url"])
	path := strings.TrimPrefix(address, "https://api.example.org")
	b.as(t, viewer, http.MethodGet, racePath+"/calendar", "", http.StatusOK)
	require.Equal(t, http.StatusOK, b.match(t, owner, http.MethodPatch, racePath+"/tasks/"+fmt.Sprint(day["task_id"]), `{"status":"in_progress"}`, 1))

	b.logs.drain()
	answer := b.send(t, http.MethodGet, path+"?lang=ko", "", "", nil)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	require.Equal(t, "text/calendar; charset=utf-8", answer.Header().Get("Content-Type"))
	require.NotContains(t, b.logs.drain(), strings.TrimPrefix(path, "/v1/calendar/"), "the address is a secret")
	found := properties(t, answer.Body.String())
	for _, want := range []string{
		"BEGIN:VCALENDAR", "VERSION:2.0", "END:VCALENDAR",
		"UID:race-" + b.race.ID + "@mrmrthon", "DTSTART;VALUE=DATE:20261120", "DTEND;VALUE=DATE:20261121", "SUMMARY:참가 신청 시작: Test Marathon", "DTSTART:20270301T010000Z",
		"UID:task-" + fmt.Sprint(day["task_id"]) + "@mrmrthon", "SEQUENCE:1", "DTSTART;VALUE=DATE:20270228", "DTEND;VALUE=DATE:20270301",
		"SUMMARY:" + strings.NewReplacer(";", `\;`, ",", `\,`).Replace(strings.TrimSpace(title)), `DESCRIPTION:one\ntwo\\three`,
		"UID:task-" + fmt.Sprint(at["task_id"]) + "@mrmrthon", "SUMMARY:완료: Meeting", "DTSTART:20270201T010000Z",
		"SUMMARY:Dinner", "DTSTART:20270202T100000Z", "URL:https://api.example.org/ko/organize/races/" + b.race.ID + "/tasks/" + fmt.Sprint(day["task_id"]),
	} {
		require.Contains(t, found, want)
	}
	require.NotContains(t, answer.Body.String(), "Dropped")

	// Another address replaces it, and revoking, leaving and suspending end it.
	next := fmt.Sprint(b.as(t, viewer, http.MethodPost, racePath+"/calendar", "", http.StatusCreated)["url"])
	require.Equal(t, http.StatusNotFound, b.send(t, http.MethodGet, path, "", "", nil).Code)
	path = strings.TrimPrefix(next, "https://api.example.org")
	require.Equal(t, http.StatusOK, b.send(t, http.MethodGet, path, "", "", nil).Code)
	b.as(t, viewer, http.MethodDelete, racePath+"/calendar", "", http.StatusNoContent)
	require.Equal(t, http.StatusNotFound, b.send(t, http.MethodGet, path, "", "", nil).Code)
	path = strings.TrimPrefix(fmt.Sprint(b.as(t, timing, http.MethodPost, racePath+"/calendar", "", http.StatusCreated)["url"]), "https://api.example.org")
	b.as(t, operator, http.MethodPost, "/v1/ops/users/"+b.ids[timing]+"/suspend", `{"reason":"test"}`, http.StatusOK)
	require.Equal(t, http.StatusNotFound, b.send(t, http.MethodGet, path, "", "", nil).Code)
}
