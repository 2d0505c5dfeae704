package server

import (
	"context"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Caller is who makes a call; the zero value is anonymous.
type Caller = auth.Identity

type contextKey int

const (
	callerKey contextKey = iota
	refusedKey
	raceKey
	resourceKey
)

// WithCaller returns a context in which caller makes the call.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey, caller)
}

// CallerFrom returns who makes the call.
func CallerFrom(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey).(Caller)
	return caller
}

// WithRace returns a context that carries the caller's own race.
func WithRace(ctx context.Context, r race.Race) context.Context {
	return context.WithValue(ctx, raceKey, r)
}

// RaceFrom returns the race in the path of a route that is for its owner.
func RaceFrom(ctx context.Context) race.Race {
	r, _ := ctx.Value(raceKey).(race.Race)
	return r
}
