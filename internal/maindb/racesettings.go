package maindb

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// BirthDates returns the birth dates that the start lists of a race gave, by bib
// key. Unknown ones are left out.
type BirthDates func(ctx context.Context, bibKeys []string) (map[string]race.Date, error)

// UpdateRace lets edit change the settings of a race. It returns the updated race
// and how many records were revised.
//
// A change of a setting that affects credits gives every live record a new
// revision, so that it is credited again. A new date first recomputes the ages on
// race day, except those that the organizer stated. It returns race.ErrNotFound,
// the error of edit, or a *race.ConflictError when the race is official and the
// change would affect its points or places, or when more runners have entered than
// the new capacity allows.
//
// births is called under the lock on the race, so that nobody enters between that
// call and the change of the date. edit may run more than once.
func (s *Store) UpdateRace(ctx context.Context, raceID string, edit func(*race.Race) error, births BirthDates) (updated race.Race, revised int, err error) {
	err = s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := q.LockPools(ctx, raceID); err != nil { // before the race: entering does so
			return fmt.Errorf("lock the pools of race %s: %w", raceID, err)
		}
		old, err := lockRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		updated, revised = old, 0
		if old.Entry != nil {
			updated.Entry = new(*old.Entry)
			updated.Entry.Pools = slices.Clone(old.Entry.Pools)
		}
		updated.Divisions = slices.Clone(old.Divisions)
		updated.Course.Points, updated.Teams = slices.Clone(old.Course.Points), slices.Clone(old.Teams)
		if err := edit(&updated); err != nil {
			return err
		}
		if err := s.prepareDraw(ctx, q, old.Entry, &updated); err != nil {
			return err
		}
		if reflect.DeepEqual(old, updated) {
			return nil
		}
		if err := mayChange(ctx, q, old, updated); err != nil {
			return err
		}
		if err := s.writeSettings(ctx, q, updated); err != nil {
			return err
		}
		if err := s.changeEntry(ctx, tx, old, updated); err != nil {
			return err
		}
		if updated.Location().String() != old.Location().String() { // days begin and end at other times
			if err := s.moveTaskZone(ctx, q, updated); err != nil {
				return err
			}
		}
		if updated.Date != old.Date {
			if err := s.moveRaceDay(ctx, q, updated, births); err != nil {
				return err
			}
		}
		if changed := creditSettings(old, updated); len(changed) > 0 {
			if revised, err = s.reviseRace(ctx, tx, raceID, "race settings changed: "+strings.Join(changed, ", ")); err != nil {
				return err
			}
		}
		entry := ofRace(raceID, "race.changed")
		was, is, err := differences(stateOf(old), stateOf(updated))
		if err != nil {
			return err
		}
		entry.Before, entry.After = was, is
		return writeChanges(ctx, tx, s.now(), entry)
	})
	return updated, revised, err
}

// creditSettings names the changed settings that affect points.
func creditSettings(old, updated race.Race) []string {
	clocks := !slices.Equal(scoring.Clocks(old.Ranking), scoring.Clocks(updated.Ranking)) // whose times must be plausible
	return changedOf(
		setting{"date", old.Date != updated.Date},
		setting{"distance_m", old.Distance != updated.Distance},
		setting{"ranking.basis", old.Ranking.Basis != updated.Ranking.Basis},
		setting{"ranking.divisions_basis", clocks && old.Ranking.DivisionsBasis != updated.Ranking.DivisionsBasis},
		setting{"ranking.ties", clocks && old.Ranking.Ties != updated.Ranking.Ties},
		setting{"scoring", old.Scoring != updated.Scoring},
		setting{"points", old.Points != updated.Points},
	)
}

// placeSettings names the changed settings that affect only places.
func placeSettings(old, updated race.Race) []string {
	return changedOf(
		setting{"ranking.divisions_basis", old.Ranking.DivisionsBasis != updated.Ranking.DivisionsBasis},
		setting{"ranking.ties", old.Ranking.Ties != updated.Ranking.Ties},
		setting{"divisions", !reflect.DeepEqual(old.Divisions, updated.Divisions)},
		setting{"teams", !slices.Equal(old.Teams, updated.Teams)},
	)
}

type setting struct {
	name    string
	changed bool
}

func changedOf(settings ...setting) []string {
	var names []string
	for _, s := range settings {
		if s.changed {
			names = append(names, s.name)
		}
	}
	return names
}

func mayChange(ctx context.Context, q *gen.Queries, old, updated race.Race) error {
	if old.Status == race.Official || old.Status == race.Void {
		if fixed := append(creditSettings(old, updated), placeSettings(old, updated)...); len(fixed) > 0 {
			message := "the race is official: its points and places no longer change"
			if old.Status == race.Void {
				message = "the race is void: its points and places no longer change"
			}
			return &race.ConflictError{Field: fixed[0], Message: message}
		}
	}
	if updated.Capacity == 0 || updated.Capacity == old.Capacity {
		return nil
	}
	entered, err := q.CountEntered(ctx, old.ID)
	if err != nil {
		return fmt.Errorf("count entries of race %s: %w", old.ID, err)
	}
	if entered > int64(updated.Capacity) {
		return &race.ConflictError{Field: "capacity", Message: fmt.Sprintf("%d runners have already entered", entered)}
	}
	return nil
}

func (s *Store) writeSettings(ctx context.Context, q *gen.Queries, r race.Race) error {
	divisions, err := divisionsColumn(r.Divisions)
	if err != nil {
		return err
	}
	optional, err := optionalSettingsOf(r)
	if err != nil {
		return err
	}
	err = q.UpdateRace(ctx, gen.UpdateRaceParams{
		Name: r.Name, City: r.City, RaceDate: r.Date.Midnight(), DistanceMm: int64(r.Distance),
		RankingBasis: string(r.Ranking.Basis), DivisionsBasis: string(r.Ranking.DivisionsBasis), Ties: string(r.Ranking.Ties),
		Divisions: divisions, Scoring: r.Scoring, Points: r.Points, Capacity: count32(r.Capacity),
		TimingPoints: optional.course, Teams: optional.teams, Awards: optional.awards, Entry: optional.entry,
		Country: r.Country, UpdatedAt: s.now(), RaceID: r.ID,
	})
	if err != nil {
		return fmt.Errorf("update race %s: %w", r.ID, err)
	}
	return nil
}

// moveRaceDay recomputes the ages on race day that the organizer did not state: from
// the birth date that a start list gave, or, where the runner's own account gave the
// age, by the whole years that lie between that day and the new one. The birth date
// of an account takes no part: an organizer who moves a race to and fro would find
// it.
func (s *Store) moveRaceDay(ctx context.Context, q *gen.Queries, r race.Race, births BirthDates) error {
	rows, err := q.DerivedAges(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("list ages of race %s: %w", r.ID, err)
	}
	var bibKeys []string
	for _, row := range rows {
		if !row.OwnAgeOn.Valid && row.BibKey.Valid {
			bibKeys = append(bibKeys, row.BibKey.String)
		}
	}
	known, err := births(ctx, bibKeys)
	if err != nil {
		return fmt.Errorf("read birth dates: %w", err)
	}
	byAge := make(map[sql.NullInt16][]string) // participants to set to an age: at most some 120 groups
	for _, row := range rows {
		age := row.Age
		if born, has := known[row.BibKey.String]; has && !row.OwnAgeOn.Valid {
			age = nullAge(born.AgeOn(r.Date))
		} else if row.OwnAgeOn.Valid && row.OwnAge.Valid {
			age = nullAge(int(row.OwnAge.Int16) + race.DateOf(row.OwnAgeOn.Time).YearsUntil(r.Date))
		}
		if age != row.Age {
			byAge[age] = append(byAge[age], row.ParticipantID)
		}
	}
	now := s.now()
	for age, participants := range byAge {
		for ids := range slices.Chunk(participants, chunk) {
			if err := q.SetAges(ctx, age, now, ids); err != nil {
				return fmt.Errorf("set ages of race %s: %w", r.ID, err)
			}
		}
	}
	return nil
}
