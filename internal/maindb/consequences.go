package maindb

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// Consequences is what a change of a race leads to, whatever made it: a file, a
// correction, another rule, the undoing of one of them.
type Consequences struct {
	Hash string `json:"-"` // of the race as it was; only of a Plan

	RecordsAdded   int `json:"records_added"`
	RecordsChanged int `json:"records_changed" doc:"Records whose result, bib or confirmation changes."`
	RecordsRemoved int `json:"records_removed"`

	Credits      int            `json:"credits" doc:"Records that are credited again, new ones included."`
	Points       []PointsChange `json:"points" nullable:"false" doc:"Runners whose points for the race change, the largest changes first; at most 200."`
	PointsTotal  int            `json:"points_total" doc:"How many runners that are."`
	PointsBefore int64          `json:"points_before" doc:"All points of the records that are credited again, as they are now."`
	PointsAfter  int64          `json:"points_after"`

	PlacesMoved int         `json:"places_moved" doc:"Records whose place changes: overall, by sex or in the division. A record that is placed for the first time counts."`
	Moves       []PlaceMove `json:"moves" nullable:"false" doc:"These places, in the new order; at most 200."`
	Podiums     []Podium    `json:"podiums" nullable:"false" doc:"The first three of every ranking, now and then."`
}

// PointsChange is a runner whose points for a race change.
type PointsChange struct {
	Bib    string `json:"bib"`
	UserID string `json:"user_id"`
	Before int64  `json:"before"`
	After  int64  `json:"after"`
}

// PlaceMove is an entry whose place changes. A place that is left out means no
// place.
type PlaceMove struct {
	Bib                 string `json:"bib"`
	RecordID            string `json:"record_id,omitempty" doc:"Left out for a record that the change adds: it gets its ID when the change is made."`
	PlaceBefore         int    `json:"place_before,omitempty"`
	PlaceAfter          int    `json:"place_after,omitempty"`
	SexPlaceBefore      int    `json:"sex_place_before,omitempty"`
	SexPlaceAfter       int    `json:"sex_place_after,omitempty"`
	DivisionBefore      string `json:"division_before,omitempty"`
	DivisionAfter       string `json:"division_after,omitempty"`
	DivisionPlaceBefore int    `json:"division_place_before,omitempty"`
	DivisionPlaceAfter  int    `json:"division_place_after,omitempty"`
}

// Podium is the first three of one ranking of a race before and after a change.
type Podium struct {
	Field    race.Field    `json:"field"`
	Sex      race.Sex      `json:"sex,omitempty" doc:"The sex, in a ranking by sex."`
	Division string        `json:"division,omitempty" doc:"The division, in the ranking of a division. Without sex and division it is the overall ranking."`
	Changed  bool          `json:"changed"`
	Before   []PodiumPlace `json:"before" nullable:"false"`
	After    []PodiumPlace `json:"after" nullable:"false"`
}

// PodiumPlace is somebody on a podium.
type PodiumPlace struct {
	Place    int    `json:"place"`
	Bib      string `json:"bib"`
	RecordID string `json:"record_id,omitempty" doc:"Left out for a record that the change adds."`
	Time     string `json:"time" doc:"The time that ranks."`
}

// consequencesOf compares two states of a race. Every credit that changes has a
// revision of its own, so only revised records are scored.
func consequencesOf(before, after *raceInputs) (Consequences, error) {
	c := Consequences{Points: []PointsChange{}, Moves: []PlaceMove{}, Podiums: []Podium{}}
	if err := c.score(before, after); err != nil {
		return c, err
	}
	from, to := standings.Rank(before.rules(), before.ranked()), standings.Rank(after.rules(), after.ranked())
	for _, change := range standings.Compare(from, to).Changes {
		if move, moved := moveOf(change); moved {
			list(&c.Moves, &c.PlacesMoved, move)
		}
	}
	c.Podiums = podiums(from, to, before.race, after.race)
	c.forgetAdded(before)
	return c, nil
}

// forgetAdded leaves out the IDs of records that the change adds: a plan and the change
// that is then made give them different ones.
func (c *Consequences) forgetAdded(before *raceInputs) {
	known := make(map[string]bool, len(before.records))
	for i := range before.records {
		known[before.records[i].RecordID] = true
	}
	for i := range c.Moves {
		if !known[c.Moves[i].RecordID] {
			c.Moves[i].RecordID = ""
		}
	}
	for _, podium := range c.Podiums {
		for i := range podium.After {
			if !known[podium.After[i].RecordID] {
				podium.After[i].RecordID = ""
			}
		}
	}
}

// score counts the records that differ and works out their points in both states.
func (c *Consequences) score(before, after *raceInputs) error {
	earlier := make(map[string]*gen.OfficialRecord, len(before.records))
	for i := range before.records {
		earlier[before.records[i].RecordID] = &before.records[i]
	}
	runners := make(map[string]*PointsChange)
	award := func(in *raceInputs, row *gen.OfficialRecord, sum *int64, of func(*PointsChange) *int64) error {
		earned, err := scoring.Judge(in.facts(row))
		if _, rejected := errors.AsType[*race.Rejection](err); err != nil && !rejected {
			return err
		}
		if earned.RunnerID == "" {
			return nil
		}
		runner := runners[earned.RunnerID]
		if runner == nil {
			runner = &PointsChange{Bib: row.Bib, UserID: earned.RunnerID}
			runners[earned.RunnerID] = runner
		}
		*sum += earned.Points
		*of(runner) += earned.Points
		return nil
	}
	for i := range after.records {
		row := &after.records[i]
		old := earlier[row.RecordID]
		if old != nil && old.Revision == row.Revision {
			continue
		}
		c.Credits++
		c.count(old, row)
		if err := award(after, row, &c.PointsAfter, func(p *PointsChange) *int64 { return &p.After }); err != nil {
			return err
		}
		if old == nil {
			continue
		}
		if err := award(before, old, &c.PointsBefore, func(p *PointsChange) *int64 { return &p.Before }); err != nil {
			return err
		}
	}
	changed := make([]PointsChange, 0, len(runners))
	for _, runner := range runners {
		if runner.Before != runner.After {
			changed = append(changed, *runner)
		}
	}
	slices.SortFunc(changed, func(a, b PointsChange) int {
		return cmp.Or(cmp.Compare(abs(b.After-b.Before), abs(a.After-a.Before)), cmp.Compare(a.UserID, b.UserID))
	})
	c.PointsTotal = len(changed)
	c.Points = append(c.Points, changed[:min(len(changed), maxListed)]...)
	return nil
}

func abs(n int64) int64 { return max(n, -n) }

func (c *Consequences) count(old, row *gen.OfficialRecord) {
	switch {
	case old == nil:
		c.RecordsAdded++
	case row.Removed && !old.Removed:
		c.RecordsRemoved++
	case recordOf(*old).Result != recordOf(*row).Result || old.TimeConfirmed != row.TimeConfirmed || old.Removed != row.Removed:
		c.RecordsChanged++
	}
}

func moveOf(c standings.Change) (move PlaceMove, moved bool) {
	var from, to standings.Row
	if c.From != nil {
		from = *c.From
	}
	if c.To != nil {
		to = *c.To
	}
	move = PlaceMove{
		Bib: c.Row().Result.Bib, RecordID: c.Row().RecordID,
		PlaceBefore: from.Place, PlaceAfter: to.Place, SexPlaceBefore: from.SexPlace, SexPlaceAfter: to.SexPlace,
		DivisionPlaceBefore: from.DivisionPlace, DivisionPlaceAfter: to.DivisionPlace,
	}
	if move.DivisionPlaceBefore != 0 {
		move.DivisionBefore = from.Division
	}
	if move.DivisionPlaceAfter != 0 {
		move.DivisionAfter = to.Division
	}
	return move, from.Place != to.Place || from.SexPlace != to.SexPlace ||
		from.DivisionPlace != to.DivisionPlace || move.DivisionBefore != move.DivisionAfter
}

const (
	podiumPlaces = 3
	maxPodium    = 10 // who share these places
)

type ranking struct {
	field    race.Field
	sex      race.Sex
	division string
}

// podiums returns those of both rankings: of each field the overall one, then those
// by sex, then the divisions in the order of the race.
func podiums(from, to []standings.Row, before, after race.Race) []Podium {
	earlier, later := podiumsOf(from, before.Ranking), podiumsOf(to, after.Ranking)
	var order []ranking
	for _, field := range []race.Field{race.Runner, race.Wheelchair, race.Handcycle} {
		for _, sex := range []race.Sex{"", race.Female, race.Male, race.NonBinary} {
			order = append(order, ranking{field: field, sex: sex})
		}
		for _, division := range append(slices.Clone(after.Divisions), before.Divisions...) {
			if r := (ranking{field: field, division: division.Name}); !slices.Contains(order, r) {
				order = append(order, r)
			}
		}
	}
	all := []Podium{}
	for _, r := range order {
		p := Podium{
			Field: r.field, Sex: r.sex, Division: r.division,
			Before: append([]PodiumPlace{}, earlier[r]...), After: append([]PodiumPlace{}, later[r]...),
		}
		if p.Changed = !slices.Equal(p.Before, p.After); len(p.Before)+len(p.After) > 0 {
			all = append(all, p)
		}
	}
	return all
}

func podiumsOf(rows []standings.Row, rules race.Ranking) map[ranking][]PodiumPlace {
	found := make(map[ranking][]PodiumPlace)
	divisionsBasis := race.Ranking{Basis: cmp.Or(rules.DivisionsBasis, rules.Basis)}
	add := func(r ranking, place int, row *standings.Row, by race.Ranking) {
		if place > 0 && place <= podiumPlaces && len(found[r]) < maxPodium {
			found[r] = append(found[r], PodiumPlace{
				Place: place, Bib: row.Result.Bib, RecordID: row.RecordID, Time: by.RankingTime(row.Result).String(),
			})
		}
	}
	for i := range rows {
		row := &rows[i]
		add(ranking{field: row.Field}, row.Place, row, rules)
		if row.Sex != "" {
			add(ranking{field: row.Field, sex: row.Sex}, row.SexPlace, row, rules)
		}
		if row.Division != "" {
			add(ranking{field: row.Field, division: row.Division}, row.DivisionPlace, row, divisionsBasis)
		}
	}
	for _, places := range found { // a division may rank by another time than the race
		slices.SortStableFunc(places, func(a, b PodiumPlace) int { return cmp.Compare(a.Place, b.Place) })
	}
	return found
}

// errPlanned rolls back what was only planned.
var errPlanned = errors.New("planned, not done")

// plannedChange takes the consequences of a change that is rolled back.
type plannedChange struct{ consequences Consequences }

// Plan returns what the change of a race by do leads to, and leaves everything as
// it is. do makes one call of a writing method on the store that it is given. The
// call runs in its own transaction and under its own locks, and is rolled back, so
// that the plan of a change and the change itself cannot differ. The error of do is
// returned as it is. A change that turns out to change nothing has no consequences.
func (s *Store) Plan(do func(planning *Store) error) (Consequences, error) {
	plan := &plannedChange{Consequences{Points: []PointsChange{}, Moves: []PlaceMove{}, Podiums: []Podium{}}}
	if err := do(&Store{db: s.db, queries: s.queries, now: s.now, planned: plan}); err != nil && !errors.Is(err, errPlanned) {
		return Consequences{}, err
	}
	return plan.consequences, nil
}

// inRace runs the change of a race in a transaction. On a store of Plan it compares
// the race before and after, and rolls the change back.
func (s *Store) inRace(ctx context.Context, raceID string, change func(tx *sql.Tx) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		if s.planned == nil {
			return change(tx)
		}
		q := s.queries.WithTx(tx)
		read := func() (*raceInputs, error) {
			r, err := lockRace(ctx, q, raceID)
			if err != nil {
				return nil, err
			}
			return readInputs(ctx, q, r)
		}
		before, err := read()
		if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		after, err := read()
		if err != nil {
			return err
		}
		if s.planned.consequences, err = consequencesOf(before, after); err != nil {
			return fmt.Errorf("work out the consequences for race %s: %w", raceID, err)
		}
		hash, err := before.hash()
		if err != nil {
			return err
		}
		s.planned.consequences.Hash = hex.EncodeToString(hash[:])
		return errPlanned
	})
}
