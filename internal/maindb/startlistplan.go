package maindb

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// entry is a participant with what only start lists need.
type entry struct {
	race.Participant
	ageStated bool
	ownAge    int       // what the runner's own account gave
	ownAgeOn  race.Date // the day on which it was that; zero: the account gave none
	listed    bool      // made by a start list: the runner has neither entered in person nor accepted the result
	bibKey    string
	updatedAt time.Time
}

// startListPlan works out how a start list changes the entries of a race. It is a
// pure function of its inputs, so that a dry run and an import cannot differ.
//
// A row finds the entry of the runner whose login it names if that runner entered
// in person, else the entry of its bib. Any other login only invites: the row is
// about the stand-in of its bib, whoever has that login or nobody. The list is
// applied as a whole: a bib is free when its holder moves to another bib in the
// same list, so two runners can swap. What a row leaves out stays unchanged; a new
// entry without a field is a runner's. No row takes an entry away from a runner who
// entered in person or accepted it.
type startListPlan struct {
	rows      []PlannedRow   // as the list has them
	writes    []entry        // to be added or changed
	releases  []string       // participants whose bib changes
	displaced []string       // participants whose place a runner who entered in person takes
	revises   []string       // bib keys whose records must be revised
	invites   []StartListRow // rows whose login is invited
	uninvites []string       // invitations that are withdrawn

	race   race.Race
	list   []StartListRow
	keys   []string // bib keys, as the list has them
	byBib  map[string]*entry
	byUser map[string]*entry
	movers map[string]int // participant → the row that names its runner
	spots  []spot
}

// spot is the entry that a row is written to: an existing one, or nil for a new
// one.
type spot struct {
	target    *entry
	displaced *entry // the entry of a start list that gives way
}

// newStartListPlan plans a list; offered is how many places offers hold.
func newStartListPlan(r race.Race, existing []entry, offered int, invited []gen.InvitationsOfRaceRow, list []StartListRow) *startListPlan {
	p := &startListPlan{
		rows: make([]PlannedRow, len(list)), spots: make([]spot, len(list)), keys: make([]string, len(list)),
		race: r, byBib: make(map[string]*entry, len(existing)), byUser: make(map[string]*entry, len(existing)),
		movers: make(map[string]int),
	}
	for i := range existing {
		e := &existing[i]
		p.byUser[e.UserID] = e
		if e.bibKey != "" {
			p.byBib[e.bibKey] = e
		}
	}
	p.list = slices.Clone(list)
	for i := range p.list {
		row := &p.list[i]
		p.keys[i] = race.BibKey(row.Bib)
		if row.EntrantID != "" && row.LoginHash != "" { // anybody can sign up with somebody else's address
			if own := p.byUser[row.EntrantID]; own != nil && own.bibKey == p.keys[i] {
				row.LoginHash = ""
			} else {
				row.EntrantID = ""
			}
		}
	}
	for i, row := range p.list {
		if own := p.entrant(row); own != nil {
			p.movers[own.ID] = i
		}
		p.refuse(i, p.checkAge(row)...)
	}
	for p.findSpots() { // a refused mover keeps its bib, which may make another row be refused
	}
	p.fillPlaces(existing, offered)
	for i := range list {
		p.decide(i)
	}
	p.invite(invited)
	return p
}

// entrant returns the entry of the runner whom a row names, nil if it names none or
// they have cancelled since.
func (p *startListPlan) entrant(row StartListRow) *entry {
	if own := p.byUser[row.EntrantID]; row.EntrantID != "" && own != nil && own.Status == race.Entered {
		return own
	}
	return nil
}

func (p *startListPlan) refused(i int) bool { return p.rows[i].Outcome == RowRefused }

func (p *startListPlan) refuse(i int, wrong ...race.FieldError) {
	if len(wrong) > 0 {
		p.rows[i].Outcome = RowRefused
		p.rows[i].Wrong = append(p.rows[i].Wrong, wrong...)
	}
}

// checkAge reports a birth date that gives no valid age, or an age other than the
// one stated.
func (p *startListPlan) checkAge(row StartListRow) []race.FieldError {
	if row.BirthDate.IsZero() {
		return nil
	}
	age := row.BirthDate.AgeOn(p.race.Date)
	switch {
	case age == race.UnknownAge:
		return []race.FieldError{{Field: "birth_date", Message: "must not be after the day of the race"}}
	case age > race.MaxAge:
		return []race.FieldError{{Field: "birth_date", Message: fmt.Sprintf("must be at most %d years before the race", race.MaxAge)}}
	case row.Age != race.UnknownAge && row.Age != age:
		return []race.FieldError{{Field: "age", Message: "must be the age on the day of the race by birth_date"}}
	}
	return nil
}

// findSpots gives every row that is not refused its spot. It reports whether it
// refused a row, in which case it must be called again.
func (p *startListPlan) findSpots() (again bool) {
	for i := range p.list {
		if p.refused(i) {
			continue
		}
		var problem string
		if p.list[i].EntrantID != "" {
			p.spots[i], problem = p.spotOfEntrant(i)
		} else {
			p.spots[i], problem = p.spotOfBib(i)
		}
		if problem != "" {
			p.refuse(i, race.FieldError{Field: "bib", Message: problem})
			again = true
		}
	}
	return again
}

const (
	heldByAnother = "is held by another runner: give that runner another bib in the same list, or this row another one"
	hasCancelled  = "the runner with this login has cancelled the entry: leave the login out"
	wasErased     = "is the former bib of a runner who had their data erased: give this row another bib"
)

// spotOfEntrant: the runner's own entry moves to the bib. An entry that only a start
// list made for the bib gives way.
func (p *startListPlan) spotOfEntrant(i int) (_ spot, problem string) {
	own, holder := p.entrant(p.list[i]), p.holder(i)
	switch {
	case own == nil:
		return spot{}, hasCancelled
	case holder == nil || holder == own:
		return spot{target: own}, ""
	case p.inPerson(i, holder):
		return spot{}, heldByAnother
	}
	return spot{target: own, displaced: holder}, ""
}

// inPerson reports whether the entry that has the bib of a row is that of a runner
// who entered in person or accepted it. Entries from before that was noted are told
// by the stand-in.
func (p *startListPlan) inPerson(i int, holder *entry) bool {
	return !holder.listed && holder.UserID != p.list[i].StandIn.UserID
}

// spotOfBib: the entry that has the bib; without one, the stand-in's entry.
func (p *startListPlan) spotOfBib(i int) (_ spot, problem string) {
	row := p.list[i]
	if holder := p.holder(i); holder != nil {
		if row.LoginHash != "" && p.inPerson(i, holder) {
			return spot{}, heldByAnother
		}
		return spot{target: holder}, ""
	}
	own := p.byUser[row.StandIn.UserID]
	if row.Erased || own != nil && own.bibKey != "" {
		return spot{}, wasErased
	}
	return spot{target: own}, ""
}

// holder returns the entry that has the bib of a row, unless the list moves it to
// another bib.
func (p *startListPlan) holder(i int) *entry {
	holder := p.byBib[p.keys[i]]
	if holder == nil {
		return nil
	}
	if mover, moves := p.movers[holder.ID]; moves && !p.refused(mover) && p.keys[mover] != p.keys[i] {
		return nil
	}
	return holder
}

// fillPlaces refuses, in the order of the list, the rows for which the race has
// no place left. Offers of places hold theirs.
func (p *startListPlan) fillPlaces(existing []entry, offered int) {
	if p.race.Capacity == 0 {
		return
	}
	entered := offered
	for _, e := range existing {
		if e.Status == race.Entered {
			entered++
		}
	}
	for i := range p.list {
		if p.refused(i) {
			continue
		}
		s := p.spots[i]
		takes := s.displaced == nil && (s.target == nil || s.target.Status != race.Entered)
		if takes && entered >= p.race.Capacity {
			p.refuse(i, race.FieldError{Field: "bib", Message: fmt.Sprintf("the race is full: its capacity is %d", p.race.Capacity)})
		} else if takes {
			entered++
		}
	}
}

// decide works out what is written for a row.
func (p *startListPlan) decide(i int) {
	if p.refused(i) {
		return
	}
	row, s := p.list[i], p.spots[i]
	wanted := p.wanted(i)
	p.rows[i].UserID = wanted.UserID
	if s.displaced != nil {
		p.displaced = append(p.displaced, s.displaced.ID)
	}
	if s.target == nil {
		p.rows[i].Outcome = RowAdded
		p.writes = append(p.writes, wanted)
		p.revises = append(p.revises, wanted.bibKey)
		return
	}
	if wanted == *s.target {
		return
	}
	p.rows[i].Outcome, p.rows[i].Before = RowChanged, beforeOf(*s.target, wanted)
	p.writes = append(p.writes, wanted)
	if old := s.target.bibKey; old != "" && old != wanted.bibKey {
		p.releases = append(p.releases, s.target.ID)
		p.revises = append(p.revises, old)
	}
	regroups := len(p.race.Teams) > 0 && s.target.Team != wanted.Team // team places are in the standings, which follow revisions
	if scoresOtherwise(*s.target, wanted) || regroups {
		p.revises = append(p.revises, race.BibKey(row.Bib))
	}
}

// scoresOtherwise reports whether a record of the bib may get other points, or go
// to another runner.
func scoresOtherwise(old, wanted entry) bool {
	return old.bibKey != wanted.bibKey || old.UserID != wanted.UserID || old.Sex != wanted.Sex ||
		old.Age != wanted.Age || old.Field != wanted.Field
}

// wanted returns the entry that a row asks for.
func (p *startListPlan) wanted(i int) entry {
	row, target := p.list[i], p.spots[i].target
	var w entry
	if target != nil {
		w = *target
	} else { // the stand-in may have been used before, for somebody who is gone
		w = entry{listed: true, Participant: race.Participant{
			ID: uuid.Must(uuid.NewV7()).String(), RaceID: p.race.ID, UserID: row.StandIn.UserID, Age: race.UnknownAge,
		}}
	}
	w.Bib, w.bibKey = row.Bib, p.keys[i]
	w.Field, w.Status = cmp.Or(row.Field, w.Field, race.Runner), race.Entered
	if row.Sex != "" || row.ClearSex {
		w.Sex = row.Sex
	}
	if row.Team != "" || row.ClearTeam {
		w.Team = row.Team
	}
	p.setAge(&w, row, target == nil)
	return w
}

// setAge takes the age that the row says. It is stated unless it follows from the
// birth date that the start list gave the stand-in, which then follows the day of
// the race. Clearing it leads back to the age that the runner's own account gave.
func (p *startListPlan) setAge(w *entry, row StartListRow, added bool) {
	own := !w.ownAgeOn.IsZero()
	switch {
	case !row.BirthDate.IsZero():
		w.Age, w.ageStated = row.BirthDate.AgeOn(p.race.Date), own || row.EntrantID != ""
	case row.Age != race.UnknownAge:
		w.Age, w.ageStated = row.Age, true
	case row.ClearAge && own:
		w.Age, w.ageStated = w.ownAge+w.ownAgeOn.YearsUntil(p.race.Date), false
	case row.ClearAge && w.UserID == row.StandIn.UserID && !added && !row.StandIn.BirthDate.IsZero():
		w.Age, w.ageStated = row.StandIn.BirthDate.AgeOn(p.race.Date), false
	case row.ClearAge:
		w.Age, w.ageStated = race.UnknownAge, false
	}
	if w.Age > race.MaxAge {
		w.Age = race.UnknownAge
	}
}

// invite finds the rows whose login is to be invited: those that name another login
// than every earlier list did for their bib. An invitation that was declined or
// refused is not repeated. It withdraws the waiting invitations to other logins for
// the same bib, and to the same login for other bibs, and those that were declined as
// well: they look as if they waited.
func (p *startListPlan) invite(invited []gen.InvitationsOfRaceRow) {
	rowOfBib, rowOfLogin := make(map[string]int), make(map[string]int)
	for i, row := range p.list {
		if row.LoginHash != "" && !p.refused(i) {
			rowOfBib[p.keys[i]], rowOfLogin[row.LoginHash], rowOfLogin[sealedLogin(p.race.ID, row.LoginHash)] = i, i, i
		}
	}
	known := make(map[int]bool)
	for _, inv := range invited {
		i, sameBib := rowOfBib[inv.BibKey]
		of, sameLogin := rowOfLogin[inv.LoginHash.String]
		switch waits := inv.State == string(race.Invited) || inv.State == string(race.Declined); {
		case sameBib && sameLogin && p.list[i].LoginHash == p.list[of].LoginHash:
			known[i] = true
		case waits && (sameBib || sameLogin):
			p.uninvites = append(p.uninvites, inv.ClaimID)
		}
	}
	for i, row := range p.list {
		if row.LoginHash == "" || p.refused(i) || known[i] {
			continue
		}
		p.invites = append(p.invites, row)
		if p.rows[i].Outcome == RowUnchanged {
			p.rows[i].Outcome = RowChanged
		}
	}
}
