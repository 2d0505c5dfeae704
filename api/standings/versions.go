package standings

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

type versions struct {
	store *maindb.Store
	board *board
}

type versionsInput struct {
	RaceID string `path:"race_id"`
	server.Page
}

type ruleset struct {
	Edition int `json:"edition" doc:"The edition of the ranking engine."`
	standings.Rules
	Scoring string `json:"scoring,omitempty" doc:"The rule for points."`
}

// version is one version of the standings, without its rows.
type version struct {
	Version    int       `json:"version"`
	Status     string    `json:"status" enum:"provisional,official,void"`
	ComputedAt time.Time `json:"computed_at" doc:"When the records and credits were read."`
	Entries    int       `json:"entries" doc:"Rows of all fields, with and without a place."`
	InputsHash string    `json:"inputs_hash" doc:"SHA-256 of everything that the places depend on: two versions with the same hash have the same places."`
	Rows       bool      `json:"rows" doc:"Whether the rows can be read and compared. Those of the first, the latest and all official versions are kept for ever; those of other provisional ones are dropped after half a minute; ever fewer are kept the older they get."`
	Ruleset    ruleset   `json:"ruleset" doc:"As used."`
	Reason     string    `json:"reason,omitempty" doc:"For an official version, which rules or records were changed, and why; for a provisional one, which rules."`
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
		Description: "All versions that ever existed, with number, status, time, hash and reason; the rows of old provisional ones are not kept.",
		Errors:      []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, v.handle)
}

func (v versions) handle(ctx context.Context, in *versionsInput) (*versionsOutput, error) {
	if !server.IsID(in.RaceID) {
		return nil, race.ErrNotFound
	}
	if _, err := v.board.latest(ctx, in.RaceID); err != nil {
		return nil, err
	}
	before := 0
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	heads, err := v.store.StandingsBefore(ctx, in.RaceID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &versionsOutput{CacheControl: cacheLatest}
	out.Body.Items = []version{}
	heads, out.Body.NextCursor = server.Cut(in.Page, heads, func(last maindb.StandingsHead) []any { return []any{last.Version} })
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

// protestWindow is the time for protests unless the organizer says otherwise:
// World Athletics' rule 8 gives 30 minutes from the announcement of a result.
const protestWindow = 30 * time.Minute

type publishing struct {
	now   func() time.Time
	store *maindb.Store
	board *board
	wake  func(ctx context.Context, raceID string)
}

type finalizeInput struct {
	RaceID string      `path:"race_id"`
	Body   *Finalizing `required:"false"`
}

// Finalizing is how standings are to become official.
type Finalizing struct {
	ProtestWindowS  *int   `json:"protest_window_s,omitempty" minimum:"0" maximum:"604800" doc:"Seconds for protests, after which the standings become official; 0 for at once. When left out: 1800 for a new window, and an open one stays unchanged."`
	DespiteDisputes bool   `json:"despite_disputes,omitempty" doc:"The standings become official at the end of the window even if disputes are open. It needs a reason."`
	Reason          string `json:"reason,omitempty" maxLength:"500" doc:"Why not to wait for open disputes. Public."`
}

type finalizeOutput struct {
	Status int
	Body   struct {
		State        string     `json:"state" enum:"window,held,official" doc:"The protest window is open; it has ended, but open disputes hold up publication; or the standings are already official."`
		OpenDisputes int        `json:"open_disputes" doc:"Publication waits until they are answered (GET …/disputes?state=open), or until this call says despite_disputes."`
		EndsAt       time.Time  `json:"ends_at" doc:"When the protest window ends. Publication waits for credits that are pending then, at most 10 minutes."`
		PublishedAt  *time.Time `json:"published_at,omitempty"`
	}
}

func (p publishing) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "finalize-race", Method: http.MethodPost, Path: "/v1/races/{race_id}/finalize",
		Summary: "Make the standings official after a protest window", Tags: []string{tag},
		Description: "Calling it again changes nothing. Without a body, with `{}` or with the same window it answers 202 with the window that is open, " +
			"and 200 once the standings are official. A different window is a conflict (409): cancel the open one first. " +
			"While disputes are open, the standings do not become official at its end, but with the answer to the last of them; or despite them, if this call says so with a reason. " +
			"Corrections made during the window are included; a correction after it makes a new official version.",
		DefaultStatus: http.StatusAccepted,
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusUnprocessableEntity,
		},
	}, p.finalize)
	server.Register(api, huma.Operation{
		OperationID: "cancel-finalize", Method: http.MethodDelete, Path: "/v1/races/{race_id}/finalize",
		Summary: "Cancel the protest window, so that the standings stay provisional", Tags: []string{tag},
		DefaultStatus: http.StatusNoContent,
		Errors:        []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict},
	}, p.cancel)
}

// Finalize makes the standings of the race of ctx official after a protest window, as
// the call does.
func (r *Reader) Finalize(ctx context.Context, in Finalizing) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := r.publishing.finalize(ctx, &finalizeInput{RaceID: server.RaceFrom(ctx).ID, Body: &in})
	return err
}

// CancelFinalize cancels the protest window of the race of ctx.
func (r *Reader) CancelFinalize(ctx context.Context) error {
	_, err := r.publishing.cancel(ctx, &cancelInput{RaceID: server.RaceFrom(ctx).ID})
	return err
}

func (p publishing) finalize(ctx context.Context, in *finalizeInput) (*finalizeOutput, error) {
	window, stated := protestWindow, in.Body != nil && in.Body.ProtestWindowS != nil
	if stated {
		window = time.Duration(*in.Body.ProtestWindowS) * time.Second
	}
	reason := ""
	if in.Body != nil {
		reason = strings.TrimSpace(in.Body.Reason)
		if in.Body.DespiteDisputes && reason == "" {
			return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "must say why not to wait for open disputes"}}}
		}
	}
	publication, err := p.store.OpenPublication(ctx, in.RaceID, server.CallerFrom(ctx).UserID, window)
	if err != nil {
		return nil, err
	}
	out := &finalizeOutput{Status: http.StatusAccepted}
	out.Body.State, out.Body.EndsAt = "window", publication.EndsAt
	if !publication.Open() {
		out.Status, out.Body.State, out.Body.PublishedAt = http.StatusOK, "official", &publication.PublishedAt
		return out, nil
	}
	if opened := publication.EndsAt.Sub(publication.RequestedAt); stated && opened != window {
		return nil, &race.ConflictError{Field: "protest_window_s", Message: fmt.Sprintf(
			"a protest window of %d s is already open until %s; cancel it before opening another", int(opened.Seconds()), publication.EndsAt.Format(time.RFC3339))}
	}
	if in.Body != nil && in.Body.DespiteDisputes {
		if err := p.store.PublishDespiteDisputes(ctx, in.RaceID, reason); err != nil {
			return nil, err
		}
		publication.DespiteDisputes = true
	}
	if out.Body.OpenDisputes, err = p.store.OpenDisputes(ctx, in.RaceID); err != nil {
		return nil, err
	}
	if out.Body.OpenDisputes > 0 && !publication.DespiteDisputes && !p.now().Before(publication.EndsAt) {
		out.Body.State = "held"
	}
	p.board.forget(in.RaceID)
	p.wake(ctx, in.RaceID)
	return out, nil
}

type cancelInput struct {
	RaceID string `path:"race_id"`
}

func (p publishing) cancel(ctx context.Context, in *cancelInput) (*struct{}, error) {
	if err := p.store.CancelPublication(ctx, in.RaceID); err != nil {
		return nil, err
	}
	p.board.forget(in.RaceID)
	p.wake(ctx, in.RaceID)
	return nil, nil
}
