package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
)

const (
	raceName = "Smoke test of a deployment"
	raceDate = "2026-01-01"
	runners  = 10
	// cleanUpLimit bounds what is still removed after a failure or an interrupt.
	cleanUpLimit = time.Minute
)

// smokeRace is one run of the test.
type smokeRace struct {
	organizer, runner *apiclient.Client
	limit             time.Duration
	out               io.Writer

	path  string // of the race
	ids   map[string]string
	total int64 // the runner's points before
}

func newRace(api, login, password string, limit time.Duration, out io.Writer) *smokeRace {
	account := func(login string) *apiclient.Client {
		return &apiclient.Client{
			Base: api, Login: login, Password: password, Patience: limit, HTTP: &http.Client{Timeout: 30 * time.Second},
		}
	}
	return &smokeRace{
		organizer: account(login), runner: account(login + "-runner"), limit: limit, out: out, ids: map[string]string{},
	}
}

// run runs the steps in order. In the end it removes what it posted, even after a
// failure.
func (r *smokeRace) run(ctx context.Context) (err error) {
	began := time.Now()
	posted := false
	defer func() {
		if err == nil || !posted {
			return
		}
		cleanUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpLimit)
		defer cancel()
		if removal := r.removeRecords(cleanUp); removal != nil {
			err = errors.Join(err, fmt.Errorf("records of the test are left behind, the next run removes them: %w", removal))
		}
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"log in", r.logIn},
		{"find or create the race", r.prepare},
		{"remove what an interrupted run left", r.removeRecords},
		{"enter the race", r.enter},
		{"start list", r.startList},
		{"points of the runner before", r.remember},
		{"post the records", func(ctx context.Context) error { posted = true; return r.post(ctx) }},
		{"wait until they are credited", r.awaitCredits},
		{"compare standings and points", r.compare},
		{"remove the records", r.removeRecords},
		{"wait until the points are back", r.awaitNothing},
	} {
		stepBegan := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		_, _ = fmt.Fprintf(r.out, "smoke: %-36s %5d ms\n", step.name, time.Since(stepBegan).Milliseconds())
	}
	_, _ = fmt.Fprintf(r.out, "smoke: passed in %.1f s\n", time.Since(began).Seconds())
	return nil
}

func (r *smokeRace) logIn(ctx context.Context) error {
	for userType, account := range map[string]*apiclient.Client{"organizer": r.organizer, "runner": r.runner} {
		err := account.LogIn(ctx)
		if problem, ok := errors.AsType[*apiclient.Problem](err); ok && problem.Status == http.StatusUnauthorized {
			err = account.SignUp(ctx, userType, "Smoke test")
			if problem, ok := errors.AsType[*apiclient.Problem](err); ok && problem.Status == http.StatusConflict {
				return fmt.Errorf("the login %s exists with another password: give the one of the run that signed it up", account.Login)
			}
			if err == nil {
				err = account.LogIn(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *smokeRace) prepare(ctx context.Context) error {
	for cursor, more := "", true; more; {
		var page struct {
			Items []struct {
				RaceID string `json:"race_id"`
				Name   string `json:"name"`
			} `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		query := url.Values{"organizer_id": {r.organizer.UserID}, "limit": {"1000"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if err := r.organizer.Get(ctx, "/v1/races?"+query.Encode(), &page); err != nil {
			return err
		}
		for _, found := range page.Items {
			if found.Name == raceName {
				r.path = "/v1/races/" + url.PathEscape(found.RaceID)
				return nil
			}
		}
		cursor, more = page.NextCursor, page.NextCursor != ""
	}
	var created struct {
		RaceID string `json:"race_id"`
	}
	err := r.organizer.JSON(ctx, http.MethodPost, "/v1/races", map[string]any{
		"name": raceName, "date": raceDate, "distance_m": 10000, "scoring": "agegrade-2025", "ranking": map[string]string{"basis": "gun"},
	}, &created, "Idempotency-Key", "smoke-race")
	r.path = "/v1/races/" + url.PathEscape(created.RaceID)
	return err
}

// enter enters the runner who has an account, since a start list does not affect
// accounts. In the race of an earlier run the runner is already entered.
func (r *smokeRace) enter(ctx context.Context) error {
	err := r.runner.JSON(ctx, http.MethodPost, r.path+"/participants", struct{}{}, nil)
	if problem, ok := errors.AsType[*apiclient.Problem](err); ok && problem.Status == http.StatusConflict {
		return nil
	}
	return err
}

// startList gives ten runners their bibs; the first of them has an account.
func (r *smokeRace) startList(ctx context.Context) error {
	var csv bytes.Buffer
	_, _ = fmt.Fprintln(&csv, "bib,name,sex,age,login_id")
	for i := range runners {
		login := ""
		if i == 0 {
			login = r.runner.Login
		}
		_, _ = fmt.Fprintf(&csv, "%d,Smoke %d,%s,%d,%s\n", i+1, i+1, []string{"F", "M"}[i%2], 25+5*i, login)
	}
	imported, err := r.organizer.ImportCSV(ctx, r.path+"/participants/import", csv.Bytes())
	if err != nil {
		return err
	}
	if len(imported.Errors) > 0 {
		return fmt.Errorf("row %d, %s: %s", imported.Errors[0].Row, imported.Errors[0].Field, imported.Errors[0].Message)
	}
	return nil
}

func (r *smokeRace) points(ctx context.Context) (total int64, err error) {
	var points struct {
		Total int64 `json:"total_point"`
	}
	err = r.runner.Get(ctx, "/v1/me/points", &points)
	return points.Total, err
}

func (r *smokeRace) remember(ctx context.Context) (err error) {
	r.total, err = r.points(ctx)
	return err
}

// post posts nine finishers in the order of their bibs and one DNF.
func (r *smokeRace) post(ctx context.Context) error {
	for i := range runners {
		body := map[string]any{"bib": strconv.Itoa(i + 1), "gun_time": fmt.Sprintf("0:%02d:00", 40+i)}
		if i == runners-1 {
			body = map[string]any{"bib": strconv.Itoa(i + 1), "status": "DNF"}
		}
		var posted struct {
			RecordID string `json:"record_id"`
		}
		if err := r.organizer.JSON(ctx, http.MethodPost, r.path+"/official-records", body, &posted); err != nil {
			return err
		}
		r.ids[strconv.Itoa(i+1)] = posted.RecordID
	}
	return nil
}

// record is an official record in the organizer's view.
type record struct {
	RecordID string `json:"record_id"`
	Revision int    `json:"revision"`
	Bib      string `json:"bib"`
	Credit   struct {
		Status   string `json:"status"`
		Points   int64  `json:"points"`
		Reason   string `json:"reason"`
		TraceURL string `json:"trace_url"`
	} `json:"credit"`
}

func (r *smokeRace) records(ctx context.Context) (all []record, err error) {
	for cursor, more := "", true; more; {
		var page struct {
			Items      []record `json:"items"`
			NextCursor string   `json:"next_cursor"`
		}
		query := url.Values{"limit": {"1000"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if err := r.organizer.Get(ctx, r.path+"/official-records?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		cursor, more = page.NextCursor, page.NextCursor != ""
	}
	return all, nil
}

// awaitCredits waits until every record is credited: with points for those who
// finished, and with none for the one who did not.
func (r *smokeRace) awaitCredits(ctx context.Context) error {
	return r.until(ctx, func() error {
		records, err := r.records(ctx)
		if err != nil {
			return err
		}
		if len(records) != runners {
			return fmt.Errorf("the race has %d records instead of %d", len(records), runners)
		}
		for _, found := range records {
			finished := found.Bib != strconv.Itoa(runners)
			if found.Credit.Status != "credited" || finished != (found.Credit.Points > 0) {
				return fmt.Errorf("the credit of bib %s is %s with %d points: %s", found.Bib, found.Credit.Status, found.Credit.Points, found.Credit.TraceURL)
			}
		}
		return nil
	})
}

// standing is an entry of the public standings.
type standing struct {
	Place    int    `json:"place"`
	Bib      string `json:"bib"`
	Points   int64  `json:"points"`
	RecordID string `json:"record_id"`
}

// standings reads the public standings: without a token and through any caches.
func (r *smokeRace) standings(ctx context.Context) (items []standing, err error) {
	anybody := &apiclient.Client{Base: r.organizer.Base, Patience: r.organizer.Patience, HTTP: r.organizer.HTTP}
	var answer struct {
		Items []standing `json:"items"`
	}
	err = anybody.Get(ctx, r.path+"/standings", &answer)
	return answer.Items, err
}

func (r *smokeRace) compare(ctx context.Context) error {
	return r.until(ctx, func() error {
		records, err := r.records(ctx)
		if err != nil {
			return err
		}
		items, err := r.standings(ctx)
		if err != nil {
			return err
		}
		if len(items) != runners {
			return fmt.Errorf("the standings have %d entries instead of %d", len(items), runners)
		}
		for i, entry := range items[:runners-1] {
			bib := strconv.Itoa(i + 1)
			at := slices.IndexFunc(records, func(found record) bool { return found.RecordID == entry.RecordID })
			if entry.Place != i+1 || entry.Bib != bib || entry.RecordID != r.ids[bib] || at < 0 || entry.Points != records[at].Credit.Points {
				return fmt.Errorf("line %d of the standings is bib %s in place %d with %d points", i+1, entry.Bib, entry.Place, entry.Points)
			}
		}
		if last := items[runners-1]; last.Place != 0 {
			return fmt.Errorf("bib %s did not finish and has place %d", last.Bib, last.Place)
		}
		total, err := r.points(ctx)
		if err != nil {
			return err
		}
		if want := r.total + items[0].Points; total != want {
			return fmt.Errorf("the runner of bib 1 has %d points instead of %d", total, want)
		}
		return nil
	})
}

// removeRecords removes every record of the race. A removal is a revision that reverses
// the points.
func (r *smokeRace) removeRecords(ctx context.Context) error {
	records, err := r.records(ctx)
	if err != nil {
		return err
	}
	for _, found := range records {
		query := url.Values{"reason": {"end of the smoke test"}} // not in a body: not every proxy passes one on with DELETE
		err := r.organizer.Call(ctx, apiclient.Request{
			Method: http.MethodDelete, Path: r.path + "/official-records/" + url.PathEscape(found.RecordID) + "?" + query.Encode(),
			Header: map[string]string{"If-Match": strconv.Itoa(found.Revision)},
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitNothing waits until the standings and the runner's total no longer show the test.
func (r *smokeRace) awaitNothing(ctx context.Context) error {
	return r.until(ctx, func() error {
		items, err := r.standings(ctx)
		if err != nil {
			return err
		}
		if len(items) > 0 {
			return fmt.Errorf("the standings still have %d entries", len(items))
		}
		total, err := r.points(ctx)
		if err != nil {
			return err
		}
		if total != r.total {
			return fmt.Errorf("the runner has %d points instead of the %d of before", total, r.total)
		}
		return nil
	})
}

// until repeats a check until it succeeds, and returns its last error at the limit of a
// step.
func (r *smokeRace) until(ctx context.Context, check func() error) error {
	deadline := time.Now().Add(r.limit)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", r.limit, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
