package main

import (
	"cmp"
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
	password, err := samplePassword()
	if err != nil {
		return err
	}
	return logInAs(tab, api, sampleLogin, password)
}

func samplePassword() (string, error) {
	if password := os.Getenv("SAMPLE_PASSWORD"); password != "" {
		return password, nil
	}
	secrets, err := readSecrets()
	return secrets.Organizer, err
}

func readSecrets() (stack.Secrets, error) {
	root, err := stack.FindRoot()
	if err != nil {
		return stack.Secrets{}, err
	}
	return stack.LoadSecrets(filepath.Join(root, ".local"))
}

func logInAs(tab *browser.Tab, api, login, password string) error {
	return tab.Run(
		chromedp.Navigate(api+"/en/account/login"), chromedp.WaitReady("#field-login_id"),
		chromedp.SetValue("#field-login_id", login), chromedp.SetValue("#field-password", password),
		chromedp.Click("main form button"), chromedp.WaitReady(".sections"),
	)
}

// logInOperator logs the stack's operator in.
func logInOperator(tab *browser.Tab, api string) error {
	login, password := cmp.Or(os.Getenv("OPERATOR_LOGIN"), "operator"), os.Getenv("OPERATOR_PASSWORD")
	if password == "" {
		secrets, err := readSecrets()
		if err != nil {
			return err
		}
		password = secrets.Operator
	}
	return logInAs(tab, api, login, password)
}

// findOperator lists one page of each kind of an operator's.
func (st *stage) findOperator(tab *browser.Tab, api, lang string) (map[string]string, error) {
	base := api + "/" + lang + "/operate"
	pages := map[string]string{"operate": base}
	for _, path := range []string{"credits", "dead-letters", "dead-letters/redrive", "audits", "audits/start", "offers", "deliveries", "comments", "accounts", "people", "actions", "changes", "mails", "retry"} {
		pages["operate-"+strings.ReplaceAll(path, "/", "-")] = base + "/" + path
	}
	pages["operate-credits-rejected"] = base + "/credits?status=rejected&race_id=" + st.small
	pages["operate-record"], pages["operate-record-rejected"] = base+"/credits/"+st.credited, base+"/credits/"+st.rejected
	pages["operate-record-retry"] = pages["operate-record-rejected"] + "/retry"
	pages["operate-series-recompute"] = base + "/series/" + st.series + "/recompute"
	pages["operate-account"], pages["operate-account-suspend"] = base+"/accounts/"+st.first.UserID, base+"/accounts/"+st.first.UserID+"/suspend"
	pages["operate-comment-hide"], pages["operate-comments-race"] = base+"/comments/"+st.comment+"/hide", base+"/comments?race_id="+st.open
	for _, list := range []string{"bounced", "complained", "failed", "suppressed", "addresses"} {
		pages["operate-mails-"+list] = base + "/mails?state=" + list
	}
	var resend string
	if err := tab.Run(chromedp.Navigate(pages["operate-mails-bounced"]), chromedp.Evaluate(`document.querySelector("main a[href$='/resend']")?.href ?? ""`, &resend)); err != nil {
		return nil, err
	}
	if resend != "" {
		pages["operate-mail-resend"] = resend
	}
	pages["operate-comments-hidden"] = pages["operate-comments-race"] + "&state=hidden"
	pages["operate-race"] = base + "/races/" + st.small
	for _, what := range []string{"recompute", "hand-over", "void"} {
		pages["operate-race-"+what] = pages["operate-race"] + "/" + what
	}
	return pages, nil
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
func (st *stage) findOffice(tab *browser.Tab, api, lang string) (map[string]string, error) {
	pages, err := st.find(tab, api, "en")
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
		"/participants", "/disputes", "/versions", "/changes", "/keys", "/exports", "/notices",
	} {
		found["organize"+strings.ReplaceAll(path, "/", "-")] = race + path
	}
	entry := api + "/" + lang + "/organize/races/" + st.full
	found["organize-race-entry"], found["organize-entries"], found["organize-full-settings-entry"] = entry, entry+"/entries", entry+"/settings/entry"
	found["organize-small"] = api + "/" + lang + "/organize/races/" + st.small
	open, marathon := api+"/"+lang+"/organize/races/"+st.open, api+"/"+lang+"/organize/races/"+st.marathon
	found["organize-transfers"], found["organize-webhooks"] = open+"/transfers", found["organize-small"]+"/webhooks"
	for i, name := range []string{"organize-webhook", "organize-webhook-slack", "organize-webhook-discord"} {
		found[name] = found["organize-webhooks"] + "/" + st.webhooks[i]
	}
	found["organize-notices-runner"], found["organize-notices-staff"] = open+"/notices?kind=post-published", open+"/notices?kind=task-due"
	found["organize-staff-several"], found["organize-entry"] = open+"/staff", open+"/entries/"+st.first.UserID
	found["organize-small-settings-course"], found["organize-small-settings-awards"] = found["organize-small"]+"/settings/course", found["organize-small"]+"/settings/awards"
	found["organize-posts"], found["organize-post-new"], found["organize-post"] = open+"/posts", open+"/posts/new", open+"/posts/"+st.post
	found["organize-post-preview"], found["organize-comments"] = found["organize-post"], open+"/comments"
	found["organize-comments-hidden"] = open + "/comments?state=hidden"
	found["organize-admissions"], found["organize-pools-settings-entry"], found["organize-pools-entries"] = marathon+"/admissions", marathon+"/settings/entry", marathon+"/entries"
	found["organize-small-preview"], found["organize-full-preview"] = found["organize-small"]+"/settings/ranking", entry+"/settings/entry"
	found["organize-race-prepared"], found["organize-tasks"], found["organize-task"] = open, open+"/tasks", open+"/tasks/"+st.task
	found["organize-tasks-overdue"], found["organize-task-new"], found["organize-calendar"] = open+"/tasks?overdue=yes", open+"/tasks/new", open+"/calendar"
	found["organize-tasks-copy"], found["organize-tasks-move"] = open+"/tasks/copy?from="+st.small, open+"/tasks/move?days=7"
	found["organize-tasks-none"], found["organize-tasks-mine"], found["organize-calendar-made"] = entry+"/tasks", open+"/tasks?assignee=me", open+"/calendar"
	unfold(found, "organize-webhook", "organize-task", "organize-tasks", "organize-entry", "organize-post", "organize-calendar")
	found["organize-series-one"] = found["organize-series"] + "/" + st.series
	return found, nil
}
