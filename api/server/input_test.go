package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type searchInput struct {
	server.Page
	RaceID   string   `path:"race_id"`
	Division string   `query:"division"`
	Sexes    []string `query:"sexes,explode"`
	Since    string   `header:"If-None-Match"`
}

type noted struct {
	Body struct {
		Name  string   `json:"name"`
		Words []string `json:"words,omitempty"`
		Deep  *struct {
			Note string `json:"note"`
		} `json:"deep,omitempty"`
	}
}

func setupInput(t *testing.T) *testBundle {
	t.Helper()
	b := setup(t)
	server.Register(b.api, huma.Operation{OperationID: "search", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings"},
		func(context.Context, *searchInput) (*created, error) { return &created{}, nil })
	server.Register(b.api, huma.Operation{OperationID: "note", Method: http.MethodPost, Path: "/v1/races"},
		func(context.Context, *noted) (*created, error) { return &created{}, nil })
	return b
}

func TestTextIsCheckedBeforeTheHandlers(t *testing.T) {
	t.Parallel()
	b := setupInput(t)
	path := "/v1/races/" + raceID + "/standings"
	for target, location := range map[string]string{
		path + "?division=%FF":               "query.division",
		path + "?division=a%00":              "query.division",
		path + "?%FF=1":                      "query",
		path + "?division=%zz":               "query",
		path + "?division=a;limit=3":         "query",
		"/v1/races/%FF/standings":            "path",
		"/v1/races/a%00b/standings?limit=10": "path",
	} {
		got := b.call(http.MethodGet, target, "", "")
		require.Equal(t, http.StatusUnprocessableEntity, got.Code, target)
		require.Equal(t, location, got.problem.Errors[0].Location, target)
	}
	got := b.call(http.MethodGet, path, "", "", "If-None-Match", "\xff")
	require.Equal(t, http.StatusUnprocessableEntity, got.Code)
	require.Equal(t, "header.If-None-Match", got.problem.Errors[0].Location)
	require.Equal(t, http.StatusOK, b.call(http.MethodGet, path+"?division=%EC%97%AC", "", "").Code)
	require.NotContains(t, b.logs.String(), "\xff")
}

func TestTextOfABodyIsChecked(t *testing.T) {
	t.Parallel()
	b := setupInput(t)
	for body, location := range map[string]string{
		`{"name":"a\u0000b"}`:                     "body.name",
		`{"name":"a","words":["x","\u0000"]}`:     "body.words[1]",
		`{"name":"a","deep":{"note":"\u0000"}}`:   "body.deep.note",
		`{"name":"a\u0000","deep":{"note":"ok"}}`: "body.name",
		`{"name":"a\u202Eb"}`:                     "body.name",
		`{"name":"a","words":["x","\u2067"]}`:     "body.words[1]",
	} {
		got := b.call(http.MethodPost, "/v1/races", "organizer", body)
		require.Equal(t, http.StatusUnprocessableEntity, got.Code, body)
		require.Equal(t, location, got.problem.Errors[0].Location, body)
	}
	require.Equal(t, http.StatusBadRequest, b.call(http.MethodPost, "/v1/races", "organizer", "{\"name\":\"\xff\"}").Code)
	require.Equal(t, http.StatusOK, b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"a\\u0000"}`).Code, "an escaped backslash")
}

func TestUnknownAndRepeatedParametersAreRefused(t *testing.T) {
	t.Parallel()
	b := setupInput(t)
	path := "/v1/races/" + raceID + "/standings"
	for query, message := range map[string]string{
		"bib=284":                "is not a parameter of this call; it has cursor, division, limit, sexes",
		"devision=M40":           "is not a parameter of this call: did you mean division?; it has cursor, division, limit, sexes",
		"division=A&division=B":  "must be given only once",
		strings.Repeat("x", 200): "is not a parameter of this call; it has cursor, division, limit, sexes",
	} {
		got := b.call(http.MethodGet, path+"?"+query, "", "")
		require.Equal(t, http.StatusUnprocessableEntity, got.Code, query)
		require.Equal(t, message, got.problem.Errors[0].Message)
		require.Less(t, len(got.problem.Errors[0].Location), 60)
	}
	require.Equal(t, http.StatusOK, b.call(http.MethodGet, path+"?sexes=M&sexes=F&limit=10", "", "").Code, "a list may be repeated")
	got := b.call(http.MethodPost, "/v1/races?dry_run=true", "organizer", `{"name":"a"}`)
	require.Equal(t, http.StatusUnprocessableEntity, got.Code)
	require.Equal(t, "is not a parameter of this call; it has none", got.problem.Errors[0].Message)
	require.Equal(t, http.StatusUnauthorized, b.call(http.MethodPost, "/v1/races?dry_run=true", "", `{"name":"a"}`).Code, "who calls is asked first")
}

func TestIDsInAPathAreUUIDs(t *testing.T) {
	t.Parallel()
	b := setupInput(t)
	for _, id := range []string{"1", "urn:uuid:" + raceID, "{" + raceID + "}", strings.ReplaceAll(raceID, "-", ""), url.PathEscape(raceID + " ")} {
		require.Equal(t, http.StatusNotFound, b.call(http.MethodGet, "/v1/races/"+id+"/standings", "", "").Code, id)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	day := race.Date{Year: 2026, Month: 4, Day: 20}
	type item struct {
		day    race.Date
		id     string
		number int64
	}
	found := []item{{day, raceID, 1}, {day, otherRaceID, 2}, {day, raceID, 3}}
	position := func(last item) []any { return []any{last.day, last.id, last.number} }
	items, next := server.Cut(server.Page{Limit: 2}, found, position)
	require.Len(t, items, 2)

	var after item
	require.NoError(t, server.Page{Cursor: next}.Seek(&after.day, &after.id, &after.number))
	require.Equal(t, found[1], after)
	items, next = server.Cut(server.Page{Limit: 3}, found, position)
	require.Len(t, items, 3)
	require.Empty(t, next)

	type kind string // a list may be ordered by a word
	word := kind("place-moved")
	require.NoError(t, server.ReadCursor(server.Cursor(3, word), new(int), &word))
	require.Equal(t, kind("place-moved"), word)
	require.Error(t, server.ReadCursor(server.Cursor(3, "Place moved"), new(int), &word))

	var untouched item
	require.NoError(t, server.Page{}.Seek(&untouched.day, &untouched.id, &untouched.number))
	require.Zero(t, untouched)
	for name, parts := range map[string][]string{
		"a day that is none":    {"2026-02-30", raceID, "1"},
		"an ID that is none":    {"2026-04-20", "x", "1"},
		"a negative number":     {"2026-04-20", raceID, "-1"},
		"a number too large":    {"2026-04-20", raceID, "99999999999999999999"},
		"text beyond ASCII":     {"2026-04-20", raceID + "\u00ff", "1"},
		"NUL":                   {"2026-04-20", "\x00", "1"},
		"another list's cursor": {raceID},
	} {
		require.Error(t, server.ReadCursor(server.EncodeCursor(parts...), &after.day, &after.id, &after.number), name)
	}
	for _, bad := range []string{"!", "bm9uc2Vuc2U", "bnVsbA", "\xff"} {
		require.Error(t, server.ReadCursor(bad, &after.id), bad)
	}
}
