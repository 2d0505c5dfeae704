package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/browser"
)

// sampleLogin is the organizer of the race that `make run` loads.
const sampleLogin = "sample-organizer"

// logIn logs the sample race's organizer in, whose password is SAMPLE_PASSWORD, else
// the one that the stack keeps.
func logIn(tab *browser.Tab, api string) error {
	password := os.Getenv("SAMPLE_PASSWORD")
	if password == "" {
		root, err := stack.FindRoot()
		if err != nil {
			return err
		}
		secrets, err := stack.LoadSecrets(filepath.Join(root, ".local"))
		if err != nil {
			return err
		}
		password = secrets.Organizer
	}
	return tab.Run(
		chromedp.Navigate(api+"/en/account/login"), chromedp.WaitReady("#field-login_id"),
		chromedp.SetValue("#field-login_id", sampleLogin), chromedp.SetValue("#field-password", password),
		chromedp.Click("main form button"), chromedp.WaitReady(".sections"),
	)
}

// planChanges drops a file on the page of a race's files that swaps the first two of
// the standings, has somebody new, and rows that are wrong. It is never applied.
const planChanges = `(async () => {
	const race = location.pathname.split("/")[4];
	const {items} = await (await fetch("/v1/races/" + race + "/standings?limit=12")).json();
	const rows = items.map((one, i) => [one.bib, one.name, one.sex, one.age, items[i < 2 ? 1 - i : i].gun_time, items[i < 2 ? 1 - i : i].net_time]);
	rows.push([rows[5][0], "Somebody Else", "F", 33, "2:59:00", ""], ["90001", "Jo <b>Quick</b>", "F", 29, "1:10:00", ""],
		["90002", "Kim Lee", "M", 41, "tomorrow", ""], ["90003", "Lou May", "M", 52, "3:aa", ""]);
	rows.splice(6, 1);
	const text = ["Bib,Name,Sex,Age,Gun Time,Net Time,Shirt", ...rows.map((row) => [...row, "M"].join(","))].join("\n");
	const files = new DataTransfer();
	files.items.add(new File([text], "Boston final (2).csv"));
	const input = document.querySelector("#field-file");
	input.files = files.files;
	input.form.requestSubmit();
})()`

// findOffice follows links to one page of each kind of a race's organizer.
func findOffice(tab *browser.Tab, api, lang string) (map[string]string, error) {
	pages, err := find(tab, api, "en")
	if err != nil {
		return nil, err
	}
	race := api + "/" + lang + "/organize" + strings.TrimPrefix(pages["race"], api+"/en")
	var plan, applied, record string
	err = tab.Run(
		chromedp.Navigate(race+"/files"), chromedp.WaitReady("#field-file"),
		chromedp.Evaluate(`[...document.querySelectorAll(".imports li")].find((one) => one.querySelector(".official"))?.querySelector("a").href ?? ""`, &applied),
		chromedp.Evaluate(planChanges, nil), chromedp.WaitReady(".plan-says"), chromedp.Location(&plan),
		chromedp.Navigate(race+"/records"), chromedp.WaitReady(".rows"), chromedp.Evaluate(`document.querySelector(".rows tbody a").href`, &record),
	)
	if err != nil {
		return nil, err
	}
	found := map[string]string{
		"office-files": race + "/files", "office-plan": plan, "office-plan-wrong": plan + "?show=error", "office-records": race + "/records", "office-record-new": race + "/records/new",
		"office-records-found": race + "/records?q=er", "office-record": record, "office-record-swap": record + "/swap", "office-record-remove": record + "/remove",
	}
	if applied != "" {
		found["office-applied"], found["office-undo"] = applied, applied+"/undo"
	}
	found["organize"], found["organize-new"], found["organize-race"] = api+"/"+lang+"/organize", api+"/"+lang+"/organize/races/new", race
	found["organize-series"], found["organize-series-new"] = found["organize"]+"/series", found["organize"]+"/series/new"
	for _, path := range []string{
		"/settings/general", "/settings/ranking", "/settings/divisions", "/settings/awards", "/settings/course", "/settings/entry", "/publish", "/void", "/staff", "/claims", "/claim-codes",
		"/participants", "/disputes", "/versions", "/changes", "/keys", "/exports",
	} {
		found["organize"+strings.ReplaceAll(path, "/", "-")] = race + path
	}
	return found, nil
}

// takeOffice takes pictures of an organizer's pages.
func takeOffice(b *browser.Browser, api, folder, only string) (taken int, err error) {
	for name, view := range views {
		tab, err := b.Open(view)
		if err != nil {
			return taken, err
		}
		if err := logIn(tab, api); err != nil {
			return taken, fmt.Errorf("log the sample race's organizer in: %w", err)
		}
		for _, lang := range languages {
			pages, err := findOffice(tab, api, lang)
			if err != nil {
				return taken, err
			}
			for page, address := range pages {
				file := page + "-" + lang + "-" + name + ".png"
				if !strings.Contains(file, only) {
					continue
				}
				if err := take(tab, address, filepath.Join(folder, file), view); err != nil {
					return taken, fmt.Errorf("%s: %w", address, err)
				}
				taken++
			}
		}
		tab.Close()
	}
	return taken, nil
}
