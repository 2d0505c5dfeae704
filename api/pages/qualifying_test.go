package pages_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// aStandard is a marathon within 3:00 for men and 3:30 for women.
var aStandard = race.Standard{
	Distance: 42_195_000, Men: race.Time(180 * time.Minute / time.Millisecond), Women: race.Time(210 * time.Minute / time.Millisecond),
	Since: race.Date{Year: 2025, Month: time.January, Day: 1},
}

// TestQualifyingOnPages: the standard and the next edition are set in the form and stay in
// it, the runner reads what would be right, is admitted, enters and defers.
func TestQualifyingOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	office := b.organizerOf(t, nil, func(*race.Race) {})
	here := b.addLimited(t, race.EntrySettings{Capacity: 5, WaitingList: true, LastKey: 1, Pools: nil})
	later := springMarathon(b.organizer)
	later.Name, later.Date = "The Race After", race.DateOf(time.Now().AddDate(1, 1, 0))
	later.Entry = &race.EntrySettings{Zone: "Asia/Seoul", Capacity: 5, LastKey: 1}
	next, err := b.main.CreateRace(t.Context(), later)
	require.NoError(t, err)
	settings := "/en/organize/races/" + here.ID + "/settings/entry"
	fields := []string{
		"entry.next_race_id", next.ID, "entry.defer_until", time.Now().AddDate(0, 0, 9).Format("2006-01-02T15:04"), "entry.capacity", "",
		"entry.pools[0].name", "Fast", "entry.pools[0].capacity", "5", "entry.pools[0].standard.distance_m", "42195", "entry.pools[0].standard.men", "3 hours",
		"entry.pools[0].standard.women", "3:30:00", "entry.pools[0].standard.since", "2025-01-01",
	}
	form := office.visit(settings)
	require.Contains(t, form.Find("main").Text(), "The Race After")
	wrong := office.post(settings, form.fill("main form", fields...)...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "3 hours", wrong.Find(`[name="entry.pools[0].standard.men"]`).AttrOr("value", ""), "nothing that was typed is lost")
	fields[13] = "3:00:00"
	preview := office.post(settings, office.visit(settings).fill("main form", fields...)...)
	require.Equal(t, http.StatusOK, preview.status, preview.body)
	require.Contains(t, preview.Find("main").Text(), "3:00:00 (men), 3:30:00 (women)")
	require.Contains(t, preview.Find("main").Text(), "The Race After is the next edition")
	require.Equal(t, http.StatusSeeOther, office.post(settings, preview.fill("main form:has([name=confirmed])")...).status)
	kept, err := b.main.Race(t.Context(), here.ID)
	require.NoError(t, err)
	require.Equal(t, []any{aStandard, next.ID}, []any{kept.Entry.Pools[0].Standard, kept.Entry.NextRaceID})
	again := office.visit(settings)
	require.Equal(t, "3:30:00", again.Find(`[name="entry.pools[0].standard.women"]`).AttrOr("value", ""), "the form does not drop it")
	require.Equal(t, next.ID, again.Find(`[name="entry.next_race_id"] option[selected]`).AttrOr("value", ""))

	ann := b.runners(t, "ann")[0]
	mine := "/en/my/races/" + here.ID
	shown := ann.visit(mine)
	require.Contains(t, shown.Find("#enter").Text(), "No result in your account counts towards it.")
	refused := ann.post(mine, shown.fill("#enter", "team", "Harbour")...)
	require.Equal(t, http.StatusConflict, refused.status)
	require.Contains(t, refused.Find("main").Text(), "asks for an official result over 42.195 km in 3:30:00 or faster")
	require.Equal(t, "Harbour", refused.Find("[name=team]").AttrOr("value", ""))
	korean := ann.post("/ko/my/races/"+here.ID, ann.visit("/ko/my/races/"+here.ID).fill("#enter")...)
	require.Contains(t, korean.Find("main").Text(), "42.195 km를 3:30:00 이내에 달린 공식 기록")

	admissions := "/en/organize/races/" + here.ID + "/admissions"
	require.Equal(t, http.StatusSeeOther, office.post(admissions, office.visit(admissions).fill("main form", "login_id", "ann", "pool", "Fast", "reason", "national team")...).status)
	require.Contains(t, office.visit(admissions).Find("main").Text(), "national team")
	require.Equal(t, http.StatusSeeOther, ann.post(mine, ann.visit(mine).fill("#enter")...).status)
	require.Contains(t, office.visit("/en/organize/races/"+here.ID+"/entries").Find("main").Text(), "admitted by you")
	require.NotContains(t, office.visit("/en/organize/races/"+here.ID+"/entries?show=unqualified").Find("table").Last().Text(), "admitted by you")

	in := ann.visit(mine)
	require.Contains(t, in.Find("details").Text(), "you have a place in The Race After")
	moved := ann.post(mine+"/defer", in.fill("form[action$=defer]")...)
	require.Equal(t, http.StatusSeeOther, moved.status, moved.body)
	require.Equal(t, "/en/my/races/"+next.ID, moved.to())
	require.Contains(t, ann.visit(moved.to()).Find("main").Text(), "You deferred this place from "+here.Name)
	require.Contains(t, ann.visit(mine).Find(".notice").Text(), "you have a place in the next edition instead")
	require.Zero(t, ann.visit(mine).Find("#enter").Length())
	require.Contains(t, office.visit("/en/organize/races/"+here.ID+"/entries?status=deferred").Find("table").Last().Text(), "Deferred")
}
