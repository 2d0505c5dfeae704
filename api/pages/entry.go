package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// entryPages adds the pages by which runners enter races.
func (s *site) entryPages() {
	s.visit(get, "/my/races/{race_id}", s.entryForm)
	s.visit(post, "/my/races/{race_id}", s.enter)
	s.visit(post, "/my/races/{race_id}/cancel", s.cancelEntry)
	s.visit(post, "/my/races/{race_id}/defer", s.deferEntry)
	s.visit(post, "/my/races/{race_id}/accept", s.acceptPlace)
	s.visit(post, "/my/races/{race_id}/decline", s.declinePlace)
	s.visit(post, "/my/races/{race_id}/standing", s.setStanding)
	s.transferPages()
}

func myRacePath(raceID string) string { return "/my/races/" + raceID }

// entryState is how entry to a race with entry settings stands.
type entryState struct {
	*race.EntrySettings
	pools []maindb.PoolCounts
	now   time.Time
	draw  maindb.Draw // of a race that draws its places
}

// drawing reports whether the race's places are still to be drawn.
func (e *entryState) drawing() bool { return e.Order == race.ByDraw && e.draw.DrawnAt.IsZero() }

// readEntry reads how entry to a race stands; nil for a race without entry settings.
func (s *site) readEntry(ctx context.Context, r race.Race) (*entryState, error) {
	if r.Entry == nil {
		return nil, nil //nolint:nilnil // such a race has no state of entry
	}
	pools, err := s.Races.PoolCounts(ctx, r)
	if err != nil {
		return nil, err
	}
	e := &entryState{EntrySettings: r.Entry, pools: pools, now: s.Now()}
	if r.Entry.Order == race.ByDraw {
		e.draw, err = s.Races.DrawOf(ctx, r)
	}
	return e, err
}

// phase is the key of the text that says whether one can enter: closed, paused, early,
// open, draw, line or full.
func (e *entryState) phase() string {
	switch {
	case !e.ClosesAt.IsZero() && !e.now.Before(e.ClosesAt):
		return "closed"
	case e.Paused:
		return "paused"
	}
	phase := "full"
	if e.WaitingList {
		phase = "line"
	}
	early := true
	for _, pool := range e.pools {
		if e.opens(pool) {
			continue
		}
		early = false
		if left(pool) != 0 {
			phase = "open"
		}
	}
	switch {
	case early:
		return "early"
	case e.drawing():
		return "draw"
	}
	return phase
}

// opens reports whether entry to a pool is still to open.
func (e *entryState) opens(pool maindb.PoolCounts) bool {
	return e.now.Before(e.OpenFrom(pool.EntryPool))
}

// opening is when entry to the first of the pools that are still closed opens; zero when
// there is none.
func (e *entryState) opening() time.Time {
	var first time.Time
	for _, pool := range e.pools {
		if at := e.OpenFrom(pool.EntryPool); e.opens(pool) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// unlimited is the number of places that are left in a pool without a bound.
const unlimited = -1

// left is how many places of a pool somebody who comes now can get: those that come free
// while others wait are theirs.
func left(pool maindb.PoolCounts) int {
	switch {
	case pool.Capacity == 0:
		return unlimited
	case pool.Waiting > 0:
		return 0
	}
	return max(0, pool.Capacity-pool.Taken-pool.Offered)
}

// places says how many places of a pool are left.
func (l *locale) places(e *entryState, pool maindb.PoolCounts) string {
	if e.drawing() { // until the draw nobody knows how many are left
		return l.N("draw.registered.count", pool.Registered, "Capacity", l.Number(pool.Capacity))
	}
	switch n := left(pool); {
	case n == unlimited:
		return l.T("entry.unlimited")
	case n > 0:
		return l.N("entry.left", n, "Capacity", l.Number(pool.Capacity))
	case pool.Waiting > 0:
		return l.N("entry.full.waiting", pool.Waiting)
	}
	return l.T("entry.full.none")
}

// raceTime writes a time as the race's clock shows it.
func (l *locale) raceTime(s *race.EntrySettings, t time.Time) string {
	t = s.In(t)
	clock := "15:04 MST"
	if t.Second() != 0 {
		clock = "15:04:05 MST"
	}
	if l.tag == "ko" {
		return fmt.Sprintf("%d년 %d월 %d일 %s", t.Year(), int(t.Month()), t.Day(), t.Format(clock))
	}
	return t.Format("2 January 2006, " + clock)
}

// shownUntil returns what people are told of the end of an offer: the minute in which it
// ends, and so never a later moment.
func shownUntil(end time.Time) time.Time { return end.Truncate(time.Minute) }

// hold says for how long an offer of a race holds a place at most.
func (l *locale) hold(s *race.EntrySettings) string {
	hold := s.OfferHold
	if hold == 0 {
		hold = 24 * time.Hour
	}
	if hold%time.Hour != 0 {
		return l.N("minutes", int(hold/time.Minute))
	}
	return l.N("hours", int(hold/time.Hour))
}

// entryView is a runner's entry in a race, or the form for one.
type entryView struct {
	*raceView
	entry   *maindb.LineEntry // nil: none that stands
	before  maindb.LineEntry  // an earlier entry, which ended; without a status: there is none
	account userdb.Account
	pools   []maindb.PoolCounts // those that the runner can choose from
	offered *races.TransferBody // the transfer of their place; nil: none
	best    map[int]race.Time   // the runner's for pools that demand a qualifying time, by key
	next    *race.Race          // the edition that they can defer to, or have deferred to; nil: none
	prior   *race.Race          // the edition that the place was deferred from; nil: none
}

// in reports whether the runner has a place, is offered one, or waits for one.
func (view entryView) in() bool { return view.entry != nil }

// inLine reports whether the runner waits for a place.
func (view entryView) inLine() bool { return view.in() && view.entry.Status == race.Waiting }

// live says how often the module reads the page again, if it does: only while something
// can happen without the runner.
func (view entryView) live() bool {
	return view.in() && view.Status == race.Scheduled && (view.entry.Status == race.Waiting || view.entry.Status == race.Offered)
}

// state names what the page shows, for the module: it puts another part in its place when
// the state changes.
func (view entryView) state() string {
	if view.in() {
		return string(view.entry.Status)
	}
	return "none"
}

// closed reports whether nobody can enter any more.
func (view entryView) closed() bool {
	return view.Status != race.Scheduled || view.places != nil && view.places.phase() == "closed"
}

// opens is when the form can be sent: when the pool opens that is chosen in a new form.
func (view entryView) opens() time.Time {
	if view.places == nil || len(view.pools) == 0 {
		return time.Time{}
	}
	return view.places.OpenFrom(view.pools[0].EntryPool)
}

func (s *site) entryForm(ctx context.Context, v *visit) (page, error) {
	v.path = myRacePath(v.raceID) // also after a button
	found, err := s.readRace(ctx, v.raceID)
	if err != nil {
		return page{}, err
	}
	if found.places, err = s.readEntry(ctx, found.Race); err != nil {
		return page{}, err
	}
	view := entryView{raceView: found}
	entry, err := s.Races.EntryOf(ctx, v.raceID, v.caller.UserID)
	switch {
	case err == nil && entry.Status.Left():
		view.before = entry
	case err == nil:
		view.entry = &entry
	case !isNotFound(err):
		return page{}, err
	}
	if view.account, err = s.Accounts.Account(ctx, v.caller.UserID); err != nil {
		return page{}, err
	}
	if view.in() && entry.Status == race.Entered && found.places != nil {
		if view.offered, err = s.placeOffered(ctx, v.raceID, v.caller.UserID); err != nil {
			return page{}, err
		}
	}
	if found.places != nil {
		view.pools = poolsFor(found.Race, found.places.pools, view.account)
		if view.best, err = s.bestTimes(ctx, view.pools, v.caller.UserID); err != nil {
			return page{}, err
		}
	}
	if err := s.readDeferral(ctx, &view, entry); err != nil {
		return page{}, err
	}
	return page{title: v.T("entry.title") + " · " + found.Name, body: entryBody(v, view), module: "entry.js"}, nil
}

// poolsFor are the pools that a runner can choose from.
func poolsFor(r race.Race, pools []maindb.PoolCounts, account userdb.Account) []maindb.PoolCounts {
	age := race.UnknownAge
	if !account.BirthDate.IsZero() {
		age = account.BirthDate.AgeOn(r.Date)
	}
	return slices.DeleteFunc(slices.Clone(pools), func(pool maindb.PoolCounts) bool {
		_, err := r.ChooseEntryPool(pool.Name, account.Sex, age)
		return err != nil
	})
}

// enter answers the one button of the form. Whatever is wrong, the form comes back with
// what was in it.
func (s *site) enter(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.raceID) {
		return page{}, race.ErrNotFound
	}
	entry, err := s.Settings.Enter(ctx, v.raceID, v.form.get("team"), v.form.get("pool"), v.form.get("standing_acceptance") != "")
	if s.notNow(ctx, v, err) || v.refused(err) {
		return s.entryForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	if entry.Status == race.Registered {
		return v.done(myRacePath(v.raceID), "registered")
	}
	if entry.Status == race.Waiting {
		return v.done(myRacePath(v.raceID), "in-line")
	}
	return v.done(myRacePath(v.raceID), "entered")
}

// notNow says what is wrong when the same form will be accepted at another moment, and
// reports whether that is so: entry has not opened, or too many are entering.
func (s *site) notNow(ctx context.Context, v *visit, err error) bool {
	if conflict, ok := errors.AsType[*race.ConflictError](err); ok && conflict.Field == "opens_at" {
		v.form.status, v.form.problem = http.StatusConflict, v.T("entry.early.refused")
		return true
	}
	if conflict, ok := errors.AsType[*race.ConflictError](err); ok && conflict.Field == "closes_at" {
		v.form.status, v.form.problem = http.StatusConflict, v.T("entry.closed.refused")
		return true
	}
	if err == nil {
		return false
	}
	problem, headers := server.Problem(ctx, err)
	if problem.Status != http.StatusServiceUnavailable {
		return false
	}
	v.form.status, v.form.headers, v.form.problem = problem.Status, headers, v.T("entry.busy")
	return true
}

func (s *site) acceptPlace(ctx context.Context, v *visit) (page, error) {
	return s.changeEntry(ctx, v, "entered", func() error { return s.Settings.Answer(ctx, v.raceID, true) })
}

func (s *site) declinePlace(ctx context.Context, v *visit) (page, error) {
	return s.changeEntry(ctx, v, "offer-declined", func() error { return s.Settings.Answer(ctx, v.raceID, false) })
}

func (s *site) setStanding(ctx context.Context, v *visit) (page, error) {
	standing, said := v.form.get("standing_acceptance") != "", "standing-off"
	if standing {
		said = "standing-on"
	}
	return s.changeEntry(ctx, v, said, func() error { return s.Settings.SetStanding(ctx, v.raceID, standing) })
}

func (s *site) cancelEntry(ctx context.Context, v *visit) (page, error) {
	return s.changeEntry(ctx, v, "entry-cancelled", func() error { return s.Settings.Cancel(ctx, v.raceID) })
}

// changeEntry answers a button about the runner's entry.
func (s *site) changeEntry(ctx context.Context, v *visit, said string, change func() error) (page, error) {
	if !server.IsID(v.raceID) {
		return page{}, race.ErrNotFound
	}
	err := change()
	if s.notNow(ctx, v, err) || v.refused(err) {
		return s.entryForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(myRacePath(v.raceID), said)
}
