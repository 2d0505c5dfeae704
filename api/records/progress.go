package records

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type counter interface {
	// CountRevisions counts the records of a race, removed ones included, and
	// their revisions.
	CountRevisions(ctx context.Context, raceID string) (records, revisions int, err error)
	// RevisionsOfRecords returns the latest revision of each record where it is
	// above the given one.
	RevisionsOfRecords(ctx context.Context, raceID string, above int) (map[string]int, error)
}

type creditCounter interface {
	// SettledRevisions returns what the ledger holds of revisions below that one.
	SettledRevisions(ctx context.Context, raceID string, below int) ([]userdb.Settled, error)
	// CreditTotals counts the credits of a race, whatever revision they are of.
	CreditTotals(ctx context.Context, raceID string) (userdb.CreditTotals, error)
}

// Ahead estimates how many records are credited until the last pending one of a
// race is, and in how many seconds; zeros are unknown.
type Ahead func(raceID string, pending int) (records, seconds int)

type progress struct {
	store  counter
	ledger creditCounter
	ahead  Ahead // may be nil
}

type progressInput struct {
	RaceID string `path:"race_id"`
}

// tally counts the revisions of a race's records.
type tally struct {
	Pending    int `json:"pending" doc:"Latest revisions whose outcome is not in the ledger yet."`
	Credited   int `json:"credited"`
	Rejected   int `json:"rejected"`
	Superseded int `json:"superseded" doc:"Revisions that a newer one of their record overtook."`
	Total      int `json:"total" doc:"All revisions ever posted: the sum of the four."`

	Ahead            int `json:"ahead,omitempty" doc:"Records of all races that are credited until the last pending one of this race is, that one included: races take turns. Absent when nothing is pending or it is unknown."`
	EstimatedSeconds int `json:"estimated_seconds,omitempty" doc:"In how many seconds that is, at the rate of the last minute. Absent when it is unknown."`
}

type progressOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         tally
}

func (p progress) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "count-credits", Method: http.MethodGet, Path: "/v1/races/{race_id}/credits",
		Summary: "See how far the credits of a race are", Tags: []string{tag},
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

// count reads the ledger before the records, so that it never counts a credit
// of a record that is not counted; both come from indexes alone. When the
// revisions in the ledger add up to those of the records nothing is behind. Else
// the records with several revisions are looked at one by one, since their
// credit may be of an older one.
func (p progress) count(ctx context.Context, raceID string) (tally, error) {
	settled, err := p.ledger.CreditTotals(ctx, raceID)
	if err != nil {
		return tally{}, err
	}
	records, revisions, err := p.store.CountRevisions(ctx, raceID)
	if err != nil {
		return tally{}, err
	}
	counted := tally{
		Credited: settled.Credited, Rejected: settled.Rejected,
		Superseded: revisions - records, Total: revisions,
	}
	if counted.Superseded > 0 && settled.Revisions != revisions {
		behind, err := p.behind(ctx, raceID)
		if err != nil {
			return tally{}, err
		}
		counted.Credited = max(0, counted.Credited-behind[race.Credited])
		counted.Rejected = max(0, counted.Rejected-behind[race.Rejected])
	}
	counted.Pending = records - counted.Credited - counted.Rejected
	if p.ahead != nil {
		counted.Ahead, counted.EstimatedSeconds = p.ahead(raceID, counted.Pending)
	}
	return counted, nil
}

// behind counts, by status, the credits that are of an older revision than
// their record's latest.
func (p progress) behind(ctx context.Context, raceID string) (map[race.CreditStatus]int, error) {
	latest, err := p.store.RevisionsOfRecords(ctx, raceID, 1)
	if err != nil {
		return nil, err
	}
	newest := 0
	for _, revision := range latest {
		newest = max(newest, revision)
	}
	settled, err := p.ledger.SettledRevisions(ctx, raceID, newest)
	if err != nil {
		return nil, err
	}
	behind := make(map[race.CreditStatus]int)
	for _, s := range settled {
		if s.Revision < latest[s.RecordID] {
			behind[s.Status]++
		}
	}
	return behind, nil
}
