package pages

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// raceEntriesPages adds the pages about entry to a race for those who run it.
func (s *site) raceEntriesPages(get, post func(path string, act action)) {
	get(ofRace+"/entries", s.entriesPage)
	post(ofRace+"/entries", s.changePlaces)
	get(ofRace+"/entries.csv", s.entriesFile)
	get(ofRace+"/entries/{user_id}", s.entryPage)
	post(ofRace+"/entries/{user_id}/enter", s.enterByHand)
	post(ofRace+"/entries/{user_id}/remove", s.removeEntry)
	s.admissionPages(get, post)
	get(ofRace+"/transfers", s.raceTransfers)
	post(ofRace+"/entries/{user_id}/transfer", s.transferByHand)
	post(ofRace+"/entries/{user_id}/transfer/confirm", s.confirmByHand)
	post(ofRace+"/entries/{user_id}/transfer/withdraw", s.withdrawByHand)
}

func entriesPath(raceID string) string { return organizedPath(raceID) + "/entries" }

// entryStatuses are the filters of the list of entries.
var entryStatuses = []race.EntryStatus{
	race.Registered, race.Entered, race.Waiting, race.Offered, race.OfferDeclined, race.OfferExpired, race.NotDrawn, race.Cancelled, race.RemovedEntry,
	race.Transferred, race.Deferred,
}

// raceEntriesView is entry to a race as those who run it see it.
type raceEntriesView struct {
	race.Race
	role   race.Role
	places *entryState // nil: without entry settings
	rows   []races.StaffEntryBody
	next   string
	status race.EntryStatus // of the entries that are listed; empty: all
	pool   int              // likewise; zero: all

	transfer *races.TransferBody // of the one entry that is shown; nil: none
	code     string              // of the transfer that was just made

	unqualified bool // only those whose runners do not meet the standard of their pool
}

// mayChange reports whether the reader can change entries.
func (d raceEntriesView) mayChange() bool {
	return d.role.Includes(race.Editor) && d.Status == race.Scheduled
}

// capacityField is the field of a pool's places, as the API names it.
func (d raceEntriesView) capacityField(i int) string {
	if len(d.Entry.Pools) == 0 {
		return "entry.capacity"
	}
	return fmt.Sprintf("entry.pools[%d].capacity", i)
}

// entriesPage lists entries, with the places that there are.
func (s *site) entriesPage(ctx context.Context, v *visit) (page, error) {
	view := raceEntriesView{Race: server.RaceFrom(ctx), role: server.RoleFrom(ctx)}
	if v.form.sent { // the race of ctx may be older than what was changed
		v.query.Del("after")
	}
	status, err := v.oneOf("status", statusWords()...)
	if err != nil {
		return page{}, err
	}
	view.status = race.EntryStatus(status)
	show, err := v.oneOf("show", "unqualified")
	if err != nil {
		return page{}, err
	}
	view.unqualified = show != ""
	if view.pool, err = v.number("pool"); err != nil {
		return page{}, err
	}
	if view.places, err = s.readEntry(ctx, view.Race); err != nil {
		return page{}, err
	}
	if view.places != nil {
		var cursor string
		if view.rows, cursor, err = s.Settings.Entries(ctx, maindb.EntryFilter{Status: view.status, Pool: view.pool, Unqualified: view.unqualified}, v.part(participantsPerPage)); err != nil {
			return page{}, err
		}
		view.next = v.next(cursor)
	}
	return page{title: v.T("raceentries.title"), body: entriesBody(v, view), module: "organize.js"}, nil
}

func statusWords() []string {
	words := make([]string, len(entryStatuses))
	for i, status := range entryStatuses {
		words[i] = string(status)
	}
	return words
}

// changePlaces pauses entry, lets it go on, or changes how many places there are.
func (s *site) changePlaces(ctx context.Context, v *visit) (page, error) {
	said := "places-changed"
	var err error
	switch v.form.get("do") {
	case "pause":
		said, err = "entry-paused", s.Settings.Pause(ctx, true)
	case "resume":
		said, err = "entry-resumed", s.Settings.Pause(ctx, false)
	default:
		if err = s.setCapacity(ctx, v); v.form.refused() {
			return s.entriesPage(ctx, v)
		}
	}
	if v.refused(err) {
		return s.entriesPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(entriesPath(v.raceID), said)
}

// setCapacity takes the numbers that differ from those that the form came with: somebody
// else may have changed the others meanwhile.
func (s *site) setCapacity(ctx context.Context, v *visit) error {
	view := raceEntriesView{Race: server.RaceFrom(ctx)}
	capacities := map[int]int{}
	for i, pool := range view.EntryPools() {
		name := view.capacityField(i)
		if v.form.get(name) == v.form.get("was."+name) {
			continue
		}
		capacity, err := strconv.Atoi(v.form.get(name))
		if err != nil || capacity < 1 {
			v.blame(name, v.T("raceentries.capacity.wrong"))
		}
		capacities[pool.Key] = capacity
	}
	if v.form.refused() || len(capacities) == 0 {
		return nil
	}
	return s.Settings.SetCapacity(ctx, capacities)
}

func (s *site) entriesFile(ctx context.Context, _ *visit) (page, error) {
	body, err := s.Settings.EntriesFile(ctx)
	if err != nil {
		return page{}, err
	}
	return page{}, &reply{contentType: "text/csv; charset=utf-8", file: "entries.csv", body: body}
}

// entryPage is one entry, with what the organizer can do about it.
func (s *site) entryPage(ctx context.Context, v *visit) (page, error) {
	return s.entryWith(ctx, v, "")
}

// entryWith is entryPage with the code of a transfer that was just made.
func (s *site) entryWith(ctx context.Context, v *visit, code string) (page, error) {
	userID := v.param("user_id")
	if !server.IsID(userID) {
		return page{}, race.ErrNotFound
	}
	v.path = entriesPath(v.raceID) + "/" + userID // also after a button
	entry, err := s.Settings.EntryOf(ctx, userID)
	if err != nil {
		return page{}, err
	}
	view := raceEntriesView{Race: server.RaceFrom(ctx), role: server.RoleFrom(ctx), code: code}
	if view.transfer, err = s.placeOffered(ctx, v.raceID, userID); err != nil {
		return page{}, err
	}
	return page{title: v.T("raceentries.entry"), body: raceEntryBody(v, view, entry), module: "organize.js"}, nil
}

func (s *site) enterByHand(ctx context.Context, v *visit) (page, error) {
	return s.decideEntry(ctx, v, "entered-by-hand", func(userID string) error {
		return s.Settings.EnterByHand(ctx, userID, v.form.get("reason"), maindb.Override{Capacity: v.form.get("over_capacity") != "", Standard: v.form.get("unqualified") != ""})
	})
}

func (s *site) removeEntry(ctx context.Context, v *visit) (page, error) {
	return s.decideEntry(ctx, v, "entry-removed", func(userID string) error {
		return s.Settings.RemoveEntry(ctx, userID, v.form.get("reason"))
	})
}

func (s *site) decideEntry(ctx context.Context, v *visit, said string, decide func(userID string) error) (page, error) {
	userID := v.param("user_id")
	if !server.IsID(userID) {
		return page{}, race.ErrNotFound
	}
	err := decide(userID)
	if v.refused(err) {
		return s.entryPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(entriesPath(v.raceID)+"/"+userID, said)
}

// canEnter reports whether the organizer may enter somebody by hand: not those who have
// withdrawn.
func canEnter(status race.EntryStatus) bool {
	return slices.Contains([]race.EntryStatus{race.Registered, race.NotDrawn, race.Waiting, race.Offered, race.OfferExpired, race.RemovedEntry}, status)
}
