package ops_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOpenNoticesComeInPages: on race day many events wait to be told.
func TestOpenNoticesComeInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []string
	for position := range 3 {
		for _, kind := range []string{"offer-made", "place-moved"} { // two kinds may begin with the same change
			b.inMain(t, fmt.Sprintf("INSERT INTO notice_event (position, kind, race_id, subjects, happened_at, gathers_until) VALUES (%d, '%s', '%s', '{}', '2026-11-01', '2026-11-02')", position+1, kind, newID()))
			want = append(want, fmt.Sprint(position+1, kind))
		}
	}
	type list struct {
		Items []struct {
			Position int64  `json:"position"`
			Kind     string `json:"kind"`
			Gathers  string `json:"gathers_until"`
		} `json:"items"`
		NextCursor string `json:"next_cursor"`
	}
	var got []string
	for cursor := ""; ; {
		page := decode[list](t, b.call(t, http.MethodGet, "/v1/ops/notices?limit=1&cursor="+cursor, nil), http.StatusOK)
		for _, item := range page.Items {
			got = append(got, fmt.Sprint(item.Position, item.Kind))
			require.Equal(t, "2026-11-02T00:00:00Z", item.Gathers, "it does not wait for Temporal")
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
}
