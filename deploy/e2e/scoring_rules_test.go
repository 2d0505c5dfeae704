package e2e_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestScoringRules posts a small race under each rule.
func TestScoringRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		race   map[string]any
		rows   []row
		expect func(*testing.T, tables, row) outcome // without the runner
	}{
		{
			name: "wa-2025",
			race: map[string]any{"distance_m": 10000, "scoring": "wa-2025"},
			rows: []row{
				{bib: "1", sex: "M", age: 29, net: "28:01.3", status: "OK", field: "runner"},
				{bib: "2", sex: "F", age: 31, net: "33:19.2", status: "OK", field: "runner"}, // 33:20 by the rule: 1069
				{bib: "3", sex: "F", age: 31, net: "33:20.1", status: "OK", field: "runner"},
				{bib: "4", sex: "M", age: -1, net: "1:20:00", status: "OK", field: "runner"}, // beyond the cut-off
				{bib: "5", sex: "X", age: 40, net: "40:00", status: "OK", field: "runner"},   // no table
				{bib: "6", sex: "F", age: 40, net: "25:00", status: "OK", field: "wheelchair"},
				{bib: "7", sex: "", age: 40, net: "40:00", status: "OK", field: "runner"},
				{bib: "8", sex: "F", age: 40, gun: "40:00", status: "OK", field: "runner"}, // gun time does not rank
				{bib: "9", sex: "F", age: 40, net: "1:55:00", status: "OVERTIME", field: "runner"},
			},
			expect: func(t *testing.T, tb tables, r row) outcome {
				t.Helper()
				switch r.bib {
				case "5", "6", "9":
					return outcome{status: "credited"}
				case "7":
					return outcome{status: "rejected", reason: "sex"}
				case "8":
					return outcome{status: "rejected", reason: "net"}
				}
				return outcome{status: "credited", points: tb.worldAthletics(t, "2025", r.sex, "10 km", millisOf(t, clock(r.net)))}
			},
		},
		{
			name: "wa-2022",
			race: map[string]any{"distance_m": 21097.5, "scoring": "wa-2022"},
			rows: []row{
				{bib: "1", sex: "M", age: 29, net: "1:04:00", status: "OK", field: "runner"},
				{bib: "2", sex: "F", age: 31, net: "1:15:00.5", status: "OK", field: "runner"},
			},
			expect: func(t *testing.T, tb tables, r row) outcome {
				t.Helper()
				return outcome{status: "credited", points: tb.worldAthletics(t, "2022", r.sex, "Half Marathon", millisOf(t, clock(r.net)))}
			},
		},
		{
			name: "agegrade-2025",
			race: map[string]any{"distance_m": 10000}, // the default rule
			rows: []row{
				{bib: "1", sex: "M", age: 5, net: "1:10:00", status: "OK", field: "runner"},
				{bib: "2", sex: "F", age: 100, net: "1:59:59", status: "OK", field: "runner"},
				{bib: "3", sex: "F", age: -1, net: "45:00", status: "OK", field: "runner"},
				{bib: "4", sex: "F", age: 30, status: "DNF", field: "runner"},
				{bib: "5", sex: "F", age: 30, status: "DNS", field: "runner"},
			},
			expect: func(t *testing.T, tb tables, r row) outcome {
				t.Helper()
				switch r.bib {
				case "3":
					return outcome{status: "rejected", reason: "age"}
				case "4", "5":
					return outcome{status: "credited"}
				}
				return outcome{status: "credited", points: tb.ageGrade(t, r.sex, "10 km", r.age, millisOf(t, clock(r.net)))}
			},
		},
		{
			name: "fixed",
			race: map[string]any{"distance_m": 7777, "scoring": "fixed", "points": 25},
			rows: []row{
				{bib: "1", sex: "M", age: 29, net: "28:01.3", status: "OK", field: "runner"},
				{bib: "2", sex: "", age: -1, net: "1:15:00.5", status: "OK", field: "wheelchair"},
				{bib: "3", sex: "M", age: 29, net: "28:01.3", status: "DNF", field: "runner"},
			},
			expect: func(t *testing.T, _ tables, r row) outcome {
				t.Helper()
				if r.status != "OK" {
					return outcome{status: "credited"}
				}
				return outcome{status: "credited", points: 25}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := sharedSystem(t)
			organizer := s.signUp(t, "organizer")
			c.race["name"], c.race["date"] = c.name, "2025-05-11"
			c.race["ranking"] = map[string]any{"basis": "net", "ties": "share"}
			raceID := organizer.createRace(t, c.race)
			require.Equal(t, len(c.rows), organizer.importStartList(t, raceID, startList(c.rows)).Added)
			b := newBook(t)
			b.users = s.participants(t, raceID)
			require.Equal(t, len(c.rows), organizer.importResults(t, raceID, "", results(c.rows)).Added)
			ids := map[string]string{}
			for _, r := range organizer.records(t, raceID) {
				ids[r.Bib] = r.RecordID
			}
			for _, r := range c.rows {
				want := c.expect(t, b.tables, r)
				if want.status == "credited" {
					want.userID = b.users[r.bib]
				}
				b.enter(t, ids[r.bib], 1, want)
			}
			s.settled(t, organizer, raceID, b)
			s.allFound(t, raceID, b)
		})
	}
}

// clock writes MM:SS as H:MM:SS.
func clock(s string) string {
	if len(s) > len("59:59.999") || s[1] == ':' {
		return s
	}
	return "0:" + s
}

// TestRuleThatDoesNotCoverTheDistance is refused when the race is made, not
// when its records are credited.
func TestRuleThatDoesNotCoverTheDistance(t *testing.T) {
	t.Parallel()
	organizer := sharedSystem(t).signUp(t, "organizer")
	organizer.call(t, http.MethodPost, "/v1/races", inJSON(t, map[string]any{
		"name": "Odd", "date": "2025-05-11", "distance_m": 7777, "scoring": "wa-2025",
		"ranking": map[string]any{"basis": "net", "ties": "share"},
	})).problem(t, http.StatusUnprocessableEntity)
}
