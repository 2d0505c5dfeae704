package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Setenv(name, "test"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// running is the program with its databases, and a queue that answers as long as
// its gate is open.
type running struct {
	url      string
	cfg      settings
	main     *maindb.Store
	organize string        // an organizer's token
	raceID   string        // of the organizer
	asked    chan struct{} // gets one for each request to the queue
	gate     chan struct{} // the queue answers when this is closed
	stop     context.CancelFunc
	over     chan error // what the program returned
}

// runAPI runs the program in this process until the test ends or stop is called.
func runAPI(t *testing.T) *running {
	t.Helper()
	mainPool, mainCfg := mysqltest.New(t, maindb.Migrations())
	_, userCfg := mysqltest.New(t, userdb.Migrations())
	r := &running{
		main:  maindb.New(mainPool, time.Now),
		asked: make(chan struct{}, 1000), gate: make(chan struct{}), over: make(chan error, 1),
	}
	r.cfg = settings{
		Addr: "127.0.0.1:0", notice: 6 * time.Second, // calls come in time on a busy machine too
		Config: program.Config{
			MainDB: mysqltest.Account(t, mainCfg, maindb.Grants(), mysql.API), UserDB: mysqltest.Account(t, userCfg, userdb.Grants(), mysql.API),
			Queue: r.queue(t), Temporal: temporal.Config{Address: "127.0.0.1:1", Namespace: "default"}, // nobody there
		},
		Auth: auth.Config{
			PrivateKeyPath: filepath.Join(t.TempDir(), "jwt.pem"), Issuer: "test", Audience: "test",
			AccessTokenTTL: time.Hour, RefreshTokenTTL: time.Hour,
		},
	}
	r.begin(t)
	r.prepare(t)
	return r
}

// begin starts the program.
func (r *running) begin(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = cancel
	listening := make(chan net.Addr, 1)
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	go func() { r.over <- runServe(ctx, r.cfg, logger, func(addr net.Addr) { listening <- addr }) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-r.over)
	})
	select {
	case addr := <-listening:
		r.url = "http://" + addr.String()
	case err := <-r.over:
		require.NoError(t, err)
	}
}

// prepare makes an organizer's token and race.
func (r *running) prepare(t *testing.T) {
	t.Helper()
	keys, err := auth.LoadKeys(r.cfg.Auth)
	require.NoError(t, err)
	organizer := uuid.NewString()
	r.organize, _, err = auth.NewIssuer(keys, r.cfg.Auth, time.Now).Issue(auth.Identity{UserID: organizer, Type: auth.Organizer}, time.Time{})
	require.NoError(t, err)
	made, err := r.main.CreateRace(t.Context(), race.Race{
		ID: uuid.NewString(), OrganizerID: organizer, Name: "City Ten", Date: race.Date{Year: 2026, Month: 5, Day: 3},
		Distance: 10_000_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "wa-2025", Status: race.Scheduled,
	})
	require.NoError(t, err)
	r.raceID = made.ID
}

// queue makes a queue behind the gate.
func (r *running) queue(t *testing.T) queue.Config {
	t.Helper()
	endpoint := os.Getenv("TEST_SQS_ENDPOINT")
	require.NotEmpty(t, endpoint, "TEST_SQS_ENDPOINT is not set: run the tests with `make test`")
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }, Transport: transport, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.Header.Get("X-Amz-Target"), "SendMessageBatch") {
			r.asked <- struct{}{}
			select {
			case <-r.gate:
			case <-req.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(func() { front.Close(); transport.CloseIdleConnections() })
	create := func(name string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, strings.NewReader(`{"QueueName":"`+name+`"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
		res, err := front.Client().Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, res.Body.Close()) }()
		var made struct {
			URL string `json:"QueueUrl"`
		}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&made))
		require.NotEmpty(t, made.URL)
		return made.URL
	}
	name := "api-" + uuid.NewString()
	return queue.Config{Endpoint: front.URL, URL: create(name), DeadLetterURL: create(name + "-dead"), Region: "us-east-1"}
}

// reply is an answer, or that there was none.
type reply struct {
	status int
	body   string
	err    error
}

// call makes a call of the organizer on a connection of its own.
func (r *running) call(ctx context.Context, method, path, kind, body string) reply {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+r.organize)
	req.Header.Set("Content-Type", kind)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, string(text), err}
}

// later makes a call and hands over its answer when it is there.
func (r *running) later(ctx context.Context, method, path, kind, body string) <-chan reply {
	answered := make(chan reply, 1)
	go func() { answered <- r.call(ctx, method, path, kind, body) }()
	return answered
}

// lockRace holds the race's row until the test lets go.
func (r *running) lockRace(t *testing.T) (release func()) {
	t.Helper()
	pool, err := mysql.Open(r.cfg.MainDB)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	tx, err := pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var id string
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT race_id FROM race WHERE race_id = ? FOR UPDATE", r.raceID).Scan(&id))
	return func() { require.NoError(t, tx.Rollback()) }
}

// waiting waits until so many statements of this database wait for a lock.
func (r *running) waiting(t *testing.T, calls int) {
	t.Helper()
	pool, err := mysql.Open(r.cfg.MainDB)
	require.NoError(t, err)
	defer func() { require.NoError(t, pool.Close()) }()
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, pool.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.processlist
			WHERE db = ? AND command = 'Query' AND id <> CONNECTION_ID() AND info IS NOT NULL`, r.cfg.MainDB.Name).Scan(&n))
		return n >= calls
	}, time.Minute, 10*time.Millisecond)
}

// TestStopAnswersCallsInProgress stops the program while a record, an import and a
// reader of live events are under way and the relay is sending.
func TestStopAnswersCallsInProgress(t *testing.T) {
	t.Parallel()
	r := runAPI(t)
	records := "/v1/races/" + r.raceID + "/official-records"
	first := r.call(t.Context(), http.MethodPost, records, "application/json", `{"bib":"1","gun_time":"31:00"}`)
	require.Equal(t, http.StatusCreated, first.status, first.body)
	<-r.asked // the relay is sending it
	streamed := r.later(t.Context(), http.MethodGet, "/v1/races/"+r.raceID+"/events", "", "")
	release := r.lockRace(t)
	posted := r.later(t.Context(), http.MethodPost, records, "application/json", `{"bib":"2","gun_time":"32:00"}`)
	imported := r.later(t.Context(), http.MethodPost, records+"/import", "text/csv", "bib,gun_time\n3,33:00\n4,34:00\n")
	r.waiting(t, 2)

	r.stop()
	close(r.gate) // the send in flight ends before it has waited too long
	stream := <-streamed
	require.NoError(t, stream.err, "the stream ends as a stream does")
	require.Equal(t, http.StatusOK, stream.status)
	require.Equal(t, http.StatusServiceUnavailable, r.call(t.Context(), http.MethodGet, "/readyz", "", "").status)
	require.Equal(t, http.StatusOK, r.call(t.Context(), http.MethodGet, "/v1/races/"+r.raceID, "", "").status, "balancers need a moment to see it")
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
		if err == nil {
			require.NoError(t, conn.Close())
		}
		return err != nil
	}, time.Minute, 10*time.Millisecond, "new connections are refused")

	release()
	post, file := <-posted, <-imported
	require.NoError(t, post.err)
	require.Equal(t, http.StatusCreated, post.status, post.body)
	require.NoError(t, file.err)
	require.Equal(t, http.StatusOK, file.status, file.body)
	require.Contains(t, file.body, `"added":2`)
	require.NoError(t, <-r.over)
	r.over <- nil

	waiting, _, err := r.main.OutboxDepth(t.Context())
	require.NoError(t, err)
	sent, err := queue.New(t.Context(), r.cfg.Queue)
	require.NoError(t, err)
	depth, err := sent.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, len(waiting)+depth.Visible, "each revision is in the outbox or on the queue")
	require.Empty(t, waiting, "the relay took its time to send the last")
}

// TestStopWhileNoServerAnswers stops the program while every part that it needs
// takes connections and says nothing: calls are told so, and the program ends by
// itself.
func TestStopWhileNoServerAnswers(t *testing.T) {
	t.Parallel()
	silent := mute(t)
	database := mysql.Config{Addr: silent, Name: "none", User: "none", Password: "none", MaxConns: 4}
	r := &running{over: make(chan error, 1)}
	r.cfg = settings{
		Addr: "127.0.0.1:0",
		Config: program.Config{
			MainDB: database, UserDB: database,
			Queue:    queue.Config{Endpoint: "http://" + silent, URL: "http://" + silent + "/q", DeadLetterURL: "http://" + silent + "/d", Region: "us-east-1"},
			Temporal: temporal.Config{Address: silent, Namespace: "default"},
		},
		Auth: auth.Config{PrivateKeyPath: filepath.Join(t.TempDir(), "jwt.pem"), Issuer: "test", Audience: "test", AccessTokenTTL: time.Hour},
	}
	r.begin(t)
	asked := r.later(t.Context(), http.MethodGet, "/v1/races/"+uuid.NewString(), "", "")
	slow := dawdle(t, r.url)
	began := time.Now()
	r.stop()
	answer := <-asked
	require.NoError(t, answer.err)
	require.Equal(t, http.StatusServiceUnavailable, answer.status, answer.body)
	require.NoError(t, <-r.over)
	r.over <- nil
	require.Less(t, time.Since(began), 30*time.Second, "who stops programs insists after that")
	told, err := io.ReadAll(slow)
	require.NoError(t, err)
	require.Contains(t, string(told), "HTTP/1.1 408 ", "who never sends the rest of a call is not waited for")
}

// mute is a server that takes connections and never says a word.
func mute(t *testing.T) (addr string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var conns []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-ended
		for _, conn := range conns {
			_ = conn.Close() // the other end may have been first
		}
	})
	return listener.Addr().String()
}

// dawdle begins a call and never sends the rest of it.
func dawdle(t *testing.T, base string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "POST /v1/login HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	return conn
}
