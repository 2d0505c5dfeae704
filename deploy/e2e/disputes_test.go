package e2e_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestDisputesAndStaff: a race with a volunteer and a machine at the finish line, whose
// standings wait for a runner's dispute.
func TestDisputesAndStaff(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer, runner := s.signUp(t, "organizer"), s.signUp(t, "runner")
	raceID := organizer.createRace(t, marathon("Disputed Marathon"))
	path := "/v1/races/" + raceID

	var invitation struct {
		ID string `json:"invitation_id"`
	}
	runner.call(t, http.MethodPost, path+"/participants", payload{}).into(t, http.StatusCreated, nil)
	organizer.call(t, http.MethodPost, path+"/staff", inJSON(t, map[string]string{"login_id": runner.login, "role": "viewer"})).into(t, http.StatusAccepted, &invitation)
	runner.call(t, http.MethodPost, "/v1/me/staff-invitations/"+invitation.ID+"/accept", payload{}).into(t, http.StatusOK, nil)
	runner.call(t, http.MethodGet, path+"/changes", payload{}).into(t, http.StatusOK, nil)

	var key struct {
		Secret string `json:"secret"`
	}
	organizer.call(t, http.MethodPost, path+"/keys", inJSON(t, map[string]string{"name": "finish line", "scope": "timing"})).into(t, http.StatusCreated, &key)
	laptop := s.anonymous()
	laptop.Token = key.Secret
	organizer.call(t, http.MethodPost, path+"/participants/import", inCSV("bib,sex,age,login_id\n7,F,36,"+runner.login+"\n")).into(t, http.StatusOK, nil)
	var posted struct {
		RecordID string `json:"record_id"`
	}
	laptop.call(t, http.MethodPost, path+"/official-records", inJSON(t, map[string]string{"bib": "7", "gun_time": "3:59:05"})).into(t, http.StatusCreated, &posted)
	laptop.call(t, http.MethodPost, path+"/finalize", payload{}).into(t, http.StatusForbidden, nil)

	var dispute struct {
		ID string `json:"dispute_id"`
	}
	runner.call(t, http.MethodPost, path+"/official-records/"+posted.RecordID+"/disputes",
		inJSON(t, map[string]string{"wrong": "my chip was not read"})).into(t, http.StatusCreated, &dispute)
	var finalized struct {
		State string `json:"state"`
		Open  int    `json:"open_disputes"`
	}
	organizer.call(t, http.MethodPost, path+"/finalize", inJSON(t, map[string]int{"protest_window_s": 0})).into(t, http.StatusAccepted, &finalized)
	require.Equal(t, "held", finalized.State)
	require.Equal(t, 1, finalized.Open)
	s.standingsFollow(t, raceID)
	require.Equal(t, string(race.Provisional), s.anonymous().standings(t, raceID, "runner").Status)

	laptop.call(t, http.MethodPost, path+"/disputes/"+dispute.ID+"/answer",
		inJSON(t, map[string]string{"decision": "rejected", "reason": "the finish video shows the time as recorded"})).into(t, http.StatusOK, nil)
	eventually(t, patience, func() error {
		if status := s.anonymous().standings(t, raceID, "runner").Status; status != string(race.Official) {
			return errors.New("the standings are " + status)
		}
		return nil
	})
}
