package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mrmrthon/mrmrthon/internal/browser"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// mailViews are how mail programs show mails: on a phone, and beside a list of mails.
var mailViews = map[string]browser.View{
	"phone-light": {Width: 390, Height: 200},
	"phone-dark":  {Width: 390, Height: 200, Dark: true},
	"pane-light":  {Width: 640, Height: 200},
	"pane-dark":   {Width: 640, Height: 200, Dark: true},
}

// publicURL is where links of the mails lead to.
const publicURL = "https://results.example.org"

// sampleMails returns a mail of every kind, by its name.
func sampleMails(language string) (map[string]mail.Message, error) {
	at := time.Date(2026, 10, 21, 23, 4, 0, 0, time.UTC)
	mails := map[string]mail.Message{}
	for _, kind := range userdb.AccountMailKinds() {
		m := userdb.Mail{ID: "sample", Kind: kind, Language: language, Address: "runner@example.org", CreatedAt: at, Token: strings.Repeat("sample-", 6)}
		switch kind { //nolint:exhaustive // others have no detail
		case userdb.NewDevice:
			m.Detail = "Firefox, Windows"
		case userdb.KeyCreated:
			m.Detail = "mrk_x7Fq2a"
		case userdb.RecoveredKeepingPasskeys:
			m.Detail = "2026-04-20, 2026-09-01"
		}
		written, err := mail.Write(m, publicURL)
		if err != nil {
			return nil, err
		}
		mails[string(kind)] = written
	}
	for _, definition := range notice.Definitions() {
		if definition.Kind == notice.Security { // the mails about accounts
			continue
		}
		about, err := json.Marshal(sampleFacts(language, at))
		if err != nil {
			return nil, err
		}
		m := userdb.Mail{ID: "sample", Kind: userdb.MailKind(definition.Kind), Language: language, Address: "runner@example.org", CreatedAt: at, About: about}
		written, err := mail.WriteNotice(m, notice.Unsubscriber{ID: [16]byte{1}, Secret: [32]byte{2}}, publicURL)
		if err != nil {
			return nil, err
		}
		mails[string(definition.Kind)] = written
	}
	return mails, nil
}

// sampleFacts has something for every kind of notice.
func sampleFacts(language string, at time.Time) notice.Facts {
	facts := notice.Facts{
		RaceID: "0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07", Race: "Chuncheon Lakeside Marathon 2026", Date: "2026-10-25", Zone: "Asia/Seoul", Bib: "4711",
		Before: &notice.Figures{Gun: "3:12:45", Net: "3:11:58", Status: "OK", Place: 512, SexPlace: 48, Division: "Women 40–49", DivisionPlace: 9, Points: 655},
		Now:    &notice.Figures{Gun: "3:11:45", Net: "3:10:58", Status: "OK", Place: 498, SexPlace: 45, Division: "Women 40–49", DivisionPlace: 8, Points: 661},
		Until:  at.Add(48 * time.Hour), Count: 6, Causes: []string{"17", "2093"},
		Post: &notice.Post{ID: "0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e08", Title: "The start moves to 8:30", Excerpt: "Fog is forecast for the lake until eight, so all groups start half an hour later.\nBags are taken until 8:00.\n\nBuses leave the station as planned."},
		Tasks: []notice.Task{
			{Title: "Order the medals", Status: "in_progress", Deadline: "2026-10-01T09:00:00+09:00"},
			{Title: "Ask the city for the road closure from the bridge to the stadium", Status: "open", Deadline: "2026-09-15"},
			{Title: "Book the timing company", Status: "done"},
		},
	}
	if language == "ko" {
		facts.Race, facts.Before.Division, facts.Now.Division = "2026 춘천 호반 마라톤 대회", "여자 40대", "여자 40대"
		facts.Post.Title, facts.Post.Excerpt = "출발 시각이 8시 30분으로 바뀌었습니다", "호수 주변에 오전 8시까지 안개가 예보되어 모든 조가 30분 늦게 출발합니다.\n물품은 8시까지 맡길 수 있습니다.\n\n셔틀버스는 예정대로 역에서 출발합니다."
		facts.Tasks[0].Title, facts.Tasks[1].Title, facts.Tasks[2].Title = "완주 메달 주문하기", "다리부터 주경기장까지 교통 통제를 시청에 신청하기", "기록 계측 업체 예약하기"
	}
	return facts
}

// takeMails takes a picture of a mail of every kind, and keeps its text beside it. It
// needs no stack.
func takeMails(b *browser.Browser, folder string, wanted *regexp.Regexp, name string, view browser.View) (taken int, err error) {
	tab, err := b.Open(view)
	if err != nil {
		return 0, err
	}
	defer tab.Close()
	page := filepath.Join(folder, "mail.html") // of each in turn
	defer func() { _ = os.Remove(page) }()
	address, err := filepath.Abs(page)
	if err != nil {
		return 0, err
	}
	for _, language := range languages {
		mails, err := sampleMails(language)
		if err != nil {
			return taken, err
		}
		for kind, m := range mails {
			file := "mail-" + kind + "-" + language + "-" + name + ".png"
			if !wanted.MatchString(file) {
				continue
			}
			if err := os.WriteFile(page, []byte(m.HTML), 0o600); err != nil {
				return taken, err
			}
			if err := tab.Run(chromedp.EmulateViewport(view.Width, view.Height), chromedp.Navigate("file://"+address)); err != nil {
				return taken, err
			}
			if err := capture(tab, filepath.Join(folder, file), view); err != nil {
				return taken, err
			}
			text := "Subject: " + m.Subject + "\n\n" + m.Text
			if err := os.WriteFile(filepath.Join(folder, "mail-"+kind+"-"+language+".txt"), []byte(text), 0o600); err != nil {
				return taken, err
			}
			taken++
		}
	}
	return taken, nil
}
