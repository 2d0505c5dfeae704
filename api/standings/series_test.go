package standings_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// rank does what a series' workflow does, and lets this process notice.
func (b *testBundle) rank(ctx context.Context, seriesID string) error {
	_, err := b.series.RecomputeSeries(ctx, activities.SeriesInput{SeriesID: seriesID})
	b.clock.Advance(time.Second)
	return err
}

// makeSeries makes a series of the organizer and returns its path.
func (b *testBundle) makeSeries(t *testing.T, body string) string {
	t.Helper()
	made := b.call(t, http.MethodPost, "/v1/series", b.organizer, body, "Idempotency-Key", newID())
	require.Equal(t, http.StatusCreated, made.status, made.raw)
	return fmt.Sprint("/v1/series/", made.body["series_id"])
}

func TestSeriesStandings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	path := b.makeSeries(t, `{"name":"Park Series","best":1,"races":[{"race_id":"`+b.raceID+`","multiplier":1.005}]}`)

	got := b.get(t, path+"/standings")
	require.EqualValues(t, 1, got.body["version"])
	require.Equal(t, "provisional", got.body["status"])
	require.Equal(t, "first ranked", got.body["reason"])
	require.Equal(t, []any{"=Dan Dow", "Cem Can", "Bea Bok", "Ada Alm"}, got.items(t, "name"), "Ève races in a wheelchair")
	require.Equal(t, []any{402., 301.5, 201., 100.5}, got.items(t, "total"))
	require.Equal(t, []any{50., 45., 31., 30.}, got.items(t, "age"))
	require.Equal(t, []any{"Bea Bok", "Ada Alm"}, b.get(t, path+"/standings?sex=F").items(t, "name"))
	require.Equal(t, []any{"Ève Núñez"}, b.get(t, path+"/standings?field=wheelchair").items(t, "name"))
	require.Equal(t, "public, max-age=1, s-maxage=2", got.header.Get("Cache-Control"))
	same := b.get(t, path+"/standings", "If-None-Match", got.header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, same.status)
	require.Equal(t, got.header.Get("ETag"), same.header.Get("ETag"))

	first := b.get(t, path+"/standings?limit=3")
	b.patch(t, "4", "cut the course", maindb.RecordPatch{Status: new(race.Disqualified)})
	b.credit(t, "4", 0)
	b.recompute(t)
	second := b.get(t, path+"/standings?limit=3&cursor="+fmt.Sprint(first.body["next_cursor"]))
	require.EqualValues(t, 1, second.body["version"], "pages stay on their version")
	require.Equal(t, []any{"Ada Alm"}, second.items(t, "name"))
	require.Equal(t, "public, max-age=20", second.header.Get("Cache-Control"))

	after := b.get(t, path+"/standings", "If-None-Match", got.header.Get("ETag"))
	require.EqualValues(t, 2, after.body["version"])
	require.Equal(t, "Test Marathon: results changed (version 2)", after.body["reason"])
	require.Equal(t, []any{1., 2., 3., nil}, after.items(t, "place"))
	require.Equal(t, []any{"Cem Can", "Bea Bok", "Ada Alm", "=Dan Dow"}, after.items(t, "name"))
	require.Contains(t, after.raw, `"why":"no_finish"`)
	table := b.get(t, path+"/standings.csv").raw
	require.Equal(t, "\ufeffplace,sex_place,division,division_place,name,sex,age,total,races,Test Marathon\n"+
		"1,1,,,Cem Can,M,45,301.5,1,301.5\n2,1,,,Bea Bok,F,31,201,1,201\n3,2,,,Ada Alm,F,30,100.5,1,100.5\n,,,,'=Dan Dow,M,50,0,0,\n", table)

	_, voided, err := b.main.VoidRace(t.Context(), b.raceID, maindb.Change{By: "organizer", Reason: "lightning"})
	require.NoError(t, err)
	require.True(t, voided)
	b.recompute(t)
	void := b.get(t, path+"/standings")
	require.Empty(t, void.items(t, "name"))
	require.Equal(t, "Test Marathon: voided", void.body["reason"])
	b.call(t, http.MethodPatch, path, b.organizer, `{"races":[],"best":2}`)
	require.Equal(t, "settings changed: best, ages_on", b.get(t, path+"/standings").body["reason"])
	require.Equal(t, []any{4., 3., 2., 1.}, b.get(t, path+"/standings/versions").items(t, "version"))
	require.Equal(t, []any{"Cem Can", "Bea Bok", "Ada Alm", "=Dan Dow"}, b.get(t, path+"/standings?version=2").items(t, "name"))
	require.Contains(t, b.get(t, path+"/standings.csv?version=2").raw, "Test Marathon\n", "the name of a race that has left the series")
	for query, status := range map[string]int{"version=9": 404, "version=0": 422, "cursor=abc": 422, "field=swim": 422} {
		require.Equal(t, status, b.get(t, path+"/standings?"+query).status, query)
	}
}

// TestSeriesHideWhatStandingsHide: in all versions, within a minute.
func TestSeriesHideWhatStandingsHide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	path := b.makeSeries(t, `{"name":"Park Series","races":[{"race_id":"`+b.raceID+`"}]}`)
	b.patch(t, "1", "a typing error", maindb.RecordPatch{Gun: new(race.Time(7_999_000))})
	b.credit(t, "1", 700)
	b.recompute(t)
	latest, first := path+"/standings", path+"/standings?version=1"
	require.Equal(t, []any{"Ada Alm", "=Dan Dow", "Cem Can", "Bea Bok"}, b.get(t, latest).items(t, "name"))
	tag := b.get(t, latest).header.Get("ETag")

	account, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "cem", PasswordHash: "hash", Type: auth.Runner, Name: "Cem Can"})
	require.NoError(t, err)
	claim, _, err := b.main.OpenClaim(t.Context(), maindb.ClaimRequest{
		ID: newID(), RaceID: b.raceID, Bib: "3", UserID: account.UserID, Kind: race.ByCode,
	}, b.accounts.StandIn)
	require.NoError(t, err)
	require.Equal(t, race.Accepted, claim.State)
	b.ofUser(t, "UPDATE user SET hide_name = TRUE, hide_age = TRUE WHERE user_id = '"+account.UserID+"'")
	b.ofUser(t, "UPDATE user SET birth_date = '2015-01-01' WHERE user_id = '"+b.users["2"]+"'") // a minor
	b.ofUser(t, "UPDATE user SET name = '' WHERE user_id = '"+b.users["1"]+"'")                 // left
	b.clock.Advance(time.Minute)
	require.Equal(t, []any{"", "=Dan Dow", "C. C.", "B. B."}, b.get(t, latest).items(t, "name"))
	require.Equal(t, []any{"=Dan Dow", "C. C.", "B. B.", ""}, b.get(t, first).items(t, "name"))
	require.Nil(t, b.get(t, first).items(t, "age")[1])
	for _, csv := range []string{"/standings.csv", "/standings.csv?version=1"} {
		require.NotContains(t, b.get(t, path+csv).raw, "Cem")
		require.NotContains(t, b.get(t, path+csv).raw, "Bea")
	}
	require.Equal(t, http.StatusOK, b.get(t, latest, "If-None-Match", tag).status, "a cached answer with names is not current")

	b.ofUser(t, "RENAME TABLE user TO elsewhere")
	b.clock.Advance(time.Minute)
	for _, reading := range []string{latest, "/standings?field=runner"} {
		blind := b.get(t, reading)
		require.Equal(t, "no-store", blind.header.Get("Cache-Control"), reading)
		require.Equal(t, []any{"", "", "", ""}, blind.items(t, "name"), reading)
		require.Equal(t, []any{nil, nil, nil, nil}, blind.items(t, "age"), "nobody knows who hides it: %s", reading)
	}
}

// TestSeriesSettingsAreTheOwners: of the series and of each race in it.
func TestSeriesSettingsAreTheOwners(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stranger := "organizer/" + newID()
	races := `{"name":"A","races":[{"race_id":"` + b.raceID + `"%s}]}`
	post := func(token, body string) answer {
		return b.call(t, http.MethodPost, "/v1/series", token, body, "Idempotency-Key", newID())
	}
	refused := post(stranger, fmt.Sprintf(races, ""))
	require.Equal(t, http.StatusUnprocessableEntity, refused.status, "a race counts in its owner's series alone")
	require.Contains(t, refused.raw, "must be a race that you own")
	require.Equal(t, http.StatusForbidden, post("runner/"+newID(), fmt.Sprintf(races, "")).status)
	for _, multiplier := range []string{"0", "-1", "0.0001", "1.0005", "100.001", "1e300"} {
		require.Equal(t, http.StatusUnprocessableEntity, post(b.organizer, fmt.Sprintf(races, `,"multiplier":`+multiplier)).status, multiplier)
	}
	for _, body := range []string{
		`{"name":" "}`, `{"name":"A","best":-1}`, `{"name":"A","ages_on":"2026-02-30"}`, `{"name":"A","ties":["best_race","best_race"]}`,
		`{"name":"A","ties":["luck"]}`, `{"name":"A","races":[{"race_id":"7"}]}`,
		`{"name":"A","races":[{"race_id":"` + b.raceID + `"},{"race_id":"` + b.raceID + `"}]}`,
		`{"name":"A","divisions":[{"name":"X"},{"name":"X"}]}`,
	} {
		require.Equal(t, http.StatusUnprocessableEntity, post(b.organizer, body).status, body)
	}

	path := b.makeSeries(t, fmt.Sprintf(races, `,"multiplier":0.333`))
	empty := b.makeSeries(t, `{"name":"Empty"}`)
	require.Empty(t, b.get(t, empty+"/standings").items(t, "name"))
	require.Equal(t, "provisional", b.get(t, empty).body["status"])
	shown, err := json.Marshal(b.get(t, path).body["races"])
	require.NoError(t, err)
	require.Contains(t, string(shown), `"multiplier":0.333`)
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodPatch, path, stranger, `{"name":"B"}`).status)
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodDelete, path, stranger, "").status)
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path, b.organizer, "").status)
	for _, gone := range []string{path, path + "/standings", path + "/standings/versions", "/v1/series/7/standings", "/v1/series/" + newID() + "/standings"} {
		b.clock.Advance(time.Second)
		require.Equal(t, http.StatusNotFound, b.get(t, gone).status, gone)
	}
}
