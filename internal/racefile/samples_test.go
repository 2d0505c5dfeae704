package racefile

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// sample is testdata/*/expected.json.
type sample struct {
	Format    string
	File      string
	Kind      string
	Encoding  string
	BOM       bool
	Delimiter *string
	LineEnds  string           `json:"line_ends"`
	HeaderRow *int             `json:"header_row"`
	RaceDate  string           `json:"race_date"`
	Races     []string         `json:"several_races"`
	Rows      []map[string]any `json:"rows"`
	Skipped   []struct {
		Sheet string
		Row   int
		Why   string
	}
	Problems []struct {
		Sheet string
		Row   int
		Field string
	}
}

func readSample(t testing.TB, format string) (sample, []byte) {
	t.Helper()
	var s sample
	expected, err := os.ReadFile(filepath.Join("testdata", format, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(expected, &s))
	data, err := os.ReadFile(filepath.Join("testdata", format, s.File))
	require.NoError(t, err)
	return s, data
}

func sampleFormats(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/expected.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	formats := make([]string, len(files))
	for i, file := range files {
		formats[i] = filepath.Base(filepath.Dir(file))
	}
	return formats
}

// asExpected writes a row with the keys of expected.json.
func asExpected(row Row, wanted map[string]any) map[string]any {
	seconds := func(t race.Time) any {
		if t == 0 {
			return nil
		}
		return float64(t) / 1000
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	got := map[string]any{
		"row": float64(row.Row), "bib": text(row.Bib), "name": text(row.Name), "sex": text(string(row.Sex)),
		"birth_date": text(row.BirthDate.String()), "age": nil, "team": text(row.Team),
	}
	if row.Age != race.UnknownAge {
		got["age"] = float64(row.Age)
	}
	if row.Sheet != "" && wanted["sheet"] != nil {
		got["sheet"] = row.Sheet
	}
	if row.Status != "" {
		got["gun_time_s"], got["net_time_s"] = seconds(row.Gun), seconds(row.Net)
		got["status"] = string(row.Status)
	}
	for key, value := range map[string]any{
		"time_s": seconds(row.Time), "division": text(row.Division), "event": text(row.Event), "field": text(string(row.Field)),
		"undecided": text(row.Undecided),
	} {
		if value != nil {
			got[key] = value
		}
	}
	if row.BirthYear != 0 {
		got["birth_year"] = float64(row.BirthYear)
	}
	if row.Unranked {
		got["unranked"] = true
	}
	if _, splits := wanted["splits"]; splits || len(row.Splits) > 0 {
		splits := map[string]any{}
		for _, s := range row.Splits {
			splits[s.Name] = float64(s.Time) / 1000
		}
		got["splits"] = splits
	}
	// That a reading is not certain is compared, its wording is not.
	if wanted["undecided"] != nil && got["undecided"] != nil {
		got["undecided"] = wanted["undecided"]
	}
	return got
}

func TestSamples(t *testing.T) {
	t.Parallel()
	for _, format := range sampleFormats(t) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s, data := readSample(t, format)
			options := Options{}
			if s.RaceDate != "" {
				date, err := race.ParseDate(s.RaceDate)
				require.NoError(t, err)
				options.RaceDate = date
			}
			f, err := Read(s.File, bytes.NewReader(data), options)
			require.NoError(t, err)
			require.Equal(t, s.Format, f.Format)
			require.Equal(t, s.Kind, string(f.Kind))
			compareText(t, s, f)
			for i, wanted := range s.Rows {
				require.Greater(t, len(f.Rows), i, "errors: %+v", f.Errors)
				require.Equal(t, wanted, asExpected(f.Rows[i], wanted), "row %d", i)
			}
			require.Len(t, f.Rows, len(s.Rows))
			require.Len(t, f.Errors, len(s.Problems), "%+v", f.Errors)
			for i, problem := range s.Problems {
				require.Equal(t, problem.Row, f.Errors[i].Row)
				require.Equal(t, problem.Field, f.Errors[i].Field, "%+v", f.Errors[i])
			}
			if len(s.Races) > 0 {
				require.Equal(t, s.Races, f.Events)
			}
			if s.Encoding == "utf-8" && f.Container == "xml" {
				return // the lines of markup between the results are not listed
			}
			var wanted, got []string
			for _, skipped := range s.Skipped {
				wanted = append(wanted, skipped.Sheet+strconv.Itoa(skipped.Row)+skipped.Why)
			}
			for _, skipped := range f.Skipped {
				sheet := skipped.Sheet
				if len(s.Skipped) > 0 && s.Skipped[0].Sheet == "" {
					sheet = ""
				}
				got = append(got, sheet+strconv.Itoa(skipped.Row)+skipped.Why)
			}
			require.ElementsMatch(t, wanted, got)
		})
	}
}

// compareText compares what the container shows.
func compareText(t *testing.T, s sample, f *File) {
	t.Helper()
	if s.Encoding == "xlsx" {
		require.Equal(t, "xlsx", f.Container)
	} else {
		// ASCII is UTF-8, and ISO-8859-1 is contained in Windows-1252.
		names := map[string]string{"ascii": "utf-8", "iso-8859-1": "windows-1252", "cp1252": "windows-1252"}
		encoding := s.Encoding
		if name, other := names[encoding]; other {
			encoding = name
		}
		require.Equal(t, encoding, f.Encoding)
		require.Equal(t, s.BOM, f.BOM)
		require.Equal(t, strings.ReplaceAll(s.LineEnds, " ", ""), f.LineEnds)
		delimiter := ""
		if s.Delimiter != nil {
			delimiter = *s.Delimiter
		}
		require.Equal(t, delimiter, f.Delimiter)
	}
	header := 0
	if s.HeaderRow != nil {
		header = *s.HeaderRow
	}
	require.Equal(t, header, f.HeaderRow)
}
