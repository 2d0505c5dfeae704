package maindb

import (
	"cmp"
	"fmt"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// entry is a participant with what only start lists need.
type entry struct {
	race.Participant
	ageStated bool
	listed    bool // a start list made the entry for this runner
	bibKey    string
}

// startListPlan works out how a start list changes the entries of a race. It is a
// pure function of its inputs, so that a dry run and an import cannot differ.
//
// A row finds its entry by the account that it names, else by its bib. The list is
// applied as a whole: a bib is free when its holder moves to another bib in the
// same list, so two runners can swap. What a row leaves out stays unchanged; a new
// entry without a field is a runner's. An entry that passes to another runner keeps
// nothing of the former one but the bib, and it is refused if the former one
// entered in person or has claimed it.
type startListPlan struct {
	rows      []PlannedRow // as the list has them
	writes    []entry      // to be added or changed
	releases  []string     // participants whose bib changes
	displaced []string     // participants whose place a runner with an account takes
	revises   []string     // bib keys whose records must be revised

	race   race.Race
	list   []StartListRow
	keys   []string // bib keys, as the list has them
	byBib  map[string]*entry
	byUser map[string]*entry
	movers map[string]int // participant → the row that names its account
	named  map[string]bool
	spots  []spot
}

// spot is the entry that a row is written to: an existing one, or nil for a new
// one.
type spot struct {
	target    *entry
	displaced *entry // the stand-in's entry that gives way
}

func newStartListPlan(r race.Race, existing []entry, list []StartListRow) *startListPlan {
	p := &startListPlan{
		rows: make([]PlannedRow, len(list)), spots: make([]spot, len(list)), keys: make([]string, len(list)),
		race: r, list: list,
		byBib: make(map[string]*entry, len(existing)), byUser: make(map[string]*entry, len(existing)),
		movers: make(map[string]int), named: make(map[string]bool),
	}
	for i := range existing {
		e := &existing[i]
		p.byUser[e.UserID] = e
		if e.bibKey != "" {
			p.byBib[e.bibKey] = e
		}
	}
	for i, row := range list {
		p.keys[i] = race.BibKey(row.Bib)
		if row.Account != nil {
			p.named[row.Account.UserID] = true
			if own := p.byUser[row.Account.UserID]; own != nil {
				p.movers[own.ID] = i
			}
		}
		p.refuse(i, p.checkAge(row)...)
	}
	for p.findSpots() { // a refused mover keeps its bib, which may make another row be refused
	}
	p.fillPlaces(existing)
	for i := range list {
		p.decide(i)
	}
	return p
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
		if p.list[i].Account != nil {
			p.spots[i], problem = p.spotOfAccount(i)
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

// spotOfAccount: the runner's own entry moves to the bib; without one, the
// entry that has the bib becomes the runner's.
func (p *startListPlan) spotOfAccount(i int) (_ spot, problem string) {
	row, holder := p.list[i], p.holder(i)
	own := p.byUser[row.Account.UserID]
	switch {
	case holder == nil || holder == own:
		return spot{target: own}, ""
	case holder.UserID == row.StandIn.UserID && !row.Claimed: // nobody's account
		if own == nil {
			return spot{target: holder}, ""
		}
		return spot{target: own, displaced: holder}, ""
	case own == nil && holder.listed && holder.UserID != row.StandIn.UserID:
		return spot{target: holder}, "" // an earlier list named another account for it
	}
	return spot{}, "is held by another runner: give that runner another bib in the same list, or this row another one"
}

// spotOfBib: the entry that has the bib; without one, the stand-in's entry, unless
// the stand-in has been claimed by a runner who has another bib or has cancelled.
func (p *startListPlan) spotOfBib(i int) (_ spot, problem string) {
	if holder := p.holder(i); holder != nil {
		return spot{target: holder}, ""
	}
	userID := p.list[i].StandIn.UserID
	own := p.byUser[userID]
	if p.named[userID] || p.list[i].Claimed || own != nil && own.bibKey != "" {
		return spot{}, "is the former bib of a runner with an account: name the account (login_id) of the runner who has it now"
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
// no place left.
func (p *startListPlan) fillPlaces(existing []entry) {
	if p.race.Capacity == 0 {
		return
	}
	entered := 0
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
	p.rows[i].Outcome = RowChanged
	p.writes = append(p.writes, wanted)
	if old := s.target.bibKey; old != "" && old != wanted.bibKey {
		p.releases = append(p.releases, s.target.ID)
		p.revises = append(p.revises, old)
	}
	if scoresOtherwise(*s.target, wanted) {
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
	account := row.StandIn
	switch {
	case row.Account != nil:
		account = *row.Account
	case target == nil: // the stand-in is reused, and its former runner is gone
		account.Sex, account.BirthDate = row.Sex, row.BirthDate
	case target.UserID != row.StandIn.UserID:
		account = RunnerAccount{UserID: target.UserID}
	}
	newRunner := target == nil || target.UserID != account.UserID
	w := entry{Participant: race.Participant{RaceID: p.race.ID, UserID: account.UserID, Age: race.UnknownAge}, listed: true}
	switch {
	case target == nil:
		w.ID = uuid.Must(uuid.NewV7()).String()
	case newRunner:
		w.ID = target.ID
	default:
		w = *target
	}
	w.Bib, w.bibKey = row.Bib, p.keys[i]
	w.Field, w.Status = cmp.Or(row.Field, w.Field, race.Runner), race.Entered
	if newRunner && account.Sex != "" {
		w.Sex = account.Sex
	}
	if row.Sex != "" || row.ClearSex {
		w.Sex = row.Sex
	}
	p.setAge(&w, row, account, newRunner)
	return w
}

// setAge takes the age that the row says, else that of a runner who is new to
// the entry by the account. It is stated unless the account's own birth date
// gives it, which then follows the day of the race; clearing it leaves that one.
func (p *startListPlan) setAge(w *entry, row StartListRow, account RunnerAccount, newRunner bool) {
	switch {
	case !row.BirthDate.IsZero():
		w.Age, w.ageStated = row.BirthDate.AgeOn(p.race.Date), row.BirthDate != account.BirthDate
	case row.Age != race.UnknownAge:
		w.Age, w.ageStated = row.Age, true
	case (newRunner || row.ClearAge) && !account.BirthDate.IsZero():
		w.Age, w.ageStated = account.BirthDate.AgeOn(p.race.Date), false
	case row.ClearAge && (w.ageStated || account.UserID == row.StandIn.UserID):
		w.Age, w.ageStated = race.UnknownAge, false
	}
	if w.Age > race.MaxAge {
		w.Age = race.UnknownAge
	}
}
