package pages

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// windows are the protest windows that the form offers, in seconds.
var windows = []int{0, 900, 1800, 3600, 7200, 21_600, 86_400, 259_200}

func (v *visit) windowChoices() []option {
	var choices []option
	for _, seconds := range windows {
		label := v.T("publish.window.none")
		switch {
		case seconds >= 86_400:
			label = v.N("publish.window.days", seconds/86_400)
		case seconds >= 7200:
			label = v.N("publish.window.hours", seconds/3600)
		case seconds > 0:
			label = v.N("publish.window.minutes", seconds/60)
		}
		choices = append(choices, option{strconv.Itoa(seconds), label})
	}
	return choices
}

// check is a line of the list before publication.
type check struct {
	state string // good, wait or bad
	text  string
	link  string // where to put it right; empty: nowhere
}

// checklist is what to look at before the results become official.
func (s *site) checklist(v *visit, r *runRace) []check {
	list := []check{}
	add := func(good bool, otherwise, yes, no, link string) {
		if good {
			list = append(list, check{"good", yes, ""})
			return
		}
		list = append(list, check{otherwise, no, link})
	}
	entered, none := organizedPath(r.ID)+"/records", ""
	add(r.Status != race.Scheduled, "bad", v.N("publish.has.results", r.latest.Entries), v.T("publish.no.results"), organizedPath(r.ID)+"/files")
	if r.Status == race.Scheduled {
		return list
	}
	if r.tallyKnown {
		add(r.tally.Pending == 0, "wait", v.T("publish.all.credited"), v.N("publish.pending", r.tally.Pending), none)
		add(r.tally.Rejected == 0, "wait", v.T("publish.no.rejected"), v.N("publish.rejected", r.tally.Rejected), entered+"?credit=rejected")
	} else {
		add(false, "wait", none, v.T("organize.unknown"), none)
	}
	add(r.disputes == 0, "bad", v.T("publish.no.disputes"), v.N("publish.disputes", r.disputes), organizedPath(r.ID)+"/disputes")
	add(len(r.Divisions) > 0, "wait", v.N("publish.divisions", len(r.Divisions)), v.T("publish.no.divisions"), organizedPath(r.ID)+"/settings/divisions")
	return list
}

func (s *site) publishForm(ctx context.Context, v *visit) (page, error) {
	r, err := s.run(ctx)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("publish.title"), body: publishBody(v, r, s.checklist(v, r)), module: "organize.js"}, nil
}

// publish opens or cancels the protest window, or lets publication go on despite
// disputes.
func (s *site) publish(ctx context.Context, v *visit) (page, error) {
	var said string
	var err error
	if v.form.get("do") == "cancel" {
		said, err = "window-cancelled", s.Standings.CancelFinalize(ctx)
	} else {
		in := v.finalizing()
		if v.form.refused() {
			return s.publishForm(ctx, v)
		}
		said, err = "window-opened", s.Standings.Finalize(ctx, in)
	}
	if v.refused(err) {
		return s.publishForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/publish", said)
}

// finalizing reads how results are to be published.
func (v *visit) finalizing() apistandings.Finalizing {
	in := apistandings.Finalizing{Reason: v.form.get("reason"), DespiteDisputes: v.form.checked("despite_disputes", false)}
	if v.form.get("protest_window_s") != "" {
		in.ProtestWindowS = new(v.whole("protest_window_s"))
	}
	if in.Reason != "" && !in.DespiteDisputes {
		v.blame("despite_disputes", v.T("publish.tick"))
	}
	return in
}

func (s *site) voidForm(ctx context.Context, v *visit) (page, error) {
	r := server.RaceFrom(ctx)
	var leadsTo *consequencesView
	if r.Status == race.Provisional || r.Status == race.Official {
		planned, err := s.Settings.PlanVoid(ctx)
		if err != nil {
			return page{}, err
		}
		if leadsTo, err = s.consequencesOf(ctx, v, planned); err != nil {
			return page{}, err
		}
	}
	return page{title: v.T("void.title"), body: voidBody(v, r, leadsTo)}, nil
}

// voidRace voids a race, or deletes one that has no results yet.
func (s *site) voidRace(ctx context.Context, v *visit) (page, error) {
	r := server.RaceFrom(ctx)
	if race.Visible(v.form.get("confirm")) != race.Visible(r.Name) {
		v.blame("confirm", v.T("void.mismatch", "Name", r.Name))
	}
	if v.form.get("do") == "delete" {
		if v.form.refused() {
			return s.voidForm(ctx, v)
		}
		err := s.Settings.Delete(ctx)
		if v.refused(err) {
			return s.voidForm(ctx, v)
		}
		if err != nil {
			return page{}, err
		}
		return v.done(organizePath, "race-deleted")
	}
	if v.form.get("reason") == "" {
		v.blame("reason", v.T("wrong.reason"))
	}
	if v.form.refused() {
		return s.voidForm(ctx, v)
	}
	err := s.Settings.Void(ctx, v.form.get("reason"))
	if v.refused(err) {
		return s.voidForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(r.ID), "race-voided")
}

// remaining writes for how long something goes on, as 1:29:05; a module counts down.
func remaining(d time.Duration) string {
	seconds := max(int(d.Round(time.Second)/time.Second), 0)
	if seconds >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
