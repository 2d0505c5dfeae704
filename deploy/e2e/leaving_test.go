package e2e_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// TestLeavingErasesEverythingEverywhere: a runner writes a marker into every field there
// is, has a result, disputes it, is mailed to, and leaves. Neither database then holds a
// marker, and neither queue, no history and search attribute of Temporal, no log and no
// trace ever did.
func TestLeavingErasesEverythingEverywhere(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := tracedSystem(t, c)
	p := plant(t, s)
	before := strings.ToLower(s.rows(t))
	for _, marker := range servertest.Markers {
		require.Contains(t, before, strings.ToLower(marker), "the search finds what is there")
	}
	require.Contains(t, before, "zebra7391listed")

	// A message waits on the queue for whoever looks into it.
	require.NoError(t, s.Kill(stack.Worker))
	p.organizer.correct(t, p.raceID, p.recordID, p.revision, map[string]any{"gun_time": "3:10:00", "reason": "finish video"})
	var queued string
	eventually(t, patience, func() error {
		if queued = s.queued(t); !strings.Contains(queued, p.recordID) {
			return errors.New("the correction is not on the queue yet")
		}
		return nil
	})
	require.NoError(t, s.StartPart(t.Context(), stack.Worker))
	eventually(t, patience, func() error {
		if progress := p.organizer.credits(t, p.raceID); progress.Pending > 0 {
			return fmt.Errorf("%d credits are pending", progress.Pending)
		}
		return nil
	})

	p.runner.call(t, http.MethodDelete, "/v1/me", inJSON(t, map[string]string{"password": p.password})).into(t, http.StatusNoContent, nil)
	p.runner.call(t, http.MethodGet, "/v1/me", payload{}).problem(t, http.StatusUnauthorized)
	eventually(t, patience, func() error { // changes of accounts are logged a second later
		if n := count(t, s.userDB, "SELECT COUNT(*) FROM change_outbox"); n > 0 {
			return fmt.Errorf("%d changes are not logged yet", n)
		}
		return nil
	})
	for place, found := range map[string]struct{ text, control string }{
		"the databases": {s.rows(t), p.runner.userID},
		"the queues":    {queued + s.queued(t), p.recordID},
		"Temporal":      {s.histories(t), p.runner.userID},
		"the logs":      {s.everyLog(t), p.raceID},
		"the traces":    {c.text(), p.recordID},
	} {
		if !strings.Contains(found.text, found.control) {
			t.Errorf("the search of %s does not find what is there", place)
		}
		text := strings.ToLower(found.text)
		for _, marker := range servertest.Markers {
			if at := strings.Index(text, strings.ToLower(marker)); at >= 0 {
				t.Errorf("%s still hold %s: …%s…", place, marker, text[max(0, at-300):min(len(text), at+100)])
			}
		}
	}
}

// planted is a runner who has written markers into everything.
type planted struct {
	runner, organizer *caller
	password          string
	raceID, recordID  string
	revision          int
}

func plant(t *testing.T, s *system) (p planted) {
	t.Helper()
	name, address, phone := servertest.Markers[0], servertest.Markers[1], servertest.Markers[2]
	const password = "six stars to go"
	p = planted{runner: s.anonymous(), organizer: s.signUp(t, "organizer"), password: password}
	p.runner.call(t, http.MethodPost, "/v1/users", inJSON(t, map[string]string{
		"login_id": "first-" + name, "password": password, "name": name, "user_type": "runner", "phone": phone, "email": address, "birth_date": "1990-05-01", "sex": "F",
	})).into(t, http.StatusCreated, nil)
	_, err := s.userDB.ExecContext(t.Context(), "UPDATE user SET email = email_pending, email_confirmed_at = UTC_TIMESTAMP(6) WHERE login_id = ?", strings.ToLower("first-"+name))
	require.NoError(t, err)
	p.runner.logIn(t, "first-"+name, password)

	// The result of a start list's row, claimed and disputed, and an entry in another race.
	p.raceID = p.organizer.createRace(t, marathon("Left Marathon"))
	p.organizer.importStartList(t, p.raceID, inCSV("bib,name,sex,age\n7,"+name+"Listed,F,36\n"))
	p.recordID = p.organizer.postRecord(t, p.raceID, map[string]any{"bib": "7", "gun_time": "3:59:05"}).RecordID
	p.runner.call(t, http.MethodPost, "/v1/me/claims", inJSON(t, map[string]string{"race_id": p.raceID, "bib": "7", "code": p.organizer.codes(t, p.raceID)["7"]})).into(t, http.StatusCreated, nil)
	p.revision = p.organizer.record(t, p.raceID, p.recordID).Revision
	other := p.organizer.createRace(t, marathon("Entered Marathon"))

	me := func(method, path, field, value string, more map[string]any) map[string]any {
		body := map[string]any{field: value}
		maps.Copy(body, more)
		var made map[string]any
		got := p.runner.call(t, method, path, inJSON(t, body))
		require.Less(t, got.status, http.StatusBadRequest, "%s %s %s: %s", method, path, field, got)
		if len(got.body) > 0 {
			got.into(t, got.status, &made)
		}
		return made
	}
	own := map[string]any{"date": "2026-05-09", "distance_m": 5000, "time": "21:40"}
	run := "/v1/me/unofficial-records/" + fmt.Sprint(me(http.MethodPost, "/v1/me/unofficial-records", "title", "x", own)["unofficial_record_id"])
	checked := map[string]any{"current_password": password}
	disputes := recordsOf(p.raceID) + "/" + p.recordID + "/disputes"
	discussed := p.organizer.createRace(t, marathon("Discussed Marathon"))
	me(http.MethodPost, "/v1/races/"+discussed+"/participants", "team", "", nil)
	var post, official struct {
		PostID    string `json:"post_id"`
		CommentID string `json:"comment_id"`
	}
	p.organizer.call(t, http.MethodPost, "/v1/races/"+discussed+"/posts", inJSON(t, map[string]string{"title": "Start", "body": "At eight."})).into(t, http.StatusCreated, &post)
	comments := "/v1/races/" + discussed + "/posts/" + post.PostID + "/comments"
	p.organizer.call(t, http.MethodPost, comments, inJSON(t, map[string]string{"text": "Be early."})).into(t, http.StatusCreated, &official)
	comment := comments + "/" + fmt.Sprint(me(http.MethodPost, comments, "text", "x", nil)["comment_id"])
	calls := map[string]func(){
		"add-passkey.name": func() { // the call needs an authenticator, and a site with a domain name
			_, err := s.userDB.ExecContext(t.Context(), `INSERT INTO passkey (passkey_id, user_id, credential_id, public_key, sign_count, flags, aaguid, name, created_at)
				VALUES (UUID(), ?, 'id', 'key', 0, 0, UUID(), ?, NOW(6))`, p.runner.userID, name)
			require.NoError(t, err)
		},
		"change-me.email":                func() { me(http.MethodPatch, "/v1/me", "email", "new-"+address, checked) },
		"change-me.login_id":             func() { me(http.MethodPatch, "/v1/me", "login_id", address, checked) },
		"change-me.name":                 func() { me(http.MethodPatch, "/v1/me", "name", name, nil) },
		"change-me.phone":                func() { me(http.MethodPatch, "/v1/me", "phone", phone, nil) },
		"create-unofficial-record.title": func() { me(http.MethodPost, "/v1/me/unofficial-records", "title", name, own) },
		"create-unofficial-record.note":  func() { me(http.MethodPost, "/v1/me/unofficial-records", "note", name, own) },
		"change-unofficial-record.title": func() { me(http.MethodPatch, run, "title", name, nil) },
		"change-unofficial-record.note":  func() { me(http.MethodPatch, run, "note", name, nil) },
		"edit-comment.text":              func() { me(http.MethodPatch, comment, "text", name, nil) },
		"enter-race.team":                func() { me(http.MethodPost, "/v1/races/"+other+"/participants", "team", name, nil) },
		"open-dispute.wrong":             func() { me(http.MethodPost, disputes, "wrong", name, map[string]any{"right_would_be": name}) },
		"open-dispute.right_would_be":    func() {}, // there is one dispute of a result at a time
		"post-comment.text":              func() { me(http.MethodPost, comments, "text", name, nil) },
		"report-comment.reason":          func() { me(http.MethodPost, comments+"/"+official.CommentID+"/report", "reason", name, nil) },
	}
	require.Equal(t, servertest.Marked, slices.Sorted(maps.Keys(calls)))
	for _, field := range servertest.Marked {
		calls[field]()
	}
	s.anonymous().call(t, http.MethodPost, "/v1/users/recovery", inJSON(t, map[string]string{"login_id": address})).into(t, http.StatusAccepted, nil)
	eventually(t, patience, func() error {
		if n := count(t, s.userDB, "SELECT COUNT(*) FROM mail WHERE user_id = ? AND state = 'sent'", p.runner.userID); n < 5 {
			return fmt.Errorf("%d mails are sent: to confirm two addresses and a login, to recover the account, and the notice of a new device", n)
		}
		return nil
	})
	return p
}

// rows is every row of both databases as text.
func (s *system) rows(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, db := range []*sql.DB{s.mainDB, s.userDB} {
		rows, err := servertest.Dump(func(statement string) ([]map[string]any, error) { return mysql.QueryRows(t.Context(), db, statement) })
		require.NoError(t, err)
		text.WriteString(rows)
	}
	return text.String()
}

// queued returns the bodies and attributes of the messages on each queue. They stay where
// they are.
func (s *system) queued(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, url := range []string{s.QueueURL(), s.DeadLetterQueueURL(), s.MailEventsQueueURL(), s.MailEventsDeadLetterQueueURL()} {
		var got struct{ Messages []map[string]any }
		require.NoError(t, s.callQueue(t.Context(), "ReceiveMessage", map[string]any{
			"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0,
			"MessageAttributeNames": []string{"All"}, "AttributeNames": []string{"All"},
		}, &got))
		fmt.Fprintln(&text, got.Messages)
	}
	return text.String()
}

// histories is everything that Temporal holds about every workflow, as text.
func (s *system) histories(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for token, more := []byte(nil), true; more; more = len(token) > 0 {
		page, err := s.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000, NextPageToken: token})
		require.NoError(t, err)
		token = page.GetNextPageToken()
		for _, info := range page.GetExecutions() {
			fmt.Fprintln(&text, info)
			events := s.temporal.GetWorkflowHistory(t.Context(), info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				event, err := events.Next()
				require.NoError(t, err)
				fmt.Fprintln(&text, event)
			}
		}
	}
	return text.String()
}

// everyLog is the logs of all parts of the stack.
func (s *system) everyLog(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.dir, "logs", "*"))
	require.NoError(t, err)
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
