package pages

import (
	"context"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// calendarPages adds the page of the address at which a calendar program reads the tasks.
func (s *site) calendarPages(get, post func(path string, act action)) {
	get(ofRace+"/calendar", s.calendarPage)
	post(ofRace+"/calendar", s.changeCalendar)
}

func calendarPath(raceID string) string { return organizedPath(raceID) + "/calendar" }

// calendarView is the caller's address of a race's calendar.
type calendarView struct {
	race.Race
	since   time.Time // zero: there is none
	address string    // the new one, just after it was made
}

// webcal is the address for programs that subscribe to a calendar when a link is opened.
func (c calendarView) webcal() string {
	_, rest, _ := strings.Cut(c.address, "://")
	return "webcal://" + rest
}

func (s *site) calendarPage(ctx context.Context, v *visit) (page, error) {
	return s.calendarWith(ctx, v, "")
}

func (s *site) calendarWith(ctx context.Context, v *visit, address string) (page, error) {
	view := calendarView{Race: server.RaceFrom(ctx), address: address}
	var err error
	if view.since, err = s.Tasks.FeedSince(ctx); err != nil {
		return page{}, err
	}
	return page{title: v.T("calendar.title"), body: calendarBody(v, view), module: "organize.js"}, nil
}

// changeCalendar shows a new address in its answer, and never again, or ends the one that
// there is.
func (s *site) changeCalendar(ctx context.Context, v *visit) (page, error) {
	if v.form.get("do") == "revoke" {
		if err := s.Tasks.CloseFeed(ctx); err != nil && !isNotFound(err) { // it has ended already
			return page{}, err
		}
		return v.done(calendarPath(v.raceID), "calendar-closed")
	}
	address, err := s.Tasks.OpenFeed(ctx)
	if err != nil {
		return page{}, err
	}
	return s.calendarWith(ctx, v, with(address, "lang", v.tag))
}
