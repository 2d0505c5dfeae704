package standings_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// published is what the organizers printed for a bib. Zero is no place.
type published struct {
	overall, sex, divisionPlace int
	division                    string
}

// TestPublishedPlaces holds the engine to the places that two real races
// printed. Their lists give every finisher a place of their own although times
// are shown to the second, so a place agrees when it lies among the places that
// the entries sharing it take up together. In 2004 equal gun times were ordered
// by net time, so that such a group is one of equal gun and net times.
func TestPublishedPlaces(t *testing.T) {
	t.Parallel()
	for name, ties := range map[string]race.Ties{"boston_2004": race.TiesNet, "boston_2012": race.TiesShare} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, entries := readRace(t, name, ties)
			want := readPlaces(t, name)
			rows := standings.Rank(rules, entries)
			require.Len(t, rows, len(want))

			check := func(kind string, place func(standings.Row) int, group func(standings.Row) string, printed func(published) int) {
				size := map[string]int{} // of each group that shares a place
				key := func(r standings.Row) string { return group(r) + "/" + strconv.Itoa(place(r)) }
				for _, r := range rows {
					size[key(r)]++
				}
				for _, r := range rows {
					if name == "boston_2012" && r.Field == race.Handcycle {
						require.Equal(t, 1, size[key(r)]) // the file holds one handcyclist, printed as the 21st
						continue
					}
					p := printed(want[r.Result.Bib])
					if place(r) == 0 {
						require.Zero(t, p, "%s place of bib %s", kind, r.Result.Bib)
						continue
					}
					require.GreaterOrEqual(t, p, place(r), "%s place of bib %s", kind, r.Result.Bib)
					require.Less(t, p, place(r)+size[key(r)], "%s place of bib %s", kind, r.Result.Bib)
				}
			}
			check("overall", func(r standings.Row) int { return r.Place },
				func(r standings.Row) string { return string(r.Field) },
				func(p published) int { return p.overall })
			check("sex", func(r standings.Row) int { return r.SexPlace },
				func(r standings.Row) string { return string(r.Field) + string(r.Sex) },
				func(p published) int { return p.sex })
			check("division", func(r standings.Row) int { return r.DivisionPlace },
				func(r standings.Row) string { return string(r.Field) + r.Division },
				func(p published) int {
					if p.division == "" { // wheelchair classes, which the file does not name
						return 0
					}
					return p.divisionPlace
				})
			for _, r := range rows {
				require.Equal(t, want[r.Result.Bib].division, r.Division, "division of bib %s", r.Result.Bib)
			}
		})
	}
}

// folders says where the races lie. Boston 2004 is the one that the one-machine
// stack shows, and is kept once.
var folders = map[string]string{
	"boston_2004": filepath.Join("..", "..", "deploy", "local", "sample", "boston_2004"),
	"boston_2012": filepath.Join("testdata", "boston_2012"),
}

func readRace(t testing.TB, name string, ties race.Ties) (standings.Rules, []standings.Entry) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folders[name], "race.json"))
	require.NoError(t, err)
	var about struct {
		Basis race.Basis `json:"ranking_basis"`
		Bands [][2]*int  `json:"age_bands"`
	}
	require.NoError(t, json.Unmarshal(data, &about))
	rules := standings.Rules{Ranking: race.Ranking{Basis: about.Basis, Ties: ties}}
	for _, sex := range []race.Sex{race.Male, race.Female} {
		for _, band := range about.Bands {
			name := string(sex) + strconv.Itoa(*band[0]) + "+"
			if band[1] != nil {
				name = string(sex) + strconv.Itoa(*band[0]) + "-" + strconv.Itoa(*band[1])
			}
			rules.Divisions = append(rules.Divisions, race.Division{
				Name: name, Sex: sex, MinAge: band[0], MaxAge: band[1], Field: race.Runner,
			})
		}
	}
	var entries []standings.Entry
	for _, row := range readCSV(t, name, "results.csv.gz") {
		age := race.UnknownAge
		if row["age"] != "" {
			age = number(t, row["age"])
		}
		entries = append(entries, standings.Entry{
			RecordID: row["bib"], UserID: row["bib"], Sex: race.Sex(row["sex"]), Age: age, Field: race.Field(row["field"]),
			Result: race.Result{
				Bib: row["bib"], Gun: duration(t, row["gun_time"]), Net: duration(t, row["net_time"]),
				Status: race.ResultStatus(row["status"]),
			},
		})
	}
	return rules, entries
}

func readPlaces(t testing.TB, name string) map[string]published {
	t.Helper()
	places := map[string]published{}
	for _, row := range readCSV(t, name, "places.csv.gz") {
		places[row["bib"]] = published{
			overall: number(t, row["overall_place"]), sex: number(t, row["sex_place"]),
			division: row["division"], divisionPlace: number(t, row["division_place"]),
		}
	}
	return places
}

func readCSV(t testing.TB, name, file string) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(folders[name], file))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	require.NoError(t, err)
	records, err := csv.NewReader(unzipped).ReadAll()
	require.NoError(t, err)
	var rows []map[string]string
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, column := range records[0] {
			row[column] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func number(t testing.TB, cell string) int {
	t.Helper()
	if cell == "" {
		return 0
	}
	n, err := strconv.Atoi(cell)
	require.NoError(t, err)
	return n
}

func duration(t testing.TB, cell string) race.Time {
	t.Helper()
	if cell == "" {
		return 0
	}
	d, err := race.ParseTime(cell)
	require.NoError(t, err)
	return d
}
