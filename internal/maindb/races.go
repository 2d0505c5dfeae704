package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Race returns the race with that ID, or race.ErrNotFound.
func (s *Store) Race(ctx context.Context, raceID string) (race.Race, error) {
	row, err := s.queries.Race(ctx, raceID)
	return foundRace(raceID, row, err)
}

// CreateRace adds a scheduled race under the ID in r and returns it as stored. When
// there is already a race with that ID, an earlier call created it, and that race
// is returned unchanged. It returns race.ErrLeft.
func (s *Store) CreateRace(ctx context.Context, r race.Race) (race.Race, error) {
	divisions, err := divisionsColumn(r.Divisions)
	if err != nil {
		return race.Race{}, err
	}
	r.Status = race.Scheduled
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		if err := holdAccount(ctx, q, r.OrganizerID); err != nil {
			return err
		}
		if err := s.prepareDraw(ctx, q, nil, &r); err != nil {
			return err
		}
		optional, err := optionalSettingsOf(r)
		if err != nil {
			return err
		}
		err = q.InsertRace(ctx, gen.InsertRaceParams{
			RaceID: r.ID, OrganizerID: r.OrganizerID, Name: r.Name, City: r.City,
			RaceDate: r.Date.Midnight(), DistanceMm: int64(r.Distance),
			RankingBasis: string(r.Ranking.Basis), DivisionsBasis: string(r.Ranking.DivisionsBasis), Ties: string(r.Ranking.Ties),
			Divisions: divisions, Scoring: r.Scoring, Points: r.Points, Capacity: count32(r.Capacity),
			TimingPoints: optional.course, Teams: optional.teams, Awards: optional.awards, Entry: optional.entry,
			Country: r.Country, Status: string(r.Status), CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return err
		}
		if r.Entry != nil {
			if err := syncPools(ctx, q, race.Race{}, r); err != nil {
				return err
			}
			if err := s.changeDraw(ctx, q, race.Race{}, r); err != nil {
				return err
			}
			if err := checkNextEdition(ctx, q, race.Race{}, r); err != nil {
				return err
			}
		}
		created := ofRace(r.ID, "race.created")
		created.After = stateOf(r)
		return writeChanges(ctx, tx, now, created)
	})
	if err != nil && !mysql.IsDuplicate(err) {
		return race.Race{}, fmt.Errorf("create race %s: %w", r.ID, err)
	}
	return s.Race(ctx, r.ID)
}

// RacePosition is the position of a race in the list of all races: by date, the
// newest first, then by ID. The zero value is before the first.
type RacePosition struct {
	Date race.Date
	ID   string
}

// The position before every race: the last date that a DATE can hold, and a text
// that sorts after every ID.
var (
	endOfDates = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
	endOfIDs   = "~"
)

// ListRaces returns up to limit races after a position, the newest first: those of
// an organizer, or all when organizerID is empty.
func (s *Store) ListRaces(ctx context.Context, organizerID string, after RacePosition, limit int) ([]race.Race, error) {
	date, id := endOfDates, endOfIDs
	if after.ID != "" {
		date, id = after.Date.Midnight(), after.ID
	}
	var (
		rows []gen.Race
		err  error
	)
	if organizerID == "" {
		rows, err = s.queries.RacesBefore(ctx, gen.RacesBeforeParams{RaceDate: date, RaceID: id, Limit: count32(limit)})
	} else {
		rows, err = s.queries.RacesOfOrganizerBefore(ctx, gen.RacesOfOrganizerBeforeParams{
			OrganizerID: organizerID, RaceDate: date, RaceID: id, Limit: count32(limit),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list races: %w", err)
	}
	return racesOf(rows)
}

// RaceSearch selects races by date and by what their name or city contains,
// whatever its case and accents.
type RaceSearch struct {
	From, To race.Date // inclusive; zero: no bound
	Text     string
	Oldest   bool // the oldest first, instead of the newest
}

// FindRaces returns up to limit races that a search selects, after a position.
func (s *Store) FindRaces(ctx context.Context, search RaceSearch, after RacePosition, limit int) ([]race.Race, error) {
	from, to := time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC), endOfDates
	if !search.From.IsZero() {
		from = search.From.Midnight()
	}
	if !search.To.IsZero() {
		to = search.To.Midnight()
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(search.Text) + "%"
	var (
		rows []gen.Race
		err  error
	)
	if search.Oldest {
		date, id := from, ""
		if after.ID != "" {
			date, id = after.Date.Midnight(), after.ID
		}
		rows, err = s.queries.FindRacesAfter(ctx, gen.FindRacesAfterParams{
			RaceDate: date, RaceID: id, ToDate: to, Pattern: pattern, Limit: count32(limit),
		})
	} else {
		date, id := to, endOfIDs
		if after.ID != "" {
			date, id = after.Date.Midnight(), after.ID
		}
		rows, err = s.queries.FindRacesBefore(ctx, gen.FindRacesBeforeParams{
			RaceDate: date, RaceID: id, FromDate: from, Pattern: pattern, Limit: count32(limit),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("search races: %w", err)
	}
	return racesOf(rows)
}

func racesOf(rows []gen.Race) ([]race.Race, error) {
	races := make([]race.Race, len(rows))
	for i, row := range rows {
		var err error
		if races[i], err = raceOf(row); err != nil {
			return nil, err
		}
	}
	return races, nil
}

// DeleteRace removes a race and its entries. It returns race.ErrNotFound, and a
// *race.ConflictError once the race has official records: those are kept for ever,
// since the ledger refers to them. It also does while runners have a place in it for
// which they gave up one of another edition: they would be left with neither.
func (s *Store) DeleteRace(ctx context.Context, raceID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := q.LockPools(ctx, raceID); err != nil {
			return fmt.Errorf("lock the pools of race %s: %w", raceID, err)
		}
		r, err := lockRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		recorded, err := q.RaceHasRecords(ctx, raceID)
		if err != nil {
			return fmt.Errorf("check race %s for records: %w", raceID, err)
		}
		if recorded {
			return &race.ConflictError{Message: "the race has official records, which are kept for ever"}
		}
		deferred, err := q.DeferredTo(ctx, raceID)
		if err != nil {
			return fmt.Errorf("check race %s for deferred entries: %w", raceID, err)
		}
		if deferred {
			return &race.ConflictError{Message: "runners have deferred their entries to this race: remove those entries first"}
		}
		if err := q.DeleteClaimsOfRace(ctx, raceID); err != nil {
			return fmt.Errorf("delete claims of race %s: %w", raceID, err)
		}
		if err := q.DeleteImportContentsOfRace(ctx, raceID); err != nil {
			return fmt.Errorf("delete the files for race %s: %w", raceID, err)
		}
		if err := q.DeleteImportsOfRace(ctx, raceID); err != nil { // plans, and start lists
			return fmt.Errorf("delete the imports of race %s: %w", raceID, err)
		}
		if err := q.DeleteParticipantsOfRace(ctx, raceID); err != nil {
			return fmt.Errorf("delete entries of race %s: %w", raceID, err)
		}
		for _, remove := range []func(context.Context, string) error{
			q.DeleteTransfersOfRace, q.DeleteEntriesOfRace, q.DeleteDeparturesOfRace, q.DeleteOffersOfRace, q.DeleteWakesOfRace, q.DeletePoolsOfRace,
			q.DeleteDrawOfRace, q.DeleteDrawNumbersOfRace, q.DeleteDrawOutboxOfRace, q.DeleteAdmissionsOfRace,
			q.DeletePostsOfRace, q.DeletePostOutboxOfRace, q.DeleteCommentsOfRace, q.DeleteReportsOfRace,
		} {
			if err := remove(ctx, raceID); err != nil {
				return fmt.Errorf("delete the pools and posts of race %s: %w", raceID, err)
			}
		}
		if err := q.DeleteDeferralsOfRace(ctx, raceID, raceID); err != nil {
			return fmt.Errorf("delete the deferrals of race %s: %w", raceID, err)
		}
		if err := q.DeleteStaffOfRace(ctx, raceID); err != nil {
			return fmt.Errorf("delete the staff of race %s: %w", raceID, err)
		}
		if err := q.DeleteStaffInvitationsOfRace(ctx, raceID); err != nil {
			return fmt.Errorf("delete the invitations of race %s: %w", raceID, err)
		}
		if err := q.DeleteKeysOfRace(ctx, nullString(raceID)); err != nil {
			return fmt.Errorf("delete the keys of race %s: %w", raceID, err)
		}
		if err := deleteWebhooks(ctx, q, raceID); err != nil {
			return err
		}
		if err := s.deleteTasks(ctx, q, raceID); err != nil {
			return err
		}
		if err := q.DeleteRace(ctx, raceID); err != nil {
			return fmt.Errorf("delete race %s: %w", raceID, err)
		}
		deleted := ofRace(raceID, "race.deleted")
		deleted.Before = stateOf(r)
		return writeChanges(ctx, tx, s.now(), deleted)
	})
}

// VoidRace makes a race void for ever: its publication is cancelled if it was still
// open, and every live record gets a revision, so that its points are reversed by
// the ordinary path. A race that is already void is returned unchanged, with voided
// false. It returns race.ErrNotFound.
func (s *Store) VoidRace(ctx context.Context, raceID string, change Change) (r race.Race, voided bool, err error) {
	err = s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		voided = false
		if r, err = lockRace(ctx, q, raceID); err != nil || r.Status == race.Void {
			return err
		}
		now := s.now().UTC().Truncate(time.Microsecond)
		voided = true
		entry := ofRace(raceID, "race.voided")
		entry.Reason, entry.Before, entry.After = change.Reason, map[string]race.Status{"status": r.Status}, map[string]race.Status{"status": race.Void}
		r.Status, r.Voided = race.Void, &race.Voiding{At: now, By: change.By, Reason: change.Reason}
		err := q.VoidRace(ctx, gen.VoidRaceParams{
			VoidedAt: sql.NullTime{Time: now, Valid: true}, VoidedBy: nullString(change.By),
			VoidReason: nullString(change.Reason), UpdatedAt: now, RaceID: raceID,
		})
		if err != nil {
			return fmt.Errorf("void race %s: %w", raceID, err)
		}
		if err := q.DeletePublication(ctx, raceID); err != nil {
			return fmt.Errorf("cancel the publication of race %s: %w", raceID, err)
		}
		if err := q.QueueOpenDraw(ctx, now, raceID); err != nil {
			return fmt.Errorf("end the draw of race %s: %w", raceID, err)
		}
		if _, err = s.reviseRace(ctx, tx, raceID, fit("race voided: "+change.Reason)); err != nil {
			return err
		}
		return writeChanges(ctx, tx, now, entry)
	})
	return r, voided, err
}

// lockRace locks out every other writer of the race, its entries and its records
// until the transaction ends. It returns the race, or race.ErrNotFound.
func lockRace(ctx context.Context, q *gen.Queries, raceID string) (race.Race, error) {
	row, err := q.LockRace(ctx, raceID)
	return foundRace(raceID, row, err)
}

func foundRace(raceID string, row gen.Race, err error) (race.Race, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return race.Race{}, race.ErrNotFound
	}
	if err != nil {
		return race.Race{}, fmt.Errorf("read race %s: %w", raceID, err)
	}
	return raceOf(row)
}

func raceOf(row gen.Race) (race.Race, error) {
	r := race.Race{
		ID:          row.RaceID,
		OrganizerID: row.OrganizerID,
		Name:        row.Name,
		City:        row.City,
		Country:     row.Country,
		Date:        race.DateOf(row.RaceDate),
		Distance:    race.Distance(row.DistanceMm),
		Ranking: race.Ranking{
			Basis:          race.Basis(row.RankingBasis),
			DivisionsBasis: race.Basis(row.DivisionsBasis),
			Ties:           race.Ties(row.Ties),
		},
		Scoring:   row.Scoring,
		Points:    row.Points,
		Capacity:  int(row.Capacity),
		Status:    race.Status(row.Status),
		CreatedAt: row.CreatedAt,
	}
	if row.VoidedAt.Valid {
		r.Voided = &race.Voiding{At: row.VoidedAt.Time, By: row.VoidedBy.String, Reason: row.VoidReason.String}
	}
	if err := json.Unmarshal(row.Divisions, &r.Divisions); err != nil {
		return race.Race{}, fmt.Errorf("read divisions of race %s: %w", row.RaceID, err)
	}
	if err := readOptionalSettings(row, &r); err != nil {
		return race.Race{}, err
	}
	return r, nil
}

func divisionsColumn(divisions []race.Division) (json.RawMessage, error) {
	if divisions == nil {
		divisions = []race.Division{}
	}
	column, err := json.Marshal(divisions)
	if err != nil {
		return nil, fmt.Errorf("encode divisions: %w", err)
	}
	return column, nil
}

// optionalSettings are the columns of settings that most races do without; each is
// NULL where there is none.
type optionalSettings struct{ course, teams, awards, entry sql.NullString }

func optionalSettingsOf(r race.Race) (columns optionalSettings, err error) {
	for _, setting := range []struct {
		column *sql.NullString
		value  any
		isSet  bool
	}{
		{&columns.course, r.Course, r.Course.LastKey != 0},
		{&columns.teams, r.Teams, len(r.Teams) > 0},
		{&columns.awards, r.Awards, r.Awards != race.AwardRules{}},
		{&columns.entry, r.Entry, r.Entry != nil},
	} {
		if !setting.isSet {
			continue
		}
		text, err := json.Marshal(setting.value)
		if err != nil {
			return columns, fmt.Errorf("encode settings: %w", err)
		}
		*setting.column = sql.NullString{String: string(text), Valid: true}
	}
	return columns, nil
}

func readOptionalSettings(row gen.Race, r *race.Race) error {
	for _, setting := range []struct {
		column sql.NullString
		value  any
	}{{row.TimingPoints, &r.Course}, {row.Teams, &r.Teams}, {row.Awards, &r.Awards}, {row.Entry, &r.Entry}} {
		if !setting.column.Valid {
			continue
		}
		if err := json.Unmarshal([]byte(setting.column.String), setting.value); err != nil {
			return fmt.Errorf("read optional settings of race %s: %w", row.RaceID, err)
		}
	}
	return nil
}

// A holder locks a race against writers of its records until the transaction ends
// and returns the race's status, or race.ErrNotFound.
type holder func(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error)

// holdRace locks out every other writer of the race's records.
func holdRace(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error) {
	status, err := q.HoldRaceForRecords(ctx, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", race.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("hold race %s: %w", raceID, err)
	}
	return race.Status(status), nil
}

// errVoid is returned to callers that would change the records of a void race.
var errVoid = &race.ConflictError{Message: "the race is void: its records no longer change"}

// holdLiveRace is holdRace for changes of results: it returns a *race.ConflictError
// for a void race.
func holdLiveRace(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error) {
	status, err := holdRace(ctx, q, raceID)
	if err == nil && status == race.Void {
		return "", errVoid
	}
	return status, err
}

// errScheduled says that a race has no records yet, so that adding the first one
// changes the race too, which needs holdRace instead of shareRace.
var errScheduled = errors.New("the race is still scheduled")

// shareRace locks out writers that change records, but not those that add one. It
// returns errScheduled for a race without records and a *race.ConflictError for a
// void one.
func shareRace(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error) {
	status, err := q.ShareRaceForRecords(ctx, raceID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", race.ErrNotFound
	case err != nil:
		return "", fmt.Errorf("share race %s: %w", raceID, err)
	case race.Status(status) == race.Scheduled:
		return "", errScheduled
	case race.Status(status) == race.Void:
		return "", errVoid
	}
	return race.Status(status), nil
}
