package server

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Who is a kind of caller that a route is open to.
type Who int

// Owner is an organizer to whom the race in the path belongs; OwnerOrOperator
// lets operators act on any race as well. A route that shows
// different callers different things is open to Anyone here, and its handler
// decides.
const (
	Anyone Who = iota + 1
	Holder     // of any valid access token
	Runner
	Organizer
	Owner
	OwnerOrOperator
	Operator
)

// Rule is an entry of the access table.
type Rule struct {
	Who Who
	// Creates marks a POST that honours an Idempotency-Key.
	Creates bool
	// Secret marks a call whose answer holds a secret. It is never stored: a retry
	// with the same Idempotency-Key runs the handler again, with the same
	// ResourceID.
	Secret bool
	// MoreForOwner marks a route for Anyone that shows the race's owner more.
	MoreForOwner bool
	// Streams marks a GET whose answer continues until its reader leaves, so it has
	// no deadline.
	Streams bool
}

// Access is the one place that decides who may call what, by method and route
// pattern. A route that is not listed is refused to everybody.
var Access = map[string]Rule{
	"GET /healthz":                           {Who: Anyone},
	"GET /readyz":                            {Who: Anyone},
	"GET /metrics":                           {Who: Anyone},
	"GET /openapi.json":                      {Who: Anyone},
	"GET /docs":                              {Who: Anyone},
	"GET /docs/*":                            {Who: Anyone},
	"GET /.well-known/jwks.json":             {Who: Anyone},
	"POST /v1/users":                         {Who: Anyone, Creates: true},
	"POST /v1/login":                         {Who: Anyone},
	"POST /v1/token/refresh":                 {Who: Anyone}, // the refresh token is the proof
	"POST /v1/logout":                        {Who: Anyone}, // likewise
	"GET /v1/me":                             {Who: Holder},
	"PATCH /v1/me":                           {Who: Holder},
	"DELETE /v1/me":                          {Who: Holder},
	"GET /v1/me/changes":                     {Who: Holder},
	"GET /v1/me/sessions":                    {Who: Holder},
	"DELETE /v1/me/sessions":                 {Who: Holder},
	"DELETE /v1/me/sessions/{session_id}":    {Who: Holder},
	"GET /v1/me/points":                      {Who: Runner},
	"GET /v1/me/results":                     {Who: Runner},
	"GET /v1/me/claims":                      {Who: Runner},
	"POST /v1/me/claims":                     {Who: Runner, Creates: true},
	"POST /v1/me/claims/{claim_id}/accept":   {Who: Runner}, // answers are safe to repeat: no key is needed
	"POST /v1/me/claims/{claim_id}/decline":  {Who: Runner},
	"POST /v1/me/claims/{claim_id}/withdraw": {Who: Runner},
	"POST /v1/me/unofficial-records":         {Who: Runner, Creates: true},
	"GET /v1/me/unofficial-records":          {Who: Runner},
	"GET /v1/me/unofficial-records/{id}":     {Who: Runner},
	"PATCH /v1/me/unofficial-records/{id}":   {Who: Runner},
	"DELETE /v1/me/unofficial-records/{id}":  {Who: Runner},

	"POST /v1/races":                  {Who: Organizer, Creates: true},
	"GET /v1/races":                   {Who: Anyone},
	"GET /v1/races/{race_id}":         {Who: Anyone},
	"PATCH /v1/races/{race_id}":       {Who: Owner},
	"DELETE /v1/races/{race_id}":      {Who: Owner},
	"POST /v1/races/{race_id}/void":   {Who: OwnerOrOperator}, // repeating it changes nothing, so it needs no key
	"GET /v1/races/{race_id}/changes": {Who: Owner},

	"POST /v1/races/{race_id}/participants":        {Who: Runner, Creates: true},
	"GET /v1/races/{race_id}/participants/me":      {Who: Runner},
	"DELETE /v1/races/{race_id}/participants/me":   {Who: Runner},
	"GET /v1/races/{race_id}/participants":         {Who: Owner},
	"POST /v1/races/{race_id}/participants/import": {Who: Owner, Creates: true},

	"GET /v1/races/{race_id}/claims":                     {Who: Owner},
	"POST /v1/races/{race_id}/claims/{claim_id}/approve": {Who: Owner}, // to repeat it changes nothing: no key is needed
	"POST /v1/races/{race_id}/claims/{claim_id}/refuse":  {Who: Owner},
	"GET /v1/races/{race_id}/claim-codes":                {Who: Owner},
	"GET /v1/races/{race_id}/claim-codes.csv":            {Who: Owner},

	"POST /v1/races/{race_id}/official-records":               {Who: Owner, Creates: true},
	"POST /v1/races/{race_id}/official-records/import":        {Who: Owner, Creates: true},
	"GET /v1/races/{race_id}/official-records":                {Who: Anyone, MoreForOwner: true}, // the owner, and anyone once published
	"GET /v1/races/{race_id}/official-records/{record_id}":    {Who: Anyone, MoreForOwner: true}, // likewise
	"PATCH /v1/races/{race_id}/official-records/{record_id}":  {Who: Owner},
	"DELETE /v1/races/{race_id}/official-records/{record_id}": {Who: Owner},
	"GET /v1/races/{race_id}/credits":                         {Who: Owner},
	"GET /v1/races/{race_id}/imports":                         {Who: Owner},
	"GET /v1/races/{race_id}/imports/{import_id}":             {Who: Owner},
	"POST /v1/races/{race_id}/imports/{import_id}/undo":       {Who: Owner}, // repeating it changes nothing, so it needs no key

	"GET /v1/leaderboard":                        {Who: Anyone},
	"GET /v1/races/{race_id}/standings":          {Who: Anyone},
	"GET /v1/races/{race_id}/standings.csv":      {Who: Anyone},
	"GET /v1/races/{race_id}/standings/version":  {Who: Anyone},
	"GET /v1/races/{race_id}/standings/versions": {Who: Anyone},
	"GET /v1/races/{race_id}/standings/compare":  {Who: Anyone, MoreForOwner: true}, // reasons: the owner, and anyone once published
	"POST /v1/races/{race_id}/finalize":          {Who: Owner},                      // repeating it changes nothing, so it needs no key
	"DELETE /v1/races/{race_id}/finalize":        {Who: Owner},
	"GET /v1/races/{race_id}/events":             {Who: Anyone, Streams: true},

	"GET /v1/ops/credits":                            {Who: Operator},
	"POST /v1/ops/credits/retry":                     {Who: Operator}, // repairs may be repeated, so they need no key
	"GET /v1/ops/credits/{record_id}":                {Who: Operator},
	"POST /v1/ops/credits/{record_id}/retry":         {Who: Operator},
	"GET /v1/ops/dead-letters":                       {Who: Operator},
	"POST /v1/ops/dead-letters/redrive":              {Who: Operator},
	"POST /v1/ops/dead-letters/{message_id}/discard": {Who: Operator},
	"GET /v1/ops/audit":                              {Who: Operator},
	"POST /v1/ops/audit":                             {Who: Operator},
	"POST /v1/ops/races/{race_id}/recompute":         {Who: Operator},
	"POST /v1/ops/users/{user_id}/rebuild-total":     {Who: Operator},
	"GET /v1/ops/changes":                            {Who: Operator},
	"POST /v1/ops/users/{user_id}/suspend":           {Who: Operator}, // repeating it changes nothing, so it needs no key
	"POST /v1/ops/users/{user_id}/restore":           {Who: Operator}, // likewise
	"GET /v1/ops/actions":                            {Who: Operator},
}

// RaceReader finds a race.
type RaceReader interface {
	// Race returns race.ErrNotFound when there is none.
	Race(ctx context.Context, raceID string) (race.Race, error)
}

// authorize admits the calls that the access table allows. It checks for 401, then 403,
// then 404, and last whether the caller owns the race: races are public, so their
// existence is no secret.
func authorize(api huma.API, races RaceReader, log *slog.Logger) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		rule := Access[op.Method+" "+op.Path]
		caller := CallerFrom(ctx.Context())
		if err := allow(ctx.Context(), rule.Who, caller); err != nil {
			writeError(api, ctx, err)
			return
		}
		if rule.Who != Owner && rule.Who != OwnerOrOperator {
			next(ctx)
			return
		}
		r, err := ownRace(ctx.Context(), races, ctx.Param("race_id"), caller)
		if err != nil {
			writeError(api, ctx, translate(ctx.Context(), log, err))
			return
		}
		next(huma.WithContext(ctx, WithRace(ctx.Context(), r)))
	}
}

// allow decides by the caller's role alone.
func allow(ctx context.Context, who Who, caller Caller) error {
	if who == Anyone {
		return nil
	}
	if caller.UserID == "" {
		return Unauthenticated(ctx)
	}
	var needed auth.UserType
	switch who {
	case Holder:
		return nil
	case Runner:
		needed = auth.Runner
	case Organizer, Owner:
		needed = auth.Organizer
	case OwnerOrOperator:
		if needed = auth.Organizer; caller.Type == auth.Operator {
			return nil
		}
	case Operator:
		needed = auth.Operator
	case Anyone:
		return nil
	default:
		return huma.Error403Forbidden("nobody may make this call")
	}
	if caller.Type != needed {
		return huma.Error403Forbidden(fmt.Sprintf("this call is for accounts of type %q; yours is %q", needed, caller.Type))
	}
	return nil
}

// ownRace returns the race if the caller owns it, or is an operator whom the access
// table has admitted.
func ownRace(ctx context.Context, races RaceReader, raceID string, caller Caller) (race.Race, error) {
	if !IsID(raceID) {
		return race.Race{}, race.ErrNotFound
	}
	r, err := races.Race(ctx, raceID)
	if err != nil {
		return race.Race{}, err
	}
	if caller.Type != auth.Operator && r.OrganizerID != caller.UserID {
		return race.Race{}, huma.Error403Forbidden("the race belongs to another organizer")
	}
	return r, nil
}
