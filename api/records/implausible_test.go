package records_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestAnImplausibleTimeIsHeldUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inMain(t, `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at, updated_at)
		VALUES ('p', '`+b.raceID+`', '`+runnerID+`', '7', '7', 'F', 30, 'runner', 'entered', NOW(6), NOW(6))`)
	const hint = "implausible gun time 0:01:10: faster than the world best for the distance and field; " +
		"1:10 was read as 1 min 10 s; if it means 1 h 10 min write 1:10:00"
	held := b.post(t, object{"bib": "7", "gun_time": "1:10"}) // of a half marathon
	require.Equal(t, hint, held.Implausible)
	require.Equal(t, hint, b.get(t, held).Implausible)
	require.Empty(t, b.post(t, object{"bib": "8", "gun_time": "1:10:00"}).Implausible)
	require.Contains(t, b.post(t, object{"bib": "9", "gun_time": "0:25:00"}).Implausible, "faster", "of anybody")
	require.Empty(t, b.post(t, object{"bib": "10", "gun_time": "0:40:00"}).Implausible, "may be a handcycle")
	require.Contains(t, b.post(t, object{"bib": "11", "gun_time": "25:30:00"}).Implausible, "slower than a walk")

	facts, err := b.main.Facts(t.Context(), held.RecordID)
	require.NoError(t, err)
	require.Equal(t, hint, facts.Implausible())

	answer := b.call(t, "organizer", http.MethodPatch, b.pathOf(held), object{"confirm_time": true}, header{"If-Match": "1"})
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code, "without a reason")
	confirmed := b.patch(t, held, object{"confirm_time": true, "reason": "a record, on video"})
	require.Equal(t, 2, confirmed.Revision)
	require.True(t, confirmed.TimeConfirmed)
	require.Empty(t, confirmed.Implausible)
	require.Equal(t, string(race.Pending), confirmed.Credit.Status)
	got := b.get(t, confirmed)
	require.True(t, got.TimeConfirmed)
	require.Empty(t, got.Implausible)
	require.Equal(t, []bool{false, true}, []bool{got.Revisions[0].TimeConfirmed, got.Revisions[1].TimeConfirmed})
	require.Equal(t, "a record, on video", got.Revisions[1].Reason)

	corrected := b.patch(t, confirmed, object{"gun_time": "1:11", "reason": "misread"})
	require.False(t, corrected.TimeConfirmed, "it was another time")
	require.Contains(t, corrected.Implausible, "1:11:00")
	require.Empty(t, b.patch(t, corrected, object{"gun_time": "1:11:00", "reason": "misread"}).Implausible)
}
