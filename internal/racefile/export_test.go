package racefile_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

var exportFormats = map[racefile.ExportFormat]string{
	racefile.ExportCSV: "mrmrthon_results", racefile.ExportXLSX: "mrmrthon_results", racefile.ExportRunSignup: "runsignup_results",
	racefile.ExportUltraSignup: "ultrasignup_results", racefile.ExportAthlinks: "athlinks_results", racefile.ExportIOF: "iof_xml_results",
}

// held returns what a file of the format says of a row, as it is read back.
func held(format racefile.ExportFormat, list racefile.Listing, row racefile.ExportedRow) racefile.Row {
	want := racefile.Row{
		Bib: row.Result.Bib, Name: row.Name, Sex: row.Sex, Age: row.Age, Division: row.Division, Team: row.Team,
		Gun: row.Result.Gun, Net: row.Result.Net, Status: row.Result.Status,
	}
	for _, p := range list.Points {
		if t := row.Splits[p.Key]; t != 0 {
			want.Splits = append(want.Splits, racefile.Split{Name: p.Name, Time: t})
		}
	}
	switch format {
	case racefile.ExportCSV, racefile.ExportXLSX:
		want.Field = row.Field
		if row.Result.Sequence != 0 {
			want.Sequence = fmt.Sprint(row.Result.Sequence)
		}
	case racefile.ExportRunSignup:
	case racefile.ExportIOF:
		want.Age = race.UnknownAge
		if want.Sex == race.NonBinary {
			want.Sex = ""
		}
	case racefile.ExportUltraSignup:
		want.Division, want.Team, want.Splits = "", "", nil
	case racefile.ExportAthlinks:
	}
	if format == racefile.ExportIOF || format == racefile.ExportUltraSignup || format == racefile.ExportAthlinks {
		want.Time = list.Ranking.RankingTime(row.Result)
		for _, other := range []race.Time{want.Gun, want.Net} {
			if want.Time == 0 {
				want.Time = other
			}
		}
		want.Gun, want.Net = 0, 0
	}
	return want
}

// requireRoundTrip exports a listing and reads it back.
func requireRoundTrip(t *testing.T, format racefile.ExportFormat, list racefile.Listing) {
	t.Helper()
	if !format.WholeRace() {
		list.Rows = slices.DeleteFunc(slices.Clone(list.Rows), func(r racefile.ExportedRow) bool { return r.Field != race.Runner })
	}
	var file bytes.Buffer
	require.NoError(t, racefile.Export(&file, format, list))
	read, err := racefile.Read("results"+format.Extension(), bytes.NewReader(file.Bytes()), racefile.Options{RaceDate: list.Date})
	require.NoError(t, err)
	require.Equal(t, exportFormats[format], read.Format)
	require.Equal(t, racefile.Results, read.Kind)
	require.Empty(t, read.Errors)
	require.Empty(t, read.Questions)
	require.Empty(t, read.Skipped)
	got := make(map[string]racefile.Row, len(read.Rows))
	for _, row := range read.Rows {
		row.Row, row.Sheet, row.FirstName, row.LastName, row.Place, row.Undecided, row.Implied = 0, "", "", "", "", "", false
		got[row.Bib] = row
	}
	require.Len(t, got, len(list.Rows))
	for i := range list.Rows {
		want := held(format, list, list.Rows[i])
		if !reflect.DeepEqual(want, got[want.Bib]) { // require compares slowly
			require.Equal(t, want, got[want.Bib], file.String()[:min(file.Len(), 3000)])
		}
	}
}

func kilometres(n ...int) (points []race.TimingPoint) {
	for _, km := range n {
		points = append(points, race.TimingPoint{Name: fmt.Sprintf("%d km", km), Distance: race.Distance(km) * 1_000_000})
	}
	return race.Course{}.With(points).Points
}

// TestExportRoundTrip exports results with odd values in every format, and reads
// them back without a loss.
func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	points := race.Course{}.With([]race.TimingPoint{
		{Name: "10 km", Distance: 10},
		{Name: "Half", Distance: 20},
		{Name: "Brücke, alte", Distance: 30},
		{Name: "Total", Distance: 40},
		{Name: "=1+1", Distance: 50},
		{Name: "Pace check", Distance: 60},
	}).Points
	names := []string{
		"Ada Alm", "홍길동", "김 민준", "Ève Núñez de la Cruz", "=Dan Dow", "+1 Runner", "-Minus", "@at", "＝full width", "Lee, Jr.", `Quote "Q" Quinn`,
		"Semi; colon", "Velk Jorin", "O'Neil", "", "Łukasz Żółw", "Tab|Pipe", "Smith & Sons <x>", "李 小龙", "Dan 'The Man' Dow",
	}
	divisions := []string{"", "W40", "M 25-29", "F Masters", "여자 40대", "Open, elite"}
	teams := []string{"", "Red", "=Cmd", "하버 러너스", "12", "Quill, Striders", "-"}
	sexes := []race.Sex{race.Male, race.Female, race.NonBinary, ""}
	statuses := []race.ResultStatus{race.Finished, race.Finished, race.DidNotFinish, race.DidNotStart, race.Disqualified, race.Overtime}
	for format := range exportFormats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(40) {
				random := rand.New(rand.NewPCG(seed, 7))
				pick := func(n int) int { return random.IntN(n) }
				moment := func() race.Time {
					t := race.Time(600_000 + pick(100_000_000))
					return t - t%[]race.Time{1000, 100, 10, 1}[pick(4)]
				}
				list := racefile.Listing{
					Race: "Prüfung & Test", Date: race.Date{Year: 2026, Month: 4, Day: 19}, Points: points[:pick(len(points)+1)], At: time.Now(),
					Ranking: race.Ranking{Basis: []race.Basis{race.Gun, race.Net}[pick(2)]},
				}
				for i := range 1 + pick(30) {
					row := racefile.ExportedRow{
						Place: i + 1, Name: names[pick(len(names))], Sex: sexes[pick(4)], Age: []int{race.UnknownAge, 1, 40, 99}[pick(4)],
						Field: race.Runner, Team: teams[pick(len(teams))],
						Result: race.Result{
							Bib: []string{"%d", "A%d", "00%d", "W-%d/x", "%d.b"}[pick(5)], Gun: moment(), Status: statuses[pick(len(statuses))], Sequence: pick(3),
						},
					}
					row.Result.Bib = fmt.Sprintf(row.Result.Bib, 100+i)
					row.Result.Net = row.Result.Gun - race.Time(pick(3)*1500)
					if row.Sex != "" && (row.Sex != race.NonBinary || format != racefile.ExportIOF) { // a division may say the sex of somebody without one
						row.Division = divisions[pick(len(divisions))]
					}
					if format.WholeRace() && pick(5) == 0 {
						row.Field = race.Wheelchair
					}
					switch row.Result.Status {
					case race.Finished:
					case race.DidNotStart:
						row.Result.Gun, row.Result.Net, row.Place = 0, 0, 0
					default:
						if row.Place = 0; pick(2) == 0 {
							row.Result.Gun, row.Result.Net = 0, 0
						}
					}
					if row.Team == "-" {
						row.Team = ""
					}
					if row.Result.Status != race.DidNotStart {
						row.Splits = race.Splits{}
						for _, p := range list.Points {
							if pick(3) > 0 {
								row.Splits[p.Key] = moment()
							}
						}
					}
					list.Rows = append(list.Rows, row)
				}
				// Somebody finished: a list of nobody is no results file.
				list.Rows = append(list.Rows, racefile.ExportedRow{
					Place: 1, Name: "Zoe Zed", Sex: race.Female, Age: 33, Field: race.Runner,
					Result: race.Result{Bib: "9", Gun: 3_600_000, Net: 3_590_400, Status: race.Finished},
				})
				requireRoundTrip(t, format, list)
			}
		})
	}
}

func TestExportedTablesAreSafe(t *testing.T) {
	t.Parallel()
	list := racefile.Listing{Rows: []racefile.ExportedRow{
		{Name: `=HYPERLINK("http://x")`, Team: "@cmd", Division: "+1", Result: race.Result{Bib: "1", Gun: 1000, Status: race.Finished}},
		{Name: "waits", Result: race.Result{Bib: "01", Gun: 1000, Status: race.Finished}},
	}}
	for _, format := range []racefile.ExportFormat{racefile.ExportCSV, racefile.ExportRunSignup, racefile.ExportAthlinks, racefile.ExportUltraSignup} {
		var file strings.Builder
		require.NoError(t, racefile.Export(&file, format, list))
		require.Contains(t, file.String(), `'=HYPERLINK`)
		for cell := range strings.SplitSeq(file.String(), ",") {
			require.NotRegexp(t, `^[=@+]`, strings.Trim(cell, `"`))
		}
		require.NotContains(t, file.String(), "waits", "the bib belongs to another record")
	}
	require.Error(t, racefile.Export(&strings.Builder{}, "pdf", list))
}

// TestExportBoston exports thousands of results of a marathon in every format, and
// reads them back.
func TestExportBoston(t *testing.T) {
	t.Parallel()
	packed, err := os.Open("../../deploy/local/sample/boston_2004/results.csv.gz")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, packed.Close()) })
	plain, err := gzip.NewReader(packed)
	require.NoError(t, err)
	list := racefile.Listing{
		Race: "Boston Marathon", Date: race.Date{Year: 2004, Month: 4, Day: 19}, At: time.Now(), Official: true,
		Ranking: race.Ranking{Basis: race.Gun}, Points: kilometres(10, 25),
	}
	read, err := racefile.Read("results.csv", plain, racefile.Options{RaceDate: list.Date})
	require.NoError(t, err)
	for i, row := range read.Rows {
		list.Rows = append(list.Rows, racefile.ExportedRow{
			Place: i + 1, Name: "Runner " + row.Bib, Sex: []race.Sex{race.Male, race.Female}[i%2], Age: 18 + i%60, Field: race.Runner,
			Division: "Open", Result: race.Result{Bib: row.Bib, Gun: row.Gun, Net: row.Net, Status: row.Status},
			Splits: race.Splits{1: row.Gun / 4, 2: row.Gun / 2},
		})
	}
	require.Greater(t, len(list.Rows), 15_000)
	list.Rows = list.Rows[:4000] // all of them take half a minute under the race detector
	for format := range exportFormats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			requireRoundTrip(t, format, list)
		})
	}
}
