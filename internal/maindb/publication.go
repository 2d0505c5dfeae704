package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Publication is an organizer's wish to make the standings of a race official.
type Publication struct {
	RaceID      string // empty: there is none
	RequestedBy string // user ID
	RequestedAt time.Time
	EndsAt      time.Time // of the protest window
	PublishedAt time.Time // zero while the window is open
}

// Open tells whether the publication waits to be carried out.
func (p Publication) Open() bool { return p.RaceID != "" && p.PublishedAt.IsZero() }

// Publication returns that of a race, the zero value when there is none.
func (s *Store) Publication(ctx context.Context, raceID string) (Publication, error) {
	row, err := s.queries.Publication(ctx, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return Publication{}, nil
	}
	if err != nil {
		return Publication{}, fmt.Errorf("read the publication of race %s: %w", raceID, err)
	}
	return publicationOf(row), nil
}

// OpenPublication opens the protest window of a race and returns its
// publication. The one that there is already is returned as it is, open or
// carried out. Errors: race.ErrNotFound, *race.ConflictError for a race without
// results.
func (s *Store) OpenPublication(ctx context.Context, raceID, by string, window time.Duration) (p Publication, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		if status == race.Scheduled {
			return &race.ConflictError{Message: "the race has no official records yet"}
		}
		row, err := q.Publication(ctx, raceID)
		if err == nil {
			p = publicationOf(row)
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read the publication of race %s: %w", raceID, err)
		}
		now := s.now().UTC().Truncate(time.Microsecond)
		p = Publication{RaceID: raceID, RequestedBy: by, RequestedAt: now, EndsAt: now.Add(window)}
		err = q.InsertPublication(ctx, gen.InsertPublicationParams{
			RaceID: raceID, RequestedBy: by, RequestedAt: p.RequestedAt, EndsAt: p.EndsAt,
		})
		if err != nil {
			return fmt.Errorf("open the publication of race %s: %w", raceID, err)
		}
		return nil
	})
	return p, err
}

// CancelPublication closes the protest window of a race: its standings stay
// provisional. Without one nothing changes. It returns race.ErrNotFound, and a
// *race.ConflictError when the standings are official already.
func (s *Store) CancelPublication(ctx context.Context, raceID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		if status == race.Official {
			return &race.ConflictError{Message: "the standings are official: correct a record, and a new version follows"}
		}
		if err := q.DeletePublication(ctx, raceID); err != nil {
			return fmt.Errorf("cancel the publication of race %s: %w", raceID, err)
		}
		return nil
	})
}

// fulfil carries out a publication if it is still open as it was read, and
// returns when. It holds the race for the rest of the transaction.
func (s *Store) fulfil(ctx context.Context, q *gen.Queries, p Publication) (time.Time, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	if _, err := holdRace(ctx, q, p.RaceID); err != nil {
		return now, err
	}
	fulfilled, err := q.FulfilPublication(ctx, sql.NullTime{Time: now, Valid: true}, p.RaceID, p.EndsAt)
	if err != nil {
		return now, fmt.Errorf("fulfil the publication: %w", err)
	}
	if fulfilled == 0 {
		return now, ErrOvertaken
	}
	if err := q.MakeRaceOfficial(ctx, now, p.RaceID); err != nil {
		return now, fmt.Errorf("make the race official: %w", err)
	}
	return now, nil
}

func publicationOf(row gen.Publication) Publication {
	return Publication{
		RaceID: row.RaceID, RequestedBy: row.RequestedBy, RequestedAt: row.RequestedAt, EndsAt: row.EndsAt,
		PublishedAt: row.PublishedAt.Time,
	}
}
