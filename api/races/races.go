// Package races serves races: their settings, their participants, and the start
// lists that organizers import.
package races

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	racesTag   = "Races"
	entriesTag = "Participants"
)

// maxBody is far above the size of any body of these calls, except a start list.
const maxBody = 64 << 10

// Config is what the calls need.
type Config struct {
	Races   *maindb.Store
	Runners *userdb.Accounts
	// StartLists is Races, too; a test lets it fail between the two databases.
	StartLists startListStore
	// LoginHash returns the keyed hash of a login in its canonical form.
	LoginHash func(login string) string
	// Fixed bounds the points that a race of the rule fixed may give.
	Fixed FixedConfig
	// Poke tells the outbox relay that records were revised.
	Poke func()
	// Wake has the standings of a race recomputed. It takes a few seconds at most;
	// when it fails, the sweep recomputes them later.
	Wake func(ctx context.Context, raceID string)
	// Actions is the log of what operators do.
	Actions repair.Log
	// Entering enters runners; nil: one that takes their accounts from Runners.
	Entering *maindb.Entering
	// Answered tells the workflow of an offer that its runner has answered; nil: it finds
	// the answer at the deadline. It must not wait.
	Answered func(ctx context.Context, o maindb.Offer)
	// TransferCode returns the code of a place that a runner transfers, by the ID of the
	// transfer: nobody else can compute it.
	TransferCode func(transferID string) string
	// Stopping is closed when live streams are to end; nil: never.
	Stopping <-chan struct{}
	Registry prometheus.Registerer // nil: entries are not measured
	Log      *slog.Logger          // nil: nothing is logged
	Now      func() time.Time      // nil: time.Now
}

// NewEntering returns what enters runners in races, with what their accounts say.
func NewEntering(store *maindb.Store, runners *userdb.Accounts) *maindb.Entering {
	return maindb.NewEntering(store, func(ctx context.Context, userIDs []string) (map[string]maindb.Account, error) {
		found, err := runners.Runners(ctx, userIDs)
		if err != nil {
			return nil, err
		}
		accounts := make(map[string]maindb.Account, len(found))
		for id, r := range found {
			accounts[id] = maindb.Account{Sex: r.Sex, BirthDate: r.BirthDate}
		}
		return accounts, nil
	})
}

// FixedConfig bounds the points of the rule fixed. Zero means the default.
type FixedConfig struct {
	MaxPoints int `env:"MAX_FIXED_POINTS" envDefault:"1000" min:"1" unit:"points" help:"the most points that a race with the scoring rule fixed may give to each finisher"`
}

// Register adds the calls to the API. It returns what pages do with them.
func Register(api huma.API, cfg Config) *Service {
	settings := settings{store: cfg.Races, runners: cfg.Runners, maxFixed: int64(cmp.Or(cfg.Fixed.MaxPoints, 1000)), poke: cfg.Poke, wake: cfg.Wake, actions: cfg.Actions}
	settings.register(api)
	lists{store: cfg.Races}.register(api)
	if cfg.Entering == nil {
		cfg.Entering = NewEntering(cfg.Races, cfg.Runners)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Registry != nil {
		cfg.Entering.Report(cfg.Log, cfg.Registry)
	}
	hashes := loginHashesOf(cfg.Runners, cfg.LoginHash)
	cfg.Entering.AdmitBy(hashes)
	entered := entries{store: cfg.Races, runners: cfg.Runners, entering: cfg.Entering, loginHashes: hashes, poke: cfg.Poke, answered: cfg.Answered}
	entered.register(api)
	forStaff := staffEntries{store: cfg.Races, runners: cfg.Runners}
	forStaff.register(api)
	admitted := admissions{store: cfg.Races, loginHash: cfg.LoginHash}
	admitted.register(api)
	handedOn := transfers{store: cfg.Races, runners: cfg.Runners, code: cfg.TransferCode, hashes: hashes}
	handedOn.register(api)
	newLines(cfg).register(api)
	draws{store: cfg.Races}.register(api)
	startLists{
		store: cfg.StartLists, runners: cfg.Runners, poke: cfg.Poke,
		standIns: imports.StandIns{Entrants: cfg.StartLists.EnteredInPerson, Runners: cfg.Runners, LoginHash: cfg.LoginHash},
	}.register(api)
	return &Service{calls: settings, entries: entered, forStaff: forStaff, handedOn: handedOn, admissions: admitted}
}

// RacePath is embedded in the inputs of calls about a race. It is exported because
// huma ignores embedded types that are not.
type RacePath struct {
	RaceID string `path:"race_id" doc:"UUID of the race."`
}

// birthDates returns the birth dates that the start lists of a race gave, by bib key.
// Bibs without one are left out.
func birthDates(ctx context.Context, runners *userdb.Accounts, raceID string, bibKeys []string) (map[string]race.Date, error) {
	standIns := make([]string, len(bibKeys))
	for i, key := range bibKeys {
		standIns[i] = userdb.StandInID(raceID, key)
	}
	known, err := runners.Runners(ctx, standIns)
	if err != nil {
		return nil, err
	}
	births := make(map[string]race.Date, len(known))
	for i, key := range bibKeys {
		if born := known[standIns[i]].BirthDate; !born.IsZero() {
			births[key] = born
		}
	}
	return births, nil
}

// lists serves what anyone may read.
type lists struct {
	store *maindb.Store
}

type racesInput struct {
	server.Page
	OrganizerID string `query:"organizer_id" format:"uuid" doc:"Only the races of this organizer."`
}

type racesOutput struct {
	Body struct {
		Items      []raceBody `json:"items" nullable:"false" doc:"By date, newest first."`
		NextCursor string     `json:"next_cursor,omitempty"`
	}
}

func (l lists) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "list-races", Method: http.MethodGet, Path: "/v1/races",
		Summary: "List races", Tags: []string{racesTag}, Errors: []int{http.StatusUnprocessableEntity},
	}, l.list)
	server.Register(api, huma.Operation{
		OperationID: "get-race", Method: http.MethodGet, Path: "/v1/races/{race_id}",
		Summary: "Get a race", Tags: []string{racesTag}, Errors: []int{http.StatusNotFound},
	}, l.get)
}

func (l lists) get(ctx context.Context, in *RacePath) (*raceOutput, error) {
	r, err := l.store.Race(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	return shown(ctx, l.store, r)
}

func (l lists) list(ctx context.Context, in *racesInput) (*racesOutput, error) {
	var after maindb.RacePosition
	if err := in.Seek(&after.Date, &after.ID); err != nil {
		return nil, err
	}
	found, err := l.store.ListRaces(ctx, in.OrganizerID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &racesOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last race.Race) []any { return []any{last.Date, last.ID} })
	organizers := make([]string, len(found))
	for i, r := range found {
		organizers[i] = r.OrganizerID
	}
	verified, err := l.store.VerifiedOrganizers(ctx, organizers)
	if err != nil {
		return nil, err
	}
	out.Body.Items = make([]raceBody, len(found))
	for i, r := range found {
		out.Body.Items[i] = bodyOf(r, verified[r.OrganizerID])
	}
	return out, nil
}
