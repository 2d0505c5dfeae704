package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const deliveriesPath = "/v1/ops/deliveries"

// deliveries lists what the change log makes others be told, where that waits or fails.
type deliveries struct {
	store *maindb.Store
	log   repair.Log
	links links
}

func (d deliveries) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-failed-deliveries", Method: http.MethodGet, Path: deliveriesPath, Summary: "List deliveries to webhooks that failed",
		Description: "Of all races, the newest first: with `state=waiting` those that failed and are tried again, with `state=failed` those that were given up. IDs alone; the addresses of endpoints are their owners'.",
		Errors:      statusesOf(),
	}, d.list)
	register(api, huma.Operation{
		OperationID: "replay-delivery", Method: http.MethodPost, Path: deliveriesPath + "/{delivery_id}/replay", DefaultStatus: http.StatusAccepted, Summary: "Resend a delivery to a webhook",
		Description: "The delivery keeps its ID, so that the receiver handles it only once. The endpoint has to be switched on.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusConflict),
	}, d.replay)
	register(api, huma.Operation{
		OperationID: "list-open-notices", Method: http.MethodGet, Path: "/v1/ops/notices", Summary: "List events that people have not been told about yet",
		Description: "The oldest first. Most wait for a good reason: corrections gather, digests are sent once a day, and offers are announced when they are about to end. One without `started_at` waits for Temporal.",
		Errors:      statusesOf(),
	}, d.notices)
}

type deliveriesInput struct {
	server.Page
	State string `query:"state" enum:"waiting,failed" default:"failed" doc:"waiting: another attempt follows. failed: none does."`
}

// FailedDelivery is a delivery to an endpoint that failed.
type FailedDelivery struct {
	DeliveryID    string          `json:"delivery_id" format:"uuid"`
	WebhookID     string          `json:"webhook_id" format:"uuid"`
	RaceID        string          `json:"race_id" format:"uuid"`
	Type          webhook.Type    `json:"type"`
	Timestamp     time.Time       `json:"timestamp"`
	Data          json.RawMessage `json:"data"`
	State         string          `json:"state" enum:"waiting,delivered,failed"`
	Attempts      int             `json:"attempts"`
	Outcome       string          `json:"outcome,omitempty" doc:"The outcome of the last attempt: the HTTP status, or why there was none."`
	AttemptedAt   *time.Time      `json:"attempted_at,omitempty"`
	NextAttemptAt *time.Time      `json:"next_attempt_at,omitempty"`
	Off           string          `json:"off,omitempty" doc:"Why the endpoint is off; left out while it is on."`
	WorkflowID    string          `json:"workflow_id"`
	TraceURL      string          `json:"trace_url" doc:"The workflow of the endpoint in the Temporal Web UI."`
}

type failedDeliveriesOutput struct {
	Body struct {
		Items      []FailedDelivery `json:"items" nullable:"false"`
		NextCursor string           `json:"next_cursor,omitempty"`
	}
}

func (d deliveries) list(ctx context.Context, in *deliveriesInput) (*failedDeliveriesOutput, error) {
	before := ""
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := d.store.TroubledDeliveries(ctx, in.State, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &failedDeliveriesOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.TroubledDelivery) []any { return []any{last.ID} })
	out.Body.Items = make([]FailedDelivery, len(found))
	for i, one := range found {
		id := workflows.WebhookWorkflowID(one.WebhookID)
		out.Body.Items[i] = FailedDelivery{
			DeliveryID: one.ID, WebhookID: one.WebhookID, RaceID: one.RaceID, Type: one.Type, Timestamp: one.HappenedAt, Data: one.Data, State: one.State,
			Attempts: one.Attempts, Outcome: one.Outcome, AttemptedAt: server.TimeOrNil(one.AttemptedAt), Off: one.OffReason, WorkflowID: id, TraceURL: d.links.traceURL(id),
		}
		if one.State == maindb.DeliveryWaiting && one.OffReason == "" {
			out.Body.Items[i].NextAttemptAt = server.TimeOrNil(one.DueAt)
		}
	}
	return out, nil
}

type deliveryInput struct {
	DeliveryID string `path:"delivery_id"`
	Body       *why
}

func (d deliveries) replay(ctx context.Context, in *deliveryInput) (*struct{}, error) {
	if err := checkID(in.DeliveryID); err != nil {
		return nil, err
	}
	found, err := d.store.Delivery(ctx, in.DeliveryID)
	if err != nil {
		return nil, err
	}
	before := map[string]any{"state": found.State, "attempts": found.Attempts, "outcome": found.Outcome}
	order := repair.Order{Action: repair.ReplayDelivery, OperatorID: operator(ctx), Target: in.DeliveryID, Reason: reasonOf(in.Body), Before: before}
	return nil, d.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		if err := d.store.ReplayWebhook(ctx, found.RaceID, found.WebhookID, in.DeliveryID); err != nil {
			return nil, err
		}
		return map[string]string{"state": maindb.DeliveryWaiting}, nil
	})
}

type noticesInput struct {
	server.Page
}

// OpenNotice is an event that people have not been told about yet.
type OpenNotice struct {
	Position   int64       `json:"position" doc:"The position of its first change in the change log."`
	Kind       notice.Kind `json:"kind"`
	RaceID     string      `json:"race_id" format:"uuid"`
	HappenedAt time.Time   `json:"happened_at"`
	Gathers    *time.Time  `json:"gathers_until,omitempty" doc:"Until when more changes may join it before people are told."`
	StartedAt  *time.Time  `json:"started_at,omitempty" doc:"When its workflow was last started; left out while it waits for that."`
	WorkflowID string      `json:"workflow_id"`
	TraceURL   string      `json:"trace_url"`
}

type openNoticesOutput struct {
	Body struct {
		Items      []OpenNotice `json:"items" nullable:"false"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func (d deliveries) notices(ctx context.Context, in *noticesInput) (*openNoticesOutput, error) {
	var after maindb.OpenNotice
	if err := in.Seek(&after.Position, &after.Kind); err != nil {
		return nil, err
	}
	found, err := d.store.OpenNotices(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &openNoticesOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.OpenNotice) []any { return []any{last.Position, last.Kind} })
	out.Body.Items = make([]OpenNotice, len(found))
	for i, one := range found {
		id := workflows.NoticeWorkflowID(one.Position, one.Kind)
		out.Body.Items[i] = OpenNotice{
			Position: one.Position, Kind: one.Kind, RaceID: one.RaceID, HappenedAt: one.HappenedAt, Gathers: server.TimeOrNil(one.Gathers), StartedAt: server.TimeOrNil(one.StartedAt), WorkflowID: id, TraceURL: d.links.traceURL(id),
		}
	}
	return out, nil
}

// Deliveries returns a part of the deliveries in a state that failed, and the cursor of
// the next.
func (s *Service) Deliveries(ctx context.Context, state string, part server.Page) ([]FailedDelivery, string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*failedDeliveriesOutput, error) {
		return s.deliveries.list(ctx, &deliveriesInput{Page: part, State: state})
	})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// ReplayDelivery sends a delivery again.
func (s *Service) ReplayDelivery(ctx context.Context, deliveryID string) error {
	_, err := within(ctx, repairTimeout, func(ctx context.Context) (*struct{}, error) {
		return s.deliveries.replay(ctx, &deliveryInput{DeliveryID: deliveryID})
	})
	return err
}

// OpenNotices returns a part of the events that people have not been told about, and the
// cursor of the next.
func (s *Service) OpenNotices(ctx context.Context, part server.Page) ([]OpenNotice, string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*openNoticesOutput, error) {
		return s.deliveries.notices(ctx, &noticesInput{Page: part})
	})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}
