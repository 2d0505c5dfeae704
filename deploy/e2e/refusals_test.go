package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWrongRecordsAreRefused: the answer names the field, and nothing is stored.
func TestWrongRecordsAreRefused(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer := s.signUp(t, "organizer")
	raceID := organizer.createRace(t, marathon("Refusals"))
	for name, c := range map[string]struct {
		fields   map[string]any
		location string
	}{
		"unknown field":      {map[string]any{"bib": "1", "gun_time": "2:10:22", "shoe": "x"}, "body.shoe"},
		"wrong type":         {map[string]any{"bib": 1, "gun_time": "2:10:22"}, "body.bib"},
		"no bib":             {map[string]any{"gun_time": "2:10:22"}, "body.bib"},
		"impossible time":    {map[string]any{"bib": "1", "gun_time": "25:99:00"}, "body.gun_time"},
		"no time notation":   {map[string]any{"bib": "1", "gun_time": "8242"}, "body.gun_time"},
		"net longer than it": {map[string]any{"bib": "1", "gun_time": "2:10:22", "net_time": "2:10:23.1"}, "body.net_time"},
		"time for a DNS":     {map[string]any{"bib": "1", "gun_time": "2:10:22", "status": "DNS"}, "body.gun_time"},
		"unknown status":     {map[string]any{"bib": "1", "gun_time": "2:10:22", "status": "LOST"}, "body.status"},
	} {
		p := organizer.call(t, http.MethodPost, recordsOf(raceID), inJSON(t, c.fields)).
			problem(t, http.StatusUnprocessableEntity)
		require.NotEmpty(t, p.Errors, name)
		require.Equal(t, c.location, p.Errors[0].Location, name)
		require.NotEmpty(t, p.Errors[0].Message, name)
	}
	require.Equal(t, progress{}, organizer.credits(t, raceID))
	organizer.postRecord(t, raceID, map[string]any{"bib": "1", "gun_time": "2:10:22", "net_time": "2:10:23"})
	organizer.call(t, http.MethodPost, recordsOf(raceID), inJSON(t, map[string]any{"bib": "01", "gun_time": "2:11:00"})).
		problem(t, http.StatusConflict) // the bib has a record
}

// TestBadRowsAreListedAndGoodOnesGoIn, at the file's own row numbers.
func TestBadRowsAreListedAndGoodOnesGoIn(t *testing.T) {
	t.Parallel()
	organizer := sharedSystem(t).signUp(t, "organizer")
	raceID := organizer.createRace(t, marathon("Bad rows"))
	got := organizer.importResults(t, raceID, "", inCSV("bib,gun_time,net_time,status\n"+
		"1,2:10:22,2:10:20,OK\n"+ // row 2
		"2,25:99:00,,OK\n"+
		"3,2:20:00,,OK\n"+ // row 4: twice
		"4,DNF,,\n"+
		"03,2:21:00,,OK\n"+ // row 6: twice
		"5,2:10:22,2:11:20,OK\n"+
		"6,2:10:22,,DNS\n"))
	require.Equal(t, 2, got.Added)
	var rows []string
	for _, e := range got.Errors {
		require.NotEmpty(t, e.Message)
		rows = append(rows, fmt.Sprintf("%d %s", e.Row, e.Field))
	}
	require.Equal(t, []string{"3 gun_time", "4 bib", "6 bib", "7 net_time", "8 gun_time"}, rows)
	require.Len(t, organizer.records(t, raceID), 2)
}

// TestFilesThatCannotBeRead are refused as a whole.
func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	organizer := sharedSystem(t).signUp(t, "organizer")
	raceID := organizer.createRace(t, marathon("Unreadable"))
	var tooMany strings.Builder
	tooMany.WriteString("bib,gun_time\n")
	for i := range 50_001 {
		fmt.Fprintf(&tooMany, "%d,3:00:00\n", i+1)
	}
	for name, c := range map[string]struct {
		file   payload
		status int
		says   string
	}{
		"broken quotes": {inCSV("bib,gun_time\n1,2:10:22\n\"2,2:10:22\n3,2:10:22\n"), http.StatusUnprocessableEntity, "line 3"},
		"no bib column": {inCSV("place,gun_time\n1,2:10:22\n"), http.StatusUnprocessableEntity, "bib"},
		"too many rows": {inCSV(tooMany.String()), http.StatusRequestEntityTooLarge, "50000"},
	} {
		got := organizer.call(t, http.MethodPost, recordsOf(raceID)+"/import", c.file)
		got.problem(t, c.status)
		require.Contains(t, strings.ReplaceAll(string(got.body), "50,000", "50000"), c.says, name)
	}
	// 60 MB is beyond any limit of a body.
	huge := payload{"text/csv", append([]byte("bib,gun_time\n"), bytes.Repeat([]byte("1,2:10:22\n"), 6<<20)...)}
	organizer.call(t, http.MethodPost, recordsOf(raceID)+"/import", huge).problem(t, http.StatusRequestEntityTooLarge)
	require.Empty(t, organizer.records(t, raceID))
}

// TestWhoMayPostRecords over HTTP; the table of all routes has its own test.
func TestWhoMayPostRecords(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer, other, runner := s.signUp(t, "organizer"), s.signUp(t, "organizer"), s.signUp(t, "runner")
	operator := s.anonymous()
	login, password := s.Operator()
	operator.logIn(t, login, password)
	raceID := organizer.createRace(t, marathon("Rights"))
	posted := organizer.postRecord(t, raceID, map[string]any{"bib": "1", "gun_time": "2:10:22"})
	forged := *organizer
	forged.Token += "x"

	for _, c := range []struct {
		who    *caller
		status int
	}{
		{s.anonymous(), http.StatusUnauthorized},
		{&forged, http.StatusUnauthorized},
		{runner, http.StatusForbidden},
		{other, http.StatusForbidden},
		{operator, http.StatusForbidden},
	} {
		one := recordsOf(raceID) + "/" + posted.RecordID
		body := inJSON(t, map[string]any{"bib": "2", "gun_time": "2:10:22"})
		c.who.call(t, http.MethodPost, recordsOf(raceID), body).problem(t, c.status)
		c.who.call(t, http.MethodPost, recordsOf(raceID)+"/import", inCSV("bib\n2\n")).problem(t, c.status)
		c.who.call(t, http.MethodPost, "/v1/races/"+raceID+"/participants/import", inCSV("bib\n2\n")).problem(t, c.status)
		c.who.patch(t, raceID, posted.RecordID, 1, map[string]any{"gun_time": "1:00:00", "reason": "x"}).problem(t, c.status)
		c.who.remove(t, raceID, posted.RecordID, 1, "x").problem(t, c.status)
		c.who.call(t, http.MethodGet, "/v1/races/"+raceID+"/credits", payload{}).problem(t, c.status)
		if c.status == http.StatusUnauthorized {
			c.who.call(t, http.MethodGet, "/v1/me", payload{}).problem(t, http.StatusUnauthorized)
		}
		require.Equal(t, 1, organizer.record(t, raceID, posted.RecordID).Revision, one)
	}
	organizer.call(t, http.MethodGet, "/v1/me/points", payload{}).problem(t, http.StatusForbidden)
	runner.call(t, http.MethodPost, "/v1/races", inJSON(t, marathon("Not mine"))).problem(t, http.StatusForbidden)
}
