package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestDrawPages: what a race says that draws its places, before and after the draw.
func TestDrawPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1, Order: race.ByDraw, ClosesAt: time.Now().Add(time.Hour)})
	page := b.get(t, "/en/races/"+r.ID)
	require.Contains(t, page.body, "Registration for the draw is open.")
	require.Contains(t, page.body, "0 runners are registered. Places: 1.")
	require.Contains(t, page.body, "/en/races/"+r.ID+"/draw")
	mine := "/en/my/races/" + r.ID
	ann := b.runners(t, "ann")[0]
	require.Equal(t, mine, ann.post(mine, ann.visit(mine).fill("#enter")...).to())
	in := ann.visit(mine)
	require.Equal(t, []string{"You are registered for the draw."}, in.texts(".said"))
	number := in.Find("dd code").Text()
	require.Len(t, number, 12)
	require.Equal(t, mine, ann.post(mine+"/cancel").to())
	require.Equal(t, mine, ann.post(mine, ann.visit(mine).fill("#enter")...).to())
	require.Equal(t, number, ann.visit(mine).Find("dd code").Text(), "the number stays")
	draw := b.get(t, "/en/races/"+r.ID+"/draw")
	require.Equal(t, http.StatusOK, draw.status)
	require.Contains(t, draw.body, r.Entry.DrawCommitment)
	require.NotContains(t, draw.body, "draw.csv\">")
	require.Contains(t, strings.ReplaceAll(draw.body, "&#34;", `"`), `"".join(n + "\n" for n in numbers)`)
	require.Equal(t, http.StatusOK, b.get(t, "/ko/races/"+r.ID+"/draw").status)
	lots := map[string]*browser{"ann": ann}
	for _, name := range []string{"ben", "cyd"} {
		lots[name] = b.runners(t, name)[0]
		require.Equal(t, mine, lots[name].post(mine, lots[name].visit(mine).fill("#enter")...).to())
	}
	_, _, err := b.main.UpdateRace(t.Context(), r.ID, func(r *race.Race) error {
		r.Entry.ClosesAt = time.Now().Add(-time.Minute)
		return nil
	}, nil)
	require.NoError(t, err)
	outcome, err := b.outcomes.DrawPlaces(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{outcome.Entered, outcome.NotDrawn})
	notDrawn := 0
	for name, c := range lots {
		after := c.visit(mine)
		require.Len(t, after.Find("dd code").Text(), 12, "%s can look the number up, drawn or not", name)
		require.Equal(t, 1, after.Find(`dd a[href="/en/races/`+r.ID+`/draw"]`).Length())
		if strings.TrimSpace(after.Find("main .notice").First().Text()) == "You were not drawn, and there is no waiting list." {
			notDrawn++
			require.Contains(t, after.body, "The places were drawn on")
		}
	}
	require.Equal(t, 2, notDrawn)
	other := b.addLimited(t, race.EntrySettings{Capacity: 1})
	require.Equal(t, http.StatusNotFound, b.get(t, "/en/races/"+other.ID+"/draw").status)
}
