package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// offers lists places of races that are offered to somebody in line.
type offers struct {
	store *maindb.Store
	links links
}

// ShownOffer is an open offer, without its runner.
type ShownOffer struct {
	RaceID     string    `json:"race_id" format:"uuid"`
	RaceName   string    `json:"race_name"`
	Pool       int       `json:"pool" doc:"The key of the pool."`
	Number     int64     `json:"number" doc:"The entry's number in its pool, in the order of arrival."`
	OfferedAt  time.Time `json:"offered_at"`
	AgeSeconds int64     `json:"age_s" doc:"For how long it has been open."`
	ExpiresAt  time.Time `json:"expires_at" doc:"By the database's clock."`
	Overdue    bool      `json:"overdue" doc:"The deadline has passed and the place is still held. Its workflow ends it within seconds; the audit starts one that was lost again."`
	Queued     bool      `json:"queued" doc:"Its workflow is still to be started."`
	WorkflowID string    `json:"workflow_id"`
	TraceURL   string    `json:"trace_url" doc:"The workflow that holds the offer's timer in the Temporal Web UI."`
}

type offersInput struct {
	server.Page
}

type offersOutput struct {
	Body struct {
		Items      []ShownOffer `json:"items" nullable:"false"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func (o offers) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-offers", Method: http.MethodGet, Path: "/v1/ops/offers", Summary: "List open offers of places",
		Description: "Of all races, the one that ends first in front, so that overdue ones come first. Without names.",
		Errors:      statusesOf(),
	}, o.list)
}

func (o offers) list(ctx context.Context, in *offersInput) (*offersOutput, error) {
	var after maindb.HeldOffer
	var expires int64 // in microseconds
	if err := in.Seek(&expires, &after.RaceID, &after.Pool, &after.Seq); err != nil {
		return nil, err
	}
	const pools, latest = 1 << 15, 253402300800 * 1e6 // beyond a pool's key, and the year 9999
	if after.Pool >= pools || expires >= latest {
		return nil, server.BadCursor()
	}
	if expires > 0 {
		after.ExpiresAt = time.UnixMicro(expires).UTC()
	}
	found, err := o.store.HeldOffers(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &offersOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.HeldOffer) []any {
		return []any{last.ExpiresAt.UnixMicro(), last.RaceID, last.Pool, last.Seq}
	})
	out.Body.Items = make([]ShownOffer, len(found))
	for i, held := range found {
		id := workflows.OfferWorkflowID(workflows.OfferInput{RaceID: held.RaceID, Pool: held.Pool, Seq: held.Seq, No: held.No})
		out.Body.Items[i] = ShownOffer{
			RaceID: held.RaceID, RaceName: held.RaceName, Pool: held.Pool, Number: held.Seq, OfferedAt: held.OfferedAt, AgeSeconds: int64(held.Age.Seconds()),
			ExpiresAt: held.ExpiresAt, Overdue: held.Overdue, Queued: held.Queued, WorkflowID: id, TraceURL: o.links.traceURL(id),
		}
	}
	return out, nil
}

// Offers returns a part of the open offers of places, and the cursor of the next.
func (s *Service) Offers(ctx context.Context, part server.Page) ([]ShownOffer, string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*offersOutput, error) { return s.offers.list(ctx, &offersInput{Page: part}) })
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}
