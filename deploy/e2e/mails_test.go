package e2e_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// myEmail is what an account says about its address.
type myEmail struct {
	Email   string `json:"email"`
	Pending string `json:"email_pending"`
	Problem string `json:"email_problem"`
	Since   string `json:"email_problem_since"`
	Advice  string `json:"email_problem_advice"`
}

// email waits until an account says of its address what is wanted.
func (c *caller) email(t *testing.T, want func(myEmail) bool) (me myEmail) {
	t.Helper()
	eventually(t, patience, func() error {
		got := c.call(t, http.MethodGet, "/v1/me", payload{})
		me = myEmail{}
		got.into(t, http.StatusOK, &me)
		if !want(me) {
			return fmt.Errorf("the account says %s", strings.ReplaceAll(got.String(), "@example.org", "@…"))
		}
		return nil
	})
	return me
}

func mailProblem(is string) func(myEmail) bool {
	return func(me myEmail) bool { return me.Problem == is }
}

// caught returns the texts of the mails to an address.
func (s *system) caught(t *testing.T, to string) (texts []string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.MailURL()+"/mails.json?to="+url.QueryEscape(to), http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	var mails []struct{ Text string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&mails))
	for _, m := range mails {
		texts = append(texts, m.Text)
	}
	return texts
}

var linkToken = regexp.MustCompile(`link#confirm-email\.([\w-]{43})`)

// TestAddressesThatTakeNoMail: what the provider answers and reports later reaches the
// account, whose owner confirms another address.
func TestAddressesThatTakeNoMail(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	suffix := "+" + strings.ToLower(rand.Text()) + "@example.org"
	for simulated, want := range map[string]string{"bounce": "pending-bounced", "late-bounce": "pending-bounced", "complaint": "pending-complained"} {
		me := s.signUpAs(t, "runner", simulated+suffix).email(t, mailProblem(want))
		require.Empty(t, me.Pending, simulated)
		require.NotEmpty(t, me.Since, simulated)
		require.NotEmpty(t, me.Advice, simulated)
	}

	runner, address := s.signUp(t, "runner"), "complaint+2"+suffix
	_, err := s.userDB.ExecContext(t.Context(), "UPDATE user SET email = ?, email_confirmed_at = UTC_TIMESTAMP(6) WHERE user_id = ?", address, runner.userID)
	require.NoError(t, err)
	askRecovery := func() {
		runner.call(t, http.MethodPost, "/v1/users/recovery", inJSON(t, map[string]string{"login_id": address})).into(t, http.StatusAccepted, nil)
		eventually(t, patience, func() error {
			left, err := tryCount(t.Context(), s.userDB, "SELECT COUNT(*) FROM recovery_request WHERE login = ?", address)
			if err == nil && left > 0 {
				err = fmt.Errorf("the request has not been looked at")
			}
			return err
		})
	}
	askRecovery()
	me := runner.email(t, mailProblem("complained"))
	require.Equal(t, address, me.Email)
	require.Contains(t, me.Advice, "reported as unwanted")
	require.Len(t, s.caught(t, address), 1)
	askRecovery()
	require.Equal(t, 1, count(t, s.userDB, "SELECT COUNT(*) FROM mail WHERE user_id = ?", runner.userID), "nothing more is written to it")

	another := "another" + suffix
	runner.call(t, http.MethodPatch, "/v1/me", inJSON(t, map[string]string{"email": another, "current_password": runner.password})).into(t, http.StatusOK, nil)
	var token string
	eventually(t, patience, func() error {
		for _, text := range s.caught(t, another) {
			if found := linkToken.FindStringSubmatch(text); found != nil {
				token = found[1]
				return nil
			}
		}
		return fmt.Errorf("no mail with a link has come")
	})
	s.anonymous().call(t, http.MethodPost, "/v1/users/confirm", inJSON(t, map[string]string{"token": token})).into(t, http.StatusNoContent, nil)
	runner.email(t, func(me myEmail) bool { return me.Email == another && me.Problem == "" })

	require.NoError(t, s.callQueue(t.Context(), "SendMessage", map[string]any{"QueueUrl": s.MailEventsQueueURL(), "MessageBody": "{}"}, nil))
	eventually(t, patience, func() error {
		dead, err := s.depth(t.Context(), s.MailEventsDeadLetterQueueURL())
		if err == nil && dead != 1 {
			err = fmt.Errorf("%d dead letters", dead)
		}
		return err
	})
	waiting, err := s.depth(t.Context(), s.MailEventsQueueURL())
	require.NoError(t, err)
	require.Zero(t, waiting)
}
