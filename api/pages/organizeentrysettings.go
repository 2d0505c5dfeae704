package pages

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func entrySettingsPath(raceID string) string { return organizedPath(raceID) + "/settings/entry" }

// timeZones are proposed for a race; any other IANA name can be typed.
var timeZones = []string{
	"Asia/Seoul", "Asia/Tokyo", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Taipei", "Asia/Singapore", "Asia/Bangkok", "Asia/Ho_Chi_Minh", "Asia/Kolkata", "Asia/Dubai",
	"Australia/Sydney", "Pacific/Auckland", "Europe/London", "Europe/Berlin", "Europe/Paris", "Europe/Madrid", "Europe/Athens", "Africa/Nairobi", "Africa/Johannesburg",
	"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Mexico_City", "America/Sao_Paulo", "UTC",
}

// localTime is how a browser writes a date and time without a zone.
const localTime = "2006-01-02T15:04"

// localText writes an instant as the race's clock shows it, for a form; zero: empty.
func localText(s *race.EntrySettings, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	if at.Second() != 0 {
		return s.In(at).Format(localTime + ":05")
	}
	return s.In(at).Format(localTime)
}

// entryValues are the fields of the settings of entry. The field entry says whether the
// race has any, so that somebody who was second to add them hears so.
func entryValues(r race.Race) url.Values {
	s := r.Entry
	values := url.Values{"entry": {"yes"}}
	if s == nil {
		s = &race.EntrySettings{Zone: race.ZoneOf(r.Country), WaitingList: true}
		values.Set("entry", "")
	}
	yes := map[bool]string{true: "yes"}
	for name, value := range map[string]string{
		"time_zone": s.Zone, "opens_at": localText(s, s.OpensAt), "closes_at": localText(s, s.ClosesAt), "waiting_list": yes[s.WaitingList],
		"order": string(s.Order), "draw_at": localText(s, s.DrawAt),
		"transfer_until": localText(s, s.TransferUntil), "transfer_past_line": yes[s.TransferPastLine],
		"next_race_id": s.NextRaceID, "defer_until": localText(s, s.DeferUntil),
		"offer_hold": cmp.Or(s.OfferHold, usualHold).String(), "paused": yes[s.Paused],
		"capacity": number(s.Capacity), "bib_from": number(s.BibFrom), "bib_to": number(s.BibTo),
	} {
		values.Set("entry."+name, value)
	}
	for i, p := range s.Pools {
		for field, value := range map[string]string{
			"key": number(p.Key), "name": p.Name, "capacity": number(p.Capacity), "opens_at": localText(s, p.OpensAt), "division": p.Division,
			"bib_from": number(p.BibFrom), "bib_to": number(p.BibTo),
		} {
			values.Set(cell("entry.pools", i, field), value)
		}
		for field, value := range standardValues(p.Standard) {
			values.Set(cell("entry.pools", i, field), value)
		}
	}
	return values
}

// entryChange reads all settings of entry when one of them differs: local times mean
// other instants in another time zone.
func (v *visit) entryChange(was url.Values) races.RaceChangeBody {
	e := edited{v, was}
	same := v.form.get("entry") != "" && !e.listed("entry.pools")
	for name := range was {
		same = same && (strings.HasPrefix(name, "entry.pools[") || !e.differs(name))
	}
	if same {
		return races.RaceChangeBody{}
	}
	zone, err := time.LoadLocation(v.form.get("entry.time_zone"))
	if err != nil {
		zone = time.UTC // whose time zone it is not is said by the call
	}
	in := &races.EntryChangeBody{
		OpensAt: new(v.localInstant("entry.opens_at", zone)), ClosesAt: new(v.localInstant("entry.closes_at", zone)), TimeZone: new(v.form.get("entry.time_zone")),
		Capacity: new(v.whole("entry.capacity")), BibFrom: new(v.whole("entry.bib_from")), BibTo: new(v.whole("entry.bib_to")),
		WaitingList: new(v.form.get("entry.waiting_list") != ""), OfferHold: new(v.form.get("entry.offer_hold")), Paused: new(v.form.get("entry.paused") != ""),
		Order: new(cmp.Or(v.form.get("entry.order"), "arrival")), DrawAt: new(v.localInstant("entry.draw_at", zone)),
		TransferUntil: new(v.localInstant("entry.transfer_until", zone)), TransferPastLine: new(v.form.get("entry.transfer_past_line") != ""),
		NextRaceID: new(v.form.get("entry.next_race_id")), DeferUntil: new(v.localInstant("entry.defer_until", zone)),
	}
	pools := make([]races.EntryPoolBody, rowsIn(v.form.values, "entry.pools"))
	for i := range pools {
		at := func(field string) string { return cell("entry.pools", i, field) }
		pools[i] = races.EntryPoolBody{
			Key: v.whole(at("key")), Name: v.form.get(at("name")), Capacity: v.whole(at("capacity")), OpensAt: v.localInstant(at("opens_at"), zone),
			Division: v.form.get(at("division")), BibFrom: v.whole(at("bib_from")), BibTo: v.whole(at("bib_to")),
			Standard: v.standardOf(at),
		}
	}
	in.Pools = &pools
	return races.RaceChangeBody{Entry: in}
}

// localInstant reads a date and time of the race's clock and returns it with its offset
// from UTC, as the API takes it; empty for an empty field.
func (v *visit) localInstant(name string, zone *time.Location) string {
	text := v.form.get(name)
	if text == "" {
		return ""
	}
	for _, layout := range []string{localTime, localTime + ":05", "2006-01-02 15:04"} {
		at, err := time.ParseInLocation(layout, text, zone)
		switch {
		case err != nil:
			continue
		case at.Format(layout) != text: // the clocks go forward over it
			v.blame(name, v.T("wrong.localtime.skipped"))
			return ""
		}
		return at.Format(time.RFC3339)
	}
	v.blame(name, v.T("wrong.localtime"))
	return ""
}

const usualHold = 24 * time.Hour

// holds are for how long an offer can hold a place.
func (v *visit) holds(r race.Race) []option {
	holds := []time.Duration{
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 72 * time.Hour, 168 * time.Hour,
	}
	if r.Entry != nil && r.Entry.OfferHold != 0 && !slices.Contains(holds, r.Entry.OfferHold) {
		holds = append(holds, r.Entry.OfferHold) // set by a call
	}
	list := make([]option, 0, len(holds))
	for _, d := range holds {
		list = append(list, option{d.String(), v.hold(&race.EntrySettings{OfferHold: d})})
	}
	return list
}

// poolDivisions are whom a pool can be for.
func (v *visit) poolDivisions(r race.Race) []option {
	list := []option{{"", v.T("entry.pool.all")}}
	for _, d := range r.Divisions {
		list = append(list, option{d.Name, d.Name})
	}
	return list
}

// effectsHash identifies what a change of entry leads to; empty when nothing changes.
func (e settingsView) effectsHash() string {
	if len(e.effects) == 0 {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(e.effects, "\n"))))
}

// entryEffects says what a change of entry leads to, for those who have entered or wait
// now.
func (s *site) entryEffects(ctx context.Context, v *visit, was, is race.Race) ([]string, error) {
	before, after := was.Entry, is.Entry
	if after == nil {
		return nil, nil
	}
	var effects []string
	say := func(key string, data ...any) { effects = append(effects, v.T("effect."+key, data...)) }
	if before == nil {
		say("first")
		before = &race.EntrySettings{Zone: after.Zone, WaitingList: true}
	}
	moment := func(key string, before, after time.Time) {
		switch {
		case after.Equal(before):
		case after.IsZero():
			say(key + ".none")
		default:
			say(key, "At", v.raceTime(is.Entry, after))
		}
	}
	if before.Zone != after.Zone {
		say("zone", "Zone", after.Zone)
	}
	moment("opens", before.OpensAt, after.OpensAt)
	moment("closes", before.ClosesAt, after.ClosesAt)
	if before.Order != after.Order {
		say(map[race.EntryOrder]string{race.ByDraw: "draw", race.ByArrival: "arrival"}[after.Order])
	}
	if after.Order == race.ByDraw {
		moment("draws", before.DrawsAt(), after.DrawsAt())
	}
	moment("transfer", before.TransferUntil, after.TransferUntil)
	if before.TransferPastLine != after.TransferPastLine {
		say(map[bool]string{true: "transfer.past", false: "transfer.line"}[after.TransferPastLine])
	}
	if before.Paused != after.Paused {
		say(map[bool]string{true: "paused", false: "resumed"}[after.Paused])
	}
	if before.WaitingList != after.WaitingList {
		say(map[bool]string{true: "line.on", false: "line.off"}[after.WaitingList])
	}
	if cmp.Or(before.OfferHold, usualHold) != cmp.Or(after.OfferHold, usualHold) {
		say("hold", "Hold", v.hold(after))
	}
	deferral, err := s.deferralEffects(ctx, v, before, after)
	if err != nil {
		return nil, err
	}
	effects = append(effects, deferral...)
	counts, err := s.Races.PoolCounts(ctx, was)
	if err != nil {
		return nil, err
	}
	return append(effects, v.poolEffects(was, is, counts)...), nil
}

// poolEffects says what other pools lead to.
func (v *visit) poolEffects(was, is race.Race, counts []maindb.PoolCounts) (effects []string) {
	old := map[int]race.EntryPool{}
	for _, p := range was.EntryPools() {
		old[p.Key] = p
	}
	for _, p := range is.EntryPools() {
		name := v.poolName(p)
		say := func(key string, data ...any) {
			effects = append(effects, v.T("effect."+key, append(data, "Pool", name)...))
		}
		before, known := old[p.Key]
		delete(old, p.Key)
		if !known {
			if len(is.Entry.Pools) > 0 {
				say("pool.new", "Capacity", v.Number(p.Capacity))
			}
			if !p.Standard.IsZero() {
				say("pool.standard", "Standard", v.standardWords(p.Standard))
			}
			continue
		}
		if before.Name != p.Name {
			say("pool.renamed", "Before", v.poolName(before))
		}
		if before.Capacity != p.Capacity {
			effects = append(effects, v.capacityEffect(is.Entry, before, p, counts))
		}
		if !before.OpensAt.Equal(p.OpensAt) {
			say("pool.opens", "At", v.raceTime(is.Entry, is.Entry.OpenFrom(p)))
		}
		if before.Division != p.Division {
			say("pool.division")
		}
		switch {
		case before.Standard == p.Standard:
		case p.Standard.IsZero():
			say("pool.standard.none")
		default:
			say("pool.standard", "Standard", v.standardWords(p.Standard))
		}
		if before.BibFrom != p.BibFrom || before.BibTo != p.BibTo {
			say("pool.bibs")
		}
	}
	for _, p := range was.EntryPools() {
		if _, gone := old[p.Key]; gone && len(was.Entry.Pools) > 0 {
			effects = append(effects, v.T("effect.pool.removed", "Pool", v.poolName(p)))
		}
	}
	return effects
}

// capacityEffect says who gets a place, or that nobody loses one.
func (v *visit) capacityEffect(s *race.EntrySettings, before, after race.EntryPool, counts []maindb.PoolCounts) string {
	name := v.poolName(after)
	var now maindb.PoolCounts
	for _, c := range counts {
		if c.Key == after.Key {
			now = c
		}
	}
	held := now.Taken + now.Offered
	free := now.Waiting
	if after.Capacity > 0 {
		free = min(free, max(0, after.Capacity-held))
	}
	switch {
	case after.Capacity > 0 && held > after.Capacity:
		return v.N("effect.pool.over", held-after.Capacity, "Pool", name, "Capacity", v.Number(after.Capacity))
	case free > 0 && s.Paused:
		return v.N("effect.pool.served.later", free, "Pool", name)
	case free > 0:
		return v.N("effect.pool.served", free, "Pool", name)
	case after.Capacity == 0:
		return v.T("effect.pool.unbounded", "Pool", name)
	}
	return v.T("effect.pool.capacity", "Pool", name, "Before", cmp.Or(capacityText(before), "∞"), "Capacity", v.Number(after.Capacity))
}
