package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/series"
)

const (
	// seriesWindow is how many versions of a series keep their rows in any case, so
	// that a client that reads a version page by page can finish: they come at least
	// two seconds apart.
	seriesWindow = 20
	// maxSeries is how many series an organizer may have. A race may be in all of
	// them, and each is ranked again when it changes.
	maxSeries = 50
)

// Series is a series of races with its settings.
type Series struct {
	ID, OrganizerID string
	Name            string
	Races           []SeriesRace // by date; without those that belong to somebody else by now
	Best, MinRaces  int
	Ties            []series.Tie
	AgesOn          race.Date // zero: the day of the last race
	Divisions       []race.Division
	CreatedAt       time.Time
}

// SeriesRace is a race of a series.
type SeriesRace struct {
	series.Race
	Status race.Status
}

// Rules returns the rules of the ranking. Void races take no part.
func (s *Series) Rules() series.Rules {
	rules := series.Rules{Races: []series.Race{}, Best: s.Best, MinRaces: s.MinRaces, Ties: s.Ties, AgesOn: s.AgesOn, Divisions: s.Divisions}
	for _, r := range s.Races {
		if r.Status != race.Void {
			rules.Races = append(rules.Races, r.Race)
		}
	}
	if last := len(s.Races) - 1; s.AgesOn.IsZero() && last >= 0 {
		rules.AgesOn = s.Races[last].Date
	}
	return rules
}

// Status returns race.Official once the results of all races that take part are, and
// race.Provisional until then.
func (s *Series) Status() race.Status {
	status := race.Provisional
	for _, r := range s.Races {
		switch r.Status {
		case race.Void:
		case race.Official:
			status = race.Official
		default:
			return race.Provisional
		}
	}
	return status
}

// Series returns a series, or race.ErrNotFound.
func (s *Store) Series(ctx context.Context, seriesID string) (Series, error) {
	row, err := s.queries.Series(ctx, seriesID)
	return oneSeries(ctx, s.queries, seriesID, row, err)
}

func oneSeries(ctx context.Context, q *gen.Queries, seriesID string, row gen.Series, err error) (Series, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return Series{}, race.ErrNotFound
	}
	if err != nil {
		return Series{}, fmt.Errorf("read series %s: %w", seriesID, err)
	}
	found, err := seriesOf(ctx, q, []gen.Series{row})
	if err != nil {
		return Series{}, err
	}
	return found[0], nil
}

// ListSeries returns up to limit series after an ID, of one organizer or, if that is
// empty, of all.
func (s *Store) ListSeries(ctx context.Context, organizerID, after string, limit int) (found []Series, err error) {
	var rows []gen.Series
	if organizerID == "" {
		rows, err = s.queries.SeriesAfter(ctx, after, count32(limit))
	} else {
		rows, err = s.queries.SeriesOfOrganizerAfter(ctx, organizerID, after, count32(limit))
	}
	if err != nil {
		return nil, fmt.Errorf("list series: %w", err)
	}
	return seriesOf(ctx, s.queries, rows)
}

func seriesOf(ctx context.Context, q *gen.Queries, rows []gen.Series) ([]Series, error) {
	found, ids, index := make([]Series, len(rows)), make([]string, len(rows)), map[string]int{}
	for i, row := range rows {
		found[i] = Series{
			ID: row.SeriesID, OrganizerID: row.OrganizerID, Name: row.Name, Races: []SeriesRace{}, Best: int(row.Best), MinRaces: int(row.MinRaces),
			CreatedAt: row.CreatedAt,
		}
		if row.AgesOn.Valid {
			found[i].AgesOn = race.DateOf(row.AgesOn.Time)
		}
		if err := errors.Join(json.Unmarshal([]byte(row.Ties), &found[i].Ties), json.Unmarshal([]byte(row.Divisions), &found[i].Divisions)); err != nil {
			return nil, fmt.Errorf("decode the settings of series %s: %w", row.SeriesID, err)
		}
		ids[i], index[row.SeriesID] = row.SeriesID, i
	}
	for part := range slices.Chunk(ids, chunk) {
		races, err := q.RacesOfSeriesList(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("read the races of %d series: %w", len(part), err)
		}
		for _, r := range races {
			of := &found[index[r.SeriesID]]
			of.Races = append(of.Races, SeriesRace{
				Race:   series.Race{ID: r.RaceID, Name: r.Name, Date: race.DateOf(r.RaceDate), Multiplier: int64(r.Multiplier)},
				Status: race.Status(r.Status),
			})
		}
	}
	return found, nil
}

// CreateSeries writes a new series. It returns a *race.InvalidError when a race is
// not one of its organizer's, a *race.ConflictError when they have too many series,
// and race.ErrLeft.
func (s *Store) CreateSeries(ctx context.Context, n Series) (created Series, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		ties, divisions, err := seriesColumns(n)
		if err != nil {
			return err
		}
		if err := holdAccount(ctx, q, n.OrganizerID); err != nil {
			return err
		}
		has, err := q.CountSeriesOf(ctx, n.OrganizerID)
		if err != nil {
			return err
		}
		if has >= maxSeries {
			return &race.ConflictError{Message: fmt.Sprintf("an organizer may have %d series", maxSeries)}
		}
		now := s.now()
		err = q.InsertSeries(ctx, gen.InsertSeriesParams{
			SeriesID: n.ID, OrganizerID: n.OrganizerID, Name: n.Name, Best: count32(n.Best), MinRaces: count32(n.MinRaces),
			Ties: ties, AgesOn: seriesDay(n.AgesOn), Divisions: divisions, CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return err
		}
		if created, err = writeSeriesRaces(ctx, q, n); err != nil {
			return err
		}
		change := ofSeries(n.ID, "series.created")
		change.After = seriesStateOf(created)
		return writeChanges(ctx, tx, now, change)
	})
	if mysql.IsDuplicate(err) { // a retry whose first answer was lost
		return s.Series(ctx, n.ID)
	}
	if err != nil {
		return Series{}, fmt.Errorf("create a series: %w", err)
	}
	return created, nil
}

// UpdateSeries lets edit change the settings of a series. edit may run more than once.
func (s *Store) UpdateSeries(ctx context.Context, seriesID string, edit func(*Series) error) (updated Series, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		before, err := lockSeries(ctx, q, seriesID)
		if err != nil {
			return err
		}
		updated = before
		if err := edit(&updated); err != nil {
			return err
		}
		now := s.now()
		ties, divisions, err := seriesColumns(updated)
		if err != nil {
			return err
		}
		err = q.UpdateSeries(ctx, gen.UpdateSeriesParams{
			Name: updated.Name, Best: count32(updated.Best), MinRaces: count32(updated.MinRaces), Ties: ties,
			AgesOn: seriesDay(updated.AgesOn), Divisions: divisions, UpdatedAt: now, SeriesID: seriesID,
		})
		if err != nil {
			return err
		}
		if err := q.DeleteSeriesRaces(ctx, seriesID); err != nil {
			return err
		}
		if updated, err = writeSeriesRaces(ctx, q, updated); err != nil {
			return err
		}
		change := ofSeries(seriesID, "series.changed")
		was, is := seriesStateOf(before), seriesStateOf(updated)
		if reflect.DeepEqual(was, is) {
			return nil
		}
		change.Before, change.After = was, is
		return writeChanges(ctx, tx, now, change)
	})
	if err != nil {
		return Series{}, fmt.Errorf("update series %s: %w", seriesID, err)
	}
	return updated, nil
}

func lockSeries(ctx context.Context, q *gen.Queries, seriesID string) (Series, error) {
	row, err := q.LockSeries(ctx, seriesID)
	return oneSeries(ctx, q, seriesID, row, err)
}

// writeSeriesRaces writes the races of a series and returns it as it reads then.
func writeSeriesRaces(ctx context.Context, q *gen.Queries, n Series) (Series, error) {
	for i, r := range n.Races {
		row, err := q.Race(ctx, r.ID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return Series{}, err
		}
		if err != nil || row.OrganizerID != n.OrganizerID {
			return Series{}, &race.InvalidError{Fields: []race.FieldError{{Field: fmt.Sprintf("races[%d].race_id", i), Message: "must be a race that you own"}}}
		}
		if err := q.InsertSeriesRace(ctx, n.ID, r.ID, count32(int(r.Multiplier))); err != nil {
			return Series{}, err
		}
	}
	row, err := q.Series(ctx, n.ID)
	return oneSeries(ctx, q, n.ID, row, err)
}

func seriesColumns(n Series) (ties, divisions string, err error) {
	t, err := json.Marshal(n.Ties)
	if err != nil {
		return "", "", err
	}
	d, err := json.Marshal(n.Divisions)
	return string(t), string(d), err
}

func seriesDay(d race.Date) sql.NullTime {
	return sql.NullTime{Time: d.Midnight(), Valid: !d.IsZero()}
}

// DeleteSeries deletes a series with all versions of its standings, or returns
// race.ErrNotFound.
func (s *Store) DeleteSeries(ctx context.Context, seriesID string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		before, err := lockSeries(ctx, q, seriesID)
		if err != nil {
			return err
		}
		if err := q.DeleteSeries(ctx, seriesID); err != nil {
			return err
		}
		change := ofSeries(seriesID, "series.deleted")
		change.Before = seriesStateOf(before)
		return writeChanges(ctx, tx, s.now(), change)
	})
	if err != nil {
		return fmt.Errorf("delete series %s: %w", seriesID, err)
	}
	return nil
}

func ofSeries(seriesID, action string) race.Change {
	return race.Change{Action: action, Subject: race.Subject{Kind: "series", ID: seriesID}}
}

// seriesState is what the change log shows of a series.
type seriesState struct {
	OwnerID   string            `json:"owner_id"`
	Name      string            `json:"name"`
	Races     []seriesRaceState `json:"races"`
	Best      int               `json:"best"`
	MinRaces  int               `json:"min_races"`
	Ties      []series.Tie      `json:"ties"`
	AgesOn    string            `json:"ages_on,omitempty"`
	Divisions []race.Division   `json:"divisions"`
}

type seriesRaceState struct {
	RaceID      string `json:"race_id"`
	Thousandths int64  `json:"multiplier_thousandths"`
}

func seriesStateOf(s Series) seriesState {
	state := seriesState{
		OwnerID: s.OrganizerID, Name: s.Name, Races: []seriesRaceState{}, Best: s.Best, MinRaces: s.MinRaces, Ties: s.Ties, Divisions: s.Divisions,
	}
	for _, r := range s.Races {
		state.Races = append(state.Races, seriesRaceState{r.ID, r.Multiplier})
	}
	if !s.AgesOn.IsZero() {
		state.AgesOn = s.AgesOn.String()
	}
	return state
}
