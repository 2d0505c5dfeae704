package pages_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// organizer is a browser of the organizer of a new race, and where their pages are.
func (b *testBundle) organizerOf(t testing.TB, field []runnerRow, change func(*race.Race)) *browser {
	t.Helper()
	organizer := b.account(t, "olga", auth.Organizer)
	r := springMarathon(organizer)
	if change != nil {
		change(&r)
	}
	b.organizer = organizer
	b.addRace(t, r, field)
	return b.loggedIn(t, "olga")
}

func (b *testBundle) office(lang, rest string) string {
	return "/" + lang + "/organize/races/" + b.raceID + rest
}

// drop sends a file as the form on the files' page does, and returns the answer.
func (c *browser) drop(path, name, content string, fields ...string) answer {
	c.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		require.NoError(c.t, form.WriteField(fields[i], fields[i+1]))
	}
	part, err := form.CreateFormFile("file", name)
	require.NoError(c.t, err)
	_, err = part.Write([]byte(content))
	require.NoError(c.t, err)
	require.NoError(c.t, form.Close())
	request := httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, path, &body)
	request.Host = "results.example.org"
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Origin", origin)
	request.Header.Set("Referer", origin+path)
	for name, value := range c.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // a browser sends names and values alone
	}
	recorder := httptest.NewRecorder()
	c.router.ServeHTTP(recorder, request)
	document, err := goquery.NewDocumentFromReader(strings.NewReader(recorder.Body.String()))
	require.NoError(c.t, err)
	return answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.String(), Document: document}
}

const resultsFile = "Bib,Name,Sex,Age,Gun Time,Net Time\n" +
	"1,Ada Alm,F,30,2:29:00,2:28:59\n" + // faster than before
	"2,김하나,F,31,2:31:00,2:30:59\n" +
	"7,Gus <i>Gil</i>,M,33,2:28:00,2:27:50\n" + // new, and first
	"8,Hal Hub,M,44,not a time,\n" +
	"3,Somebody Else,M,45,2:35:00,2:34:00\n"

func TestFileIsPlannedAppliedAndUndone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, field, nil)
	list := c.visit(b.office("en", "/files"))
	require.Equal(t, http.StatusOK, list.status, list.body)
	key := list.Find("#upload input[name=key]").AttrOr("value", "")
	first := c.drop(b.office("en", "/files"), `re"sul<b>ts<b>.csv`, resultsFile, "key", key, "kind", "auto")
	require.Equal(t, http.StatusSeeOther, first.status, first.body)
	again := c.drop(b.office("en", "/files"), `re"sul<b>ts<b>.csv`, resultsFile, "key", key, "kind", "auto")
	require.Equal(t, first.to(), again.to(), "a double click")
	other := c.drop(b.office("en", "/files"), `re"sul<b>ts<b>.csv`, resultsFile+"9,Ida Iyo,F,20,3:00:00,\n", "key", key, "kind", "auto")
	require.NotEqual(t, first.to(), other.to(), "another file with the same form is another one")

	plan := c.visit(first.to())
	require.Equal(t, http.StatusOK, plan.status, plan.body)
	require.Contains(t, plan.Find("h1").Text(), `re"sul<b>ts<b>.csv`)
	require.Zero(t, plan.Find("main h1 b, main i").Length(), "texts of the file are texts")
	counts := strings.Join(plan.texts(".counts li"), "; ")
	require.Contains(t, counts, "1 Added")
	require.Contains(t, counts, "1 Changed")
	require.Contains(t, counts, "1 Wrong")
	require.Contains(t, counts, "1 Name does not match")
	require.Contains(t, strings.Join(plan.texts(".errors li"), "; "), "1 row: 5")
	require.Contains(t, plan.texts(".before-after li")[0], "1 Ada Alm 1 2:30:00")
	require.Contains(t, strings.Join(plan.texts(".before-after li"), ";"), "1 Gus <i>Gil</i> 7 2:28:00")
	require.Equal(t, "net_time", plan.Find("#column-5 option[selected]").AttrOr("value", ""))
	require.Contains(t, strings.Join(plan.texts(".rows tbody tr"), ";"), "2:30:00 → 2:29:00")

	wrong := c.visit(first.to() + "?show=error")
	require.Len(t, wrong.texts(".rows tbody tr"), 1)
	hash := plan.fill("#apply form")
	applied := c.post(first.to()+"/apply", hash...)
	require.Equal(t, http.StatusSeeOther, applied.status, applied.body)
	twice := c.post(first.to()+"/apply", hash...)
	require.Equal(t, applied.to(), twice.to())
	done := c.visit(applied.to())
	require.Equal(t, []string{"Applied. Points and places will follow shortly."}, done.texts(".said"))
	require.Contains(t, strings.Join(done.texts(".says"), ""), "credits are settled")
	require.Contains(t, c.visit(b.office("en", "/progress")).body, `"pending":`)

	// The plan of a file that was sent before that is out of date.
	stale := c.visit(other.to())
	refused := c.post(other.to()+"/apply", stale.fill("#apply form")...)
	require.Equal(t, http.StatusConflict, refused.status, refused.body)
	require.NotEmpty(t, refused.texts(".wrong li"))
	fresh := c.post(other.to()+"/again", refused.fill(".wrong form")...)
	require.Equal(t, http.StatusSeeOther, fresh.status, fresh.body)
	require.Contains(t, strings.Join(c.visit(fresh.to()).texts(".counts li"), ";"), "1 Added")

	same := c.drop(b.office("en", "/files"), "results.csv", resultsFile)
	twin := c.visit(same.to())
	require.Equal(t, []string{"This file would change nothing: the race already has everything in it."}, twin.texts(".plan-says"))
	require.Equal(t, first.to(), twin.Find(".notice a").AttrOr("href", ""))
	require.Zero(t, twin.Find("#apply").Length())

	download := c.visit(first.to() + "/file")
	require.Equal(t, resultsFile, download.body)
	require.Equal(t, `attachment; filename="re_sul<b>ts<b>.csv"`, download.header.Get("Content-Disposition"))

	undo := c.visit(first.to() + "/undo")
	require.Equal(t, http.StatusOK, undo.status, undo.body)
	require.Contains(t, strings.Join(undo.texts(".counts li"), ";"), "1 Removed")
	none := c.post(first.to()+"/undo", undo.fill("main form")...)
	require.Equal(t, http.StatusUnprocessableEntity, none.status)
	require.NotEmpty(t, none.Find("#field-reason-wrong").Text())
	undone := c.post(first.to()+"/undo", undo.fill("main form", "reason", "<b>wrong</b> file")...)
	require.Equal(t, http.StatusSeeOther, undone.status, undone.body)
	require.Contains(t, c.visit(undone.to()).Find(".notice q").Text(), "<b>wrong</b> file")
	record, err := b.main.Record(t.Context(), b.raceID, b.records["1"])
	require.NoError(t, err)
	require.Equal(t, "2:30:00", record.Result.Gun.String())
}

func TestColumnsAreReadAsTheOrganizerSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, field, nil)
	file := "Bib,Name,Gender,DOB,Start,Time\n11,Ida Iyo,F,03/02/1995,x,2:50:00\n12,Jan Jo,M,04/05/1996,y,2:55:00\n"
	plan := c.visit(c.drop(b.office("ko", "/files"), "List 1.csv", file).to())
	require.Equal(t, []string{"직접 알려 주셔야 합니다"}, plan.texts(".ask h2"), "the dates are ambiguous")
	path := strings.TrimSuffix(plan.Find(".ask form").AttrOr("action", ""), "/again")
	answered := c.post(path+"/again", plan.fill(".ask form", "date_order", "dmy")...)
	require.Equal(t, http.StatusSeeOther, answered.status, answered.body)
	require.Contains(t, strings.Join(c.visit(answered.to()).texts(".rows tbody tr"), ";"), "1995-02-03")

	plan = c.visit(answered.to())
	form := "form:has(.columns-read)"
	mapped := c.post(answered.to()+"/again", plan.fill(form, "column-5", "net_time")...)
	require.Equal(t, http.StatusUnprocessableEntity, mapped.status, "the race is ranked by gun time")
	require.NotEmpty(t, mapped.texts(".wrong li"))
	require.Equal(t, "net_time", mapped.Find("#column-5 option[selected]").AttrOr("value", ""), "what was chosen is not lost")
	mapped = c.post(answered.to()+"/again", plan.fill(form, "column-5", "gun_time")...)
	require.Equal(t, http.StatusSeeOther, mapped.status, mapped.body)
	require.Equal(t, []string{"정하신 대로 읽었습니다."}, c.visit(mapped.to()).texts(".notice"))
	later := c.visit(c.drop(b.office("ko", "/files"), "List 2.csv", strings.Replace(file, "2:50:00", "2:51:00", 1)).to())
	require.Contains(t, later.texts(".notice"), "열이 같은 이전 파일에서 정하신 대로 읽었습니다.")

	for name, broken := range map[string]string{"empty.csv": "", "x.xlsx": "PK\x03\x04nothing", "x.bin": "\x00\x01\x02"} {
		got := c.drop(b.office("ko", "/files"), name, broken)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, name)
		require.NotEmpty(t, got.Find("#field-file-wrong").Text(), name)
		requireSound(t, got, name)
	}
}

func TestDecisionsAndOfficialResultsAgainstAFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, field, nil)
	b.correct(t, "1", "<script>alert(1)</script>", maindb.RecordPatch{Gun: new(mustTime(t, "2:33:00"))})
	b.publish(t)
	sent := c.drop(b.office("en", "/files"), "List 1.csv", resultsFile)
	plan := c.visit(sent.to())
	require.Contains(t, strings.Join(plan.texts(".counts li"), ";"), "1 Kept by hand")
	refused := c.post(sent.to()+"/apply", plan.fill("#apply form")...)
	require.Equal(t, http.StatusConflict, refused.status)
	require.NotEmpty(t, refused.Find("#field-official-wrong").Text())
	require.Equal(t, 1, refused.Find("#field-official").Length())

	overridden := c.post(sent.to()+"/again", "override", "1, 3")
	require.Equal(t, http.StatusSeeOther, overridden.status, overridden.body)
	plan = c.visit(overridden.to())
	require.NotContains(t, strings.Join(plan.texts(".counts li"), ";"), "Kept by hand")
	require.Equal(t, "1, 3", plan.Find("#field-override").AttrOr("value", ""))
	refused = c.post(overridden.to()+"/apply", plan.fill("#apply form", "official", "yes")...)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.NotEmpty(t, refused.Find("#field-reason-wrong").Text())
	applied := c.post(overridden.to()+"/apply", plan.fill("#apply form", "official", "yes", "reason", "the timekeeper's <i>final</i> list")...)
	require.Equal(t, http.StatusSeeOther, applied.status, applied.body)
	record, err := b.main.Record(t.Context(), b.raceID, b.records["1"])
	require.NoError(t, err)
	require.Equal(t, "2:29:00", record.Result.Gun.String())
}

func mustTime(t testing.TB, written string) race.Time {
	t.Helper()
	parsed, err := race.ParseTime(written)
	require.NoError(t, err)
	return parsed
}

// TestFilesOfOthers tries pages of another organizer's race, and imports of another race.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, field, nil)
	imported := c.drop(b.office("en", "/files"), "List 1.csv", resultsFile).to()
	b.account(t, "mallory", auth.Organizer)
	m := b.loggedIn(t, "mallory")
	for _, path := range []string{b.office("en", "/files"), b.office("en", "/records"), b.office("en", "/progress"), imported, imported + "/file", imported + "/undo", b.office("en", "/records/"+b.records["1"])} {
		require.Equal(t, http.StatusForbidden, m.visit(path).status, path)
		require.Equal(t, http.StatusSeeOther, b.browser(t).visit(path).status, path)
	}
	for _, path := range []string{imported + "/apply", imported + "/again", imported + "/undo", b.office("en", "/records/"+b.records["1"]), b.office("en", "/records/"+b.records["1"]+"/remove")} {
		require.Equal(t, http.StatusForbidden, m.post(path, "hash", "x", "reason", "y", "step", "save", "revision", "1").status, path)
	}
	require.Equal(t, http.StatusForbidden, m.drop(b.office("en", "/files"), "List 1.csv", resultsFile).status)
	own, err := b.main.CreateRace(t.Context(), springMarathon(func() string {
		a, err := b.accounts.AccountByLogin(t.Context(), "mallory")
		require.NoError(t, err)
		return a.UserID
	}()))
	require.NoError(t, err)
	theirs := strings.Replace(imported, b.raceID, own.ID, 1)
	for _, path := range []string{theirs, theirs + "/file", theirs + "/undo", strings.Replace(b.office("en", "/records/"+b.records["1"]), b.raceID, own.ID, 1)} {
		require.Equal(t, http.StatusNotFound, m.visit(path).status, path)
	}
	for _, path := range []string{theirs + "/apply", theirs + "/again", theirs + "/undo", strings.Replace(b.office("en", "/records/"+b.records["1"]), b.raceID, own.ID, 1)} {
		require.Equal(t, http.StatusNotFound, m.post(path, "hash", "x", "reason", "y", "step", "save", "revision", "1").status, path)
	}
	for _, path := range []string{"/files/x", "/files/" + newID(), "/records/x", "/records/" + newID()} {
		require.Equal(t, http.StatusNotFound, c.visit(b.office("en", path)).status, path)
	}
	for _, value := range []string{"\xff", "a\x00b", "-1", "0", "99999999999999999999", `"><script>alert(1)</script>`, "%", "'; DROP TABLE race; --"} {
		for _, name := range []string{"show", "page", "after", "q", "status", "credit", "removed"} {
			for _, path := range []string{b.office("en", "/files"), imported, b.office("en", "/records")} {
				got := c.visit(path + "?" + name + "=" + url.QueryEscape(value))
				require.Less(t, got.status, 500, "%s %s=%q", path, name, value)
				require.Zero(t, got.Find("script:not([src])").Length())
			}
		}
	}
}

// TestFilesThatAreRefusedAreNotKept: a form is read for those who may send it alone, and
// what it leaves in the folder for temporary files is removed, also when it is refused.
func TestFilesThatAreRefusedAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	owner := b.organizerOf(t, field, nil)
	b.account(t, "uta", auth.Runner)
	const size = 3<<20 + 54321 // more than is held in memory, and of no other file
	content := strings.Repeat("1", size)
	for name, test := range map[string]struct {
		browser *browser
		status  int
	}{
		"nobody":        {b.browser(t), http.StatusUnauthorized},
		"a runner":      {b.loggedIn(t, "uta"), http.StatusForbidden},
		"the organizer": {owner, http.StatusUnprocessableEntity},
	} {
		a := test.browser.drop(b.office("en", "/files"), "a.csv", content, "kind", "\xff")
		require.Equal(t, test.status, a.status, name)
		if test.status == http.StatusUnauthorized {
			require.Equal(t, b.office("en", "/files"), a.Find("input[name=next]").AttrOr("value", ""), "where the file is chosen again")
		}
		left, err := filepath.Glob(filepath.Join(os.TempDir(), "multipart-*"))
		require.NoError(t, err)
		for _, path := range left {
			if info, err := os.Stat(path); err == nil { // another test may have removed its own
				require.NotEqual(t, int64(size), info.Size(), name)
			}
		}
	}
}

func TestRecordIsCorrectedAfterALookAtTheConsequences(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, field, nil)
	list := c.visit(b.office("en", "/records"))
	require.Equal(t, http.StatusOK, list.status, list.body)
	require.Len(t, list.texts(".rows tbody tr"), len(field))
	for q, want := range map[string]int{"김": 1, "ada": 1, "2": 1, "W 5/a": 1, "nobody": 0, "<b>": 0} {
		require.Len(t, c.visit(b.office("en", "/records?q="+url.QueryEscape(q))).texts(".rows tbody tr"), want, q)
	}
	require.Len(t, c.visit(b.office("en", "/records?status=DNF")).texts(".rows tbody tr"), 1)
	path := b.office("en", "/records/"+b.records["2"])
	require.Equal(t, path, c.visit(b.office("en", "/records?q=2")).Find(".rows tbody th a").AttrOr("href", ""))

	one := c.visit(path)
	require.Equal(t, "김하나", one.Find("h1").Text())
	edit := "form:has(#field-status)"
	wrong := c.post(path, one.fill(edit, "gun_time", "2:61:00", "reason", "", "step", "plan")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "2:61:00", wrong.Find("#field-gun_time").AttrOr("value", ""))
	require.NotEmpty(t, wrong.Find("#field-reason-wrong").Text())

	reason := "<script>alert(1)</script> cut the course"
	changes := []string{"status", "DQ", "reason", reason, "private_note", "seen by <b>a marshal</b>"}
	looked := c.post(path, one.fill(edit, append(changes, "step", "plan")...)...)
	require.Equal(t, http.StatusOK, looked.status, looked.body)
	require.Contains(t, looked.Find("#preview").Text(), "Nothing has been saved yet")
	require.Contains(t, strings.Join(looked.texts("#preview .before-after li"), ";"), "김하나")
	require.Equal(t, reason, looked.Find("#field-reason").AttrOr("value", ""))
	record, err := b.main.Record(t.Context(), b.raceID, b.records["2"])
	require.NoError(t, err)
	require.Equal(t, 1, record.Revision, "a look saves nothing")

	save := looked.fill(edit, "step", "save")
	saved := c.post(path, save...)
	require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
	two := c.post(path, save...)
	require.Equal(t, http.StatusPreconditionFailed, two.status, "a second tab, or a second press")
	require.Equal(t, reason, two.Find("#field-reason").AttrOr("value", ""), "what was written is kept")
	shown := c.visit(path)
	require.Contains(t, shown.texts(".history q")[0], reason)
	require.NotContains(t, c.visit(b.path("en", "/results/2")).body, "marshal", "the note is private")
	require.Zero(t, shown.Find("script:not([src])").Length())

	lift := shown.Find(".links a[href*='status=OK']").AttrOr("href", "")
	prefilled := c.visit(strings.TrimSuffix(lift, "#edit"))
	require.Equal(t, "OK", prefilled.Find("#field-status option[selected]").AttrOr("value", ""))
	lifted := c.post(path, prefilled.fill(edit, "reason", "the jury heard the appeal", "step", "save")...)
	require.Equal(t, http.StatusSeeOther, lifted.status, lifted.body)
	record, err = b.main.Record(t.Context(), b.raceID, b.records["2"])
	require.NoError(t, err)
	require.Equal(t, race.Finished, record.Result.Status)
	require.Equal(t, "2:31:00", record.Result.Gun.String())
}

func TestBibsAreSwappedAndRecordsRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, field, nil)
	path := b.office("ko", "/records/"+b.records["1"])
	swap := c.visit(path + "/swap")
	require.Equal(t, http.StatusOK, swap.status, swap.body)
	form := "form:has(#field-other_bib)"
	for bib, status := range map[string]int{"": 422, "77": 422, "1": 422, "%%": 422, strings.Repeat("1", 17): 422} {
		got := c.post(path+"/swap", swap.fill(form, "other_bib", bib, "reason", "x", "step", "save")...)
		require.Equal(t, status, got.status, bib)
		require.NotEmpty(t, got.Find("#field-other_bib-wrong").Text(), bib)
	}
	looked := c.post(path+"/swap", swap.fill(form, "other_bib", "3", "reason", "mixed up at the start", "step", "plan")...)
	require.Equal(t, http.StatusOK, looked.status, looked.body)
	require.NotEmpty(t, looked.texts("#preview .before-after li"))
	saved := c.post(path+"/swap", looked.fill(form, "step", "save")...)
	require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
	for id, bib := range map[string]string{b.records["1"]: "3", b.records["3"]: "1"} {
		record, err := b.main.Record(t.Context(), b.raceID, id)
		require.NoError(t, err)
		require.Equal(t, bib, record.Result.Bib)
		require.True(t, record.HoldsBib)
	}
	require.Equal(t, http.StatusPreconditionFailed, c.post(path+"/swap", looked.fill(form, "step", "save")...).status, "not swapped back by a second press")

	gone := b.office("en", "/records/"+b.records["4"])
	remove := c.visit(gone + "/remove")
	saved = c.post(gone+"/remove", remove.fill("form:has(#field-reason)", "reason", "never ran", "step", "save")...)
	require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
	require.Contains(t, c.visit(gone).texts(".notice"), "This result was removed. Its history is kept.")
	require.Len(t, c.visit(b.office("en", "/records")).texts(".rows tbody tr"), len(field)-1)
	require.Len(t, c.visit(b.office("en", "/records?removed=yes")).texts(".rows tbody tr"), len(field))
}

// TestOfficePagesAreSound looks at every page of files and records in both languages.
func TestOfficePagesAreSound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.organizerOf(t, append([]runnerRow{{`9`, `"><script>alert(1)</script>`, race.Female, 30, race.Runner, "2:30:30"}}, field...), func(r *race.Race) {
		r.Name, r.Divisions[0].Name = `<b>Race</b> "x"`, `<i>F</i> open`
	})
	imported := c.drop(b.office("en", "/files"), "<img src=x onerror=alert(1)> 1.csv", resultsFile).to()
	ambiguous := c.drop(b.office("en", "/files"), "Dates 1.csv", "Bib,Name,Gender,DOB,Gun Time\n11,<u>Ida</u>,F,03/02/1995,2:20:00\n").to()
	record := b.office("en", "/records/"+b.records["1"])
	check := func(got answer, path string) {
		require.Less(t, got.status, 500, path)
		requireNothingInline(t, got, path)
		requireSound(t, got, path)
		require.Zero(t, got.Find("main :is(b, i, u, img):not(.places b)").Length(), "%s: %s", path, got.body)
	}
	for _, path := range []string{
		b.office("en", "/files"), imported, imported + "?show=error", ambiguous, b.office("en", "/records"), b.office("en", "/records?q=9"), b.office("en", "/records?credit=rejected"),
		record, record + "?status=DQ", record + "/swap", record + "/remove",
	} {
		for _, lang := range []string{"/en/", "/ko/"} {
			path := strings.Replace(path, "/en/", lang, 1)
			got := c.visit(path)
			require.Equal(t, http.StatusOK, got.status, path+got.body)
			check(got, path)
		}
	}
	check(c.post(imported+"/apply", "hash", "no"), "apply")
	check(c.post(imported+"/again", "override", "<b>"), "again")
	check(c.post(record, c.visit(record).fill("form:has(#field-status)", "status", "DQ", "reason", "<b>x</b>", "step", "plan")...), "record")
	require.Equal(t, http.StatusSeeOther, c.post(imported+"/apply", c.visit(imported).fill("#apply form", "reason", "<b>y</b>")...).status)
	check(c.visit(imported+"/undo"), "undo")
	check(c.visit(imported), "applied")
	check(c.visit(b.office("ko", "/files")), "list")
}
