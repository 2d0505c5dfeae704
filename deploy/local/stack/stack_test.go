package stack

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// output is a console that a test reads while the stack writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a throwaway stack that stops with the test.
func start(t *testing.T, opts Options) *Stack {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.Throwaway = true
	s, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

// query opens MariaDB as the given account.
func query(t *testing.T, s *Stack, user, password, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.connection(user, password, database).FormatDSN())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestMariaDBSurvivesKillAndSecondStart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	opts := Options{Dir: t.TempDir(), Parts: []Part{MariaDB}, Throwaway: true}
	s, err := Start(ctx, opts)
	require.NoError(t, err)

	ddl := query(t, s, mainDDL, s.secrets.MainDDL, mainDB)
	_, err = ddl.ExecContext(ctx, "CREATE TABLE kept (n INT PRIMARY KEY)")
	require.NoError(t, err)
	_, err = ddl.ExecContext(ctx, "INSERT INTO kept VALUES (1), (2)")
	require.NoError(t, err)

	require.NoError(t, s.Kill(MariaDB))
	require.Error(t, s.pingMariaDB(ctx))
	require.NoError(t, s.StartPart(ctx, MariaDB))
	require.NoError(t, s.Restart(ctx, MariaDB))
	require.NoError(t, s.Stop())
	require.NoError(t, s.Stop(), "stopping twice is not an error")

	// The passwords may be lost, the data not.
	require.NoError(t, os.Remove(s.folder.path("secrets.json")))
	again := start(t, opts)
	require.NotEqual(t, s.secrets, again.secrets)
	var n int
	row := query(t, again, "root", again.RootPassword(), mainDB).QueryRowContext(ctx, "SELECT COUNT(*) FROM kept")
	require.NoError(t, row.Scan(&n))
	require.Equal(t, 2, n)
}

func TestAccountsHaveLeastGrants(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := start(t, Options{Parts: []Part{MariaDB}})

	ddl := query(t, s, mainDDL, s.secrets.MainDDL, mainDB)
	_, err := ddl.ExecContext(ctx, "CREATE TABLE race (id INT PRIMARY KEY)")
	require.NoError(t, err)
	app := query(t, s, mainAPI, s.secrets.MainAPI, "")
	_, err = app.ExecContext(ctx, "SELECT * FROM main_db.race")
	require.ErrorContains(t, err, "denied", "an account has nothing that it was not granted")

	_, err = ddl.ExecContext(ctx, "GRANT SELECT ON main_db.race TO '"+mainAPI+"'@'%'")
	require.NoError(t, err, "the migrating account grants on its own database")
	_, err = app.ExecContext(ctx, "SELECT * FROM main_db.race")
	require.NoError(t, err)
	_, err = app.ExecContext(ctx, "DELETE FROM main_db.race")
	require.ErrorContains(t, err, "denied")

	for _, other := range []string{"SELECT 1 FROM user_db.point", "CREATE TABLE user_db.t (n INT)", "SELECT * FROM mysql.user"} {
		_, err = ddl.ExecContext(ctx, other)
		require.ErrorContains(t, err, "denied", other)
	}
}

// TestAStackOfSharedAccounts starts a stack that was made when both programs
// logged in with one account: it gets the new ones, and the shared ones go.
func TestAStackOfSharedAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets.json"),
		[]byte(`{"mariadb_root":"r","main_app":"a","main_ddl":"d","user_app":"b","user_ddl":"e","operator":"o","organizer":"g"}`), 0o600))
	s := start(t, Options{Dir: dir, Parts: []Part{MariaDB}})
	require.Equal(t, "d", s.secrets.MainDDL, "what is there stays")
	root := query(t, s, "root", s.RootPassword(), "")
	_, err := root.ExecContext(t.Context(), "CREATE USER 'main_app'@'%' IDENTIFIED BY 'a'")
	require.NoError(t, err)
	require.NoError(t, ping(t.Context(), s.connection("main_app", "a", "")))
	require.NoError(t, s.Restart(t.Context(), MariaDB), "it logs in with every account")
	require.ErrorContains(t, ping(t.Context(), s.connection("main_app", "a", "")), "denied")
}

func TestRootStaysInsideUnlessThrowaway(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{Dir: t.TempDir(), Parts: []Part{MariaDB}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	for _, password := range []string{"", s.RootPassword()} {
		require.ErrorContains(t, ping(t.Context(), s.connection("root", password, "")), "denied")
	}
	info, err := os.Stat(s.folder.path("secrets.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestTemporalKeepsItsSettings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := start(t, Options{Parts: []Part{Temporal}})
	require.NoError(t, s.Restart(ctx, Temporal))

	c, err := client.DialContext(ctx, client.Options{HostPort: s.TemporalAddress(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	defer c.Close()
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{
		Namespace: temporalNamespace,
	})
	require.NoError(t, err)
	for _, name := range searchAttributes() {
		require.Contains(t, known.GetCustomAttributes(), name)
	}
	namespace, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
		Namespace: temporalNamespace,
	})
	require.NoError(t, err)
	require.Equal(t, retention, namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	require.NoError(t, expectOK(ctx, s.TemporalUIURL()))
}

func TestPartThatEndsIsStartedAgain(t *testing.T) {
	t.Parallel()
	var out output
	s := start(t, Options{Parts: []Part{SQS}, Restart: true, Out: &out})
	first := s.keepers[SQS].current()
	require.NoError(t, first.signal(syscall.SIGKILL))
	<-first.exited
	require.Eventually(t, func() bool {
		return s.keepers[SQS].current() != first && s.WaitReady(t.Context(), SQS) == nil
	}, 2*time.Minute, 10*time.Millisecond)
	require.Contains(t, out.String(), "sqs ended: signal: killed; its last lines:")
	require.Contains(t, out.String(), "sqs is started again in 1s")
}

func TestSecondStackInTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Parts: []Part{SQS}})
	_, err := Start(t.Context(), Options{Dir: s.folder.dir, Parts: []Part{SQS}})
	require.EqualError(t, err, fmt.Sprintf("a stack already runs in %s (process %d): stop it first", s.folder.dir, os.Getpid()))
	require.ErrorContains(t, Clean(t.Context(), s.folder.dir, nil), "a stack already runs")
}

func TestTakenPortIsNamedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)

	var ports Ports
	_, err = fmt.Sscan(port, &ports.API)
	require.NoError(t, err)
	ports.SQS = ports.API
	var out output
	_, err = Start(t.Context(), Options{Dir: t.TempDir(), Ports: ports, Out: &out})
	require.ErrorContains(t, err, "port "+port+" (API) is taken; choose another with API_PORT=")
	require.ErrorContains(t, err, " make run")
	require.ErrorContains(t, err, "port "+port+" is asked for twice: by API_PORT and by SQS_PORT")
	require.Empty(t, out.String())
}

func TestPortsOfPartsThatDoNotStartMayBeTaken(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Parts: []Part{SQS}})
	start(t, Options{Parts: []Part{SQS}, Ports: Ports{API: s.ports.SQS}})
}

func TestStartThatIsInterruptedStopsWhatItStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	out := writerFunc(func(p []byte) {
		if strings.Contains(string(p), "mariadb is ready") {
			cancel(interrupted)
		}
	})
	// Migrations of the stand-in never end.
	_, err := Start(ctx, Options{
		Dir: dir, Parts: []Part{MariaDB, API}, Throwaway: true, Out: out,
		Programs: standIn(t), Env: map[Part]map[string]string{API: {standInVariable: "endless"}},
	})
	require.Error(t, err)
	left, err := os.ReadDir(dir + "/run")
	require.NoError(t, err)
	for _, entry := range left {
		require.False(t, strings.HasSuffix(entry.Name(), ".pid"), entry.Name())
	}
	again := start(t, Options{Dir: dir, Parts: []Part{MariaDB}})
	require.NoError(t, again.pingMariaDB(t.Context()))
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestProgramsGetTheirSettings(t *testing.T) {
	t.Parallel()
	var out output
	s := start(t, Options{
		Parts: []Part{MariaDB, API, Worker}, Out: &out, Programs: standIn(t),
		Env: map[Part]map[string]string{API: {standInVariable: "api"}, Worker: {standInVariable: "worker"}},
	})
	text := out.String()
	require.Less(t, strings.Index(text, "migrate  | migrating as main_ddl and user_ddl"), strings.Index(text, "operator | adding operator"))
	require.Contains(t, text, "api      | listening as main_api and user_api, operator \"\", grants \"\"")
	require.Contains(t, text, "worker   | listening as main_worker and user_worker, operator \"\", grants \"\"")
	require.NoError(t, expectOK(t.Context(), s.APIURL()+"/readyz"))
	require.NoError(t, s.StopPart(API))
	require.Error(t, expectOK(t.Context(), s.APIURL()+"/readyz"))
	require.NoError(t, s.StartPart(t.Context(), API))
}

func TestFailedMigrationIsQuoted(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{
		Dir: t.TempDir(), Parts: []Part{MariaDB, API}, Throwaway: true,
		Programs: standIn(t), Env: map[Part]map[string]string{API: {standInVariable: "broken"}},
	})
	require.ErrorContains(t, err, "`api migrate` failed: exit status 3; its last lines:\n    the migration does not like it")
}

// standInVariable makes this test's own executable play the API or the worker.
const standInVariable = "STACK_TEST_STAND_IN"

func standIn(t *testing.T) map[Part]string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return map[Part]string{API: self, Worker: self}
}

func TestMain(m *testing.M) {
	role := os.Getenv(standInVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	command := strings.Join(os.Args[1:], " ")
	switch {
	case role == "broken":
		fmt.Println("the migration does not like it")
		os.Exit(3)
	case role == "endless":
		select {}
	case command == "migrate":
		fmt.Println("migrating as", os.Getenv("MAIN_DB_USER"), "and", os.Getenv("USER_DB_USER"))
	case command == "operator":
		fmt.Println("adding", os.Getenv("OPERATOR_LOGIN"))
	default:
		serveStandIn(role)
	}
}

func serveStandIn(role string) {
	addr := os.Getenv("API_ADDR")
	if role == "worker" {
		addr = os.Getenv("WORKER_ADDR")
	}
	fmt.Printf("listening as %s and %s, operator %q, grants %q\n", os.Getenv("MAIN_DB_USER"), os.Getenv("USER_DB_USER"),
		os.Getenv("OPERATOR_LOGIN"), os.Getenv("MAIN_DB_API_USER"))
	server := &http.Server{
		Addr: addr, ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() { <-terminated; _ = server.Close() }()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Println(err)
		os.Exit(1)
	}
}
