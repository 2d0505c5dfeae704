package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/disputes"
	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/keys"
	"github.com/mrmrthon/mrmrthon/api/leaderboard"
	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/pages"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/posts"
	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/records"
	"github.com/mrmrthon/mrmrthon/api/series"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/api/unofficial"
	"github.com/mrmrthon/mrmrthon/api/webhooks"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/build"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// parts is what the handlers depend on.
type parts struct {
	cfg      settings
	mainDB   *maindb.Store
	userDB   *userdb.Accounts
	poke     func()                                           // wakes the relay after a commit to the outbox
	ahead    records.Ahead                                    // nil: unknown
	wake     func(ctx context.Context, raceID string) error   // has a race's standings recomputed
	rank     func(ctx context.Context, seriesID string) error // has a series recomputed
	answered func(ctx context.Context, o maindb.Offer)        // tells the workflow of an offer; nil: nobody does
	reader   *maindb.Reader                                   // nil: main_db has no replica
	stopping <-chan struct{}                                  // closed when calls are to end
	temporal ops.Workflows
	letters  repair.Queue
	health   http.Handler
	registry prometheus.Registerer
	traces   oteltrace.TracerProvider // nil: nothing is traced
	log      *slog.Logger
	now      func() time.Time

	loginHash func(login string) string // by which accounts find their invitations; newHandler sets it
}

// leave ends what somebody who leaves does in races and erases what they wrote,
// unless they own a race.
func (p parts) leave(ctx context.Context, userID string) error {
	if err := p.mainDB.LeaveRaces(ctx, userID); err != nil {
		return err
	}
	account, err := p.userDB.Account(ctx, userID)
	if err == nil {
		err = p.mainDB.DropInvitations(ctx, claims.InvitedAs(p.loginHash, account))
	}
	if err != nil && !errors.Is(err, race.ErrNotFound) {
		return err
	}
	standIns, err := p.mainDB.Leave(ctx, userID)
	if err != nil {
		return err
	}
	return p.userDB.EraseStandIns(ctx, standIns)
}

// wakeTimeout bounds a call to Temporal that nobody has to wait for.
const wakeTimeout = 3 * time.Second

// wakeStandings has the standings of a race recomputed from what is committed.
// When Temporal cannot be reached the sweep does it later.
func (p parts) wakeStandings(ctx context.Context, raceID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
	defer cancel()
	if err := p.wake(ctx, raceID); err != nil {
		p.log.WarnContext(ctx, "cannot wake the standings of a race: the sweep will recompute them", "race_id", raceID, "error", err)
	}
}

// wakeSeries has the standings of a series recomputed from what is committed. When
// Temporal cannot be reached the sweep does it later.
func (p parts) wakeSeries(ctx context.Context, seriesID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
	defer cancel()
	if err := p.rank(ctx, seriesID); err != nil {
		p.log.WarnContext(ctx, "cannot wake the standings of a series: the sweep will recompute them", "series_id", seriesID, "error", err)
	}
}

// mustWakeSeries is for callers that must know whether it succeeded.
func (p parts) mustWakeSeries(ctx context.Context, seriesID string) (workflowID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
	defer cancel()
	return workflows.SeriesWorkflowID(seriesID), p.rank(ctx, seriesID)
}

// mustWakeStandings is for callers that must know whether it succeeded.
func (p parts) mustWakeStandings(ctx context.Context, raceID string) (workflowID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
	defer cancel()
	return workflows.StandingsWorkflowID(raceID), p.wake(ctx, raceID)
}

// newHandler returns the router with every route of the API on it.
func newHandler(p parts) (*chi.Mux, error) {
	signing, err := auth.LoadKeys(p.cfg.Auth)
	if err != nil {
		return nil, err
	}
	fingerprint, err := signing.Fingerprint()
	if err != nil {
		return nil, fmt.Errorf("request fingerprint: %w", err)
	}
	claimHash, err := signing.ClaimHash()
	if err != nil {
		return nil, err
	}
	p.loginHash = func(login string) string { return claims.LoginHash(claimHash, login) }
	var replica server.Replica
	if p.reader != nil {
		replica = p.reader
	}
	router, api := server.New(server.Config{
		Replica:  replica,
		Verifier: auth.NewVerifier(signing, p.cfg.Auth, p.now), Standings: p.userDB, UseKey: p.mainDB.UseKey, KeyLimit: p.cfg.APIKeys, Now: p.now, Races: p.mainDB, Keys: p.mainDB, Fingerprint: fingerprint,
		Log: p.log, Registry: p.registry, Traces: p.traces, Health: p.health, Version: build.Version(), PublicURL: p.cfg.PublicURL,
		TrustedProxies: p.cfg.TrustedProxies,
	})
	return router, p.register(router, api, signing, claimHash, fingerprint)
}

// register adds the calls of every resource, and the pages.
func (p parts) register(router *chi.Mux, api huma.API, signing *auth.Keys, claimHash, fingerprint func([]byte) server.Hash) error {
	passwords, err := auth.NewPasswords()
	if err != nil {
		return err
	}
	passkeys, err := auth.NewPasskeys(p.cfg.PublicURL)
	if err != nil {
		return err
	}
	if passkeys == nil && p.cfg.Passkeys.Required != "" {
		return errors.New("REQUIRE_PASSKEY needs API_PUBLIC_URL with a domain name: nobody could add a passkey")
	}
	trace := func(workflowID string) string {
		return workflows.TraceURL(p.cfg.TemporalUIURL, p.cfg.Temporal.Namespace, workflowID)
	}
	people := accounts.Register(api, accounts.Config{
		Store: p.userDB, EraseRecords: p.leave, ExportRecords: p.mainDB.Export, Passwords: passwords, Throttle: auth.NewThrottle(p.now), SignUps: auth.NewSignUpLimit(p.cfg.SignUps, p.now), Recoveries: auth.NewSignUpLimit(p.cfg.SignUps, p.now),
		Issuer: auth.NewIssuer(signing, p.cfg.Auth, p.now), JWKS: signing.JWKS(), SessionExpiry: p.cfg.Auth.SessionExpiry,
		Passkeys: passkeys, RequirePasskey: p.cfg.Passkeys.Required,
		TraceURL: trace, Now: p.now, Log: p.log,
	})
	actions := repair.NewLog(p.mainDB, p.log, p.registry)
	raceSettings := races.Register(api, races.Config{
		Races: p.mainDB, StartLists: p.mainDB, Runners: p.userDB, Poke: p.poke, Wake: p.wakeStandings, Actions: actions, Fixed: p.cfg.Fixed,
		LoginHash: p.loginHash, Answered: p.answered,
		TransferCode: func(transferID string) string { return claims.Code(claimHash, transferID, "transfer") }, Stopping: p.stopping, Registry: p.registry, Log: p.log, Now: p.now,
	})
	split := splits.NewReader(p.mainDB, p.now)
	claimed := claims.Register(api, claims.Config{
		Store: p.mainDB, Runners: p.userDB, Hash: claimHash, Codes: auth.NewCodeLimit(p.now), Poke: p.poke,
	})
	recorded := records.Register(api, records.Config{
		Splits: split, Store: p.mainDB, Ledger: p.userDB.Store, Poke: p.poke, Ahead: p.ahead,
		WorkflowID: workflows.CreditWorkflowID, TraceURL: trace, Log: p.log,
	})
	files := plans.Register(api, plans.Config{
		Store: p.mainDB, Runners: p.userDB, Settings: p.cfg.Imports, Poke: p.poke, Now: p.now,
		StandIns: imports.StandIns{Entrants: p.mainDB.EnteredInPerson, Runners: p.userDB, LoginHash: p.loginHash},
	})
	unofficial.Register(api, p.mainDB)
	seasons := leaderboard.Register(api, p.mainDB, p.userDB.Store, p.now)
	count := records.Counter(p.mainDB, p.userDB.Store, p.ahead)
	changed := changes.Register(api, p.mainDB)
	apiKeys := keys.Register(api, p.mainDB, p.userDB, p.now)
	hooks := webhooks.Register(api, webhooks.Config{Store: p.mainDB, Reach: p.cfg.Webhooks, Now: p.now})
	prepared := tasks.Register(api, tasks.Config{Store: p.mainDB, Accounts: p.userDB.Store, PublicURL: p.cfg.PublicURL, Now: p.now})
	disputed := disputes.Register(api, p.mainDB, p.wakeStandings)
	members := staff.Register(api, staff.Config{Store: p.mainDB, Accounts: p.userDB.Store, HashLogin: claimHash, Actions: actions, Now: p.now})
	reader := standings.Register(api, standings.Config{
		Splits: split, Store: p.mainDB, Ledger: p.userDB.Store, WorkflowID: workflows.CreditWorkflowID, TraceURL: trace, Wake: p.wakeStandings, Stopping: p.stopping, Now: p.now, Log: p.log,
		CountCredits: func(ctx context.Context, raceID string) (standings.Tally, error) {
			tally, err := count(ctx, raceID)
			return standings.Tally(tally), err
		},
	})
	p.userDB.Changed = reader.Forget
	posted := posts.Register(api, posts.Config{Store: p.mainDB, People: reader.People, Now: p.now})
	ofSeries := series.Register(api, series.Config{Store: p.mainDB, Reader: reader, Wake: p.wakeSeries, Now: p.now, Log: p.log})
	operations := ops.Register(api, ops.Config{
		Store: p.mainDB, Ledger: p.userDB.Store, Accounts: p.userDB, Workflows: p.temporal, Letters: p.letters, Poke: p.poke,
		WakeStandings: p.mustWakeStandings, WakeSeries: p.mustWakeSeries, TraceURL: trace, Now: p.now, Log: p.log, Actions: actions,
	})
	return pages.Register(router, pages.Config{
		Standings: reader, Seasons: seasons, Races: p.mainDB, Accounts: p.userDB.Store, People: people, Files: files, Records: recorded, Claims: claimed, Disputes: disputed, Posts: posted, Tasks: prepared, Settings: raceSettings, Splits: split, Series: ofSeries, Staff: members, APIKeys: apiKeys, Changes: changed, Webhooks: hooks, Operations: operations, CountCredits: count,
		Keys: p.mainDB, Fingerprint: fingerprint, PublicURL: p.cfg.PublicURL, GrafanaURL: p.cfg.GrafanaURL, Log: p.log, Now: p.now,
	})
}
