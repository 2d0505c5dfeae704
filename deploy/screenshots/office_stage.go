package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
)

// errNobody says that an invitation did not reach whom it was for.
var errNobody = errors.New("the invitation did not arrive")

// addStaff has two people help to run the race with places.
func (st *stage) addStaff(ctx context.Context, api string, organizer *apiclient.Client) error {
	for _, one := range []struct{ name, role string }{{"이정은", "editor"}, {"Alexandra Wojciechowska-Featherstonehaugh", "timing"}} {
		c := &apiclient.Client{Base: api, Login: "staff-" + uuid.NewString(), Password: uuid.NewString(), Patience: time.Minute}
		if err := c.SignUp(ctx, "organizer", one.name); err != nil {
			return err
		}
		if err := c.LogIn(ctx); err != nil {
			return err
		}
		if err := organizer.JSON(ctx, http.MethodPost, "/v1/races/"+st.open+"/staff", fields{"login_id": c.Login, "role": one.role, "reason": "worked on last year's race"}, nil); err != nil {
			return err
		}
		var invited struct {
			Items []struct {
				InvitationID string `json:"invitation_id"`
			} `json:"items"`
		}
		if err := c.Get(ctx, "/v1/me/staff-invitations", &invited); err != nil {
			return err
		}
		if len(invited.Items) != 1 {
			return errNobody
		}
		if err := c.JSON(ctx, http.MethodPost, "/v1/me/staff-invitations/"+invited.Items[0].InvitationID+"/accept", nil, nil); err != nil {
			return err
		}
		st.staff = append(st.staff, c)
	}
	return nil
}

// addTasks adds tasks to the race with places, and to the small one, from which they can
// be copied.
func (st *stage) addTasks(ctx context.Context, organizer *apiclient.Client) error {
	var me struct {
		UserID string `json:"user_id"`
	}
	if err := organizer.Get(ctx, "/v1/me", &me); err != nil {
		return err
	}
	editor, helper := st.staff[0].UserID, st.staff[1].UserID
	day := func(days int) string { return time.Now().AddDate(0, 0, days).Format(time.DateOnly) }
	add := func(raceID string, task fields) error {
		var made struct {
			TaskID string `json:"task_id"`
		}
		err := organizer.JSON(ctx, http.MethodPost, "/v1/races/"+raceID+"/tasks", task, &made)
		if st.task == "" && raceID == st.open {
			st.task = made.TaskID
		}
		return err
	}
	for _, task := range []fields{
		{"title": "Order 1,200 finisher medals and their ribbons", "deadline": day(-3) + "T18:00", "assignee_id": editor, "watcher_ids": []string{me.UserID, helper}, "note": "As last year, with the river on them.\nAsk two makers for offers."},
		{"title": "경찰서 도로 통제 협의", "deadline": day(1), "assignee_id": me.UserID, "watcher_ids": []string{editor}},
		{"title": "Book ambulances and a doctor for the finish, and agree with the hospital on whom to call", "deadline": day(9), "assignee_id": helper},
		{"title": "Print bibs 1 to 999", "deadline": day(30)},
		{"title": "자원봉사자 설명회", "deadline": day(12) + "T19:30", "status": "in_progress", "assignee_id": editor},
		{"title": "Thank the sponsors", "status": "in_progress"},
		{"title": "Course measured", "deadline": day(-40), "status": "done", "assignee_id": me.UserID},
		{"title": "Live television", "status": "dropped"},
	} {
		if err := add(st.open, task); err != nil {
			return err
		}
		delete(task, "assignee_id") // who works on the other race does not on this one
		delete(task, "watcher_ids")
		if err := add(st.small, task); err != nil {
			return err
		}
	}
	return st.staff[0].JSON(ctx, http.MethodPatch, "/v1/races/"+st.open+"/tasks/"+st.task, fields{"status": "in_progress"}, nil, "If-Match", `"1"`)
}

// addWebhooks has changes of the small race sent to a program that is not there, and to
// channels that a server of this program answers for as Slack and Discord do, to which a
// stack on this machine may send.
func (st *stage) addWebhooks(ctx context.Context, organizer *apiclient.Client) error {
	chats := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != slackPath { // Discord answers so
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	path := "/v1/races/" + st.small + "/webhooks"
	for _, hook := range []fields{
		{"url": "https://hooks.example.org/riverside/results?from=mrmrthon&for=the-scoreboard-at-the-finish", "events": []string{"result.posted", "race.changed"}},
		{"format": "slack", "language": "en", "url": chats.URL + slackPath, "events": []string{"race.changed", "claim.opened", "dispute.opened", "race.official"}},
		{"format": "discord", "language": "ko", "url": chats.URL + "/api/webhooks/123456789012345678/a-token", "events": []string{"race.changed", "race.official"}},
	} {
		var made struct {
			WebhookID string `json:"webhook_id"`
		}
		if err := organizer.JSON(ctx, http.MethodPost, path, hook, &made); err != nil {
			return err
		}
		st.webhooks = append(st.webhooks, made.WebhookID)
		if err := organizer.JSON(ctx, http.MethodPost, path+"/"+made.WebhookID+"/test", nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// slackPath has the form of an incoming webhook of Slack.
const slackPath = "/services/T0123/B0456/a1b2c3"

// addPosts writes notices of the open race, with comments of which one is reported and one
// is hidden.
func (st *stage) addPosts(ctx context.Context, organizer *apiclient.Client) error {
	path := "/v1/races/" + st.open + "/posts"
	for _, post := range []fields{
		{"title": "Draft: shuttle buses", "body": "From **Jamsil** station, every ten minutes.", "state": "draft"},
		{"title": "배번 배송 안내", "body": "배번은 택배로 보내 드립니다.", "state": "planned", "publish_at": time.Now().AddDate(0, 0, 7).UTC().Format(time.RFC3339), "notify": true},
		{"title": "Road closures", "body": "The south bank is closed to cars from 6:00 to 12:00. [The map](https://example.org/map) shows the detours."},
		{"title": "Parking, bag drop and start times", "pinned": true, "notify": true, "body": "# Getting there\n\nThe bag drop opens at **7:00** beside the stadium.\n\n- Take line 2; there is *no* parking.\n- Bibs are handed out until 8:15.\n\n> Please be in your pen ten minutes before the start.\n\n1. Pen A starts at 8:30.\n2. Pen B starts at 8:36."},
	} {
		var made struct {
			PostID string `json:"post_id"`
		}
		if err := organizer.JSON(ctx, http.MethodPost, path, post, &made); err != nil {
			return err
		}
		st.post = made.PostID
	}
	path += "/" + st.post + "/comments"
	say := func(c *apiclient.Client, text string) error {
		var made struct {
			CommentID string `json:"comment_id"`
		}
		err := c.JSON(ctx, http.MethodPost, path, fields{"text": text}, &made)
		st.comment = made.CommentID
		return err
	}
	if err := say(st.first, "Is there a bag drop at the finish, too?"); err != nil {
		return err
	}
	if err := say(organizer, "Yes: beside the finish, until 13:00."); err != nil {
		return err
	}
	if err := say(st.first, "The man with bib 77 took a taxi last year. Everybody knows who he is."); err != nil {
		return err
	}
	if err := organizer.JSON(ctx, http.MethodPost, path+"/"+st.comment+"/hide", fields{"reason": "about a person, not about the race"}, nil); err != nil {
		return err
	}
	if err := say(st.first, "Cheap shoes at https://example.org/shoes, today only!"); err != nil {
		return err
	}
	return organizer.JSON(ctx, http.MethodPost, path+"/"+st.comment+"/report", fields{"reason": "it is an advertisement"}, nil)
}

// addMails signs people up whose mails the local catcher takes, refuses or reports.
func (st *stage) addMails(ctx context.Context, api string) error {
	for _, simulated := range []string{"bounce", "busy", "late-bounce", "complaint"} {
		login := simulated + "+" + uuid.NewString()[:8] + "@example.org"
		c := &apiclient.Client{Base: api, Login: login, Password: uuid.NewString(), Patience: time.Minute}
		if err := c.SignUp(ctx, "runner", "Somebody"); err != nil {
			return fmt.Errorf("sign %s up: %w", simulated, err)
		}
	}
	return nil
}
