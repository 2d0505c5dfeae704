package records_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlanOfACorrection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, object{"bib": "7", "gun_time": "1:20:00"})
	match := header{"If-Match": fmt.Sprint(r.Revision)}
	type planned struct {
		shown
		Consequences *struct {
			RecordsChanged int `json:"records_changed"`
			RecordsRemoved int `json:"records_removed"`
			Credits        int `json:"credits"`
		} `json:"consequences"`
	}
	body := object{"gun_time": "1:21:00", "reason": "late chip"}
	answer := decode[planned](t, b.call(t, "organizer", http.MethodPatch, b.pathOf(r)+"?plan=true", body, match), http.StatusOK)
	require.Equal(t, 1, answer.Consequences.RecordsChanged)
	require.Equal(t, 1, answer.Consequences.Credits)
	require.Equal(t, "1:20:00", answer.GunTime, "the record as it is")
	answer = decode[planned](t, b.call(t, "organizer", http.MethodDelete, b.pathOf(r)+"?plan=true", nil, match), http.StatusOK)
	require.Equal(t, 1, answer.Consequences.RecordsRemoved)
	require.Equal(t, 1, b.get(t, r).Revision, "nothing was changed")
	require.Equal(t, http.StatusPreconditionFailed,
		b.call(t, "organizer", http.MethodPatch, b.pathOf(r)+"?plan=true", body, header{"If-Match": "9"}).Code)
}
