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
	token := s.mailed(t, another, linkToken)
	s.anonymous().call(t, http.MethodPost, "/v1/users/confirm", inJSON(t, map[string]string{"token": token})).into(t, http.StatusNoContent, nil)
	runner.email(t, func(me myEmail) bool { return me.Email == another && me.Problem == "" })

	bad := inJSON(t, map[string]string{"of": rand.Text()}).body
	require.NoError(t, s.callQueue(t.Context(), "SendMessage", map[string]any{"QueueUrl": s.MailEventsQueueURL(), "MessageBody": string(bad)}, nil))
	s.takeDeadLetters(t, s.MailEventsDeadLetterQueueURL(), string(bad))
}

// TestRecoveryEndsKeys: the owner of an account in which somebody else made an API key
// hears of it, and by the mailed link the key ends.
func TestRecoveryEndsKeys(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer, address := s.signUp(t, "organizer"), strings.ToLower(rand.Text())+"@example.org"
	_, err := s.userDB.ExecContext(t.Context(), "UPDATE user SET email = ?, email_confirmed_at = UTC_TIMESTAMP(6) WHERE user_id = ?", address, organizer.userID)
	require.NoError(t, err)
	path := "/v1/races/" + organizer.createRace(t, marathon("Recovered Marathon"))
	var key struct {
		Secret string `json:"secret"`
		Prefix string `json:"prefix"`
	}
	organizer.call(t, http.MethodPost, "/v1/me/keys", inJSON(t, map[string]string{"name": "sync", "scope": "read"})).into(t, http.StatusCreated, &key)
	machine := s.anonymous()
	machine.Token = key.Secret
	machine.call(t, http.MethodGet, path+"/credits", payload{}).into(t, http.StatusOK, nil)
	s.mailed(t, address, regexp.MustCompile(`An API key \((`+key.Prefix+`)\) was created`))

	organizer.call(t, http.MethodPost, "/v1/users/recovery", inJSON(t, map[string]string{"login_id": address})).into(t, http.StatusAccepted, nil)
	token := s.mailed(t, address, regexp.MustCompile(`link#recover\.([\w-]{43})`))
	s.anonymous().call(t, http.MethodPost, "/v1/users/password", inJSON(t, map[string]string{"token": token, "password": "a quite different one"})).into(t, http.StatusNoContent, nil)
	s.mailed(t, address, regexp.MustCompile(`(all API keys revoked)`))
	eventually(t, patience, func() error {
		if got := machine.call(t, http.MethodGet, path+"/credits", payload{}); got.status != http.StatusUnauthorized {
			return fmt.Errorf("the key is answered %d", got.status)
		}
		return nil
	})
	organizer.call(t, http.MethodGet, "/v1/me", payload{}).problem(t, http.StatusUnauthorized)
	organizer.logIn(t, organizer.login, "a quite different one")
	organizer.call(t, http.MethodGet, path+"/credits", payload{}).into(t, http.StatusOK, nil)
}

// mailed waits for a mail to an address with a text, and returns its first group.
func (s *system) mailed(t *testing.T, to string, text *regexp.Regexp) (group string) {
	t.Helper()
	eventually(t, patience, func() error {
		for _, mail := range s.caught(t, to) {
			if found := text.FindStringSubmatch(mail); found != nil {
				group = found[1]
				return nil
			}
		}
		return fmt.Errorf("no mail says %s", text)
	})
	return group
}
