package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// placed is a row of standings in the API.
type placed struct {
	Place         int    `json:"place"`
	SexPlace      int    `json:"sex_place"`
	Division      string `json:"division"`
	DivisionPlace int    `json:"division_place"`
	Bib           string `json:"bib"`
	Status        string `json:"status"`
	GunTime       string `json:"gun_time"`
	Points        *int64 `json:"points"`
}

// places is a page of standings, or all of one version.
type places struct {
	Version    int      `json:"version"`
	Status     string   `json:"status"`
	Items      []placed `json:"items"`
	NextCursor string   `json:"next_cursor"`
}

// standings reads all pages of the current version of a field.
func (c *caller) standings(t *testing.T, raceID, field string) places {
	t.Helper()
	var all places
	for cursor := ""; ; {
		var page places
		query := "?limit=1000&field=" + field + "&cursor=" + url.QueryEscape(cursor)
		c.call(t, http.MethodGet, "/v1/races/"+raceID+"/standings"+query, payload{}).into(t, http.StatusOK, &page)
		page.Items = append(all.Items, page.Items...)
		all = page
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

// standingsFollow waits until the standings equal the test's own ranking of the records
// and the ledger, and returns how long that took.
func (s *system) standingsFollow(t *testing.T, raceID string) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, patience, func() error {
		want := s.ranked(t, raceID)
		for _, field := range []string{"runner", "wheelchair"} {
			got := map[string]placed{}
			for _, p := range s.anonymous().standings(t, raceID, field).Items {
				got[p.Bib] = p
			}
			if len(got) != len(want[field]) {
				return fmt.Errorf("%d rows of the field %s instead of %d", len(got), field, len(want[field]))
			}
			for bib, p := range want[field] {
				g := got[bib]
				if g.Place != p.Place || g.SexPlace != p.SexPlace || g.Status != p.Status || pointsOf(g) != pointsOf(p) {
					return fmt.Errorf("bib %s is %+v instead of %+v", bib, g, p)
				}
			}
		}
		return nil
	})
	return time.Since(began)
}

func pointsOf(p placed) int64 {
	if p.Points == nil {
		return -1
	}
	return *p.Points
}

// entry is a live record with its runner.
type entry struct {
	id, bib, status, sex, field string
	gun, net                    *int64
}

// beats compares two entries by gun time, and by net time if their gun times are equal.
func (e entry) beats(other entry) bool {
	if *e.gun != *other.gun {
		return *e.gun < *other.gun
	}
	return e.net != nil && (other.net == nil || *e.net < *other.net)
}

// ranked counts the places of the records that are in main_db, by field and bib.
func (s *system) ranked(t *testing.T, raceID string) map[string]map[string]placed {
	t.Helper()
	rows, err := s.mainDB.QueryContext(t.Context(), `SELECT r.record_id, r.bib, r.gun_ms, r.net_ms, r.status, p.sex, p.field
		FROM official_record r JOIN participant p ON p.race_id = r.race_id AND p.bib_key = r.held_bib
		WHERE r.race_id = ? AND r.removed = FALSE`, raceID)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var entries []entry
	for rows.Next() {
		var e entry
		require.NoError(t, rows.Scan(&e.id, &e.bib, &e.gun, &e.net, &e.status, &e.sex, &e.field))
		entries = append(entries, e)
	}
	require.NoError(t, rows.Err())
	credits := s.creditedPoints(t, raceID)
	ranked := map[string]map[string]placed{"runner": {}, "wheelchair": {}, "handcycle": {}}
	for _, e := range entries {
		p := placed{Bib: e.bib, Status: e.status}
		if points, ok := credits[e.id]; ok {
			p.Points = &points
		}
		if e.status == "OK" && e.gun != nil {
			p.Place, p.SexPlace = 1, 1
			for _, other := range entries { // one more than the number of better ones
				if other.field == e.field && other.status == "OK" && other.gun != nil && other.beats(e) {
					p.Place++
					if other.sex == e.sex {
						p.SexPlace++
					}
				}
			}
		}
		ranked[e.field][e.bib] = p
	}
	return ranked
}

func (s *system) creditedPoints(t *testing.T, raceID string) map[string]int64 {
	t.Helper()
	rows, err := s.userDB.QueryContext(t.Context(), "SELECT record_id, points FROM credit WHERE race_id = ? AND status = 'credited'", raceID)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	points := map[string]int64{}
	for rows.Next() {
		var id string
		var p int64
		require.NoError(t, rows.Scan(&id, &p))
		points[id] = p
	}
	require.NoError(t, rows.Err())
	return points
}

// liveVersions follows the race and returns the numbers of the versions that are
// streamed.
func (b *boston) liveVersions(t *testing.T) <-chan int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.APIURL()+"/v1/races/"+b.raceID+"/events", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	t.Cleanup(func() { _ = response.Body.Close() })
	versions := make(chan int, 1000)
	go func() {
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			var e struct {
				Version int `json:"version"`
			}
			data, is := strings.CutPrefix(lines.Text(), "data: ")
			if is && json.Unmarshal([]byte(data), &e) == nil && e.Version > 0 {
				versions <- e.Version
			}
		}
	}()
	return versions
}

// standingsSteps lists the activities of the latest run of a race's workflow.
func (s *system) standingsSteps(t *testing.T, raceID string) (steps []string) {
	t.Helper()
	events := s.temporal.GetWorkflowHistory(t.Context(), workflows.StandingsWorkflowID(raceID), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			steps = append(steps, scheduled.GetActivityType().GetName())
		}
	}
	return steps
}

// TestStandings brings a race to official standings: places follow credits
// automatically, corrections re-rank, and published versions stay readable.
func TestStandings(t *testing.T) {
	t.Parallel()
	b := startBoston(t, sharedSystem(t), 250)
	live := b.liveVersions(t)
	b.importAll(t)
	b.check(t)
	t.Log("from the last credit to the final version:", b.standingsFollow(t, b.raceID))

	leader := b.rows[0]
	disqualify := func() {
		dq := leader
		dq.status = "DQ"
		b.change(t, leader.bib, map[string]any{"status": "DQ"}, b.book.marathonOutcome(t, dq))
	}
	disqualify()
	t.Log("from a DQ to its standings:", b.standingsFollow(t, b.raceID))
	disqualified := b.anonymous().standings(t, b.raceID, "runner").Version
	b.change(t, leader.bib, map[string]any{"status": "OK"}, b.book.marathonOutcome(t, leader))
	b.standingsFollow(t, b.raceID)
	require.Greater(t, b.anonymous().standings(t, b.raceID, "runner").Version, disqualified)

	finalize := "/v1/races/" + b.raceID + "/finalize"
	b.organizer.call(t, http.MethodPost, finalize, inJSON(t, map[string]int{"protest_window_s": 3600})).into(t, http.StatusAccepted, nil)
	b.organizer.call(t, http.MethodDelete, finalize, payload{}).into(t, http.StatusNoContent, nil)
	b.organizer.call(t, http.MethodPost, finalize, inJSON(t, map[string]int{"protest_window_s": 1})).into(t, http.StatusAccepted, nil)
	eventually(t, patience, func() error {
		if status := b.anonymous().standings(t, b.raceID, "runner").Status; status != string(race.Official) {
			return errors.New("the standings are " + status)
		}
		return nil
	})
	official := b.anonymous().standings(t, b.raceID, "runner").Version
	require.Contains(t, b.standingsSteps(t, b.raceID), "PublishStandings", "publishing is a step of its own in the race's workflow")
	disqualify()
	b.standingsFollow(t, b.raceID)
	now := b.anonymous().standings(t, b.raceID, "runner")
	require.Equal(t, string(race.Official), now.Status)
	require.Greater(t, now.Version, official)
	var list struct {
		Items []struct {
			Reason string `json:"reason"`
		} `json:"items"`
	}
	b.anonymous().call(t, http.MethodGet, "/v1/races/"+b.raceID+"/standings/versions?limit=1", payload{}).into(t, http.StatusOK, &list)
	require.Equal(t, "bib "+leader.bib+": end-to-end test", list.Items[0].Reason)
	eventually(t, patience, func() error {
		for {
			select {
			case version := <-live:
				if version >= now.Version {
					return nil
				}
			default:
				return fmt.Errorf("version %d was not sent", now.Version)
			}
		}
	})
}
