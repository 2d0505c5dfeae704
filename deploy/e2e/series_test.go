package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// seriesPlaces are the standings of a series.
type seriesPlaces struct {
	Version int    `json:"version"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Items   []struct {
		Place   int     `json:"place"`
		UserID  string  `json:"user_id"`
		Name    string  `json:"name"`
		Total   float64 `json:"total"`
		Results []struct {
			RaceID string  `json:"race_id"`
			Score  float64 `json:"score"`
			Counts bool    `json:"counts"`
			Why    string  `json:"why"`
		} `json:"results"`
	} `json:"items"`
}

// season is three races of three runners with accounts, and their series: the best two
// races count.
type season struct {
	*system
	t         *testing.T
	organizer *caller
	runners   []*caller // bib 1, 2 and 3 in each race
	races     []string
	path      string // of the series
}

func startSeason(t *testing.T) *season {
	t.Helper()
	s := sharedSystem(t)
	o := &season{system: s, t: t, organizer: s.signUp(t, "organizer")}
	list := "bib,login_id,sex,age\n"
	for i := range 3 {
		runner := s.signUp(t, "runner")
		o.runners = append(o.runners, runner)
		list += fmt.Sprintf("%d,%s,F,30\n", i+1, runner.login)
	}
	var races []map[string]any
	for i, name := range []string{"Spring", "Summer", "Autumn"} {
		race := marathon(name)
		race["date"], race["divisions"] = fmt.Sprintf("2004-%02d-19", 4+i), []any{}
		raceID := o.organizer.createRace(t, race)
		for _, runner := range o.runners {
			runner.call(t, http.MethodPost, "/v1/races/"+raceID+"/participants", inJSON(t, map[string]any{})).into(t, http.StatusCreated, nil)
		}
		require.Empty(t, o.organizer.importStartList(t, raceID, inCSV(list)).Errors)
		o.races, races = append(o.races, raceID), append(races, map[string]any{"race_id": raceID})
	}
	var made struct {
		SeriesID string `json:"series_id"`
	}
	o.organizer.call(t, http.MethodPost, "/v1/series", inJSON(t, map[string]any{
		"name": "Three Seasons", "races": races, "best": 2, "ties": []string{"best_race", "latest_race"},
	})).into(t, http.StatusCreated, &made)
	o.path = "/v1/series/" + made.SeriesID
	return o
}

// comesTo waits until the series has a later version than one, for that reason, which is
// what the test computes from the points that the ledger holds, and returns it.
func (o *season) comesTo(after int, reason string, multipliers ...float64) (now seriesPlaces) {
	o.t.Helper()
	eventually(o.t, patience, func() error {
		want := map[string]float64{}
		scores := map[string][]float64{}
		for i, multiplier := range multipliers {
			if p := o.organizer.credits(o.t, o.races[i]); p.Pending > 0 {
				return fmt.Errorf("credits of race %d: %+v", i, p)
			}
			lines, err := o.ledger(o.t.Context(), o.races[i])
			if err != nil {
				return err
			}
			sums := map[string]float64{}
			for _, l := range lines {
				sums[l.userID] += float64(l.points) * multiplier
			}
			for userID, score := range sums {
				scores[userID] = append(scores[userID], score)
			}
		}
		for userID, all := range scores {
			slices.Sort(all)
			for _, score := range all[max(0, len(all)-2):] {
				want[userID] += score
			}
		}
		now = seriesPlaces{}
		o.anonymous().call(o.t, http.MethodGet, o.path+"/standings", payload{}).into(o.t, http.StatusOK, &now)
		got := map[string]float64{}
		for _, row := range now.Items {
			got[row.UserID] = row.Total
		}
		if now.Version <= after || !maps.Equal(got, want) || !strings.Contains(now.Reason, reason) {
			return fmt.Errorf("version %d (%s) has %v instead of %v", now.Version, now.Reason, got, want)
		}
		return nil
	})
	return now
}

// TestASeriesFollowsItsRaces plays a season: three races, of which the best two count, a
// disqualification afterwards, another multiplier, and a race that is voided.
func TestASeriesFollowsItsRaces(t *testing.T) {
	t.Parallel()
	o := startSeason(t)
	require.Empty(t, o.comesTo(0, "first ranked").Items, "an empty series")
	for i, times := range [][]string{{"2:40:00", "2:50:00", "3:00:00"}, {"2:45:00", "2:44:00", "3:10:00"}, {"3:30:00", "2:42:00", "3:05:00"}} {
		file := "bib,gun_time\n"
		for bib, time := range times {
			file += fmt.Sprintf("%d,%s\n", bib+1, time)
		}
		require.Equal(t, 3, o.organizer.importResults(t, o.races[i], "", inCSV(file)).Added)
	}
	all := o.comesTo(1, "results changed", 1, 1, 1)
	require.Equal(t, []string{o.runners[0].userID, o.runners[1].userID, o.runners[2].userID}, []string{all.Items[0].UserID, all.Items[1].UserID, all.Items[2].UserID})
	require.Equal(t, []string{"", "", "beyond_best"}, []string{all.Items[0].Results[0].Why, all.Items[0].Results[1].Why, all.Items[0].Results[2].Why})
	require.Equal(t, "provisional", all.Status)

	for _, r := range o.organizer.records(t, o.races[0]) {
		if r.Bib == "1" {
			o.organizer.correct(t, o.races[0], r.RecordID, r.Revision, map[string]any{"status": "DQ", "reason": "cut the course"})
		}
	}
	jury := o.comesTo(all.Version, "Spring: results changed (version ", 1, 1, 1)
	require.Equal(t, o.runners[1].userID, jury.Items[0].UserID)

	o.organizer.call(t, http.MethodPatch, o.path, inJSON(t, map[string]any{"races": []map[string]any{
		{"race_id": o.races[0]}, {"race_id": o.races[1]}, {"race_id": o.races[2], "multiplier": 1.5},
	}})).into(t, http.StatusOK, nil)
	weighted := o.comesTo(jury.Version, "settings changed: multipliers", 1, 1, 1.5)
	o.organizer.call(t, http.MethodPost, "/v1/races/"+o.races[2]+"/void", inJSON(t, map[string]string{"reason": "the course was short"})).into(t, http.StatusOK, nil)
	void := o.comesTo(weighted.Version, "Autumn: voided", 1, 1)
	require.Len(t, void.Items[0].Results, 2)

	var earlier seriesPlaces
	o.anonymous().call(t, http.MethodGet, fmt.Sprintf("%s/standings?version=%d", o.path, all.Version), payload{}).into(t, http.StatusOK, &earlier)
	require.Equal(t, all.Items, earlier.Items, "versions stay as they were")
	again := o.anonymous().call(t, http.MethodGet, o.path+"/standings", payload{})
	require.Equal(t, http.StatusNotModified,
		o.anonymous().call(t, http.MethodGet, o.path+"/standings", payload{}, "If-None-Match", again.header.Get("ETag")).status)
}
