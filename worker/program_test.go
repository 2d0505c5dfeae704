package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Setenv(name, "test"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// exec runs a statement by a database's ExecContext.
func exec[R any](t *testing.T, do func(context.Context, string, ...any) (R, error), statement string, args ...any) {
	t.Helper()
	_, err := do(t.Context(), statement, args...)
	require.NoError(t, err)
}

// sqsCall makes one call of SQS's JSON protocol; the endpoint is a test server's,
// which does not look at signatures.
func sqsCall(t *testing.T, endpoint, operation string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Equal(t, http.StatusOK, res.StatusCode, operation)
	require.NoError(t, json.NewDecoder(res.Body).Decode(out))
}

// sqsServer is the way to the queues' server for one test: it closes the
// connections that clients of the queue keep open.
func sqsServer(t *testing.T) (endpoint string) {
	t.Helper()
	endpoint = os.Getenv("TEST_SQS_ENDPOINT")
	require.NotEmpty(t, endpoint, "TEST_SQS_ENDPOINT is not set: run the tests with `make test`")
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	transport := &http.Transport{}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // a long poll that is given up
	})
	t.Cleanup(func() { front.Close(); transport.CloseIdleConnections() })
	return front.URL
}

// queues makes a records queue and its dead-letter queue of the test's own.
func queues(t *testing.T) queue.Config {
	t.Helper()
	endpoint := sqsServer(t)
	create := func(name string) string {
		var made struct {
			URL string `json:"QueueUrl"`
		}
		sqsCall(t, endpoint, "CreateQueue", map[string]any{"QueueName": name}, &made)
		return made.URL
	}
	name := "worker-" + uuid.NewString()
	return queue.Config{Endpoint: endpoint, URL: create(name), DeadLetterURL: create(name + "-dead"), Region: "us-east-1"}
}

// temporalServer starts a dev server with the search attributes.
func temporalServer(t *testing.T) *testsuite.DevServer {
	t.Helper()
	cli := os.Getenv("TEMPORAL_CLI")
	require.NotEmpty(t, cli, "TEMPORAL_CLI is not set: run the tests with `make test`")
	var attributes []string
	for _, name := range []string{"RaceId", "RecordId", "Bib", "RunnerId", "CreditStatus"} {
		attributes = append(attributes, "--search-attribute", name+"=Keyword")
	}
	server, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath: cli, ExtraArgs: attributes, LogLevel: "error", Stdout: t.Output(), Stderr: t.Output(),
		ClientOptions: &client.Options{Logger: temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler))},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		server.Client().Close()
		require.NoError(t, server.Stop())
	})
	return server
}

// scanner reads the one row of a query; databases' QueryRowContext gives it.
type scanner interface{ Scan(to ...any) error }

// count reads the one number that a query finds.
func count[R scanner](t *testing.T, query func(context.Context, string, ...any) R, statement string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, query(t.Context(), statement, args...).Scan(&n))
	return n
}

func soon(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 3*time.Minute, 20*time.Millisecond, what)
}

// start runs the program until the test ends or stop is called, and returns the
// address of its health server.
func start(t *testing.T, cfg Config) (health string, stop func()) {
	t.Helper()
	listening, over := make(chan net.Addr, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	worker := &Main{
		Config: cfg, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Listening: func(addr net.Addr) { listening <- addr },
	}
	go func() { over <- worker.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-over)
		}
	}
	t.Cleanup(stop)
	return "http://" + (<-listening).String(), stop
}

const insertRace = `INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis,
	divisions_basis, ties, divisions, scoring, points, capacity, status, created_at, updated_at)
	VALUES (?, 'organizer', 'A Marathon', '', '2026-04-20', 42195000, 'gun', 'gun', 'share', '[]', 'fixed', 7, 0,
	'provisional', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`

const insertParticipant = `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field,
	status, created_at, updated_at)
	VALUES (?, ?, ?, '34', '34', 'F', 35, 'runner', 'entered', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`

const insertRecord = `INSERT INTO official_record (record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, status,
	removed, created_at, updated_at)
	VALUES (?, ?, 1, ?, ?, ?, 9000000, 'OK', FALSE, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`

const insertRunner = `INSERT INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at)
	VALUES (?, 'runner', '', '', '', 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`

// TestWorkerCreditsMessages runs the program on real servers: a
// record is credited, one that nobody ran is rejected, a repetition and a
// message that is not ours change nothing, and a lost one is found by the audit.
func TestWorkerCreditsMessages(t *testing.T) {
	t.Parallel()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	queueCfg, server := queues(t), temporalServer(t)
	health, stop := start(t, Config{
		Config: program.Config{
			MainDB: mysqltest.Account(t, mainCfg, maindb.Grants(), mysql.Worker), UserDB: mysqltest.Account(t, userCfg, userdb.Grants(), mysql.Worker), Queue: queueCfg,
			Temporal: temporal.Config{Address: server.FrontendHostPort(), Namespace: "default"},
		},
		Addr: "127.0.0.1:0", AuditInterval: time.Second,
		Bridge: bridge.Config{
			Receivers: 2, Starts: 4, Wait: time.Second, Visibility: 5 * time.Second,
			RetryAfter: 10 * time.Millisecond, MaxRetryAfter: time.Second,
		},
		Audit: activities.AuditConfig{Grace: 500 * time.Millisecond, LookBack: time.Hour},
	})
	raceID, runnerID := uuid.NewString(), uuid.NewString()
	exec(t, userDB.ExecContext, insertRunner, runnerID)
	exec(t, mainDB.ExecContext, insertRace, raceID)
	exec(t, mainDB.ExecContext, insertParticipant, uuid.NewString(), raceID, runnerID)
	record := func(bib string) queue.Message {
		id := uuid.NewString()
		exec(t, mainDB.ExecContext, insertRecord, id, raceID, bib, bib, bib)
		return queue.Message{RaceID: raceID, RecordID: id, Revision: 1}
	}
	credits := func(m queue.Message, status string) int {
		return count(t, userDB.QueryRowContext, "SELECT COUNT(*) FROM credit WHERE record_id = ? AND status = ?", m.RecordID, status)
	}
	records, err := queue.New(t.Context(), queueCfg)
	require.NoError(t, err)

	var sent struct{}
	sqsCall(t, queueCfg.Endpoint, "SendMessage", map[string]any{"QueueUrl": queueCfg.URL, "MessageBody": "not ours"}, &sent)
	ran, nobody := record("34"), record("35")
	ran.Label = queue.Label{Bib: "34", RaceName: "Park 10K"}
	require.Empty(t, records.Send(t.Context(), []queue.Message{ran, nobody, ran}))
	soon(t, "both have their credit", func() bool { return credits(ran, "credited") == 1 && credits(nobody, "rejected") == 1 })
	soon(t, "the queue is empty and what is not ours is on the dead-letter queue", func() bool {
		dead, err := records.DeadLetterDepth(t.Context())
		require.NoError(t, err)
		depth, err := records.Depth(t.Context())
		require.NoError(t, err)
		return dead.Visible == 1 && depth == queue.Depth{}
	})
	require.Equal(t, 7, count(t, userDB.QueryRowContext, "SELECT total_point FROM user WHERE user_id = ?", runnerID))
	require.Equal(t, 1, count(t, userDB.QueryRowContext, "SELECT COUNT(*) FROM point"))
	requireSearchable(t, server.Client(), "RunnerId = '"+runnerID+"' AND CreditStatus = 'credited'")
	requireSearchable(t, server.Client(), "Bib = '34' AND RaceId = '"+raceID+"'")
	requireSearchable(t, server.Client(), "RaceId = '"+raceID+"' AND CreditStatus = 'rejected'")

	lost := record("36") // its message never came
	soon(t, "the audit puts it into the outbox", func() bool {
		return count(t, mainDB.QueryRowContext, "SELECT COUNT(*) FROM outbox WHERE record_id = ?", lost.RecordID) == 1
	})
	require.Equal(t, http.StatusOK, get(t, health+"/readyz"))
	stop()
}

// requireSearchable waits until the Web UI finds the one workflow by a query.
func requireSearchable(t *testing.T, server client.Client, query string) {
	t.Helper()
	soon(t, "found by "+query, func() bool {
		found, err := server.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		require.NoError(t, err)
		return found.GetCount() == 1
	})
}

func get(t *testing.T, page string) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// TestWorkerWaitsForServersThatAreDown starts the program with nothing there: it lives,
// says what is missing, and stops when told to.
func TestWorkerWaitsForServersThatAreDown(t *testing.T) {
	t.Parallel()
	nowhere := mysql.Config{Addr: "127.0.0.1:1", Name: "none", User: "none", Password: "none", MaxConns: 1}
	health, stop := start(t, Config{
		Config: program.Config{
			MainDB: nowhere, UserDB: nowhere, Temporal: temporal.Config{Address: "127.0.0.1:1", Namespace: "default"},
			Queue: queue.Config{Endpoint: "http://127.0.0.1:1", URL: "http://127.0.0.1:1/q", DeadLetterURL: "http://127.0.0.1:1/d", Region: "us-east-1"},
		},
		Addr: "127.0.0.1:0",
	})
	require.Equal(t, http.StatusOK, get(t, health+"/healthz"))
	require.Equal(t, http.StatusServiceUnavailable, get(t, health+"/readyz"))
	stop()
}
