package plans_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

const both = "Bib,Name,Sex,Age,Gun Time,Status\n1,Ada Example,F,34,2:45:10,\n2,Bo Example,M,41,2:39:58,\n3,Cy Sample,M,29,,DNF\n"

var organizer = maindb.Change{By: organizerID, Reason: "jury"}

// patch corrects the record that holds a bib, by hand.
func (b *bundle) patch(t testing.TB, raceID, bib string, patch maindb.RecordPatch) race.Record {
	t.Helper()
	records, err := b.main.ListRecords(t.Context(), raceID, maindb.RecordFilter{Bib: bib}, "", 10)
	require.NoError(t, err)
	require.Len(t, records, 1)
	record, _, err := b.main.PatchRecord(t.Context(), raceID, records[0].ID, records[0].Revision, patch, organizer)
	require.NoError(t, err)
	return record
}

// A time without a status does not turn DNF into a finish: files of times and files of
// statuses come in either order. The plan says so, and what would change it.
func TestATimeAloneLeavesAStatusAndSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	b.apply(t, raceID, b.plan(t, raceID, both))
	b.apply(t, raceID, b.plan(t, raceID, "Bib,Gun Time\n1,DNF\n"))

	plan := b.plan(t, raceID, "Bib,Gun Time\n1,2:45:10\n2,2:39:58\n")
	require.Equal(t, 2, plan.Counts.Unchanged)
	require.Len(t, plan.Notes, 1)
	require.Contains(t, plan.Notes[0], "add a column Status")
	rows := b.rows(t, raceID, plan)
	require.Equal(t, race.DidNotFinish, rows[0].Status)
	require.Contains(t, rows[0].Message, "the record's status is DNF and stays")
	require.Empty(t, rows[1].Message)

	plan = b.plan(t, raceID, "Bib,Gun Time,Status\n1,2:45:10,OK\n")
	require.Equal(t, 1, plan.Counts.Changed)
	require.Empty(t, plan.Notes)
}

// Rows that name no race belong to the only race of the file, and so do their bibs.
func TestABibTwiceWithAndWithoutItsRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plan := b.plan(t, b.race(t, nil), "Bib,Name,Event,Gun Time\n1,Ada Example,Marathon,2:45:10\n1,Bo Example,,2:46:10\n2,Cy Example,,2:50:10\n")
	require.Equal(t, 1, plan.Counts.Added)
	require.Equal(t, 2, plan.Counts.Errors)
	require.Equal(t, []int{2, 3}, plan.Errors[0].Rows)
}

func TestAFileWithoutTheTimesThatRankDivisionsSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, func(r *race.Race) { r.Ranking.DivisionsBasis = race.Net })
	plan := b.plan(t, raceID, both)
	require.Len(t, plan.Notes, 1)
	require.Contains(t, plan.Notes[0], "no net times")
	require.Empty(t, b.plan(t, raceID, "Bib,Name,Sex,Gun Time,Net Time\n1,Ada Example,F,2:45:10,2:45:00\n").Notes)
}

func TestAFileWithStartListAndResultsMakesBoth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	plan := b.plan(t, raceID, both)
	require.Equal(t, "both", plan.Kind)
	require.Equal(t, 3, plan.Counts.Added)
	require.Equal(t, 3, plan.Counts.EntriesAdded)
	require.Zero(t, plan.Counts.UnknownBib)
	require.Equal(t, 3, plan.Consequences.Credits)
	require.Equal(t, 2, plan.Consequences.PointsTotal)
	require.Len(t, plan.Consequences.Podiums, 5, "overall, two sexes, two divisions")
	require.Equal(t, "2", plan.Consequences.Podiums[0].After[0].Bib)
	records, err := b.main.ListRecords(t.Context(), raceID, maindb.RecordFilter{}, "", 10)
	require.NoError(t, err)
	require.Empty(t, records, "a plan changes nothing")
	before := b.inputs(t, raceID)

	done := b.apply(t, raceID, plan)
	require.Equal(t, "applied", done.Status)
	require.Equal(t, plan.Counts, *done.Done)
	require.Equal(t, plan.Consequences.Points[0].Bib, done.Consequences.Points[0].Bib)
	again := b.apply(t, raceID, plan)
	require.Nil(t, again.Done, "the second call changes nothing")
	in, err := b.main.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	require.Len(t, in.Entries, 3)
	for _, e := range in.Entries {
		require.NotEmpty(t, e.UserID)
	}

	undo := importsOf(raceID) + "/" + plan.ImportID + "/undo"
	planned := decode[struct {
		Hash         string
		Consequences maindb.Consequences
	}](t, b.call(t, http.MethodGet, undo, nil), http.StatusOK)
	require.Equal(t, 3, planned.Consequences.RecordsRemoved)
	require.NotEqual(t, before, b.inputs(t, raceID), "planning an undo changes nothing")
	decode[object](t, b.call(t, http.MethodPost, undo, object{"reason": "wrong race", "hash": planned.Hash}), http.StatusOK)
	require.Equal(t, before, b.inputs(t, raceID))
	entrants, err := b.main.EntrantsByBib(t.Context(), raceID)
	require.NoError(t, err)
	require.Empty(t, entrants)
}

func TestAPlanIsRefusedWhenTheRaceHasChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	b.apply(t, raceID, b.plan(t, raceID, both))
	plan := b.plan(t, raceID, "Bib,Gun Time\n1,2:45:00\n")
	require.Equal(t, 1, plan.Counts.Changed)
	require.Equal(t, map[string]string{"gun_time": "2:45:10"}, b.rows(t, raceID, plan)[0].Before)
	path := importsOf(raceID) + "/" + plan.ImportID + "/apply"

	wrong := decode[problem](t, b.call(t, http.MethodPost, path, object{"hash": "0"}), http.StatusConflict)
	require.Equal(t, "body.hash", wrong.Errors[0].Location)

	record := b.patch(t, raceID, "2", maindb.RecordPatch{Gun: new(race.Time(9_500_000))})
	differs := decode[problem](t, b.call(t, http.MethodPost, path, object{"hash": plan.Hash}), http.StatusConflict)
	require.Equal(t, "official-records/"+record.ID, differs.Errors[0].Location)
	require.Contains(t, differs.Errors[0].Message, "bib 2 has been changed since: it is at revision 2")
	require.Len(t, differs.Errors, 1)

	b.patch(t, raceID, "2", maindb.RecordPatch{Gun: new(race.Time(9_598_000))})
	_, _, err := b.main.UpdateRace(t.Context(), raceID, func(r *race.Race) error { r.Distance = 42_000_000; return nil }, nil)
	require.NoError(t, err)
	differs = decode[problem](t, b.call(t, http.MethodPost, path, object{"hash": plan.Hash}), http.StatusConflict)
	require.Equal(t, "race.distance_m", differs.Errors[0].Location)
}

func TestDecisionsAndOtherNamesAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	b.apply(t, raceID, b.plan(t, raceID, both))
	b.patch(t, raceID, "1", maindb.RecordPatch{Status: new(race.Disqualified)})

	plan := b.plan(t, raceID, "Bib,Name,Gun Time\n1,EXAMPLE Ada,2:45:10\n2,Somebody Else,2:30:00\n3,c. sam\u00ADple,2:50:00\n9,New Runner,3:00:00\n")
	actions := map[string]maindb.RowAction{}
	for _, row := range b.rows(t, raceID, plan) {
		actions[row.Bib] = row.Action
		if row.Action == maindb.ActionKept {
			require.Equal(t, "kept: decided by hand; the record says gun_time 2:45:10, status DQ", row.Message)
		}
	}
	require.Equal(t, map[string]maindb.RowAction{
		"1": maindb.ActionKept, "2": maindb.ActionOtherName, "3": maindb.ActionChanged, "9": maindb.ActionAdded,
	}, actions)
	require.Equal(t, 1, plan.Counts.Kept)
	require.Equal(t, 1, plan.Counts.NameMismatch)

	path := importsOf(raceID) + "/" + plan.ImportID + "/apply"
	refused := decode[problem](t, b.call(t, http.MethodPost, path, object{"hash": plan.Hash, "override": "2"}), http.StatusUnprocessableEntity)
	require.Equal(t, "body.reason", refused.Errors[0].Location)
	done := b.apply(t, raceID, plan, object{"override": "2", "reason": "bib handed on"})
	require.Equal(t, 1, done.Done.Kept)
	require.Zero(t, done.Done.NameMismatch)
	entrants, err := b.main.EntrantsByBib(t.Context(), raceID)
	require.NoError(t, err)
	runners, err := b.users.Runners(t.Context(), []string{entrants["2"], entrants["1"]})
	require.NoError(t, err)
	require.Equal(t, "Somebody Else", runners[entrants["2"]].Name)
	require.Equal(t, "Ada Example", runners[entrants["1"]].Name, "results do not correct how a name is written")

	decode[object](t, b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/undo", object{"reason": "wrong"}), http.StatusOK)
	runners, err = b.users.Runners(t.Context(), []string{entrants["2"]})
	require.NoError(t, err)
	require.Equal(t, "Bo Example", runners[entrants["2"]].Name)
}

func TestMappingIsRemembered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	const file = "Bib,Foo,Bar\n1,2:45:10,x\n2,2:39:58,y\n"
	answer := b.call(t, http.MethodPost, importsOf(raceID), []byte(file))
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code, answer.Body)
	plan := b.plan(t, raceID, file, "mapping", `{"Foo":"gun_time"}`)
	require.Equal(t, "request", plan.MappingFrom)
	require.Equal(t, 2, plan.Counts.Added)
	other := b.race(t, nil)
	plan = b.plan(t, other, "BIB,foo,BAR\n7,2:50:00,z\n8,2:55:00,z\n", "name", "x.csv")
	require.Equal(t, "remembered", plan.MappingFrom)
	require.Equal(t, 2, plan.Counts.Added)
	refused := decode[problem](t, b.call(t, http.MethodPost, importsOf(raceID)+"?mapping=%7B%22Nope%22:%22bib%22%7D", []byte(both)), http.StatusUnprocessableEntity)
	require.Contains(t, refused.Errors[0].Message, `"Bib", "Name"`)
	b.call(t, http.MethodPost, importsOf(raceID)+"?mapping=%7B%7D", []byte(file))
}

func TestPlansAndFilesAreKeptForALimitedTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	plan, forgotten := b.plan(t, raceID, both), b.plan(t, raceID, both)
	b.apply(t, raceID, plan)
	answer := b.call(t, http.MethodGet, importsOf(raceID)+"/"+plan.ImportID+"/file", nil)
	require.Equal(t, both, answer.Body.String())

	purged, err := b.later.PurgeImports(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, purged)
	for path, status := range map[string]int{
		plan.ImportID: http.StatusOK, plan.ImportID + "/file": http.StatusNotFound, plan.ImportID + "/rows": http.StatusNotFound,
		forgotten.ImportID: http.StatusNotFound,
	} {
		require.Equal(t, status, b.call(t, http.MethodGet, importsOf(raceID)+"/"+path, nil).Code, path)
	}
	gone := decode[problem](t, b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/undo", object{"reason": "late"}), http.StatusConflict)
	require.Contains(t, gone.Detail, "can no longer be undone")
}

// TestPlanAndApplyAgree plans files while records are corrected at the same time. A
// plan that is applied did what it said, one that is refused did nothing, and undoing
// leads back to the same inputs.
func TestPlanAndApplyAgree(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	b.apply(t, raceID, b.plan(t, raceID, field(60)))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // somebody corrects records all the time
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			records, err := b.main.ListRecords(t.Context(), raceID, maindb.RecordFilter{Bib: "60"}, "", 1)
			if err == nil && len(records) == 1 {
				_, _, _ = b.main.PatchRecord(t.Context(), raceID, records[0].ID, records[0].Revision, maindb.RecordPatch{Sequence: new(i + 1)}, organizer)
			}
		}
	}()
	refused := 0
	for i := range 15 {
		if i == 8 {
			close(stop)
			<-stopped
		}
		before := b.inputs(t, raceID)
		plan := b.plan(t, raceID, fmt.Sprintf("Bib,Name,Sex,Age,Gun Time\n%d,Runner%d Sample,M,50,2:%02d:00\n%d,New One,F,30,2:20:00\n", i+1, i, 11+i, 100+i))
		answer := b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/apply", object{"hash": plan.Hash})
		if answer.Code == http.StatusConflict {
			refused++
			require.NotEmpty(t, decode[problem](t, answer, http.StatusConflict).Errors)
			continue
		}
		done := decode[applied](t, answer, http.StatusOK)
		require.Equal(t, plan.Counts, *done.Done)
		require.Equal(t, plan.Consequences.Moves, done.Consequences.Moves)
		require.Equal(t, plan.Consequences.Points, done.Consequences.Points)
		require.Equal(t, plan.Consequences.Podiums, done.Consequences.Podiums)
		if i < 8 {
			continue
		}
		ranked := map[string]int{}
		in, err := b.main.StandingsInputs(t.Context(), raceID)
		require.NoError(t, err)
		for _, row := range standings.Rank(standings.Rules{Ranking: in.Race.Ranking, Divisions: in.Race.Divisions}, in.Entries) {
			ranked[row.Result.Bib] = row.Place
		}
		for _, move := range plan.Consequences.Moves {
			require.Equal(t, ranked[move.Bib], move.PlaceAfter, move.Bib)
		}
		decode[object](t, b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/undo", object{"reason": "test"}), http.StatusOK)
		require.Equal(t, before, b.inputs(t, raceID))
	}
	t.Logf("%d of 8 plans were refused while records changed", refused)
}

func TestHostileFilesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, nil)
	var bomb bytes.Buffer
	archive := zip.NewWriter(&bomb)
	for name, content := range map[string]string{
		"[Content_Types].xml":        `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>`,
		"xl/worksheets/sheet1.xml":   strings.Repeat(" ", 5*plans.MaxFile), // four times that is the limit
		"xl/workbook.xml":            `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships/>`,
	} {
		w, err := archive.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	entities := `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><ResultList>&b;</ResultList>`
	for name, c := range map[string]struct {
		file   []byte
		status int
	}{
		"zip bomb":       {bomb.Bytes(), http.StatusUnprocessableEntity},
		"entities":       {[]byte(entities), http.StatusUnprocessableEntity},
		"empty":          {[]byte("\n\n"), http.StatusUnprocessableEntity},
		"noise":          {bytes.Repeat([]byte{0, 1, 2, 250}, 1000), http.StatusUnprocessableEntity},
		"too many rows":  {[]byte(field(50_001)), http.StatusRequestEntityTooLarge},
		"too many bytes": {bytes.Repeat([]byte("1,2:10:00\n"), 1_700_000), http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := b.call(t, http.MethodPost, importsOf(raceID), c.file)
			require.Equal(t, c.status, answer.Code, answer.Body)
		})
	}
}
