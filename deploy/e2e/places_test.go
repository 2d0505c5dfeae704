package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/stretchr/testify/require"
)

// TestPlacesAndPostsInABrowser looks at the pages on which places are drawn, deferred and
// transferred, at a race's notices with their comments, and at its mails, channels and
// tasks, as a runner, the organizer and an operator see them.
func TestPlacesAndPostsInABrowser(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer, giver, runner := s.signUp(t, "organizer"), s.signUp(t, "runner"), s.signUp(t, "runner")
	until := time.Now().AddDate(0, 1, 0)
	add := func(months int, entry map[string]any) string {
		body := marathon("Places of all kinds")
		body["date"] = until.AddDate(0, months, 0).Format(time.DateOnly)
		body["entry"] = entry
		return organizer.createRace(t, body)
	}
	next := add(12, map[string]any{"capacity": 10})
	raceID := add(1, map[string]any{
		"next_race_id": next, "defer_until": until.Format(time.RFC3339), "transfer_until": until.Format(time.RFC3339),
		"pools": []map[string]any{{"name": "Everyone", "capacity": 10}, {"name": "Fast", "capacity": 5, "standard": map[string]any{"distance_m": 42195, "men": "3:00:00", "women": "3:30:00", "since": "2025-01-01"}}},
	})
	drawn := add(1, map[string]any{"capacity": 3, "order": "draw", "closes_at": until.Format(time.RFC3339)})
	api := "/v1/races/" + raceID
	post := func(c *caller, path string, body map[string]any, out any) {
		t.Helper()
		answered := c.call(t, http.MethodPost, path, inJSON(t, body))
		require.Contains(t, []int{http.StatusOK, http.StatusCreated, http.StatusAccepted}, answered.status, answered.String())
		if out != nil {
			answered.into(t, answered.status, out)
		}
	}
	post(giver, api+"/participants", map[string]any{}, nil)
	post(giver, "/v1/races/"+drawn+"/participants", map[string]any{}, nil)
	post(giver, api+"/participants/me/transfer", map[string]any{}, nil)
	post(organizer, api+"/admissions", map[string]any{"login_id": runner.login, "pool": "Fast", "reason": "won last year"}, nil)
	var notice struct {
		PostID string `json:"post_id"`
	}
	post(organizer, api+"/posts", map[string]any{"title": "Bag drop", "body": "# Where\n\nBeside **the stadium**:\n\n- A\n- [B](https://example.org)\n\n> Be early."}, &notice)
	comments := api + "/posts/" + notice.PostID + "/comments"
	var comment struct {
		CommentID string `json:"comment_id"`
	}
	post(giver, comments, map[string]any{"text": "Until when?"}, &comment)
	post(runner, comments+"/"+comment.CommentID+"/report", map[string]any{"reason": "not polite"}, nil)

	var channel struct {
		WebhookID string `json:"webhook_id"`
	}
	post(organizer, api+"/webhooks", map[string]any{"format": "slack", "language": "ko", "url": "http://127.0.0.1:9/services/T1/B1/c1", "events": []string{"race.changed"}}, &channel)
	for _, id := range []string{raceID, next} {
		post(organizer, "/v1/races/"+id+"/tasks", map[string]any{"title": "Order medals for " + id, "deadline": until.Format(time.DateOnly)}, nil)
	}

	chromium := startBrowser(t)
	b := &boston{system: s}
	logged := func(login, password string) visitor {
		v := b.visitor(t, chromium, phone)
		v.check(t, v.Run(network.ClearBrowserCookies())) // tabs share them
		v.opens(t, "/en/account/login")
		v.sends(t, http.StatusOK, "login_id", login, "password", password)
		return v
	}
	public, run := "/races/"+raceID, "/organize/races/"+raceID
	logged(giver.login, giver.password).lookAt(t, chromium, "/my"+public, "/my"+public+"/transfer", "/my/races/"+next+"/receive", "/my/races/"+drawn,
		"/my"+public+"/posts/"+notice.PostID, public+"/posts", public+"/posts/"+notice.PostID, "/races/"+drawn+"/draw")
	logged(organizer.login, organizer.password).lookAt(t, chromium, run+"/posts", run+"/posts/"+notice.PostID, run+"/comments",
		run+"/entries/"+giver.userID, run+"/transfers", run+"/admissions", run+"/notices?kind=post-published", run+"/webhooks", run+"/webhooks/"+channel.WebhookID,
		run+"/tasks/new", run+"/tasks/copy?from="+next, run+"/tasks/move?days=7")
	login, password := s.Operator()
	logged(login, password).lookAt(t, chromium, "/operate/comments", "/operate/comments/"+comment.CommentID+"/hide", "/operate/deliveries")
}
