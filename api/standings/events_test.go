package standings_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/api/standings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is one that a reader got.
type event struct{ id, kind, data string }

// reader follows the race until the test ends or leave is called.
type reader struct {
	events chan event
	leave  context.CancelFunc
	gone   chan struct{} // closed when the stream has ended
}

func (b *testBundle) follow(t *testing.T, server *httptest.Server, lastEventID string) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/races/"+b.raceID+"/events", http.NoBody)
	require.NoError(t, err)
	if lastEventID != "" {
		request.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := server.Client().Do(request) //nolint:bodyclose // closed when the stream has ended
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	r := &reader{events: make(chan event, 100), leave: cancel, gone: make(chan struct{})}
	go func() {
		defer close(r.gone)
		defer func() { _ = response.Body.Close() }()
		lines := bufio.NewScanner(response.Body)
		var e event
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				if e.kind != "" {
					r.events <- e
				}
				e = event{}
			}
		}
	}()
	t.Cleanup(cancel)
	return r
}

// next returns the next event of a kind.
func (r *reader) next(t *testing.T, kind string) event {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case e := <-r.events:
			if e.kind == kind {
				return e
			}
		case <-timeout:
			require.Fail(t, "no event", kind)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewServer(b.router)
	t.Cleanup(server.Close)
	b.recompute(t)
	live := b.follow(t, server, "")
	first := live.next(t, "standings")
	require.Equal(t, "1", first.id)
	require.Contains(t, first.data, `"version":1,"status":"provisional"`)
	require.Equal(t, `{"pending":0,"credited":0,"rejected":0,"superseded":0,"total":0}`, live.next(t, "progress").data)

	b.mu.Lock()
	b.tally = standings.Tally{Pending: 3, Credited: 2, Total: 5}
	b.mu.Unlock()
	require.Equal(t, event{kind: "progress", data: `{"pending":3,"credited":2,"rejected":0,"superseded":0,"total":5}`}, live.next(t, "progress"))
	for _, bib := range []string{"1", "2"} {
		b.credit(t, bib, 700)
		b.recompute(t)
		require.NotEmpty(t, live.next(t, "standings").id)
	}

	back := b.follow(t, server, "1") // is told what was missed
	require.Equal(t, "2", back.next(t, "standings").id)
	require.Equal(t, "3", back.next(t, "standings").id)
	for _, unknown := range []string{"99", "nonsense"} {
		require.Equal(t, "3", b.follow(t, server, unknown).next(t, "standings").id)
	}
	require.Equal(t, http.StatusNotFound, b.get(t, "/v1/races/"+newID()+"/events").status)
}

func TestManyReadersCostOnePoll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewServer(b.router)
	t.Cleanup(server.Close)
	b.recompute(t)
	var readers []*reader
	for range 200 {
		readers = append(readers, b.follow(t, server, ""))
	}
	for _, r := range readers {
		require.Equal(t, "1", r.next(t, "standings").id)
	}
	asked, since := b.main.asked(), time.Now()
	b.credit(t, "1", 700)
	b.recompute(t)
	var all sync.WaitGroup
	for _, r := range readers {
		all.Go(func() {
			if e := <-r.events; e.kind == "progress" {
				<-r.events
			}
		})
	}
	all.Wait()
	polls := int(time.Since(since)/(250*time.Millisecond)) + 2
	require.LessOrEqual(t, b.main.asked()-asked, polls)
}

func TestStreamsOutliveTheTimeForRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewUnstartedServer(b.router)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	r := b.follow(t, server, "")
	r.next(t, "progress")
	for pending := range 2 { // credits are counted once a second
		b.mu.Lock()
		b.tally.Pending = pending + 1
		b.mu.Unlock()
		r.next(t, "progress")
	}
}

func TestStreamsEndWhenTheProgramStops(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := httptest.NewServer(b.router)
	t.Cleanup(server.Close)
	r := b.follow(t, server, "")
	r.next(t, "progress")
	b.stop()
	<-r.gone
}
