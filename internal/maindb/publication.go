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
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// Publication is an organizer's request to make the standings of a race official.
type Publication struct {
	RaceID      string // empty: there is none
	RequestedBy string // user ID
	RequestedAt time.Time
	EndsAt      time.Time // of the protest window
	PublishedAt time.Time // zero while the window is open
	// DespiteDisputes lets the standings become official at the end of the window even
	// if disputes are open.
	DespiteDisputes bool
}

// Open reports whether the publication has not been carried out yet.
func (p Publication) Open() bool { return p.RaceID != "" && p.PublishedAt.IsZero() }

// Publication returns the publication of a race, the zero value when there is none.
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

// OpenPublication opens the protest window of a race and returns its publication.
// An existing publication is returned unchanged, open or carried out. Errors:
// race.ErrNotFound, *race.ConflictError for a race without results.
func (s *Store) OpenPublication(ctx context.Context, raceID, by string, window time.Duration) (p Publication, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdLiveRace(ctx, q, raceID)
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
		entry := ofRace(raceID, "race.finalize_requested")
		entry.After = map[string]any{"protest_window_ends_at": p.EndsAt}
		return writeChanges(ctx, tx, now, entry)
	})
	return p, err
}

// PublishDespiteDisputes lets the open publication of a race be carried out even if
// disputes are open. Without an open one, or when it is allowed already, nothing
// changes. It returns race.ErrNotFound.
func (s *Store) PublishDespiteDisputes(ctx context.Context, raceID, reason string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := holdRace(ctx, q, raceID); err != nil {
			return err
		}
		row, err := q.Publication(ctx, raceID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the publication of race %s: %w", raceID, err)
		}
		if row.PublishedAt.Valid || row.DespiteDisputes {
			return nil
		}
		disputed, err := openDisputes(ctx, q, raceID)
		if err != nil {
			return err
		}
		if err := q.PublishDespiteDisputes(ctx, raceID); err != nil {
			return fmt.Errorf("publish race %s despite disputes: %w", raceID, err)
		}
		entry := ofRace(raceID, "race.finalize_despite_disputes")
		entry.Reason, entry.After = reason, map[string]int{"open_disputes": disputed}
		return writeChanges(ctx, tx, s.now(), entry)
	})
}

// CancelPublication closes the protest window of a race: its standings stay
// provisional. Without an open one nothing changes. It returns race.ErrNotFound, or
// a *race.ConflictError when the standings are already official.
func (s *Store) CancelPublication(ctx context.Context, raceID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		if status == race.Official {
			return &race.ConflictError{Message: "the standings are already official: correct a record instead, which makes a new version"}
		}
		open, err := q.Publication(ctx, raceID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the publication of race %s: %w", raceID, err)
		}
		if err := q.DeletePublication(ctx, raceID); err != nil {
			return fmt.Errorf("cancel the publication of race %s: %w", raceID, err)
		}
		entry := ofRace(raceID, "race.finalize_cancelled")
		entry.Before = map[string]any{"protest_window_ends_at": open.EndsAt}
		return writeChanges(ctx, tx, s.now(), entry)
	})
}

// fulfil carries out the publication of a version, if the publication has not
// changed since it was read and the version matches what is committed, and returns
// when it did so. It locks the race, which blocks every writer of its settings,
// start list and records, for the rest of the transaction: some 0.2 s for 30,000
// entries, once per race.
func (s *Outcomes) fulfil(ctx context.Context, q *gen.Queries, n NewStandings) (time.Time, error) {
	p, now := *n.Publishes, s.now().UTC().Truncate(time.Microsecond)
	if _, err := holdRace(ctx, q, p.RaceID); err != nil {
		return now, err
	}
	committed, err := readRanked(ctx, q, n.RaceID)
	if err != nil {
		return now, err
	}
	if !n.isOf(committed) {
		return now, ErrOvertaken
	}
	if disputed, err := openDisputes(ctx, q, p.RaceID); err != nil {
		return now, err
	} else if disputed > 0 && !p.DespiteDisputes {
		return now, ErrOvertaken
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

// isOf reports whether a version was ranked from those inputs. Credits are not
// compared: they are in the other database, and each belongs to a revision.
func (n *NewStandings) isOf(in StandingsInputs) bool {
	if !n.Mark.RaceChangedAt.Equal(in.Mark.RaceChangedAt) || n.Mark.RecordRevisions != in.Mark.RecordRevisions ||
		len(n.Rows) != len(in.Entries) {
		return false
	}
	ranked := make(map[string]standings.Entry, len(n.Rows))
	for i := range n.Rows {
		entry := n.Rows[i].Entry
		entry.Credited, entry.Points = false, 0
		ranked[entry.RecordID] = entry
	}
	for i := range in.Entries {
		if ranked[in.Entries[i].RecordID] != in.Entries[i] {
			return false
		}
	}
	return true
}

func publicationOf(row gen.Publication) Publication {
	return Publication{
		RaceID: row.RaceID, RequestedBy: row.RequestedBy, RequestedAt: row.RequestedAt, EndsAt: row.EndsAt,
		PublishedAt: row.PublishedAt.Time, DespiteDisputes: row.DespiteDisputes,
	}
}
