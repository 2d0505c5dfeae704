package races

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// EntryChangeBody sets or changes how runners enter a race by themselves. What it leaves
// out stays as it is.
type EntryChangeBody struct {
	OpensAt          *string          `json:"opens_at,omitempty" maxLength:"40" example:"2026-06-09T19:00:00+09:00" doc:"When entry opens: date, time and offset from UTC. An empty string opens it at once. The database's clock decides."`
	ClosesAt         *string          `json:"closes_at,omitempty" maxLength:"40" example:"2026-09-01T00:00:00+09:00" doc:"When entry closes; with an empty string, with the first result. The line goes on moving up."`
	TimeZone         *string          `json:"time_zone,omitempty" maxLength:"64" example:"Asia/Seoul" doc:"The race's time zone, by its IANA name: offers do not end at night there. UTC by default."`
	Capacity         *int             `json:"capacity,omitempty" minimum:"0" maximum:"1000000" example:"1000" doc:"How many places there are in a race without pools; 0 means the capacity of the race, which bounds all participants together, those of start lists too. More places go to the line at once; with fewer, nobody loses a place."`
	BibFrom          *int             `json:"bib_from,omitempty" minimum:"0" maximum:"999999" doc:"The first bib that is dealt in a race without pools; 0 deals none."`
	BibTo            *int             `json:"bib_to,omitempty" minimum:"0" maximum:"999999" doc:"The last bib."`
	WaitingList      *bool            `json:"waiting_list,omitempty" doc:"Whether those who come too late wait in line; true by default."`
	OfferHold        *string          `json:"offer_hold,omitempty" maxLength:"20" example:"24h" doc:"For how long an offer holds a place, from 10m to 168h; 24h by default. It is at most 6 hours in the last 14 days and 1 hour in the last 3, and goes on until 08:00 when it would end between 22:00 and 08:00 by the race's clock."`
	Order            *string          `json:"order,omitempty" enum:"arrival,draw" doc:"How places are given: in the order of arrival, or by a draw among all who register while entry is open, which needs closes_at. It can change until somebody has entered."`
	DrawAt           *string          `json:"draw_at,omitempty" maxLength:"40" doc:"When the places are drawn, with order draw; with an empty string, when entry closes. Before the day of the race."`
	Paused           *bool            `json:"paused,omitempty" doc:"While it is true nobody enters and no places are offered. Offers that are open can still be accepted."`
	TransferUntil    *string          `json:"transfer_until,omitempty" maxLength:"40" example:"2026-09-20T00:00:00+09:00" doc:"Until when runners can transfer their places to others; with an empty string, and by default, they cannot."`
	TransferPastLine *bool            `json:"transfer_past_line,omitempty" doc:"Whether places can be transferred while others are waiting for one. False by default: those who wait come first."`
	NextRaceID       *string          `json:"next_race_id,omitempty" maxLength:"36" doc:"The race that is the next edition, on a later day and of the same organizer: runners can defer their places to it until defer_until. An empty string names none."`
	DeferUntil       *string          `json:"defer_until,omitempty" maxLength:"40" doc:"Until when runners can defer their places to the next edition, which needs next_race_id; with an empty string, and by default, they cannot."`
	Pools            *[]EntryPoolBody `json:"pools,omitempty" maxItems:"50" nullable:"false" doc:"Replaces all pools. A pool with entries cannot be removed."`
}

// EntryPoolBody is a pool of places.
type EntryPoolBody struct {
	Key      int    `json:"key,omitempty" minimum:"0" doc:"The key of an existing pool. Give it to rename the pool."`
	Name     string `json:"name" minLength:"1" maxLength:"50" example:"Group A"`
	Capacity int    `json:"capacity" minimum:"1" maximum:"1000000" example:"500"`
	OpensAt  string `json:"opens_at,omitempty" maxLength:"40" doc:"When the pool opens, if not with the race."`
	Division string `json:"division,omitempty" maxLength:"100" doc:"The division of the race that the pool is for; everybody by default."`
	BibFrom  int    `json:"bib_from,omitempty" minimum:"0" maximum:"999999" doc:"The first bib that is dealt in the pool."`
	BibTo    int    `json:"bib_to,omitempty" minimum:"0" maximum:"999999"`

	Standard *StandardBody `json:"standard,omitempty" doc:"The qualifying time that runners have to meet who enter the pool; none by default. Runners who are already in the pool stay."`
}

// StandardBody is the qualifying time that a pool demands: an official result in a race of
// a verified organizer, which the runner entered for or has claimed.
type StandardBody struct {
	DistanceM float64 `json:"distance_m" example:"42195" doc:"The exact distance of the result, in metres."`
	Men       string  `json:"men,omitempty" maxLength:"20" example:"3:00:00" doc:"The slowest time that qualifies men, by the clock that ranks the race of the result overall; missing when none does."`
	Women     string  `json:"women,omitempty" maxLength:"20" example:"3:30:00" doc:"The slowest time that qualifies women; missing when none does. For everyone else the slower of the two counts."`
	Since     string  `json:"since" maxLength:"10" example:"2025-01-01" doc:"The first race day that counts."`
}

// EntrySettingsBody is how runners enter a race.
type EntrySettingsBody struct {
	OpensAt          *time.Time      `json:"opens_at,omitempty"`
	ClosesAt         *time.Time      `json:"closes_at,omitempty"`
	TimeZone         string          `json:"time_zone"`
	Capacity         int             `json:"capacity,omitempty" doc:"The places of a race without pools; missing when the capacity of the race applies."`
	BibFrom          int             `json:"bib_from,omitempty"`
	BibTo            int             `json:"bib_to,omitempty"`
	WaitingList      bool            `json:"waiting_list"`
	OfferHold        string          `json:"offer_hold" example:"24h0m0s"`
	Order            string          `json:"order" enum:"arrival,draw"`
	DrawAt           *time.Time      `json:"draw_at,omitempty" doc:"When the places are drawn; missing unless order is draw."`
	Commitment       string          `json:"draw_commitment,omitempty" doc:"The SHA-256 of the draw's seed, in hexadecimal. The seed is published when the places are drawn."`
	Paused           bool            `json:"paused"`
	TransferUntil    *time.Time      `json:"transfer_until,omitempty" doc:"Until when runners can transfer their places; missing when they cannot."`
	TransferPastLine bool            `json:"transfer_past_line,omitempty" doc:"Places can be transferred while others are waiting."`
	NextRaceID       string          `json:"next_race_id,omitempty" doc:"The next edition of the race."`
	DeferUntil       *time.Time      `json:"defer_until,omitempty" doc:"Until when runners can defer their places to the next edition; missing when they cannot."`
	Pools            []EntryPoolBody `json:"pools,omitempty" nullable:"false"`
}

const (
	minHold, maxHold = 10 * time.Minute, 7 * 24 * time.Hour
	usualHold        = 24 * time.Hour

	arrival = "arrival" // race.ByArrival as the API says it
)

// setEntry applies a change to the entry settings of a race.
func setEntry(wrong *race.FieldErrors, r *race.Race, body *EntryChangeBody) {
	if body != nil {
		settings := race.EntrySettings{Zone: "UTC", WaitingList: true, LastKey: 1} // key 1 is the pool of a race without any
		if r.Entry != nil {
			settings = *r.Entry
		}
		changeEntry(wrong, &settings, *body)
		r.Entry = &settings
	}
	if r.Entry == nil {
		return
	}
	for _, f := range r.Entry.Check(*r) { // divisions may have changed, too
		wrong.Add("entry."+f.Field, errors.New(f.Message))
	}
}

func changeEntry(wrong *race.FieldErrors, s *race.EntrySettings, body EntryChangeBody) {
	set(&s.Capacity, body.Capacity)
	set(&s.BibFrom, body.BibFrom)
	set(&s.BibTo, body.BibTo)
	set(&s.WaitingList, body.WaitingList)
	set(&s.Paused, body.Paused)
	set(&s.TransferPastLine, body.TransferPastLine)
	if body.TransferUntil != nil {
		setInstant(wrong, "entry.transfer_until", &s.TransferUntil, *body.TransferUntil)
	}
	set(&s.NextRaceID, body.NextRaceID)
	if s.NextRaceID != "" && !server.IsID(s.NextRaceID) {
		wrong.Add("entry.next_race_id", errors.New("must be another race of the same organizer"))
	}
	if body.DeferUntil != nil {
		setInstant(wrong, "entry.defer_until", &s.DeferUntil, *body.DeferUntil)
	}
	set(&s.Zone, body.TimeZone)
	if body.OpensAt != nil {
		setInstant(wrong, "entry.opens_at", &s.OpensAt, *body.OpensAt)
	}
	if body.ClosesAt != nil {
		setInstant(wrong, "entry.closes_at", &s.ClosesAt, *body.ClosesAt)
	}
	if body.DrawAt != nil {
		setInstant(wrong, "entry.draw_at", &s.DrawAt, *body.DrawAt)
	}
	if body.Order != nil {
		s.Order = race.EntryOrder(*body.Order)
		if *body.Order == arrival {
			s.Order = race.ByArrival
		}
	}
	if body.OfferHold != nil {
		hold, err := time.ParseDuration(*body.OfferHold)
		if err != nil || hold < minHold || hold > maxHold {
			wrong.Add("entry.offer_hold", errors.New(`must be from 10m to 168h, for example "24h"`))
		}
		s.OfferHold = hold
	}
	if body.Pools != nil {
		setPools(wrong, s, *body.Pools)
	}
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// setInstant takes an instant with its offset; the empty string is none.
func setInstant(wrong *race.FieldErrors, field string, to *time.Time, text string) {
	*to = time.Time{}
	if text == "" {
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 2000 || at.Year() > 9999 {
		wrong.Add(field, errors.New(`must be a date and time with the offset from UTC, for example "2026-06-09T19:00:00+09:00"`))
		return
	}
	*to = at.UTC()
}

// setPools takes pools. Each keeps its key by that key or by its name.
func setPools(wrong *race.FieldErrors, s *race.EntrySettings, bodies []EntryPoolBody) {
	old := s.Pools
	if len(old) == 0 {
		old = []race.EntryPool{{Key: 1, Name: race.MainPool}}
	}
	pools := make([]race.EntryPool, len(bodies))
	used := map[int]bool{}
	for i, body := range bodies {
		field := fmt.Sprintf("entry.pools[%d].", i)
		p := race.EntryPool{Key: body.Key, Capacity: body.Capacity, BibFrom: body.BibFrom, BibTo: body.BibTo, Division: body.Division}
		SetText(wrong, field+"name", &p.Name, body.Name)
		if p.Name == "" {
			wrong.Add(field+"name", errors.New("must not be empty"))
		}
		setInstant(wrong, field+"opens_at", &p.OpensAt, body.OpensAt)
		if body.Standard != nil {
			p.Standard = standardOf(wrong, field+"standard.", *body.Standard)
		}
		known := false
		for _, o := range old {
			if p.Key == 0 && strings.EqualFold(race.Visible(o.Name), race.Visible(p.Name)) {
				p.Key = o.Key
			}
			known = known || o.Key == p.Key
		}
		switch {
		case p.Key == 0:
			s.LastKey++
			p.Key = s.LastKey
		case !known || used[p.Key]:
			wrong.Add(field+"key", errors.New("must be the key of a pool that there is, which no other names"))
		}
		used[p.Key] = true
		pools[i] = p
	}
	s.Pools = pools
	if len(pools) > 0 {
		s.Capacity, s.BibFrom, s.BibTo = 0, 0, 0
	}
}

func standardOf(wrong *race.FieldErrors, field string, body StandardBody) (s race.Standard) {
	var err error
	s.Distance, err = race.DistanceOf(body.DistanceM)
	wrong.Add(field+"distance_m", err)
	for name, side := range map[string]struct {
		text string
		to   *race.Time
	}{"men": {body.Men, &s.Men}, "women": {body.Women, &s.Women}} {
		if side.text != "" {
			*side.to, err = race.ParseTime(side.text)
			wrong.Add(field+name, err)
		}
	}
	if body.Since != "" {
		s.Since, err = race.ParseDate(body.Since)
		wrong.Add(field+"since", err)
	}
	return s
}

// Pause stops entry to the race of ctx, or lets it go on.
func (s *Service) Pause(ctx context.Context, paused bool) error {
	_, err := s.Change(ctx, RaceChangeBody{Entry: &EntryChangeBody{Paused: &paused}}, func(race.Race) error { return nil })
	return err
}

// SetCapacity changes how many places pools of the race of ctx have, by their keys. It
// returns a *race.ConflictError when the pools have changed since the race was read.
func (s *Service) SetCapacity(ctx context.Context, capacities map[int]int) error {
	r := server.RaceFrom(ctx)
	if r.Entry == nil {
		return race.ErrNotFound
	}
	change := &EntryChangeBody{}
	if len(r.Entry.Pools) == 0 {
		if capacity, ok := capacities[r.EntryPools()[0].Key]; ok {
			change.Capacity = &capacity
		}
	} else {
		pools := make([]EntryPoolBody, len(r.Entry.Pools))
		for i, p := range r.Entry.Pools {
			if capacity, ok := capacities[p.Key]; ok {
				p.Capacity = capacity
			}
			pools[i] = poolBodyOf(r.Entry, p)
		}
		change.Pools = &pools
	}
	_, err := s.Change(ctx, RaceChangeBody{Entry: change}, func(now race.Race) error {
		if now.Entry == nil || !slices.Equal(now.Entry.Pools, r.Entry.Pools) {
			return &race.ConflictError{Message: "the pools have changed meanwhile: look at them again"}
		}
		return nil
	})
	return err
}

func entrySettingsOf(r race.Race) *EntrySettingsBody {
	if r.Entry == nil {
		return nil
	}
	s := r.Entry
	body := &EntrySettingsBody{
		OpensAt: instant(s, s.OpensAt), ClosesAt: instant(s, s.ClosesAt), TimeZone: s.Zone, Capacity: s.Capacity, BibFrom: s.BibFrom, BibTo: s.BibTo,
		WaitingList: s.WaitingList, OfferHold: cmp.Or(s.OfferHold, usualHold).String(), Order: cmp.Or(string(s.Order), arrival), Paused: s.Paused,
		DrawAt: instant(s, s.DrawsAt()), Commitment: s.DrawCommitment,
		TransferUntil: instant(s, s.TransferUntil), TransferPastLine: s.TransferPastLine,
		NextRaceID: s.NextRaceID, DeferUntil: instant(s, s.DeferUntil),
	}
	for _, p := range s.Pools {
		body.Pools = append(body.Pools, poolBodyOf(s, p))
	}
	return body
}

func poolBodyOf(s *race.EntrySettings, p race.EntryPool) EntryPoolBody {
	body := EntryPoolBody{Key: p.Key, Name: p.Name, Capacity: p.Capacity, Division: p.Division, BibFrom: p.BibFrom, BibTo: p.BibTo}
	if !p.OpensAt.IsZero() {
		body.OpensAt = s.In(p.OpensAt).Format(time.RFC3339)
	}
	body.Standard = standardBodyOf(p.Standard)
	return body
}

// standardBodyOf returns a standard as the API shows it, nil for none.
func standardBodyOf(s race.Standard) *StandardBody {
	if s.IsZero() {
		return nil
	}
	return &StandardBody{DistanceM: s.Distance.Metres(), Men: s.Men.String(), Women: s.Women.String(), Since: s.Since.String()}
}

// instant returns a time as the race's clock shows it, nil for none.
func instant(s *race.EntrySettings, t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(s.In(t))
}
