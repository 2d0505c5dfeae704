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
			b.inMain(t, fmt.Sprintf("INSERT INTO notice_event (position, kind, race_id, subjects, happened_at) VALUES (%d, '%s', '%s', '{}', '2026-11-01')", position+1, kind, newID()))
			want = append(want, fmt.Sprint(position+1, kind))
		}
	}
	type list struct {
		Items []struct {
			Position int64  `json:"position"`
			Kind     string `json:"kind"`
		} `json:"items"`
		NextCursor string `json:"next_cursor"`
	}
	var got []string
	for cursor := ""; ; {
		page := decode[list](t, b.call(t, http.MethodGet, "/v1/ops/notices?limit=1&cursor="+cursor, nil), http.StatusOK)
		for _, item := range page.Items {
			got = append(got, fmt.Sprint(item.Position, item.Kind))
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
}
