package plans_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const samples = "../../internal/racefile/testdata"

// TestSamplesThroughTheAPI sends the sample of every format to a race of its own and
// compares the rows with what is expected of it.
func TestSamplesThroughTheAPI(t *testing.T) {
	t.Parallel()
	b := setup(t)
	files, err := filepath.Glob(samples + "/*/expected.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var want struct {
				Format   string
				File     string
				Kind     string
				RaceDate string           `json:"race_date"`
				Races    []string         `json:"several_races"`
				Rows     []map[string]any `json:"rows"`
				Problems []struct{ Row int }
			}
			require.NoError(t, json.Unmarshal(text, &want))
			data, err := os.ReadFile(filepath.Join(filepath.Dir(file), want.File))
			require.NoError(t, err)
			raceID := b.race(t, func(r *race.Race) {
				if want.RaceDate != "" {
					r.Date, err = race.ParseDate(want.RaceDate)
					require.NoError(t, err)
				}
			})
			path := importsOf(raceID) + "?name=" + url.QueryEscape(want.File)
			plan := decode[plans.ImportPlan](t, b.call(t, http.MethodPost, path, data), http.StatusCreated)
			require.Equal(t, want.Format, plan.Format)
			if len(want.Races) > 0 {
				require.Equal(t, want.Races, plan.Events)
			}
			rows := make(map[string]plans.FileRow)
			wrong := 0
			for _, row := range b.rows(t, raceID, plan) {
				rows[row.Sheet+"/"+strconv.Itoa(row.Row)], rows["/"+strconv.Itoa(row.Row)] = row, row
				if row.Action == maindb.ActionError {
					wrong++
				}
			}
			require.Equal(t, plan.Counts.Errors, wrong)
			require.GreaterOrEqual(t, wrong, len(want.Problems))
			for _, expected := range want.Rows {
				sheet, _ := expected["sheet"].(string)
				number, _ := expected["row"].(float64)
				row, found := rows[sheet+"/"+strconv.Itoa(int(number))]
				require.True(t, found, "%v", expected)
				compare(t, expected, row)
			}
			t.Logf("%s %+v notes %q questions %+v errors %+v", plan.Kind, plan.Counts, plan.Notes, plan.Questions, plan.Errors)

			if plan.EventFrom == "" && len(plan.Events) > 1 {
				undecided := b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/apply", object{"hash": plan.Hash})
				require.Equal(t, http.StatusUnprocessableEntity, undecided.Code, "the question must be answered first")
				plan = decode[plans.ImportPlan](t, b.call(t, http.MethodPost, path+"&event="+url.QueryEscape(plan.Events[0]), data), http.StatusCreated)
			}
			done := b.apply(t, raceID, plan)
			require.Equal(t, plan.Counts, *done.Done)
			require.Positive(t, done.Done.Added+done.Done.EntriesAdded)
			again := decode[plans.ImportPlan](t, b.call(t, http.MethodPost, path+"&event="+url.QueryEscape(plan.Event), data), http.StatusCreated)
			require.Zero(t, again.Counts.Added+again.Counts.Changed+again.Counts.EntriesAdded+again.Counts.EntriesChanged, "%+v", again.Counts)
		})
	}
}

func compare(t *testing.T, want map[string]any, row plans.FileRow) {
	t.Helper()
	text := func(key string) string { s, _ := want[key].(string); return s }
	number := func(key string) float64 { n, _ := want[key].(float64); return n }
	require.Equal(t, text("bib"), row.Bib)
	require.Equal(t, text("name"), row.Name)
	require.Equal(t, text("sex"), string(row.Sex))
	require.Equal(t, text("birth_date"), row.BirthDate)
	require.Equal(t, int(number("birth_year")), row.BirthYear)
	require.Equal(t, text("team"), row.Team)
	require.Equal(t, text("division"), row.Division)
	require.Equal(t, text("event"), row.Event)
	require.Equal(t, text("status"), string(row.Status))
	if want["age"] == nil {
		require.Nil(t, row.Age)
	} else {
		require.Equal(t, int(number("age")), *row.Age)
	}
	for key, got := range map[string]string{"gun_time_s": row.GunTime, "net_time_s": row.NetTime, "time_s": row.Time} {
		if want[key] == nil {
			require.Empty(t, got, key)
			continue
		}
		at, err := race.ParseTime(got)
		require.NoError(t, err, key)
		require.InDelta(t, number(key)*1000, float64(at), 0.5, key)
	}
	require.Equal(t, want["undecided"] != nil, row.Undecided != "")
	splits, _ := want["splits"].(map[string]any)
	require.Len(t, row.Splits, len(splits))
	for name := range splits {
		require.Contains(t, row.Splits, name)
	}
}
