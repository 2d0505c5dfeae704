package races

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

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
	return &raceOutput{Body: bodyOf(r)}, nil
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
	out.Body.Items = make([]raceBody, len(found))
	for i, r := range found {
		out.Body.Items[i] = bodyOf(r)
	}
	return out, nil
}
