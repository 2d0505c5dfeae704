package records

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
)

// Tally counts the revisions of a race's records by what became of them.
type Tally struct {
	Pending    int `json:"pending" doc:"Latest revisions whose outcome is not in the ledger yet."`
	Credited   int `json:"credited"`
	Rejected   int `json:"rejected"`
	Superseded int `json:"superseded" doc:"Revisions that a newer one of their record overtook."`
	Total      int `json:"total" doc:"All revisions ever posted: the sum of the four."`

	Ahead            int `json:"ahead,omitempty" doc:"Records of all races that are credited until the last pending one of this race is, that one included: races take turns. Absent when nothing is pending or it is unknown."`
	EstimatedSeconds int `json:"estimated_seconds,omitempty" doc:"In how many seconds that is, at the rate of the last minute. Absent when it is unknown."`
}

// Counter returns a function that counts a race's revisions, for those who show
// its progress live.
func Counter(store Store, ledger Ledger, ahead Ahead) func(ctx context.Context, raceID string) (Tally, error) {
	return progress{databases: reconcile.Databases{Records: store, Ledger: ledger}, ahead: ahead}.count
}

// Ahead estimates how many records are credited until the last pending one of a
// race is, and in how many seconds; zeros are unknown.
type Ahead func(raceID string, pending int) (records, seconds int)

type progress struct {
	databases reconcile.Databases
	ahead     Ahead // may be nil
}

type progressInput struct {
	RaceID string `path:"race_id"`
}

type progressOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Tally
}

func (p progress) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "count-credits", Method: http.MethodGet, Path: "/v1/races/{race_id}/credits",
		Summary: "Count the credits of a race by their status", Tags: []string{tag},
		Description: "Cheap enough for a progress bar to ask twice a second.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound},
	}, p.handle)
}

func (p progress) handle(ctx context.Context, _ *progressInput) (*progressOutput, error) {
	counted, err := p.count(ctx, server.RaceFrom(ctx).ID)
	if err != nil {
		return nil, err
	}
	return &progressOutput{CacheControl: "no-store", Body: counted}, nil
}

func (p progress) count(ctx context.Context, raceID string) (Tally, error) {
	counted, err := p.databases.Count(ctx, raceID)
	if err != nil {
		return Tally{}, err
	}
	tally := Tally{
		Pending: counted.Pending, Credited: counted.Credited, Rejected: counted.Rejected,
		Superseded: counted.Superseded, Total: counted.Total,
	}
	if p.ahead != nil {
		tally.Ahead, tally.EstimatedSeconds = p.ahead(raceID, counted.Pending)
	}
	return tally, nil
}
