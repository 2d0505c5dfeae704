package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/series"
)

// Series recomputes the standings of series.
type Series struct {
	store *maindb.Outcomes
	wake  func(ctx context.Context, seriesID string) error
	now   func() time.Time
}

// NewSeries returns the recompute over main_db. wake returns nil when it is certain
// that a series will be recomputed from what is committed by now.
func NewSeries(store *maindb.Outcomes, wake func(ctx context.Context, seriesID string) error, now func() time.Time) *Series {
	return &Series{store: store, wake: wake, now: now}
}

// SeriesInput names a series.
type SeriesInput struct {
	SeriesID string `json:"series_id"`
}

// RankedSeries is the state of a series after a recompute.
type RankedSeries struct {
	Version int    `json:"version,omitempty"` // the latest; 0 if the series no longer exists
	Entries int    `json:"entries"`
	Changed bool   `json:"changed,omitempty"` // this recompute wrote the version
	Name    string `json:"name,omitempty"`    // of the series, which is public
	// Elapsed is how long reading, ranking and writing took, in nanoseconds.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
}

// RecomputeSeries ranks a series from the latest standings of its races, and writes a
// new version if its inputs differ from those of the latest. Repeating it, even
// concurrently, changes nothing more.
func (s *Series) RecomputeSeries(ctx context.Context, of SeriesInput) (RankedSeries, error) {
	defer keepAlive(ctx)()
	began := time.Now()
	for range recomputeTries {
		ranked, err := s.recompute(ctx, of.SeriesID)
		switch {
		case errors.Is(err, maindb.ErrOvertaken):
			continue
		case errors.Is(err, race.ErrNotFound):
			return RankedSeries{}, nil
		}
		ranked.Elapsed = time.Since(began)
		return ranked, err
	}
	return RankedSeries{}, fmt.Errorf("series %s: %w", of.SeriesID, maindb.ErrOvertaken)
}

func (s *Series) recompute(ctx context.Context, seriesID string) (RankedSeries, error) {
	at := s.now().UTC().Truncate(time.Microsecond)
	in, err := s.store.SeriesInputs(ctx, seriesID)
	if err != nil {
		return RankedSeries{}, err
	}
	rules := in.Series.Rules()
	hash, races, err := series.HashOf(rules, in.Entries)
	if err != nil {
		return RankedSeries{}, err
	}
	ranked := RankedSeries{Version: in.Latest.Version, Entries: in.Latest.Entries, Name: in.Series.Name}
	if in.Latest.Version > 0 && in.Latest.InputsHash == hash {
		return ranked, s.store.MarkSeries(ctx, seriesID, in.Mark)
	}
	maindb.SetHashes(in.Sources, races)
	rows := series.Rank(rules, in.Entries)
	err = s.store.AddSeriesStandings(ctx, maindb.NewSeriesStandings{
		SeriesID: seriesID, Version: in.Latest.Version + 1, ComputedAt: at, InputsHash: hash, Rules: rules, Sources: in.Sources,
		Reason: shorten(seriesReason(in, rules), maxReasonLength), Rows: rows, Mark: in.Mark,
	})
	if err != nil {
		return RankedSeries{}, err
	}
	ranked.Version, ranked.Entries, ranked.Changed = in.Latest.Version+1, len(rows), true
	return ranked, nil
}

// seriesReason names what differs from the latest version: the races whose results
// changed or that joined or left, and the settings.
func seriesReason(in maindb.SeriesInputs, rules series.Rules) string {
	if in.Latest.Version == 0 {
		return "first ranked"
	}
	var parts []string
	for _, of := range in.Series.Races {
		find := func(s maindb.SeriesSource) bool { return s.RaceID == of.ID }
		before, now := slices.IndexFunc(in.Latest.Sources, find), slices.IndexFunc(in.Sources, find)
		switch {
		case before >= 0 && now < 0:
			parts = append(parts, of.Name+": voided")
		case before < 0 && now >= 0:
			parts = append(parts, of.Name+": added")
		case before >= 0 && in.Latest.Sources[before].Hash != in.Sources[now].Hash:
			parts = append(parts, fmt.Sprintf("%s: results changed (version %d)", of.Name, in.Sources[now].Version))
		}
	}
	for _, source := range in.Latest.Sources {
		if !slices.ContainsFunc(in.Series.Races, func(r maindb.SeriesRace) bool { return r.ID == source.RaceID }) {
			parts = append(parts, source.Name+": taken out")
		}
	}
	if changed := in.Latest.Rules.Changed(rules); len(changed) > 0 {
		parts = append(parts, "settings changed: "+strings.Join(changed, ", "))
	}
	if len(parts) == 0 {
		return "ranking engine changed"
	}
	return strings.Join(parts, "; ")
}

// wakeOfRace has the series that a race is in recomputed. The sweep makes up for those
// that cannot be woken.
func (s *Series) wakeOfRace(ctx context.Context, raceID string) {
	ids, err := s.store.SeriesWithRace(ctx, raceID)
	for _, id := range ids {
		err = errors.Join(err, s.wake(ctx, id))
	}
	if err != nil && activity.IsActivity(ctx) {
		activity.GetLogger(ctx).Warn("cannot wake the series of a race: the sweep will recompute them", "race_id", raceID, "error", err)
	}
}

// seriesPage is how many series the sweep compares at once.
const seriesPage = 200

// wakeStale wakes the series that have changed, or whose races have, since they were
// ranked, and returns how many those are.
func (s *Series) wakeStale(ctx context.Context) (stale int, err error) {
	for after := ""; ; {
		behind, next, err := s.store.SeriesBehind(ctx, after, seriesPage)
		if err != nil {
			return stale, err
		}
		for _, id := range behind {
			if err := s.wake(ctx, id); err != nil {
				return stale, fmt.Errorf("wake series %s: %w", id, err)
			}
		}
		stale += len(behind)
		if after = next; after == "" {
			return stale, nil
		}
	}
}
