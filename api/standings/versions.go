package standings

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

type versionStore interface {
	// StandingsBefore returns up to limit versions older than before, the newest
	// first; 0 stands behind the newest.
	StandingsBefore(ctx context.Context, raceID string, before, limit int) ([]maindb.StandingsHead, error)
}

type versions struct {
	store versionStore
	board *board
}

type versionsInput struct {
	RaceID string `path:"race_id"`
	server.Page
}

type ruleset struct {
	Edition int `json:"edition" doc:"Of the ranking engine."`
	standings.Rules
	Scoring string `json:"scoring,omitempty" doc:"The rule for points."`
}

// version is what one version of standings rests on.
type version struct {
	Version    int       `json:"version"`
	Status     string    `json:"status" enum:"provisional,official,void"`
	ComputedAt time.Time `json:"computed_at" doc:"When the records and credits were read."`
	Entries    int       `json:"entries" doc:"Rows of all fields, with and without a place."`
	InputsHash string    `json:"inputs_hash" doc:"SHA-256 of all that the places follow from: two versions with the same hash have the same places."`
	Rows       bool      `json:"rows" doc:"Whether the rows can be read and compared. Those of the first, the latest and all official versions are kept for ever; those of other provisional ones are dropped after half a minute, but for ever sparser ones."`
	Ruleset    ruleset   `json:"ruleset" doc:"As used."`
	Reason     string    `json:"reason,omitempty" doc:"Of an official version: which rules or records were changed, and why; of a provisional one, which rules."`
}

type versionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []version `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

func (v versions) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "list-standings-versions", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings/versions",
		Summary: "List the versions of a race's standings", Tags: []string{tag},
		Description: "All versions there ever were, with number, status, time, hash and reason; the rows of old provisional ones are not kept.",
		Errors:      []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, v.handle)
}

func (v versions) handle(ctx context.Context, in *versionsInput) (*versionsOutput, error) {
	if uuid.Validate(in.RaceID) != nil {
		return nil, race.ErrNotFound
	}
	if _, err := v.board.latest(ctx, in.RaceID); err != nil {
		return nil, err
	}
	before, err := decodeVersion(in.Cursor)
	if err != nil {
		return nil, err
	}
	heads, err := v.store.StandingsBefore(ctx, in.RaceID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &versionsOutput{CacheControl: cacheLatest}
	out.Body.Items = []version{}
	if len(heads) > in.Limit {
		heads = heads[:in.Limit]
		out.Body.NextCursor = server.EncodeCursor(strconv.Itoa(heads[in.Limit-1].Version))
	}
	for _, head := range heads {
		shown := version{
			Version: head.Version, Status: string(head.Status), ComputedAt: head.ComputedAt, Entries: head.Entries,
			InputsHash: hex.EncodeToString(head.InputsHash[:]), Reason: head.Reason,
			Rows: head.RowsKept,
		}
		if err := json.Unmarshal(head.Ruleset, &shown.Ruleset); err != nil {
			return nil, fmt.Errorf("ruleset of standings %d of race %s: %w", head.Version, in.RaceID, err)
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}

// decodeVersion returns 0 for the empty cursor.
func decodeVersion(cursor string) (int, error) {
	parts, err := server.DecodeCursor(cursor, 1)
	if err != nil || parts == nil {
		return 0, err
	}
	number, err := strconv.Atoi(parts[0])
	if err != nil || number < 1 {
		return 0, badCursor()
	}
	return number, nil
}

func badCursor() error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
		Location: "query.cursor", Message: "must be the next_cursor of an earlier page of this list",
	})
}
