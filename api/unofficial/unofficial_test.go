package unofficial_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/api/unofficial"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
)

func setup(t *testing.T) http.Handler {
	t.Helper()
	db, _ := mysqltest.New(t, maindb.Migrations())
	store := maindb.New(db, time.Now)
	router, api := server.New(servertest.Config(servertest.Tokens{}, store))
	unofficial.Register(api, store)
	return router
}

const path = "/v1/me/unofficial-records"

func call(t *testing.T, router http.Handler, method, path, token, body string, headers ...string) (status int, answer map[string]any) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	recorder := httptest.NewRecorder()
	router.ServeHTTP(recorder, request)
	if recorder.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer), recorder.Body.String())
	}
	return recorder.Code, answer
}

func runner() string { return "runner/" + uuid.NewString() }

func TestOwnRecords(t *testing.T) {
	t.Parallel()
	router, ann := setup(t), runner()
	const body = `{"date":"2026-05-09","distance_m":5000.5,"time":"21:40.5","title":" Parkrun ","note":"wind\nand rain"}`
	status, made := call(t, router, http.MethodPost, path, ann, body, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, status, made)
	_, again := call(t, router, http.MethodPost, path, ann, body, "Idempotency-Key", "k")
	require.Equal(t, made, again)
	own := path + "/" + fmt.Sprint(made["unofficial_record_id"])
	require.Equal(t, "0:21:40.5", made["time"])
	require.InDelta(t, 5000.5, made["distance_m"], 0)
	require.Equal(t, "Parkrun", made["title"])

	status, read := call(t, router, http.MethodGet, own, ann, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "2026-05-09", read["date"])
	status, changed := call(t, router, http.MethodPatch, own, ann, `{"time":"20:00","title":""}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "0:20:00", changed["time"])
	require.NotContains(t, changed, "title")
	require.Equal(t, "wind\nand rain", changed["note"])

	for method, body := range map[string]string{http.MethodGet: "", http.MethodPatch: `{"note":""}`, http.MethodDelete: ""} {
		status, _ := call(t, router, method, own, runner(), body)
		require.Equal(t, http.StatusNotFound, status, "somebody else's record does not exist")
		status, _ = call(t, router, method, path+"/x", ann, body)
		require.Equal(t, http.StatusNotFound, status)
		status, _ = call(t, router, method, own, "organizer/"+uuid.NewString(), body)
		require.Equal(t, http.StatusForbidden, status)
		status, _ = call(t, router, method, own, "", body)
		require.Equal(t, http.StatusUnauthorized, status)
	}
	status, _ = call(t, router, http.MethodDelete, own, ann, "")
	require.Equal(t, http.StatusNoContent, status)
	status, _ = call(t, router, http.MethodGet, own, ann, "")
	require.Equal(t, http.StatusNotFound, status)
}

func TestListOwnRecords(t *testing.T) {
	t.Parallel()
	router, ann := setup(t), runner()
	for _, date := range []string{"2026-05-02", "2026-05-09", "2026-05-02"} {
		status, _ := call(t, router, http.MethodPost, path, ann, `{"date":"`+date+`","distance_m":5000,"time":"21:40"}`)
		require.Equal(t, http.StatusCreated, status)
	}
	status, first := call(t, router, http.MethodGet, path+"?limit=2", ann, "")
	require.Equal(t, http.StatusOK, status)
	require.Len(t, first["items"], 2)
	require.Contains(t, fmt.Sprint(first["items"]), "date:2026-05-09", "the newest first")
	_, second := call(t, router, http.MethodGet, path+"?limit=2&cursor="+fmt.Sprint(first["next_cursor"]), ann, "")
	require.Len(t, second["items"], 1)
	require.NotContains(t, second, "next_cursor")
	_, others := call(t, router, http.MethodGet, path, runner(), "")
	require.Equal(t, []any{}, others["items"])
	status, _ = call(t, router, http.MethodGet, path+"?cursor=x", ann, "")
	require.Equal(t, http.StatusUnprocessableEntity, status)
}

func TestRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	router, ann := setup(t), runner()
	for body, location := range map[string]string{
		`{"date":"2026-02-30","distance_m":5000,"time":"21:40"}`:                   "body.date",
		`{"date":"2026-02-28","distance_m":-1,"time":"21:40"}`:                     "body.distance_m",
		`{"date":"2026-02-28","distance_m":5000,"time":"25:99:00"}`:                "body.time",
		`{"date":"2026-02-28","distance_m":5000,"time":"21:40","title":"a\nb"}`:    "body.title",
		`{"date":"2026-02-28","distance_m":5000,"time":"21:40","points":5}`:        "body.points",
		`{"date":"2026-02-28","distance_m":5000,"time":1300}`:                      "body.time",
		`{"distance_m":5000,"time":"21:40"}`:                                       "body.date",
		`{"date":"2026-02-28","distance_m":5000.0001,"time":"21:40","note":"hey"}`: "body.distance_m",
	} {
		status, problem := call(t, router, http.MethodPost, path, ann, body)
		require.Equal(t, http.StatusUnprocessableEntity, status, body)
		require.Contains(t, fmt.Sprint(problem["errors"]), "location:"+location+" ", body)
	}
}
