package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
)

// enter has runner entered in the race.
func (b *testBundle) enter(t *testing.T, who kind) {
	t.Helper()
	b.as(t, who, http.MethodPost, "/v1/races/"+b.race.ID+"/participants", `{}`, http.StatusCreated)
}

// with makes a call as somebody with headers, and returns the answer.
func (b *testBundle) with(t *testing.T, who kind, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if token := b.tokens[who]; token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	b.router.ServeHTTP(answer, request)
	return answer
}

func TestPosts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID + "/posts"
	const text = `{"title":"Parking","body":"**None.** <script>x</script> [map](javascript:x)"`
	published := b.as(t, editor, http.MethodPost, path, text+`,"pinned":true}`, http.StatusCreated)
	require.Equal(t, "published", published["state"])
	require.Contains(t, published["html"], "<strong>None.</strong> &lt;script&gt;")
	require.NotContains(t, published["html"], "javascript:")
	draft := b.as(t, owner, http.MethodPost, path, text+`,"state":"draft"}`, http.StatusCreated)
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	planned := b.as(t, owner, http.MethodPost, path, text+`,"publish_at":"`+at+`","notify":true}`, http.StatusCreated)
	require.Equal(t, []any{"planned", true}, []any{planned["state"], planned["notify"]})

	require.Len(t, items(t, b.as(t, anonymous, http.MethodGet, path, "", http.StatusOK)), 1)
	require.Len(t, items(t, b.as(t, otherOrganizer, http.MethodGet, path, "", http.StatusOK)), 1)
	require.Len(t, items(t, b.as(t, viewer, http.MethodGet, path, "", http.StatusOK)), 3)
	require.Len(t, items(t, b.as(t, viewer, http.MethodGet, path+"?state=draft", "", http.StatusOK)), 1)
	b.as(t, anonymous, http.MethodGet, path+"?state=draft", "", http.StatusForbidden)
	b.as(t, runner, http.MethodGet, path+"/"+fmt.Sprint(draft["post_id"]), "", http.StatusNotFound)
	b.as(t, runner, http.MethodGet, path+"/"+fmt.Sprint(draft["post_id"])+"/comments", "", http.StatusNotFound)
	require.Equal(t, "public, max-age=5, s-maxage=10, stale-if-error=600", b.with(t, anonymous, http.MethodGet, path, "").Header().Get("Cache-Control"))
	require.Equal(t, "no-store", b.with(t, viewer, http.MethodGet, path, "").Header().Get("Cache-Control"))
	require.Equal(t, "Authorization", b.with(t, anonymous, http.MethodGet, path, "").Header().Get("Vary"), "caches have less than the staff see")

	one := path + "/" + fmt.Sprint(draft["post_id"])
	require.Equal(t, `"1"`, b.with(t, owner, http.MethodGet, one, "").Header().Get("ETag"))
	b.as(t, owner, http.MethodPatch, one, `{"pinned":true}`, http.StatusPreconditionRequired)
	require.Equal(t, http.StatusOK, b.with(t, owner, http.MethodPatch, one, `{"pinned":true}`, "If-Match", `"1"`).Code)
	require.Equal(t, http.StatusPreconditionFailed, b.with(t, editor, http.MethodPatch, one, `{"title":"x"}`, "If-Match", "1").Code)
	require.Equal(t, http.StatusOK, b.with(t, editor, http.MethodPatch, one, `{"state":"published"}`, "If-Match", "2").Code)
	require.Equal(t, http.StatusUnprocessableEntity, b.with(t, editor, http.MethodPatch, one, `{"publish_at":"`+at+`"}`, "If-Match", "3").Code)
	require.Equal(t, http.StatusNoContent, b.with(t, editor, http.MethodDelete, one, "", "If-Match", "3").Code)
	for _, wrong := range []string{
		`{"title":"a\nb","body":"x"}`, `{"title":" ","body":"x"}`, `{"title":"a","body":" \n"}`, `{"title":"a","body":"\u0001"}`, `{"title":"a","body":"x","state":"planned"}`,
		`{"title":"a","body":"x","state":"draft","publish_at":"` + at + `"}`, `{"title":"a","body":"` + strings.Repeat("[", 10_001) + `"}`,
	} {
		b.as(t, editor, http.MethodPost, path, wrong, http.StatusUnprocessableEntity)
	}
	b.as(t, editor, http.MethodPost, path, `{"title":"a","body":"x","publish_at":"2020-01-01T00:00:00Z"}`, http.StatusConflict)
	b.as(t, editor, http.MethodPost, path, `{"title":"a","body":"`+strings.Repeat("😀", 10_000)+`"}`, http.StatusCreated)
	for range 100 {
		b.as(t, editor, http.MethodPost, path, `{"title":"a","body":"x"}`, http.StatusCreated)
	}
	for _, who := range []kind{anonymous, viewer} {
		list := b.as(t, who, http.MethodGet, path+"?limit=1000", "", http.StatusOK)
		require.Len(t, items(t, list), 100)
		require.NotEmpty(t, list["next_cursor"])
	}
	cursor := server.EncodeCursor("0", "253402300800000000", b.race.ID) // the year 10000, which no database knows
	b.as(t, anonymous, http.MethodGet, path+"?cursor="+cursor, "", http.StatusUnprocessableEntity)
}

func TestComments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enter(t, runner)
	posts := "/v1/races/" + b.race.ID + "/posts"
	one := posts + "/" + fmt.Sprint(b.as(t, owner, http.MethodPost, posts, `{"title":"a","body":"b"}`, http.StatusCreated)["post_id"])
	comments := one + "/comments"
	b.as(t, otherRunner, http.MethodPost, comments, `{"text":"hello"}`, http.StatusForbidden)
	said := b.as(t, runner, http.MethodPost, comments, `{"text":" <b>hello</b>\r\nyou "}`, http.StatusCreated)
	require.Equal(t, "<b>hello</b>\nyou", said["text"])
	b.as(t, timing, http.MethodPost, comments, `{"text":"hello back"}`, http.StatusCreated)
	list := items(t, b.as(t, anonymous, http.MethodGet, comments, "", http.StatusOK))
	require.Equal(t, []any{"runner", "staff", nil}, []any{list[0]["by"], list[1]["by"], list[1]["name"]})
	require.NotEmpty(t, list[0]["name"])
	shown := fmt.Sprint(list)
	for _, who := range []kind{runner, timing} {
		require.NotContains(t, shown, b.ids[who], "public pages have no user IDs")
		account, err := b.accounts.Account(t.Context(), b.ids[who])
		require.NoError(t, err)
		require.NotContains(t, shown, account.LoginID)
	}
	comment := comments + "/" + fmt.Sprint(said["comment_id"])
	b.as(t, otherRunner, http.MethodPatch, comment, `{"text":"x"}`, http.StatusForbidden)
	b.as(t, otherRunner, http.MethodDelete, comment, "", http.StatusForbidden)
	require.Equal(t, "better", b.as(t, runner, http.MethodPatch, comment, `{"text":"better"}`, http.StatusOK)["text"])
	for range 2 {
		require.Equal(t, http.StatusAccepted, b.with(t, otherRunner, http.MethodPost, comment+"/report", `{"reason":"rude"}`).Code)
	}
	for who, list := range map[kind]string{viewer: "/v1/races/" + b.race.ID + "/comments", operator: "/v1/ops/comments"} {
		reported := items(t, b.as(t, who, http.MethodGet, list, "", http.StatusOK))
		require.Len(t, reported, 1)
		require.Equal(t, []any{"rude"}, reported[0]["reports"])
	}
	require.Equal(t, http.StatusOK, b.with(t, owner, http.MethodPatch, one, `{"state":"withdrawn"}`, "If-Match", "1").Code)
	require.Equal(t, "no-store", b.with(t, viewer, http.MethodGet, comments, "").Header().Get("Cache-Control"), "nobody else may read them")
	require.Equal(t, http.StatusOK, b.with(t, owner, http.MethodPatch, one, `{"state":"published"}`, "If-Match", "2").Code)
	read := fmt.Sprintf(`"edited_at":%q`, said["created_at"])
	b.as(t, operator, http.MethodPost, comment+"/hide", `{"reason":"not here",`+read+`}`, http.StatusConflict)
	b.as(t, editor, http.MethodPost, comment+"/show", `{`+read+`}`, http.StatusConflict)
	found := items(t, b.as(t, operator, http.MethodGet, "/v1/ops/comments", "", http.StatusOK))[0]
	require.Equal(t, "better", found["text"], "nothing was decided")
	b.as(t, operator, http.MethodPost, comment+"/hide", fmt.Sprintf(`{"reason":"not here","edited_at":%q}`, found["edited_at"]), http.StatusOK)
	hidden := items(t, b.as(t, anonymous, http.MethodGet, comments, "", http.StatusOK))[0]
	require.Equal(t, []any{"hidden", "not here", nil, nil}, []any{hidden["state"], hidden["hidden_reason"], hidden["text"], hidden["name"]})
	require.Len(t, items(t, b.as(t, viewer, http.MethodGet, "/v1/races/"+b.race.ID+"/comments?state=hidden", "", http.StatusOK)), 1)
	b.as(t, editor, http.MethodPost, comment+"/show", "", http.StatusOK)
	require.Contains(t, fmt.Sprint(b.as(t, runner, http.MethodGet, "/v1/me/export", "", http.StatusOK)), "better")
	b.as(t, runner, http.MethodDelete, "/v1/me", `{"password":"six stars to go"}`, http.StatusNoContent)
	erased := items(t, b.as(t, anonymous, http.MethodGet, comments, "", http.StatusOK))[0]
	require.Equal(t, []any{"erased", nil, nil}, []any{erased["state"], erased["text"], erased["name"]})
	require.NotContains(t, b.dump(t), "better")
	require.NotContains(t, b.dump(t), "rude", "what was said about somebody who left")

	last := 0
	for range 20 {
		last = b.with(t, otherOrganizer, http.MethodPost, comments, `{"text":"x"}`).Code
	}
	require.Equal(t, http.StatusTooManyRequests, last)
}

// TestCommentsAndChangesInPages: each is there once and in the same order, in pages of one as
// on one page.
func TestCommentsAndChangesInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	posts := "/v1/races/" + b.race.ID + "/posts"
	comments := posts + "/" + fmt.Sprint(b.as(t, owner, http.MethodPost, posts, `{"title":"a","body":"b"}`, http.StatusCreated)["post_id"]) + "/comments"
	const said = 5
	for range said {
		comment := comments + "/" + fmt.Sprint(b.as(t, timing, http.MethodPost, comments, `{"text":"hello"}`, http.StatusCreated)["comment_id"])
		require.Equal(t, http.StatusAccepted, b.with(t, otherRunner, http.MethodPost, comment+"/report", `{"reason":"rude"}`).Code)
	}
	for list, of := range map[string]kind{
		"/v1/ops/comments": operator, "/v1/races/" + b.race.ID + "/comments": viewer, comments: anonymous,
		"/v1/ops/changes": operator, "/v1/races/" + b.race.ID + "/changes": viewer, "/v1/me/changes": timing,
	} {
		all := b.as(t, of, http.MethodGet, list+"?limit=1000", "", http.StatusOK)
		require.Nil(t, all["next_cursor"])
		require.GreaterOrEqual(t, len(items(t, all)), said, list)
		var walked []map[string]any
		for query := "?limit=1"; query != ""; {
			part := b.as(t, of, http.MethodGet, list+query, "", http.StatusOK)
			walked, query = append(walked, items(t, part)...), ""
			if next := part["next_cursor"]; next != nil {
				query = "?limit=1&cursor=" + fmt.Sprint(next)
			}
		}
		require.Equal(t, items(t, all), walked, list)
	}
}
