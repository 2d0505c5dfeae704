package standings

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type events struct {
	board    *board
	live     *server.Live[*watch]
	stopping <-chan struct{}
}

type eventsInput struct {
	RaceID      string `path:"race_id"`
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"The ID of the last event that arrived: the version of the standings."`
}

// versionEvent says that there is a new version.
type versionEvent struct {
	Version    int       `json:"version"`
	Status     string    `json:"status"`
	ComputedAt time.Time `json:"computed_at"`
	Entries    int       `json:"entries"`
	Reason     string    `json:"reason,omitempty"`
}

func (e events) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "follow-race", Method: http.MethodGet, Path: "/v1/races/{race_id}/events",
		Summary: "Follow a race live", Tags: []string{tag},
		Description: "Server-sent events. `standings` comes with each new version and has its number as ID; " +
			"`progress` counts credits, when the count changes. A reader who reconnects with Last-Event-ID gets the versions missed, at most 100.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The stream.", Content: map[string]*huma.MediaType{"text/event-stream": {}},
		}},
		Errors: []int{http.StatusNotFound},
	}, e.handle)
}

func (e events) handle(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	if !server.IsID(in.RaceID) {
		return nil, race.ErrNotFound
	}
	if _, err := e.board.latest(ctx, in.RaceID); err != nil {
		return nil, err
	}
	position := bookmark{}
	if version, err := strconv.Atoi(in.LastEventID); err == nil {
		position.version = max(version, 0)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // the stream's own context, which has no deadline
		_, w := humachi.Unwrap(ctx)
		e.stream(ctx.Context(), w, in.RaceID, position)
	}}, nil
}

// stream writes events until the reader is gone or the program stops.
func (e events) stream(ctx context.Context, w http.ResponseWriter, raceID string, position bookmark) {
	watched, leave := e.live.Follow(raceID, 0)
	defer leave()
	server.Stream(ctx, w, e.stopping, func() ([]byte, <-chan struct{}, error) {
		versions, tally, more := watched.news(&position)
		text, err := inEvents(versions, tally)
		return text, more, err
	})
}

// inEvents encodes news as server-sent events. Progress has no ID, so that a
// reader's last ID is always a version.
func inEvents(versions []maindb.StandingsHead, tally *Tally) ([]byte, error) {
	var text bytes.Buffer
	for _, v := range versions {
		data, err := json.Marshal(versionEvent{
			Version: v.Version, Status: string(v.Status), ComputedAt: v.ComputedAt, Entries: v.Entries, Reason: v.Reason,
		})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "id: %d\nevent: standings\ndata: %s\n\n", v.Version, data)
	}
	if tally != nil {
		data, err := json.Marshal(tally)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "event: progress\ndata: %s\n\n", data)
	}
	return text.Bytes(), nil
}
