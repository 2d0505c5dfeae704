package e2e_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
)

// caller acts as one person, or as nobody while it has no token.
type caller struct {
	apiclient.Client
	userID          string
	login, password string
}

// retryUnavailable makes a caller retry calls that failed because a server was down, with
// the same Idempotency-Key, as a careful organizer's program does.
func (c *caller) retryUnavailable() { c.Patience = 2 * time.Minute }

// answer is an answer of the API.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is an RFC 9457 document.
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// problem reads the answer as a problem document of that status.
func (a answer) problem(t *testing.T, status int) problem {
	t.Helper()
	require.Equal(t, status, a.status, a.String())
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal(a.body, &p), a.String())
	return p
}

// into reads the answer, which must have that status.
func (a answer) into(t *testing.T, status int, out any) {
	t.Helper()
	require.Equal(t, status, a.status, a.String())
	if out != nil {
		require.NoError(t, json.Unmarshal(a.body, out), a.String())
	}
}

// payload is a body with its media type. The zero value is none.
type payload struct {
	contentType string
	body        []byte
}

func inJSON(t *testing.T, v any) payload {
	t.Helper()
	body, err := json.Marshal(v)
	require.NoError(t, err)
	return payload{"application/json", body}
}

func inCSV(text string) payload { return payload{"text/csv", []byte(text)} }

// call makes one call, with the caller's retries.
func (c *caller) call(t *testing.T, method, path string, body payload, headers ...string) answer {
	t.Helper()
	if method == http.MethodPost && !slices.Contains(headers, "Idempotency-Key") {
		headers = append(headers, "Idempotency-Key", rand.Text())
	}
	got, err := c.send(t.Context(), method, path, body, headers...)
	require.NoError(t, err)
	return got
}

func (c *caller) send(ctx context.Context, method, path string, body payload, headers ...string) (answer, error) {
	request := apiclient.Request{Method: method, Path: path, ContentType: body.contentType, Body: body.body, Header: map[string]string{}}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header[headers[i]] = headers[i+1]
	}
	got, err := c.Send(ctx, request)
	return answer{got.Status, got.Header, got.Body}, err
}

func (s *system) anonymous() *caller {
	return &caller{Client: apiclient.Client{Base: cmp.Or(s.front, s.APIURL())}}
}

// signUp makes an account and logs in.
func (s *system) signUp(t *testing.T, userType string) *caller {
	t.Helper()
	return s.signUpAs(t, userType, userType+"-"+rand.Text()+loginEnd)
}

// loginEnd ends the logins of the tests, by which they are found in logs. They are no
// addresses: start lists and invitations trust those only when they are confirmed.
const loginEnd = "-etest"

func (s *system) signUpAs(t *testing.T, userType, login string) *caller {
	t.Helper()
	c := s.anonymous()
	c.login = login
	password := rand.Text()
	c.password = password
	var created struct {
		UserID   string `json:"user_id"`
		UserType string `json:"user_type"`
	}
	c.call(t, http.MethodPost, "/v1/users", inJSON(t, map[string]string{
		"login_id": c.login, "password": password, "name": "E. Test", "user_type": userType,
	})).into(t, http.StatusCreated, &created)
	require.Equal(t, userType, created.UserType)
	c.userID = created.UserID
	c.logIn(t, c.login, password)
	return c
}

func (c *caller) logIn(t *testing.T, login, password string) {
	t.Helper()
	var tokens struct {
		AccessToken string `json:"access_token"`
		UserID      string `json:"user_id"`
	}
	c.call(t, http.MethodPost, "/v1/login", inJSON(t, map[string]string{"login_id": login, "password": password})).
		into(t, http.StatusOK, &tokens)
	require.NotEmpty(t, tokens.AccessToken)
	c.Token, c.userID = tokens.AccessToken, tokens.UserID
}

// createRace returns the ID of a new race.
func (c *caller) createRace(t *testing.T, race map[string]any) string {
	t.Helper()
	var created struct {
		RaceID string `json:"race_id"`
	}
	c.call(t, http.MethodPost, "/v1/races", inJSON(t, race)).into(t, http.StatusCreated, &created)
	require.NotEmpty(t, created.RaceID)
	return created.RaceID
}

// imported is the answer to an import.
type imported = apiclient.Imported

func (c *caller) importStartList(t *testing.T, raceID string, list payload) imported {
	t.Helper()
	var result imported
	c.call(t, http.MethodPost, "/v1/races/"+raceID+"/participants/import", list).into(t, http.StatusOK, &result)
	return result
}

func (c *caller) importResults(t *testing.T, raceID, query string, results payload) imported {
	t.Helper()
	var result imported
	c.call(t, http.MethodPost, recordsOf(raceID)+"/import"+query, results).into(t, http.StatusOK, &result)
	return result
}

// record is an official record in the API.
type record struct {
	RecordID  string `json:"record_id"`
	Revision  int    `json:"revision"`
	Bib       string `json:"bib"`
	GunTime   string `json:"gun_time"`
	NetTime   string `json:"net_time"`
	Status    string `json:"status"`
	Credit    credit `json:"credit"`
	Revisions []struct {
		Revision int    `json:"revision"`
		Reason   string `json:"reason"`
	} `json:"revisions"`
}

type credit struct {
	Status   string `json:"status"`
	Points   *int64 `json:"points"`
	Reason   string `json:"reason"`
	TraceURL string `json:"trace_url"`
}

func recordsOf(raceID string) string { return "/v1/races/" + raceID + "/official-records" }

func (c *caller) postRecord(t *testing.T, raceID string, fields map[string]any) record {
	t.Helper()
	var posted record
	c.call(t, http.MethodPost, recordsOf(raceID), inJSON(t, fields)).into(t, http.StatusCreated, &posted)
	return posted
}

func (c *caller) record(t *testing.T, raceID, recordID string) record {
	t.Helper()
	var found record
	c.call(t, http.MethodGet, recordsOf(raceID)+"/"+recordID, payload{}).into(t, http.StatusOK, &found)
	return found
}

// patch changes the record if revision is its latest.
func (c *caller) patch(t *testing.T, raceID, recordID string, revision int, fields map[string]any) answer {
	t.Helper()
	return c.call(t, http.MethodPatch, recordsOf(raceID)+"/"+recordID, inJSON(t, fields),
		"If-Match", strconv.Quote(strconv.Itoa(revision)))
}

// correct patches the record and returns its new revision.
func (c *caller) correct(t *testing.T, raceID, recordID string, revision int, fields map[string]any) record {
	t.Helper()
	var changed record
	c.patch(t, raceID, recordID, revision, fields).into(t, http.StatusOK, &changed)
	return changed
}

// remove deletes the record if revision is its latest.
func (c *caller) remove(t *testing.T, raceID, recordID string, revision int, reason string) answer {
	t.Helper()
	return c.call(t, http.MethodDelete, recordsOf(raceID)+"/"+recordID, inJSON(t, map[string]string{"reason": reason}),
		"If-Match", strconv.Quote(strconv.Itoa(revision)))
}

// records lists all records of the race.
func (c *caller) records(t *testing.T, raceID string) []record {
	t.Helper()
	var all []record
	for cursor := ""; ; {
		var page struct {
			Items      []record `json:"items"`
			NextCursor string   `json:"next_cursor"`
		}
		query := "?limit=1000&cursor=" + url.QueryEscape(cursor)
		c.call(t, http.MethodGet, recordsOf(raceID)+query, payload{}).into(t, http.StatusOK, &page)
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

// progress counts the credits of a race. The four add up to Total.
type progress struct {
	Pending    int `json:"pending"`
	Credited   int `json:"credited"`
	Rejected   int `json:"rejected"`
	Superseded int `json:"superseded"`
	Total      int `json:"total"`

	Ahead            int `json:"ahead"`
	EstimatedSeconds int `json:"estimated_seconds"`
}

func (c *caller) credits(t *testing.T, raceID string) progress {
	t.Helper()
	var p progress
	c.call(t, http.MethodGet, "/v1/races/"+raceID+"/credits", payload{}).into(t, http.StatusOK, &p)
	require.Equal(t, p.Total, p.Pending+p.Credited+p.Rejected+p.Superseded)
	return p
}

// myPoints is a runner's own points.
type myPoints struct {
	TotalPoint int64 `json:"total_point"`
	Items      []struct {
		RaceID   string `json:"race_id"`
		RecordID string `json:"record_id"`
		Revision int    `json:"revision"`
		Points   int64  `json:"points"`
		Rule     string `json:"rule"`
		Reason   string `json:"reason"`
		TraceURL string `json:"trace_url"`
	} `json:"items"`
}

func (c *caller) points(t *testing.T) myPoints {
	t.Helper()
	var p myPoints
	c.call(t, http.MethodGet, "/v1/me/points?limit=1000", payload{}).into(t, http.StatusOK, &p)
	return p
}
