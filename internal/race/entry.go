package race

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the programs' images have no time zones of their own
)

// EntrySettings say how runners enter a race by themselves. People whom a start list
// names hold no place of a pool, but count in the race's own capacity.
type EntrySettings struct {
	OpensAt     time.Time     `json:"opens_at,omitzero"`  // zero: open at once
	ClosesAt    time.Time     `json:"closes_at,omitzero"` // zero: open until the first result
	Zone        string        `json:"time_zone"`          // IANA name; of the race's nights and days
	Capacity    int           `json:"capacity,omitempty"` // of a race without pools; 0: the race's own
	BibFrom     int           `json:"bib_from,omitempty"` // likewise; 0: bibs are assigned later
	BibTo       int           `json:"bib_to,omitempty"`
	WaitingList bool          `json:"waiting_list"`
	OfferHold   time.Duration `json:"offer_hold,omitempty"` // 0: a day
	Paused      bool          `json:"paused,omitempty"`
	Pools       []EntryPool   `json:"pools,omitempty"`

	Order  EntryOrder `json:"order,omitempty"`
	DrawAt time.Time  `json:"draw_at,omitzero"` // zero: when entry closes
	// DrawCommitment is the hash of the draw's seed, made together with the seed.
	DrawCommitment string `json:"draw_commitment,omitempty"`

	LastKey int `json:"last_key,omitempty"` // the highest key that a pool has had

	TransferUntil time.Time `json:"transfer_until,omitzero"` // until when places can be transferred; zero: they cannot
	// TransferPastLine lets places be transferred although others wait for one, who would
	// otherwise be passed over.
	TransferPastLine bool `json:"transfer_past_line,omitempty"`

	// NextRaceID is the race that is the next edition; empty: none. Those who have a place
	// can defer to it until DeferUntil; zero: they cannot.
	NextRaceID string    `json:"next_race_id,omitempty"`
	DeferUntil time.Time `json:"defer_until,omitzero"`
}

// EntryOrder says how places are given.
type EntryOrder string

// How places are given.
const (
	ByArrival EntryOrder = ""     // to those who come first
	ByDraw    EntryOrder = "draw" // by lot among all who register while entry is open
)

// DrawsAt returns when places are drawn; zero: they are not.
func (s EntrySettings) DrawsAt() time.Time {
	switch {
	case s.Order != ByDraw:
		return time.Time{}
	case s.DrawAt.IsZero():
		return s.ClosesAt
	}
	return s.DrawAt
}

// EntryPool is a share of a race's places, with a line of its own.
type EntryPool struct {
	Key      int       `json:"key"` // stays when the pool gets another name
	Name     string    `json:"name"`
	Capacity int       `json:"capacity"` // 0: no bound
	OpensAt  time.Time `json:"opens_at,omitzero"`
	Division string    `json:"division,omitempty"` // the division of the race that it is for; empty: everybody
	BibFrom  int       `json:"bib_from,omitempty"`
	BibTo    int       `json:"bib_to,omitempty"`
	Standard Standard  `json:"standard,omitzero"` // that runners have to meet; zero: none
}

// MainPool is the name of the pool of a race that lists none.
const MainPool = "main"

// EntryPools returns the pools of a race with entry settings. Without any listed, there
// is one for everybody.
func (r Race) EntryPools() []EntryPool {
	if r.Entry == nil {
		return nil
	}
	if len(r.Entry.Pools) > 0 {
		return r.Entry.Pools
	}
	capacity := r.Entry.Capacity
	if capacity == 0 {
		capacity = r.Capacity
	}
	return []EntryPool{{Key: 1, Name: MainPool, Capacity: capacity, BibFrom: r.Entry.BibFrom, BibTo: r.Entry.BibTo}}
}

// EntryPoolWith returns the pool with a key.
func (r Race) EntryPoolWith(key int) (EntryPool, bool) {
	pools := r.EntryPools()
	i := slices.IndexFunc(pools, func(p EntryPool) bool { return p.Key == key })
	if i < 0 {
		return EntryPool{}, false
	}
	return pools[i], true
}

// ChooseEntryPool returns the pool with a name, or, for an empty one, the first that
// admits a runner of that sex and age on race day. One that demands a qualifying time is
// then only chosen where all do.
func (r Race) ChooseEntryPool(name string, sex Sex, age int) (EntryPool, error) {
	var demanding []EntryPool
	for _, p := range r.EntryPools() {
		switch {
		case name == "" && !r.admits(p, sex, age):
		case name == "" && !p.Standard.IsZero():
			demanding = append(demanding, p)
		case name == "":
			return p, nil
		case strings.EqualFold(Visible(name), Visible(p.Name)):
			if !r.admits(p, sex, age) {
				return EntryPool{}, &ConflictError{Field: "pool", Message: fmt.Sprintf("the pool is for the division %q, which your sex and your age on race day do not fit", p.Division)}
			}
			return p, nil
		}
	}
	if len(demanding) > 0 {
		return demanding[0], nil
	}
	if name == "" {
		return EntryPool{}, &ConflictError{Field: "pool", Message: "no pool of the race is for your sex and your age on race day"}
	}
	return EntryPool{}, &InvalidError{Fields: []FieldError{{Field: "pool", Message: "is not a pool of this race"}}}
}

func (r Race) admits(p EntryPool, sex Sex, age int) bool {
	if p.Division == "" {
		return true
	}
	for _, d := range r.Divisions {
		if d.Name == p.Division || Visible(d.Name) == Visible(p.Division) {
			return (d.Sex == "" || d.Sex == sex) && (d.Field == "" || d.Field == Runner) &&
				(d.MinAge == nil || age != UnknownAge && age >= *d.MinAge) && (d.MaxAge == nil || age != UnknownAge && age <= *d.MaxAge)
		}
	}
	return false
}

// Check reports what is wrong with the settings of a race.
func (s EntrySettings) Check(r Race) FieldErrors {
	var wrong FieldErrors
	if _, err := s.location(); err != nil {
		wrong.Add("time_zone", errors.New(`must be the name of a time zone, for example "Asia/Seoul"`))
	}
	if !s.OpensAt.IsZero() && !s.ClosesAt.IsZero() && !s.OpensAt.Before(s.ClosesAt) {
		wrong.Add("closes_at", errors.New("must be after opens_at"))
	}
	if len(s.Pools) > 0 && (s.Capacity != 0 || s.BibFrom != 0 || s.BibTo != 0) {
		wrong.Add("capacity", errors.New("must be left out, like bib_from and bib_to: each pool has its own"))
	}
	s.checkDraw(&wrong, r.Date)
	if s.NextRaceID == "" && !s.DeferUntil.IsZero() {
		wrong.Add("next_race_id", errors.New("must name the race that runners can defer to"))
	}
	r.Entry = &s
	return append(wrong, s.checkPools(r)...)
}

func (s EntrySettings) checkPools(r Race) FieldErrors {
	var wrong FieldErrors
	pools := r.EntryPools()
	for i, p := range pools {
		field := ""
		if len(s.Pools) > 0 {
			field = fmt.Sprintf("pools[%d].", i)
		}
		if r.Capacity > 0 && p.Capacity > r.Capacity {
			wrong.Add(field+"capacity", fmt.Errorf("must not be above the race's own capacity of %d", r.Capacity))
		}
		switch {
		case p.BibFrom == 0 && p.BibTo == 0:
		case p.BibFrom < 1 || p.BibTo < p.BibFrom:
			wrong.Add(field+"bib_to", errors.New("must not be below bib_from, and neither may be missing"))
		}
		if !p.OpensAt.IsZero() && !s.ClosesAt.IsZero() && !p.OpensAt.Before(s.ClosesAt) {
			wrong.Add(field+"opens_at", errors.New("must be before closes_at"))
		}
		if p.Division != "" && !slices.ContainsFunc(r.Divisions, func(d Division) bool { return Visible(d.Name) == Visible(p.Division) }) {
			wrong.Add(field+"division", errors.New("must be a division of the race"))
		}
		for _, f := range p.Standard.check() {
			wrong.Add(field+"standard."+f.Field, errors.New(f.Message))
		}
		wrong = append(wrong, p.checkAgainst(field, pools[:i])...)
	}
	return wrong
}

// checkAgainst reports what a pool has in common with others that must differ.
func (p EntryPool) checkAgainst(field string, others []EntryPool) (wrong FieldErrors) {
	for _, other := range others {
		if strings.EqualFold(p.Name, other.Name) {
			wrong.Add(field+"name", errors.New("must differ from the names of the other pools"))
		}
		if p.BibFrom != 0 && other.BibFrom != 0 && p.BibFrom <= other.BibTo && other.BibFrom <= p.BibTo {
			wrong.Add(field+"bib_from", errors.New("must begin a range that has no bibs in common with another pool's"))
		}
	}
	return wrong
}

func (s EntrySettings) location() (*time.Location, error) {
	if s.Zone == "" || s.Zone == "Local" { // Local is a zone to Go, the server's
		return nil, errors.New("no time zone")
	}
	return time.LoadLocation(s.Zone)
}

// Location is the time zone of the race's days: that of its entry settings, or else that
// of its country where it has one zone, or else UTC.
func (r Race) Location() *time.Location {
	if r.Entry != nil {
		if zone, err := r.Entry.location(); err == nil {
			return zone
		}
	}
	zone, err := time.LoadLocation(ZoneOf(r.Country))
	if err != nil {
		return time.UTC
	}
	return zone
}

// ZoneOf returns the time zone of a country, by its code: of those in which races were
// seen and that have one zone. It is UTC for the others.
func ZoneOf(country string) string {
	if zone, known := zones[country]; known {
		return zone
	}
	return "UTC"
}

var zones = map[string]string{
	"KR": "Asia/Seoul", "JP": "Asia/Tokyo", "CN": "Asia/Shanghai", "HK": "Asia/Hong_Kong", "TW": "Asia/Taipei", "SG": "Asia/Singapore", "TH": "Asia/Bangkok",
	"VN": "Asia/Ho_Chi_Minh", "IN": "Asia/Kolkata", "AE": "Asia/Dubai", "GB": "Europe/London", "DE": "Europe/Berlin", "FR": "Europe/Paris",
	"KE": "Africa/Nairobi", "ZA": "Africa/Johannesburg",
}

// An offer holds a place for a day at most unless the race says otherwise, and
// for less the nearer race day is, so that a place that nobody wants finds a
// runner in time.
const (
	defaultHold = 24 * time.Hour
	nearHold    = 6 * time.Hour // in the last 14 days
	// LastHold is how long an offer holds a place in the last 3 days.
	LastHold = time.Hour

	nearDays, lastDays = 14, 3

	// Offers do not end at night, from 22 to 8 by the race's clock.
	nightFrom, nightTo = 22, 8
)

// Hold returns until when an offer made now holds a place, and ok false on race day and
// later: then no offer is made any more.
func (s EntrySettings) Hold(now time.Time, day Date) (until time.Time, ok bool) {
	zone, err := s.location()
	if err != nil {
		zone = time.UTC
	}
	now = now.In(zone)
	hold := defaultHold
	if s.OfferHold > 0 {
		hold = s.OfferHold
	}
	switch days := day.Midnight().Sub(DateOf(now).Midnight()) / (24 * time.Hour); {
	case days <= 0:
		return time.Time{}, false
	case days <= lastDays:
		hold = min(hold, LastHold)
	case days <= nearDays:
		hold = min(hold, nearHold)
	}
	until = now.Add(hold)
	year, month, date := until.Date()
	switch hour := until.Hour(); {
	case hour >= nightFrom:
		until = time.Date(year, month, date+1, nightTo, 0, 0, 0, zone)
	case hour < nightTo:
		until = time.Date(year, month, date, nightTo, 0, 0, 0, zone)
	}
	return until, true
}

// OpenFrom returns when entry to a pool opens; zero: at once.
func (s EntrySettings) OpenFrom(p EntryPool) time.Time {
	if p.OpensAt.IsZero() {
		return s.OpensAt
	}
	return p.OpensAt
}

// In returns a time as the race's clock shows it.
func (s EntrySettings) In(t time.Time) time.Time {
	zone, err := s.location()
	if err != nil {
		zone = time.UTC
	}
	return t.In(zone)
}
