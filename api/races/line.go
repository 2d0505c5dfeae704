package races

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// keptVersions is how many versions somebody may have missed who reconnects.
const keptVersions = 1000

// lines serves how many places and waiting runners a race has, and who leaves its line.
type lines struct {
	store    *maindb.Store
	now      func() time.Time
	stopping <-chan struct{}
	live     *server.Live[*lineWatch]
}

func newLines(cfg Config) lines {
	l := lines{store: cfg.Races, now: cfg.Now, stopping: cfg.Stopping}
	l.live = &server.Live[*lineWatch]{Log: cfg.Log, Look: l.look, New: func() *lineWatch { return &lineWatch{changed: make(chan struct{})} }}
	return l
}

// lineWatch is a line that is being watched.
type lineWatch struct {
	mu      sync.Mutex
	read    bool // the line was read
	version int64
	waiting int
	events  []lineEvent // the newest versions, in order, without gaps
	changed chan struct{}
}

type lineEvent struct {
	version int64
	text    []byte
}

type poolsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Now      time.Time       `json:"now" doc:"The server's time, for a countdown to the opening."`
		Closed   bool            `json:"closed" doc:"Whether the race accepts no entries any more."`
		Paused   bool            `json:"paused"`
		ClosesAt *time.Time      `json:"closes_at,omitempty"`
		Pools    []poolCountBody `json:"pools" nullable:"false" doc:"In the order in which a runner is offered them."`
	}
}

type poolCountBody struct {
	Key      int    `json:"key"`
	Name     string `json:"name"`
	Division string `json:"division,omitempty"`

	Standard    *StandardBody `json:"standard,omitempty" doc:"The qualifying time that the pool demands; missing when it demands none."`
	OpensAt     *time.Time    `json:"opens_at,omitempty" doc:"Missing when it has been open from the beginning."`
	Capacity    int           `json:"capacity,omitempty" doc:"Missing when unlimited."`
	Entered     int           `json:"entered"`
	Offered     int           `json:"offered" doc:"Places that are held for runners who have not answered yet."`
	Waiting     int           `json:"waiting"`
	Registered  int           `json:"registered,omitempty" doc:"Runners who are registered for a draw to come."`
	LineVersion int64         `json:"line_version" doc:"Grows whenever somebody leaves the line."`
}

type lineInput struct {
	RacePath
	Pool        int    `query:"pool" minimum:"0" maximum:"10000" doc:"The key of the pool; the first by default."`
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"The ID of the last event that arrived, or the line_version of your entry: what happened since is sent first."`
}

func (l lines) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "get-entry-pools", Method: http.MethodGet, Path: "/v1/races/{race_id}/entry",
		Summary: "See how many places a race has left", Tags: []string{entriesTag}, Errors: []int{http.StatusNotFound},
		Description: "Of a race with entry settings; others have no pools.",
	}, l.pools)
	server.Register(api, huma.Operation{
		OperationID: "follow-line", Method: http.MethodGet, Path: "/v1/races/{race_id}/entry/events",
		Summary: "Follow a line live", Tags: []string{entriesTag},
		Description: "Server-sent events. `line` says who left: {\"version\", \"waiting\", \"left\": [numbers]}, with the version as ID. " +
			"Your position is the one in your entry minus how many of those who left since its line_version have a lower number than yours. " +
			"`reset` comes when too much was missed: read your entry again.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The stream.", Content: map[string]*huma.MediaType{"text/event-stream": {}},
		}},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, l.follow)
}

func (l lines) pools(ctx context.Context, in *RacePath) (*poolsOutput, error) {
	r, err := l.store.Race(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	counts, err := l.store.PoolCounts(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &poolsOutput{CacheControl: "public, max-age=1"}
	out.Body.Now, out.Body.Pools = l.now().UTC(), make([]poolCountBody, len(counts))
	out.Body.Closed = r.Status != race.Scheduled
	if r.Entry != nil {
		out.Body.Paused, out.Body.ClosesAt = r.Entry.Paused, instant(r.Entry, r.Entry.ClosesAt)
		out.Body.Closed = out.Body.Closed || !r.Entry.ClosesAt.IsZero() && !out.Body.Now.Before(r.Entry.ClosesAt)
	}
	for i, c := range counts {
		out.Body.Pools[i] = poolCountBody{
			Key: c.Key, Name: c.Name, Division: c.Division, Standard: standardBodyOf(c.Standard), OpensAt: instant(r.Entry, r.Entry.OpenFrom(c.EntryPool)), Capacity: c.Capacity,
			Entered: c.Taken, Offered: c.Offered, Waiting: c.Waiting, Registered: c.Registered, LineVersion: c.Version,
		}
	}
	return out, nil
}

func (l lines) follow(ctx context.Context, in *lineInput) (*huma.StreamResponse, error) {
	r, err := l.store.Race(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	pools := r.EntryPools()
	if len(pools) == 0 {
		return nil, race.ErrNotFound
	}
	pool := pools[0]
	if in.Pool != 0 {
		var ok bool
		if pool, ok = r.EntryPoolWith(in.Pool); !ok {
			return nil, race.ErrNotFound
		}
	}
	after, err := strconv.ParseInt(in.LastEventID, 10, 64)
	if err != nil || after < 0 {
		after = -1
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // the stream's own context, which has no deadline
		_, w := humachi.Unwrap(ctx)
		watched, leave := l.live.Follow(in.RaceID, pool.Key)
		defer leave()
		server.Stream(ctx.Context(), w, l.stopping, func() ([]byte, <-chan struct{}, error) {
			text, more := watched.news(&after)
			return text, more, nil
		})
	}}, nil
}

// look reads the version of a line, and who left since the last one that it knows.
func (l lines) look(ctx context.Context, raceID string, pool int, watched *lineWatch) error {
	version, waiting, err := l.store.LineNow(ctx, raceID, pool)
	if err != nil {
		return err
	}
	watched.mu.Lock()
	first, known := !watched.read, watched.version
	watched.mu.Unlock()
	if first {
		known = max(version-keptVersions, 0)
	}
	var left []maindb.Departures
	if version > known {
		if left, err = l.store.DeparturesSince(ctx, raceID, pool, known); err != nil {
			return err
		}
	}
	if !first && len(left) == 0 {
		watched.mu.Lock()
		defer watched.mu.Unlock()
		if watched.version == version { // who only joined behind others is news to nobody
			watched.waiting = waiting
		}
		return nil
	}
	return watched.advance(version, waiting, left)
}

func (w *lineWatch) advance(version int64, waiting int, left []maindb.Departures) error {
	events := make([]lineEvent, len(left))
	for i, d := range left {
		text, err := lineText("line", d.Version, waiting, d.Seqs)
		if err != nil {
			return err
		}
		events[i] = lineEvent{version: d.Version, text: text}
		version = max(version, d.Version)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.read || len(left) > 0 {
		w.events = append(w.events, events...)
		w.events = w.events[max(0, len(w.events)-keptVersions):]
	}
	if len(left) > 0 {
		version = left[len(left)-1].Version // those that did not fit come next
	}
	w.read, w.version, w.waiting = true, version, waiting
	close(w.changed)
	w.changed = make(chan struct{})
	return nil
}

func lineText(kind string, version int64, waiting int, left []int64) ([]byte, error) {
	if left == nil {
		left = []int64{}
	}
	data, err := json.Marshal(struct {
		Version int64   `json:"version"`
		Waiting int     `json:"waiting"`
		Left    []int64 `json:"left"`
	}{version, waiting, left})
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", version, kind, data), err
}

// news returns what is new to somebody who knows a version, -1 for none, and a channel
// that is closed when there is more.
func (w *lineWatch) news(after *int64) (text []byte, more <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.read || *after == w.version {
		return nil, w.changed
	}
	oldest := w.version + 1
	if len(w.events) > 0 {
		oldest = w.events[0].version
	}
	switch {
	case *after >= 0 && *after < w.version && *after >= oldest-1:
		for _, e := range w.events {
			if e.version > *after {
				text = append(text, e.text...)
			}
		}
	case *after < 0:
		text, _ = lineText("line", w.version, w.waiting, nil)
	default: // too much was missed, or the version is not this line's
		text, _ = lineText("reset", w.version, w.waiting, nil)
	}
	*after = w.version
	return text, w.changed
}
