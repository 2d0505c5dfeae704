package ops_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestVerifyOrganizers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "office", PasswordHash: "h", Type: auth.Organizer})
	require.NoError(t, err)
	runner, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "runner", PasswordHash: "h", Type: auth.Runner})
	require.NoError(t, err)
	type outcome struct{ Verified, Changed bool }
	path, why := "/v1/ops/organizers/"+a.UserID, object{"reason": "member of the federation"}
	for _, step := range []struct {
		call string
		want outcome
	}{
		{"/unverify", outcome{false, false}},
		{"/verify", outcome{true, true}},
		{"/verify", outcome{true, false}},
		{"/unverify", outcome{false, true}},
	} {
		require.Equal(t, step.want, decode[outcome](t, b.call(t, http.MethodPost, path+step.call, why), http.StatusOK), step.call)
		logged := b.lastAction(t)
		require.Equal(t, step.call[1:]+"-organizer", logged.Action)
		require.Equal(t, a.UserID, logged.Target)
		verified, err := b.main.VerifiedOrganizers(t.Context(), []string{a.UserID, runner.UserID})
		require.NoError(t, err)
		require.Equal(t, step.want.Verified, verified[a.UserID])
	}
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPost, path+"/verify", object{"reason": " "}).Code)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/organizers/"+runner.UserID+"/verify", why).Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/organizers/"+newID()+"/verify", why).Code)
}

// enters puts a stand-in on the start list of a race and returns its user ID and the ID
// of its record.
func (b *bundle) enters(t *testing.T, raceID, bib, name string, sex race.Sex, age int) (userID, recordID string) {
	t.Helper()
	userID = userdb.StandInID(raceID, race.BibKey(bib))
	require.NoError(t, b.accounts.EnsureRunners(t.Context(), []userdb.Runner{{UserID: userID, Name: name, Sex: sex}}))
	rows := []maindb.StartListRow{{Bib: bib, Sex: sex, Age: age, Field: race.Runner, StandIn: maindb.RunnerAccount{UserID: userID, Sex: sex}}}
	planned, err := b.main.PlanStartList(t.Context(), raceID, rows)
	require.NoError(t, err)
	_, err = b.main.ImportStartList(t.Context(), raceID, rows, planned)
	require.NoError(t, err)
	return userID, b.post(t, raceID, bib).ID
}

func TestPeopleOfSeveralRaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.addRace(t)
	ada, _ := b.enters(t, b.raceID, "1", "ADA Byron-King", race.Female, 40)
	same, record := b.enters(t, other, "7", "Byron  King, Ada", race.Female, 41) // before or after her birthday
	b.enters(t, other, "8", "Ada Byron King", race.Female, 20)
	b.enters(t, b.raceID, "2", "Ada Byron King", race.Male, 40)
	twin, _ := b.enters(t, b.raceID, "3", "Ben", race.Male, 30)
	b.enters(t, b.raceID, "4", "Ben", race.Male, 30) // in the same race

	got := decode[struct {
		Items []struct {
			Name   string
			People []struct {
				UserID string `json:"user_id"`
				Races  []struct {
					Bib string
				}
			}
		}
	}](t, b.call(t, http.MethodGet, "/v1/ops/people/suggestions?season=2026", nil), http.StatusOK)
	require.Len(t, got.Items, 1)
	require.Equal(t, "ada byron king", got.Items[0].Name)
	require.Len(t, got.Items[0].People, 2)
	require.ElementsMatch(t, []string{ada, same}, []string{got.Items[0].People[0].UserID, got.Items[0].People[1].UserID})

	owner := func() (userID string, revision int) {
		facts, err := b.main.Facts(t.Context(), record)
		require.NoError(t, err)
		return facts.Entrant.UserID, facts.Record.Revision
	}
	merge := object{"from": same, "into": ada, "reason": "same club number"}
	type planned struct {
		Consequences []maindb.RaceConsequences
	}
	plan := decode[planned](t, b.call(t, http.MethodPost, "/v1/ops/people/merge?plan=true", merge), http.StatusOK)
	require.Len(t, plan.Consequences, 1)
	require.Equal(t, other, plan.Consequences[0].RaceID)
	require.Len(t, plan.Consequences[0].Consequences.Points, 2, "one loses what the other gets")
	userID, revision := owner()
	require.Equal(t, same, userID, "a plan changes nothing")
	require.Equal(t, 1, revision)
	for range 2 { // the second time nothing is left to move
		require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, "/v1/ops/people/merge", merge).Code)
		require.Equal(t, "merge-people", b.lastAction(t).Action)
		userID, revision := owner()
		require.Equal(t, ada, userID)
		require.Equal(t, 2, revision)
	}
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/people/merge", object{"from": twin, "into": ada, "reason": "x"}).Code, "in one race")
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/people/merge", object{"from": ada, "into": ada, "reason": "x"}).Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/people/merge", object{"from": newID(), "into": ada, "reason": "x"}).Code)
	account, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "ada", PasswordHash: "h", Type: auth.Runner})
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/people/merge", object{"from": twin, "into": account.UserID, "reason": "x"}).Code)

	separate := object{"race_id": other, "bib": "07", "reason": "two of the same name"}
	for _, changed := range []bool{true, false} {
		type outcome struct {
			UserID  string `json:"user_id"`
			Changed bool
		}
		require.Equal(t, outcome{same, changed}, decode[outcome](t, b.call(t, http.MethodPost, "/v1/ops/people/separate", separate), http.StatusOK))
		userID, revision := owner()
		require.Equal(t, same, userID)
		require.Equal(t, 3, revision)
	}
	changes, err := b.main.Changes(t.Context(), maindb.ChangeFilter{Action: "person."}, "", 10)
	require.NoError(t, err)
	require.Len(t, changes, 2)

	// A claimed result is separated by its organizer, who can revoke the claim.
	_, _, err = b.main.OpenClaim(t.Context(), maindb.ClaimRequest{ID: newID(), RaceID: other, Bib: "7", UserID: account.UserID, Kind: race.ByCode}, b.accounts.StandIn)
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/people/separate", separate).Code)
}
