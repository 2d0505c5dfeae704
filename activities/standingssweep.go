package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// SweepConfig sets the limits of the sweep.
type SweepConfig struct {
	// LookBack is how recently a race must have changed to be checked.
	LookBack time.Duration `env:"SWEEP_LOOK_BACK" envDefault:"24h" help:"how recently a race must have changed to be checked"`
	// Settle is how long standings may be behind before they count as stale: a
	// recompute that was requested has happened by then.
	Settle time.Duration `env:"SWEEP_SETTLE" envDefault:"5s" min:"0s" help:"how long standings may be behind before they count as stale"`
}

const (
	// sweepPage is how many races the sweep compares at once: 100,000 races take
	// 100 pages, each of some milliseconds.
	sweepPage = 1000
	// sweepWakes is how many races are woken at a time.
	sweepWakes = 16
)

// SweptRaces is what the sweep reads from main_db.
type SweptRaces interface {
	// RacesToSweep returns races after a position and the position after them.
	RacesToSweep(ctx context.Context, after maindb.SweepPosition, limit int) (races []string, next maindb.SweepPosition, err error)
	// StandingsMarks returns the state that the last recompute of each race read,
	// and the state now.
	StandingsMarks(ctx context.Context, raceIDs []string) (map[string]maindb.StandingsMarks, error)
}

// RaceCreditRevisions sums up the credited revisions of races.
type RaceCreditRevisions interface {
	CreditRevisionsOfRaces(ctx context.Context, raceIDs []string) (map[string]int64, error)
}

// Sweeps find standings that are behind although no signal was sent.
type Sweeps struct {
	// Series are swept after the races; nil: there are none.
	Series *Series

	cfg     SweepConfig
	races   SweptRaces
	credits RaceCreditRevisions
	wake    func(ctx context.Context, raceID string) error
	now     func() time.Time
	metrics *StandingsMetrics
}

// NewSweeps returns the sweep's activities. wake returns nil when it is certain
// that a race's standings will be recomputed from what is committed by now.
func NewSweeps(cfg SweepConfig, races SweptRaces, credits RaceCreditRevisions, wake func(ctx context.Context, raceID string) error,
	now func() time.Time, metrics *StandingsMetrics,
) *Sweeps {
	return &Sweeps{cfg: cfg, races: races, credits: credits, wake: wake, now: now, metrics: metrics}
}

// Swept is the outcome of a sweep.
type Swept struct {
	Checked int `json:"checked"`          // races looked at
	Stale   int `json:"stale"`            // of these, with stale standings that no recompute reached
	Windows int `json:"windows"`          // of the others, with an open protest window
	Series  int `json:"series,omitempty"` // series that were behind
}

// sweepProgress is the heartbeat: where a new attempt resumes.
type sweepProgress struct {
	Next  maindb.SweepPosition `json:"next"`
	Found Swept                `json:"found"`
}

// WakeStaleStandings looks for races whose records, credits or settings are not
// those that the last recompute read, and wakes those that no recompute reaches, as
// when a worker died between a credit and its signal. It compares sums of
// revisions, page by page, and no clocks. It also wakes races with an open protest
// window, so that a window survives a loss of data in Temporal.
func (s *Sweeps) WakeStaleStandings(ctx context.Context) (Swept, error) {
	start := sweepProgress{Next: maindb.SweepPosition{Since: s.now().Add(-s.cfg.LookBack)}}
	progress := start
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &progress); err != nil {
			return Swept{}, fmt.Errorf("read where the last attempt stopped: %w", err)
		}
	}
	seen := map[string]bool{} // true: woken
	var failed error
	for !progress.Next.Done() {
		races, next, err := s.races.RacesToSweep(ctx, progress.Next, sweepPage)
		if err != nil {
			return Swept{}, err
		}
		var fresh []string
		for _, raceID := range races {
			if woken, was := seen[raceID]; !was || !woken && progress.Next.OnlyOpen() {
				fresh = append(fresh, raceID)
			}
		}
		page, woken, err := s.sweepPage(ctx, fresh, seen, progress)
		if err != nil {
			return Swept{}, err
		}
		if failed == nil {
			failed = woken // report the first failure only; a race that cannot be woken does not hold up the others
		}
		found := &progress.Found
		found.Checked, found.Stale, found.Windows = found.Checked+page.Checked, found.Stale+page.Stale, found.Windows+page.Windows
		s.metrics.sweptRaces(page)
		progress.Next = next
		activity.RecordHeartbeat(ctx, progress)
	}
	if s.Series != nil {
		stop := keepAlive(ctx, progress)
		stale, err := s.Series.wakeStale(ctx)
		stop()
		if progress.Found.Series = stale; failed == nil {
			failed = err
		}
	}
	if failed != nil {
		activity.RecordHeartbeat(ctx, start) // races that could not be woken are checked again
		return Swept{}, fmt.Errorf("wake stale standings: %w", failed)
	}
	return progress.Found, nil
}

// sweepPage wakes those races of a page that need it and records in seen which it
// woke. The first failure to wake a race is returned separately from its own error.
func (s *Sweeps) sweepPage(ctx context.Context, races []string, seen map[string]bool, progress sweepProgress) (page Swept, failed, err error) {
	defer keepAlive(ctx, progress)()
	behind, err := s.behind(ctx, races)
	if err != nil {
		return Swept{}, nil, err
	}
	still := map[string]maindb.StandingsMarks{}
	if len(behind) > 0 {
		select {
		case <-ctx.Done():
			return Swept{}, nil, ctx.Err()
		case <-time.After(s.cfg.Settle):
		}
		ids := make([]string, 0, len(behind))
		for raceID := range behind {
			ids = append(ids, raceID)
		}
		if still, err = s.behind(ctx, ids); err != nil {
			return Swept{}, nil, err
		}
	}
	var wake []string
	for _, raceID := range races {
		if _, was := seen[raceID]; !was {
			page.Checked++
		}
		now, isBehind := still[raceID]
		switch {
		case isBehind && now.Marked == behind[raceID].Marked: // no recompute has reached it in the meantime
			page.Stale++
		case progress.Next.OnlyOpen():
			page.Windows++
		default:
			seen[raceID] = false
			continue
		}
		seen[raceID] = true
		wake = append(wake, raceID)
	}
	return page, s.wakeAll(ctx, wake), nil
}

// wakeAll wakes races, several at a time, and returns the first failure.
func (s *Sweeps) wakeAll(ctx context.Context, races []string) error {
	var group errgroup.Group
	group.SetLimit(sweepWakes)
	var once sync.Once
	var failed error
	for _, raceID := range races {
		group.Go(func() error {
			if err := s.wake(ctx, raceID); err != nil {
				once.Do(func() { failed = fmt.Errorf("race %s: %w", raceID, err) })
			}
			return nil
		})
	}
	_ = group.Wait() // always nil
	return failed
}

// behind returns the marks of those races whose standings are behind. Races that no
// longer exist are left out.
func (s *Sweeps) behind(ctx context.Context, races []string) (map[string]maindb.StandingsMarks, error) {
	if len(races) == 0 {
		return nil, nil //nolint:nilnil // none is an answer
	}
	credits, err := s.credits.CreditRevisionsOfRaces(ctx, races)
	if err != nil {
		return nil, err
	}
	marks, err := s.races.StandingsMarks(ctx, races)
	if err != nil {
		return nil, err
	}
	behind := map[string]maindb.StandingsMarks{}
	for raceID, m := range marks {
		m.Current.CreditRevisions = credits[raceID]
		if m.Marked != m.Current {
			behind[raceID] = m
		}
	}
	return behind, nil
}
