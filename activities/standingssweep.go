package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// SweepConfig says which races the sweep looks at.
type SweepConfig struct {
	// LookBack is how long ago a race may have changed last.
	LookBack time.Duration `env:"SWEEP_LOOK_BACK" envDefault:"24h" help:"how long ago a race may have changed last"`
	// Settle is how long standings may be behind without being stale: a recompute
	// that was asked for is there by then.
	Settle time.Duration `env:"SWEEP_SETTLE" envDefault:"5s" min:"0s" help:"how long standings may be behind without being stale"`
}

// Marks tell whether the standings of a race are behind.
type Marks interface {
	// RacesToSweep returns the races that changed since then, and those with an
	// open protest window.
	RacesToSweep(ctx context.Context, since time.Time) ([]string, error)
	// StandingsMarks returns what the last recompute read and what there is now,
	// or race.ErrNotFound.
	StandingsMarks(ctx context.Context, raceID string) (marked, current maindb.StandingsMark, err error)
	Publication(ctx context.Context, raceID string) (maindb.Publication, error)
}

// CreditTotals counts the credits of a race.
type CreditTotals interface {
	CreditTotals(ctx context.Context, raceID string) (userdb.CreditTotals, error)
}

// Sweeps find standings that nobody woke.
type Sweeps struct {
	cfg     SweepConfig
	marks   Marks
	credits CreditTotals
	wake    func(ctx context.Context, raceID string) error
	now     func() time.Time
	metrics *StandingsMetrics
}

// NewSweeps returns the sweep's activities. wake returns nil when a race's
// standings will be recomputed from what is committed by now.
func NewSweeps(cfg SweepConfig, marks Marks, credits CreditTotals, wake func(ctx context.Context, raceID string) error,
	now func() time.Time, metrics *StandingsMetrics,
) *Sweeps {
	return &Sweeps{cfg: cfg, marks: marks, credits: credits, wake: wake, now: now, metrics: metrics}
}

// Swept is what a sweep found.
type Swept struct {
	Checked int `json:"checked"` // races looked at
	Stale   int `json:"stale"`   // of these, with standings that are behind and that nobody woke
	Windows int `json:"windows"` // of the others, with an open protest window
}

// WakeStaleStandings looks for races whose records, credits or settings are not
// those that the last recompute read, and wakes those that no recompute comes
// to, as when a worker died between a credit and its signal. Revisions only
// grow, so that their sums tell; no clocks are compared. It also wakes races with
// an open protest window, so that a window outlives whatever Temporal may lose.
func (s *Sweeps) WakeStaleStandings(ctx context.Context) (Swept, error) {
	races, err := s.marks.RacesToSweep(ctx, s.now().Add(-s.cfg.LookBack))
	if err != nil {
		return Swept{}, err
	}
	var found Swept
	found.Checked = len(races)
	behind, err := s.behind(ctx, races)
	if err != nil {
		return Swept{}, err
	}
	if len(behind) > 0 {
		select {
		case <-ctx.Done():
			return Swept{}, ctx.Err()
		case <-time.After(s.cfg.Settle):
		}
	}
	var failed error
	for _, raceID := range races {
		stale, open, err := s.needsWaking(ctx, raceID, behind)
		if err != nil {
			return Swept{}, err
		}
		switch {
		case stale:
			found.Stale++
		case open:
			found.Windows++
		default:
			continue
		}
		failed = errors.Join(failed, s.wake(ctx, raceID))
		activity.RecordHeartbeat(ctx)
	}
	s.metrics.sweptRaces(found)
	if failed != nil {
		return Swept{}, fmt.Errorf("wake stale standings: %w", failed)
	}
	return found, nil
}

// behind returns the marks of the races whose standings are behind.
func (s *Sweeps) behind(ctx context.Context, races []string) (map[string]maindb.StandingsMark, error) {
	behind := map[string]maindb.StandingsMark{}
	for _, raceID := range races {
		marked, current, err := s.look(ctx, raceID)
		if err != nil {
			return nil, err
		}
		if marked != current {
			behind[raceID] = marked
		}
	}
	return behind, nil
}

// needsWaking tells whether no recompute has come to a race that was behind, and
// whether its protest window is open.
func (s *Sweeps) needsWaking(ctx context.Context, raceID string, behind map[string]maindb.StandingsMark) (stale, open bool, err error) {
	if before, was := behind[raceID]; was {
		marked, current, err := s.look(ctx, raceID)
		if err != nil {
			return false, false, err
		}
		stale = marked == before && marked != current
	}
	publication, err := s.marks.Publication(ctx, raceID)
	return stale, publication.Open(), err
}

// look returns what the last recompute of a race read, and what there is now: the
// same for a race that is gone.
func (s *Sweeps) look(ctx context.Context, raceID string) (marked, current maindb.StandingsMark, err error) {
	credits, err := s.credits.CreditTotals(ctx, raceID)
	if err != nil {
		return marked, current, err
	}
	marked, current, err = s.marks.StandingsMarks(ctx, raceID)
	if errors.Is(err, race.ErrNotFound) {
		return maindb.StandingsMark{}, maindb.StandingsMark{}, nil
	}
	current.CreditRevisions = int64(credits.Revisions)
	return marked, current, err
}
