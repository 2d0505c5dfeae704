package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/internal/browser"
)

// stage is what the sample race does not show: a small race with splits, teams, awards
// and a rejected credit, a series with it, and races to come.
type stage struct {
	small, series, runner     string
	open, full, free, unasked string              // races with places, without, with one that comes free, and that nobody has entered
	credited, rejected        string              // records of the small race
	webhooks                  []string            // of the small race: a program, Slack and Discord
	staff                     []*apiclient.Client // of the race with places: an editor and a timer
	drawn, marathon           string              // races that draw their places, and with pools and a next edition
	post, comment             string              // of the open race; the comment is reported
	code                      string              // of a place in the race that nobody else has entered
	claim                     string              // the code of bib 2 of the small race
	task                      string              // of the race with places
	deferred                  string              // a race whose place the runner has deferred
	first                     *apiclient.Client
}

type fields = map[string]any

// setStage adds races of the sample's organizer. Each run adds its own.
func setStage(ctx context.Context, api string) (*stage, error) {
	password, err := samplePassword()
	if err != nil {
		return nil, err
	}
	organizer := &apiclient.Client{Base: api, Login: sampleLogin, Password: password, Patience: time.Minute}
	if err := organizer.LogIn(ctx); err != nil {
		return nil, fmt.Errorf("log the sample race's organizer in: %w", err)
	}
	var st stage
	st.first = &apiclient.Client{Base: api, Login: "first-" + uuid.NewString(), Password: uuid.NewString(), Patience: time.Minute}
	if err := st.first.JSON(ctx, http.MethodPost, "/v1/users", fields{
		"login_id": st.first.Login, "password": st.first.Password, "name": "Ingrid Kristiansen", "user_type": "runner", "birth_date": "1986-03-21", "sex": "F",
	}, nil); err != nil {
		return nil, err
	}
	if err := st.first.LogIn(ctx); err != nil {
		return nil, err
	}
	soon := time.Now().AddDate(0, 2, 0).Truncate(time.Hour)
	var races []string
	add := func(body fields) (string, error) {
		var made struct {
			RaceID string `json:"race_id"`
		}
		body["ranking"], body["country"] = fields{"basis": "gun", "ties": "net"}, "KR"
		err := organizer.JSON(ctx, http.MethodPost, "/v1/races", body, &made)
		return made.RaceID, err
	}
	for i, places := range []int{500, 1, 1, 40} {
		id, err := add(fields{
			"name": []string{"Han River Half", "Namsan Night Run", "Seoul Forest 10 km", "Jeju Sunrise Run"}[i], "date": soon.AddDate(0, 0, 7*i).Format(time.DateOnly),
			"distance_m": []int{21_098, 10_000, 10_000, 5_000}[i], "city": "Seoul", "entry": fields{"capacity": places, "time_zone": "Asia/Seoul", "bib_from": 1, "bib_to": 999, "transfer_until": soon.Format(time.RFC3339)},
		})
		if err != nil {
			return nil, err
		}
		if places == 1 {
			if err := st.first.JSON(ctx, http.MethodPost, "/v1/races/"+id+"/participants", fields{}, nil); err != nil {
				return nil, err
			}
		}
		races = append(races, id)
	}
	st.open, st.full, st.free, st.unasked = races[0], races[1], races[2], races[3]

	if err := st.addSmall(ctx, organizer, add); err != nil {
		return nil, err
	}
	if err := st.addStaff(ctx, api, organizer); err != nil {
		return nil, err
	}
	if err := st.addTasks(ctx, organizer); err != nil {
		return nil, err
	}
	if err := st.addMails(ctx, api); err != nil {
		return nil, err
	}
	if err := st.addSeries(ctx, organizer); err != nil {
		return nil, err
	}
	if err := st.addPools(ctx, organizer, add, soon); err != nil {
		return nil, err
	}
	if err := st.addPosts(ctx, organizer); err != nil {
		return nil, err
	}
	if err := st.readClaimCode(ctx, organizer); err != nil {
		return nil, err
	}
	return &st, st.ranked(ctx, organizer)
}

// addSeries adds a series of the small race and the one with places.
func (st *stage) addSeries(ctx context.Context, organizer *apiclient.Client) error {
	var made struct {
		SeriesID string `json:"series_id"`
	}
	err := organizer.JSON(ctx, http.MethodPost, "/v1/series", fields{"name": "Han River Series 2026", "races": []fields{{"race_id": st.small, "multiplier": 1.5}, {"race_id": st.open}}, "best": 3}, &made)
	st.series = made.SeriesID
	return err
}

// readClaimCode reads the code by which the result of bib 2 is claimed.
func (st *stage) readClaimCode(ctx context.Context, organizer *apiclient.Client) error {
	var codes struct {
		Items []struct {
			Bib  string `json:"bib"`
			Code string `json:"code"`
		} `json:"items"`
	}
	if err := organizer.Get(ctx, "/v1/races/"+st.small+"/claim-codes", &codes); err != nil {
		return err
	}
	for _, one := range codes.Items {
		if one.Bib == "2" {
			st.claim = one.Code
		}
	}
	return nil
}

// addSmall adds the small race with its runners and results.
func (st *stage) addSmall(ctx context.Context, organizer *apiclient.Client, add func(fields) (string, error)) error {
	var err error
	if st.small, err = add(fields{
		"name": "Riverside 10 km", "date": "2026-05-10", "distance_m": 10_000, "city": "Seoul",
		"timing_points": []fields{{"name": "3 km", "distance_m": 3000}, {"name": "Bridge", "distance_m": 7500}},
		"teams":         []fields{{"name": "Clubs", "rule": "times", "n": 2, "sex": "mixed"}},
		"divisions":     []fields{{"name": "Women", "sex": "F"}, {"name": "Men", "sex": "M"}},
		"awards":        fields{"overall": 3, "by_sex": true, "divisions": 2, "one_award_only": true},
	}); err != nil {
		return err
	}
	path := "/v1/races/" + st.small
	if err := st.addWebhooks(ctx, organizer); err != nil {
		return err
	}
	if _, err := organizer.ImportCSV(ctx, path+"/participants/import", []byte(`bib,name,sex,age,team
1,김하나,F,34,한강 러닝 크루
2,Rosa Mota,F,41,Porto Runners
3,Sohn Kee-chung,M,29,한강 러닝 크루
4,Emil Zátopek,M,33,Porto Runners
5,이두리,M,52,
6,Carla Beurskens,F,47,Porto Runners
7,박세찬,M,24,한강 러닝 크루
8,Alberto Cova,M,38,
`)); err != nil {
		return err
	}
	for i, bib := range []string{"3", "4", "1", "7", "2", "8", "5", "77"} {
		var made struct {
			RecordID string `json:"record_id"`
		}
		at := func(share float64) string {
			t := time.Duration(share * float64(34*time.Minute+time.Duration(i*97)*time.Second)).Round(time.Second)
			return fmt.Sprintf("%d:%02d:%02d", int(t.Hours()), int(t.Minutes())%60, int(t.Seconds())%60)
		}
		if err := organizer.JSON(ctx, http.MethodPost, path+"/official-records", fields{
			"bib": bib, "gun_time": at(1), "net_time": at(1 - 0.04*float64(i%3)), "splits": []fields{{"point": "3 km", "time": at(0.29)}, {"point": "Bridge", "time": at(0.76)}},
		}, &made); err != nil {
			return err
		}
		if bib == "1" {
			st.credited = made.RecordID
		}
		st.rejected = made.RecordID // the last, of nobody
	}
	return nil
}

// addPools adds races whose places are drawn, or in pools with a qualifying time and a
// next edition, and enters somebody.
func (st *stage) addPools(ctx context.Context, organizer *apiclient.Client, add func(fields) (string, error), soon time.Time) error {
	var err error
	day := func(weeks int) string { return soon.AddDate(0, 0, 7*weeks).Format(time.DateOnly) }
	until := soon.AddDate(0, 0, -14).Format(time.RFC3339)
	if st.drawn, err = add(fields{"name": "Seoraksan Trail", "date": day(5), "distance_m": 42_195, "city": "Sokcho", "entry": fields{
		"capacity": 300, "time_zone": "Asia/Seoul", "order": "draw", "closes_at": until,
	}}); err != nil {
		return err
	}
	next, err := add(fields{"name": "Gyeongju Marathon, next year", "date": soon.AddDate(1, 0, 0).Format(time.DateOnly), "distance_m": 42_195, "city": "Gyeongju", "entry": fields{"capacity": 2000, "time_zone": "Asia/Seoul"}})
	if err != nil {
		return err
	}
	if st.deferred, err = add(fields{"name": "Gyeongju Night Run", "date": day(4), "distance_m": 10_000, "city": "Gyeongju", "entry": fields{"capacity": 900, "time_zone": "Asia/Seoul", "next_race_id": next, "defer_until": until}}); err != nil {
		return err
	}
	if st.marathon, err = add(fields{"name": "Gyeongju Marathon", "date": day(3), "distance_m": 42_195, "city": "Gyeongju", "entry": fields{
		"time_zone": "Asia/Seoul", "next_race_id": next, "defer_until": until, "pools": []fields{
			{"name": "Everyone", "capacity": 1500},
			{"name": "Fast runners", "capacity": 200, "standard": fields{"distance_m": 42_195, "men": "3:00:00", "women": "3:30:00", "since": "2025-01-01"}},
		},
	}}); err != nil {
		return err
	}
	if err := organizer.JSON(ctx, http.MethodPost, "/v1/races/"+st.marathon+"/admissions", fields{"login_id": st.first.Login, "pool": "Fast runners", "reason": "Ingrid, who won in 2019"}, nil); err != nil {
		return err
	}
	for _, id := range []string{st.drawn, st.unasked, st.open} {
		if err := st.first.JSON(ctx, http.MethodPost, "/v1/races/"+id+"/participants", fields{}, nil); err != nil {
			return err
		}
	}
	var offered struct {
		Code string `json:"code"`
	}
	err = st.first.JSON(ctx, http.MethodPost, "/v1/races/"+st.unasked+"/participants/me/transfer", fields{}, &offered)
	st.code = offered.Code
	return err
}

// ranked waits until the series ranks the small race's runners.
func (st *stage) ranked(ctx context.Context, c *apiclient.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		var found struct {
			Items []struct {
				UserID string `json:"user_id"`
			} `json:"items"`
		}
		if err := c.Get(ctx, "/v1/series/"+st.series+"/standings", &found); err != nil {
			return err
		}
		if len(found.Items) > 0 {
			st.runner = found.Items[0].UserID
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the series is not ranked: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// transfer is where the runner transfers the place that they have.
func (st *stage) transfer() string { return "/my/races/" + st.open + "/transfer" }

// deferPlace enters the runner and has them defer, as they would by the buttons.
func (st *stage) deferPlace(ctx context.Context, runner *apiclient.Client) error {
	if err := runner.LogIn(ctx); err != nil {
		return err
	}
	path := "/v1/races/" + st.deferred + "/participants"
	if err := runner.JSON(ctx, http.MethodPost, path, fields{}, nil); err != nil {
		return err
	}
	return runner.JSON(ctx, http.MethodPost, path+"/me/defer", nil, nil)
}

// leave has the only entrant of a race go, whose place is then offered to the runner.
func (st *stage) leave(tab *browser.Tab) error {
	return st.first.JSON(tab, http.MethodDelete, "/v1/races/"+st.free+"/participants/me", nil, nil)
}
