// Package races answers the calls about races: their settings, who takes part,
// and the start lists that organizers bring.
package races

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	racesTag   = "Races"
	entriesTag = "Participants"
)

// maxBody is far above any body of these calls but a start list, in bytes.
const maxBody = 64 << 10

// Config is what the calls stand on.
type Config struct {
	Races   Store   // main_db
	Runners Runners // user_db
	// Poke tells the outbox relay that records were revised.
	Poke func()
	// Wake has the standings of a race recomputed. It takes no longer than a few
	// seconds; what it fails to wake is found by the sweep.
	Wake func(ctx context.Context, raceID string)
}

// Store keeps races and their entries.
type Store interface {
	settingsStore
	listStore
	entryStore
	startListStore
}

// Runners knows the accounts of those who run.
type Runners interface {
	accountReader
	standInStore
}

// Register adds the calls to the API.
func Register(api huma.API, cfg Config) {
	settings{store: cfg.Races, runners: cfg.Runners, poke: cfg.Poke, wake: cfg.Wake}.register(api)
	lists{store: cfg.Races}.register(api)
	entries{store: cfg.Races, runners: cfg.Runners}.register(api)
	startLists{store: cfg.Races, runners: cfg.Runners, poke: cfg.Poke}.register(api)
}

// RacePath is embedded in the inputs of calls below a race. It is exported for
// huma, which does not look into what is not.
type RacePath struct {
	RaceID string `path:"race_id" doc:"UUID of the race."`
}

// birthDates asks for the birth dates of runners.
func birthDates(ctx context.Context, runners accountReader, userIDs []string) (map[string]race.Date, error) {
	known, err := runners.Runners(ctx, userIDs)
	if err != nil {
		return nil, err
	}
	births := make(map[string]race.Date, len(known))
	for id, runner := range known {
		if !runner.BirthDate.IsZero() {
			births[id] = runner.BirthDate
		}
	}
	return births, nil
}
