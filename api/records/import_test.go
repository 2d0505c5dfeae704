package records_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var csvFile = header{"Content-Type": "text/csv"}

func TestImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := "\uFEFFBib,Clock Time,Chip Time,Shoe\r\n1,1:10:22.4,1:10:20,red\r\n2,DNF,,\r\n3,25:99:00,,\r\n4,1:20:00,1:30:00,\r\n5,1:21:00,,\r\n05,1:22:00,,\r\n"
	errors := []any{
		object{"row": 4.0, "field": "gun_time", "message": "minutes and seconds must be below 60"},
		object{"row": 5.0, "field": "net_time", "message": "must not be longer than the gun time by more than a second"},
		object{"row": 6.0, "field": "bib", "message": "is also in row 7"},
		object{"row": 7.0, "field": "bib", "message": "is also in row 6"},
	}
	want := object{
		"added": 2.0, "changed": 0.0, "unchanged": 0.0, "errors": errors, "ignored_columns": []any{"Shoe"},
		"ignored_samples": []any{object{"column": "Shoe", "sample": "red"}},
		"changes":         []any{}, "changes_total": 0.0, "cleared": []any{}, "cleared_total": 0.0, "kept": []any{}, "kept_total": 0.0, "implausible": []any{}, "implausible_total": 0.0,
		"unknown_bib": []any{object{"row": 2.0, "bib": "1"}, object{"row": 3.0, "bib": "2"}}, "unknown_bib_total": 2.0,
	}

	path := b.path + "/import"
	preview := decode[object](t, b.call(t, "organizer", http.MethodPost, path+"?dry_run=true", file, csvFile), http.StatusOK)
	require.Contains(t, preview["consequences"], "podiums")
	delete(preview, "consequences")
	require.Equal(t, want, preview)
	require.Zero(t, b.outbox(t), "a dry run changes nothing")
	require.Zero(t, b.pokes.Load())
	imported := decode[object](t, b.call(t, "organizer", http.MethodPost, path, file, csvFile), http.StatusOK)
	require.NotEmpty(t, imported["import_id"])
	delete(imported, "import_id")
	require.Equal(t, want, imported)
	require.Equal(t, 2, b.outbox(t))
	require.EqualValues(t, 1, b.pokes.Load())

	want["added"], want["unchanged"] = 0.0, 2.0
	require.Equal(t, want, decode[object](t, b.call(t, "organizer", http.MethodPost, path, file, csvFile), http.StatusOK))
	require.Zero(t, b.outbox(t), "the same file again")
	require.EqualValues(t, 1, b.pokes.Load())

	asJSON := `[{"bib":"1","gun_time":"1:10:22.4","net_time":"1:10:19"},{"bib":"2","status":"DNF"},{"bib":"3","gun_time":"1:25:00"}]`
	got := decode[object](t, b.call(t, "organizer", http.MethodPost, path+"?reason=second+reading", asJSON), http.StatusOK)
	require.Equal(t, []any{1.0, 1.0, 1.0}, []any{got["added"], got["changed"], got["unchanged"]})
	require.Equal(t, "second reading", b.get(t, b.list(t, "?bib=1").Items[0]).Revisions[1].Reason)
}

func TestImportWithAKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	key := header{"Idempotency-Key": "file-1"}
	first := b.call(t, "organizer", http.MethodPost, b.path+"/import", "bib,gun_time\n1,1:10:00\n", csvFile, key)
	again := b.call(t, "organizer", http.MethodPost, b.path+"/import", "bib,gun_time\n1,1:10:00\n", csvFile, key)
	require.Equal(t, decode[object](t, first, http.StatusOK), decode[object](t, again, http.StatusOK))
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows := func(n int) string {
		var file strings.Builder
		file.WriteString("bib,gun_time\n")
		for i := range n {
			fmt.Fprintf(&file, "%d,1:10:00\n", i+1)
		}
		return file.String()
	}
	for name, c := range map[string]struct {
		file   string
		status int
	}{
		"too many rows":  {rows(50_001), http.StatusRequestEntityTooLarge},
		"too large":      {"bib,gun_time\n" + strings.Repeat(" ", 17<<20), http.StatusRequestEntityTooLarge},
		"broken quoting": {"bib,gun_time\n\"1,1:10:00\n", http.StatusUnprocessableEntity},
		"no text":        {"\x00\x01\x02\xff\n\x00", http.StatusUnprocessableEntity},
		"empty":          {"", http.StatusBadRequest},
		"no bib":         {"gun_time\n1:10:00\n", http.StatusUnprocessableEntity},
	} {
		answer := b.call(t, "organizer", http.MethodPost, b.path+"/import", c.file, csvFile)
		require.Equal(t, c.status, answer.Code, "%s: %.300s", name, answer.Body)
		if name == "broken quoting" {
			require.Contains(t, answer.Body.String(), "line ")
		}
	}
	require.Zero(t, b.outbox(t))
}

// answered is what an import answers.
type answered struct {
	ImportID  string `json:"import_id"`
	Added     int    `json:"added"`
	Changed   int    `json:"changed"`
	KeptTotal int    `json:"kept_total"`
	Kept      []struct {
		Bib     string `json:"bib"`
		Message string `json:"message"`
	} `json:"kept"`
	PlacesMoved int `json:"places_moved_total"`
}

func TestAFileDoesNotUndoADecision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.path + "/import"
	const file = "bib,gun_time,status\n344,1:10:00,OK\n2,1:11:00,\n"
	load := func(query string, headers ...header) answered {
		t.Helper()
		return decode[answered](t, b.call(t, "organizer", http.MethodPost, path+query, file, append(headers, csvFile)...), http.StatusOK)
	}
	require.Equal(t, 2, load("").Added)
	jury := b.patch(t, b.list(t, "?bib=344").Items[0], object{"status": "DQ", "reason": "cut the course"})

	for _, query := range []string{"?dry_run=true", ""} {
		got := load(query)
		require.Zero(t, got.Changed)
		require.Equal(t, 1, got.KeptTotal)
		require.Equal(t, "344", got.Kept[0].Bib)
		require.Equal(t, "kept: decided by hand", got.Kept[0].Message)
	}
	require.Equal(t, jury.Revision, b.get(t, jury).Revision)

	refused := decode[problem](t, b.call(t, "organizer", http.MethodPost, path+"?override=all", file, csvFile), http.StatusUnprocessableEntity)
	require.Equal(t, []string{"query.reason"}, refused.locations())
	b.inMain(t, "UPDATE race SET status = 'official'")
	answer := b.call(t, "organizer", http.MethodPost, path+"?override=344&reason=appeal+upheld", file, csvFile)
	require.Equal(t, http.StatusConflict, answer.Code)
	require.Contains(t, answer.Body.String(), "official=true")
	imported := load("?override=0344&official=true&reason=appeal+upheld&name=final.csv")
	require.Equal(t, 1, imported.Changed)
	require.Equal(t, "OK", b.get(t, jury).Status)

	imports := "/v1/races/" + b.raceID + "/imports"
	type item struct {
		ImportID string `json:"import_id"`
		FileName string `json:"file_name"`
	}
	listed := decode[struct {
		Items []item `json:"items"`
	}](t, b.call(t, "organizer", http.MethodGet, imports, nil), http.StatusOK).Items
	require.Len(t, listed, 2)
	require.Equal(t, item{imported.ImportID, "final.csv"}, listed[0])
	shown := decode[object](t, b.call(t, "organizer", http.MethodGet, imports+"/"+imported.ImportID, nil), http.StatusOK)
	require.Equal(t, "appeal upheld", shown["reason"])
	require.Equal(t, http.StatusForbidden, b.call(t, "rival", http.MethodGet, imports, nil).Code)
	require.Equal(t, http.StatusNotFound, b.call(t, "organizer", http.MethodGet, imports+"/"+b.raceID, nil).Code)

	undo := imports + "/" + imported.ImportID + "/undo"
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, "organizer", http.MethodPost, undo, object{"reason": " "}).Code)
	require.Equal(t, "undone", decode[object](t, b.call(t, "organizer", http.MethodPost, undo, object{"reason": "wrong file"}), http.StatusOK)["status"])
	require.Equal(t, "DQ", b.get(t, jury).Status)
	require.Equal(t, 1, load("").KeptTotal, "the decision stands again")

	first := listed[1].ImportID
	changed := decode[problem](t, b.call(t, "organizer", http.MethodPost, imports+"/"+first+"/undo", object{"reason": "wrong file"}), http.StatusConflict)
	require.Equal(t, []string{"official-records/" + jury.RecordID}, changed.locations())
}

// TestAnImportIsRetriedAfterACrash: the first call reserved its key, wrote
// its file and died before it could keep its answer.
func TestAnImportIsRetriedAfterACrash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const file = "bib,gun_time\n1,1:10:00\n2,1:11:00\n"
	key := header{"Idempotency-Key": "file-1"}
	load := func() answered {
		t.Helper()
		return decode[answered](t, b.call(t, "organizer", http.MethodPost, b.path+"/import", file, csvFile, key), http.StatusOK)
	}
	forget := func() { b.inMain(t, "UPDATE idempotency_key SET response_status = NULL, response_body = NULL") }
	first := load()
	require.Equal(t, 2, first.Added)
	corrected := b.patch(t, b.list(t, "?bib=1").Items[0], object{"gun_time": "1:09:00", "reason": "finish video"})
	forget()
	require.Equal(t, first, load())
	require.Equal(t, corrected.Revision, b.get(t, corrected).Revision)

	forget()
	b.inMain(t, "DELETE FROM race_import") // it died before it wrote anything
	got := load()
	require.Zero(t, got.Added+got.Changed)
	require.Equal(t, 1, got.KeptTotal)
	require.Equal(t, "1:09:00", b.get(t, corrected).GunTime)
}

// TestAnOldFileIsRetriedAfterANewerOne: its first call reserved a key and died
// before it wrote anything, and meanwhile somebody has loaded the corrected file.
func TestAnOldFileIsRetriedAfterANewerOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	key := header{"Idempotency-Key": "file-1"}
	load := func(file string, h header) *httptest.ResponseRecorder {
		return b.call(t, "organizer", http.MethodPost, b.path+"/import", file, csvFile, h)
	}
	const old = "bib,gun_time\n1,1:10:00\n"
	decode[answered](t, load(old, key), http.StatusOK)
	b.inMain(t, "UPDATE idempotency_key SET response_status = NULL, response_body = NULL")
	b.inMain(t, "DELETE FROM race_import")
	decode[answered](t, load("bib,gun_time\n1,1:12:00\n", header{"Idempotency-Key": "file-2"}), http.StatusOK)
	for range 2 { // the refusal does not free the key, or the next attempt would count as a new request
		require.Equal(t, http.StatusConflict, load(old, key).Code)
	}
	require.Equal(t, "1:12:00", b.list(t, "?bib=1").Items[0].GunTime)
	require.Equal(t, 1, decode[answered](t, load(old, header{"Idempotency-Key": "file-3"}), http.StatusOK).Changed, "on purpose")
}

func TestAFileWithoutRankingTimesIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, query := range []string{"", "?dry_run=true"} {
		for _, file := range []string{"Bib,Foo,Pos\n1,1:10:00,1\n", "Bib,Foo,Status\n1,1:10:00,OK\n2,,DNF\n"} {
			answer := b.call(t, "organizer", http.MethodPost, b.path+"/import"+query, file, csvFile)
			require.Equal(t, http.StatusUnprocessableEntity, answer.Code, answer.Body)
			for _, part := range []string{"Bib", "gun_time", "clock_time"} {
				require.Contains(t, answer.Body.String(), part)
			}
		}
	}
	require.Zero(t, b.outbox(t))
	got := decode[answered](t, b.call(t, "organizer", http.MethodPost, b.path+"/import", "bib,status\n1,DNS\n2,DQ\n", csvFile), http.StatusOK)
	require.Equal(t, 2, got.Added)
}

func TestAnImportListsImplausibleTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := "bib,gun_time\n1,1:10\n2,1:10:00\n" // of a half marathon
	for _, path := range []string{b.path + "/import?dry_run=true", b.path + "/import"} {
		got := decode[object](t, b.call(t, "organizer", http.MethodPost, path, file, csvFile), http.StatusOK)
		require.Equal(t, []any{object{"row": 2.0, "bib": "1", "message": "implausible gun time 0:01:10: faster than the world best " +
			"for the distance and field; 1:10 was read as 1 min 10 s; if it means 1 h 10 min write 1:10:00"}}, got["implausible"])
		require.InDelta(t, 2, got["added"], 0, "the record is kept")
	}
}
