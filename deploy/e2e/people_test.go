package e2e_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// operator logs in as the operator of the stack.
func (s *system) operator(t *testing.T) *caller {
	t.Helper()
	c := s.anonymous()
	login, password := s.Operator()
	c.logIn(t, login, password)
	return c
}

// vouch verifies an organizer, or withdraws it.
func (c *caller) vouch(t *testing.T, organizerID, verify string) {
	t.Helper()
	c.call(t, http.MethodPost, "/v1/ops/organizers/"+organizerID+"/"+verify, inJSON(t, map[string]string{"reason": "test"})).
		into(t, http.StatusOK, nil)
}

// leader is a line of the leaderboard.
type leader struct {
	UserID string `json:"user_id"`
	Points int64  `json:"points"`
	Races  int    `json:"races"`
}

// leaders reads the leaderboard of a season with more filters.
func (c *caller) leaders(t *testing.T, season string) []leader {
	t.Helper()
	var page struct {
		Items []leader `json:"items"`
	}
	c.call(t, http.MethodGet, "/v1/leaderboard?season="+season, payload{}).into(t, http.StatusOK, &page)
	return page.Items
}

type claimed struct {
	ClaimID string `json:"claim_id"`
	State   string `json:"state"`
	Bib     string `json:"bib"`
}

func (c *caller) myClaims(t *testing.T) []claimed {
	t.Helper()
	var page struct {
		Items []claimed `json:"items"`
	}
	c.call(t, http.MethodGet, "/v1/me/claims", payload{}).into(t, http.StatusOK, &page)
	return page.Items
}

// codes returns the claim code of each bib of a race.
func (c *caller) codes(t *testing.T, raceID string) map[string]string {
	t.Helper()
	var page struct {
		Items []struct {
			Bib  string `json:"bib"`
			Code string `json:"code"`
		} `json:"items"`
	}
	c.call(t, http.MethodGet, "/v1/races/"+raceID+"/claim-codes?limit=1000", payload{}).into(t, http.StatusOK, &page)
	codes := map[string]string{}
	for _, item := range page.Items {
		codes[item.Bib] = item.Code
	}
	return codes
}

// TestAStrangersRaceHarmsNobody plays through what a stranger once could do who signed up
// as an organizer: show the name, sex and age of a runner who never heard of the race,
// find the birth date, learn which logins exist, and put the runner on top of the season
// with a race that nobody could mend.
func TestAStrangersRaceHarmsNobody(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	stranger, victim, operator := s.signUp(t, "organizer"), s.signUpAs(t, "runner", "runner-"+rand.Text()+"@example.org"), s.operator(t)
	victim.call(t, http.MethodPatch, "/v1/me", inJSON(t, map[string]string{"birth_date": born, "sex": "F"})).into(t, http.StatusOK, nil)
	_, err := s.userDB.ExecContext(t.Context(), "UPDATE user SET email = login_id WHERE user_id = ?", victim.userID)
	require.NoError(t, err)

	race := map[string]any{
		"name": "Trap", "date": "1961-05-07", "distance_m": 10_000, "scoring": "fixed", "points": 1_000_000, "ranking": map[string]string{"basis": "gun"},
	}
	refused := stranger.call(t, http.MethodPost, "/v1/races", inJSON(t, race)).problem(t, http.StatusUnprocessableEntity)
	require.Contains(t, refused.Errors[0].Message, "1000")
	race["points"] = 1000
	raceID := stranger.createRace(t, race)
	path := "/v1/races/" + raceID

	// A login that exists and one that does not: the answers are the same.
	list := func(login string) string {
		dry := stranger.call(t, http.MethodPost, path+"/participants/import?dry_run=true", inCSV("bib,login_id\n1,"+login+"\n"))
		return dry.String()
	}
	require.Equal(t, list("nobody-"+strings.ToLower(rand.Text())+"@example.org"), list(victim.login))
	require.Equal(t, imported{Added: 1}, withoutErrors(stranger.importStartList(t, raceID, inCSV("bib,login_id\n1,"+victim.login+"\n"))))

	// The race's list shows nothing of the account, on whatever day the race is.
	participants := func() string {
		return string(stranger.call(t, http.MethodGet, path+"/participants", payload{}).body)
	}
	first := participants()
	for _, personal := range []string{victim.userID, "E. Test", `"sex"`, `"age"`} {
		require.NotContains(t, first, personal)
	}
	for day := 1; day <= 10; day++ {
		stranger.call(t, http.MethodPatch, path, inJSON(t, map[string]string{"date": fmt.Sprintf("1961-%02d-15", day)})).into(t, http.StatusOK, nil)
		require.Equal(t, first, participants())
	}

	// The points are a stand-in's, and count for no season.
	stranger.postRecord(t, raceID, map[string]any{"bib": "1", "gun_time": "0:40:00"})
	standIn := userdb.StandInID(raceID, "1")
	s.total(t, standIn, 1000)
	require.Zero(t, victim.points(t).TotalPoint)
	require.Empty(t, stranger.leaders(t, "1961"))

	// The runner finds the invitation and leaves it; the organizer does not learn of it.
	claims := victim.myClaims(t)
	require.Len(t, claims, 1)
	victim.call(t, http.MethodPost, "/v1/me/claims/"+claims[0].ClaimID+"/decline", payload{}).into(t, http.StatusOK, nil)
	shown := stranger.call(t, http.MethodGet, path+"/claims", payload{}).String()
	require.Contains(t, shown, `"state":"invited"`)
	require.NotContains(t, shown, victim.userID)
	require.Equal(t, http.StatusNotFound, victim.call(t, http.MethodGet, path+"/participants/me", payload{}).status, "they never were in the race")

	// Whether the organizer is there or not, an operator can end it.
	operator.call(t, http.MethodPost, path+"/void", inJSON(t, map[string]string{"reason": "a trap"})).into(t, http.StatusOK, nil)
	s.total(t, standIn, 0)
	require.NoError(t, s.balanced(t.Context()))
}

func withoutErrors(got imported) imported {
	if len(got.Errors) == 0 {
		got.Errors = nil
	}
	return got
}

// total waits until an account has a total.
func (s *system) total(t *testing.T, userID string, want int64) {
	t.Helper()
	eventually(t, patience, func() error {
		var got int64
		err := s.userDB.QueryRowContext(t.Context(), "SELECT total_point FROM user WHERE user_id = ?", userID).Scan(&got)
		if err == nil && got != want {
			err = fmt.Errorf("the total is %d instead of %d", got, want)
		}
		return err
	})
}

// TestClaimedPointsNeverDisappear watches the totals and the leaderboard while a runner
// claims a result, gives it back and claims it again: at every moment the points belong
// to exactly one of the two, and the result is on the leaderboard.
func TestClaimedPointsNeverDisappear(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer, runner := s.signUp(t, "organizer"), s.signUp(t, "runner")
	s.operator(t).vouch(t, organizer.userID, "verify")
	raceID := organizer.createRace(t, map[string]any{
		"name": "Claimed", "date": "1962-05-06", "distance_m": 10_000, "ranking": map[string]string{"basis": "gun"},
	})
	organizer.importStartList(t, raceID, inCSV("bib,name,sex,age\n7,Row,F,41\n"))
	organizer.postRecord(t, raceID, map[string]any{"bib": "7", "gun_time": "0:40:00"})
	standIn := userdb.StandInID(raceID, "7")
	var points int64
	eventually(t, patience, func() error {
		err := s.userDB.QueryRowContext(t.Context(), "SELECT total_point FROM user WHERE user_id = ?", standIn).Scan(&points)
		if err == nil && points == 0 {
			err = fmt.Errorf("no points yet")
		}
		return err
	})

	var stop atomic.Bool
	var reads atomic.Int64
	watched := make(chan error, 1)
	go func() { watched <- s.watchClaim(t, &stop, &reads, standIn, runner.userID, points) }()
	claim := claimed{}
	code := organizer.codes(t, raceID)["7"]
	for n := 0; n < 3 || reads.Load() < 10; n++ {
		select {
		case err := <-watched:
			require.NoError(t, err)
		default:
		}
		body := inJSON(t, map[string]string{"race_id": raceID, "bib": "7", "code": code})
		runner.call(t, http.MethodPost, "/v1/me/claims", body).into(t, http.StatusCreated, &claim)
		require.Equal(t, "accepted", claim.State)
		s.total(t, runner.userID, points)
		runner.call(t, http.MethodPost, "/v1/me/claims/"+claim.ClaimID+"/withdraw", payload{}).into(t, http.StatusOK, &claim)
		s.total(t, standIn, points)
	}
	stop.Store(true)
	require.NoError(t, <-watched)
	require.Equal(t, int64(0), runner.points(t).TotalPoint)
	require.NoError(t, s.balanced(t.Context()))
}

// watchClaim reads the totals of two people, in one statement, and the leaderboard until
// it is stopped.
func (s *system) watchClaim(t *testing.T, stop *atomic.Bool, reads *atomic.Int64, standIn, account string, points int64) error {
	t.Helper()
	tick := time.NewTicker(glance / 5)
	defer tick.Stop()
	for !stop.Load() {
		var sum int64
		err := s.userDB.QueryRowContext(t.Context(), "SELECT SUM(total_point) FROM user WHERE user_id IN (?, ?)", standIn, account).Scan(&sum)
		if err == nil && sum != points {
			err = fmt.Errorf("together they have %d points instead of %d", sum, points)
		}
		if err != nil {
			return err
		}
		got, err := s.anonymous().send(t.Context(), http.MethodGet, "/v1/leaderboard?season=1962&sex=F&age_group=40-44", payload{})
		if err != nil {
			return err
		}
		var page struct {
			Items []leader `json:"items"`
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return err
		}
		if len(page.Items) != 1 || page.Items[0].Points != points {
			return fmt.Errorf("the leaderboard is %s", got)
		}
		reads.Add(1)
		<-tick.C
	}
	return nil
}
