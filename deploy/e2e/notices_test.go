package e2e_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

var unsubscribeLink = regexp.MustCompile(`/v1/unsubscribe/[\w.-]+`)

// TestNotices: two runners are told of their results and that the race is official; when
// the first is disqualified, the second is told once that their place moved. The link of
// that mail switches its kind off without a login.
func TestNotices(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer := s.signUp(t, "organizer")
	raceID := organizer.createRace(t, marathon("Told Marathon"))
	suffix := "+" + strings.ToLower(rand.Text()) + "@example.org"
	var runners []*caller
	list := "bib,sex,age,login_id\n"
	for i, name := range []string{"first", "second"} {
		c := s.signUp(t, "runner")
		_, err := s.userDB.ExecContext(t.Context(), "UPDATE user SET email = ?, email_confirmed_at = UTC_TIMESTAMP(6) WHERE user_id = ?", name+suffix, c.userID)
		require.NoError(t, err)
		c.call(t, http.MethodPost, "/v1/races/"+raceID+"/participants", payload{}).into(t, http.StatusCreated, nil)
		list += fmt.Sprintf("%d,F,36,%s\n", 7+i, c.login)
		runners = append(runners, c)
	}
	organizer.importStartList(t, raceID, inCSV(list))
	organizer.importResults(t, raceID, "", inCSV("bib,gun_time\n7,2:59:05\n8,3:10:00\n"))
	// told waits until a runner has as many mails that say something, and returns them.
	told := func(name, says string, times int) (texts []string) {
		eventually(t, patience, func() error {
			texts = nil
			for _, text := range s.caught(t, name+suffix) {
				if strings.Contains(text, says) {
					texts = append(texts, text)
				}
			}
			if len(texts) != times {
				return fmt.Errorf("%d mails say %q, not %d", len(texts), says, times)
			}
			return nil
		})
		return texts
	}
	told("first", "gun time 2:59:05", 1)
	told("second", "gun time 3:10:00", 1)
	s.standingsFollow(t, raceID)
	organizer.call(t, http.MethodPost, "/v1/races/"+raceID+"/finalize", inJSON(t, map[string]int{"protest_window_s": 0})).into(t, http.StatusAccepted, nil)
	told("first", "has published the official results", 1)
	told("second", "has published the official results", 1)

	for _, r := range organizer.records(t, raceID) {
		if r.Bib == "7" {
			organizer.correct(t, raceID, r.RecordID, r.Revision, map[string]any{"status": race.Disqualified, "reason": "short cut"})
		}
	}
	told("first", "If it is wrong now, dispute it", 1)
	text := told("second", "because of the correction of bib 7", 1)[0]
	require.Contains(t, text, "Before: 2 overall")
	require.Contains(t, text, "Now: 1 overall")
	require.NotContains(t, strings.Join(s.caught(t, "first"+suffix), ""), "has moved", "their own result was corrected")

	answer := s.anonymous().call(t, http.MethodPost, unsubscribeLink.FindString(text), payload{"application/x-www-form-urlencoded", []byte("List-Unsubscribe=One-Click")})
	require.Equal(t, http.StatusOK, answer.status, answer.String())
	var mine struct {
		Items []struct{ Kind, State string }
	}
	runners[1].call(t, http.MethodGet, "/v1/me/notices", payload{}).into(t, http.StatusOK, &mine)
	for _, item := range mine.Items {
		require.Equal(t, item.Kind == "place-moved", item.State == "off", item.Kind)
	}
}
