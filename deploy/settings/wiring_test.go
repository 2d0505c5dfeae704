package settings_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/backup"
	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// machine replaces the containers on this machine: it runs the servers, and translates
// every name and path in an environment to the local one.
type machine struct {
	project *types.Project
	secrets string            // folder
	hosts   map[string]string // compose's host:port to this machine's
}

func setup(t *testing.T, of *types.Project) *machine {
	t.Helper()
	servers, err := stack.Start(t.Context(), stack.Options{
		Dir: t.TempDir(), Root: built.root, Parts: []stack.Part{stack.MariaDB, stack.SQS, stack.Mail}, Throwaway: true, DatabaseOptions: stack.BinaryLog(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, servers.Stop()) })
	m := &machine{project: of, secrets: t.TempDir()}
	m.hosts = map[string]string{
		"main-db:3306": servers.MySQLAddr(), "user-db:3306": servers.MySQLAddr(),
		"http://queue:9324": servers.QueueEndpoint(), "temporal:7233": m.startTemporal(t),
		"mail:1025": net.JoinHostPort("127.0.0.1", strconv.Itoa(servers.Ports().SMTP)), ":8080": freeAddr(t), ":8081": freeAddr(t), ":8082": freeAddr(t),
		"/backups": t.TempDir(), "/scratch": t.TempDir(),
	}
	m.script(t, "secrets.sh", "SECRETS="+m.secrets)
	m.script(t, "secrets.sh", "SECRETS="+m.secrets) // as at the second start
	m.makeAccounts(t, servers)
	return m
}

// startTemporal starts an empty server and runs the one-shot service that sets it up,
// twice.
func (m *machine) startTemporal(t *testing.T) string {
	t.Helper()
	cli, err := stack.TemporalCLI(t.Context(), built.root, stack.NewConsole(t.Output()))
	require.NoError(t, err)
	server, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath: cli, LogLevel: "error", Stdout: t.Output(), Stderr: t.Output(),
		ClientOptions: &client.Options{Logger: temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler))},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	for range 2 {
		m.script(t, "temporal-namespace.sh", "TEMPORAL_ADDRESS="+server.FrontendHostPort(), "SETTLE=0",
			"TEMPORAL_NAMESPACE="+*m.project.Services["temporal-namespace"].Environment["TEMPORAL_NAMESPACE"],
			"PATH="+filepath.Dir(cli)+":"+os.Getenv("PATH"))
	}
	return server.FrontendHostPort()
}

// script runs one of the scripts that compose's services run.
func (m *machine) script(t *testing.T, name string, environ ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", filepath.Join(built.root, "deploy", "docker", name))
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, environ...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s printed:\n%s", name, out)
}

// makeAccounts creates the accounts that MySQL's entrypoint would create.
func (m *machine) makeAccounts(t *testing.T, servers *stack.Stack) {
	t.Helper()
	db, err := mysql.Open(mysql.Config{Addr: servers.MySQLAddr(), User: "root", Password: servers.RootPassword(), MaxConns: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	run := func(statements string) {
		for statement := range strings.SplitSeq(statements, ";") {
			if statement = strings.TrimSpace(statement); statement != "" {
				_, err := db.ExecContext(t.Context(), statement)
				require.NoError(t, err, statement)
			}
		}
	}
	run("DROP USER main_ddl, main_api, main_worker, user_ddl, user_api, user_worker") // those of the one-machine stack
	for _, name := range []string{"main-db", "user-db"} {
		script := strings.ReplaceAll(file(t, "deploy", "docker", "accounts.sh"), "/run/secrets", filepath.Join(m.secrets, name))
		cmd := exec.CommandContext(t.Context(), "bash", "-ec", "docker_process_sql() { cat; }\n"+script)
		for _, key := range []string{"ACCOUNTS", "MYSQL_DATABASE"} {
			cmd.Env = append(cmd.Env, key+"="+*m.project.Services[name].Environment[key])
		}
		cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
		statements, err := cmd.Output()
		require.NoError(t, err)
		run(string(statements))
	}
}

// environ is the environment that compose gives a service, and nothing else.
func (m *machine) environ(t *testing.T, service string) (environ []string) {
	t.Helper()
	mounted := ""
	for _, volume := range m.project.Services[service].Volumes {
		if volume.Target == "/run/secrets" {
			mounted = filepath.Join(m.secrets, strings.TrimPrefix(volume.Source, "secrets-"))
		}
	}
	require.NotEmpty(t, mounted)
	for name, value := range m.project.Services[service].Environment {
		require.NotNil(t, value, "%s: %s has no value", service, name)
		here := strings.Replace(*value, "/run/secrets", mounted, 1)
		for there, addr := range m.hosts {
			if here == there || strings.HasPrefix(there, "http") && strings.HasPrefix(here, there) {
				here = addr + here[len(there):]
				break
			}
		}
		environ = append(environ, name+"="+here)
	}
	if service == "backup" { // its image has the tools of the databases on its PATH
		environ = append(environ, "PATH="+os.Getenv("PATH"))
	}
	return environ
}

// command is what a container of the service runs: args instead of its
// image's program.
func (m *machine) command(ctx context.Context, t *testing.T, service string, part stack.Part, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, program(t, part), args...)
	cmd.Env, cmd.Dir = m.environ(t, service), t.TempDir()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// start runs a service until the test ends, and waits until its health check succeeds.
func (m *machine) start(t *testing.T, service string, part stack.Part) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var log bytes.Buffer
	running := m.command(ctx, t, service, part)
	running.Stderr = &log
	require.NoError(t, running.Start())
	t.Cleanup(func() {
		stop()
		require.NoError(t, ignoreCancel(running.Wait()), "%s printed:\n%s", service, &log)
		require.NotContains(t, log.String(), "unknown setting ignored")
	})
	check := m.project.Services[service].HealthCheck.Test
	require.Equal(t, "CMD", check[0])
	require.Equal(t, "/"+string(part), check[1])
	var out []byte
	require.Eventually(t, func() bool {
		var err error
		out, err = m.command(t.Context(), t, service, part, check[2:]...).CombinedOutput()
		return err == nil
	}, 3*time.Minute, 200*time.Millisecond, "%s is not well", service)
	require.Empty(t, string(out))
}

// ignoreCancel drops the error of a program that stopped cleanly after its SIGTERM.
func ignoreCancel(err error) error {
	if err == context.Canceled { //nolint:errorlint // what Wait returns of a command that was cancelled and exited with 0
		return nil
	}
	return err
}

func freeAddr(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// TestWiring runs our programs with exactly the environment that compose gives them, on
// the databases and queues that the one-shot services created, until a record is
// credited and backed up.
func TestWiring(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]*types.Project{"compose": project(t), "club": club(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setup(t, of).creditsARecord(t)
		})
	}
}

func (m *machine) creditsARecord(t *testing.T) {
	t.Helper()
	for range 2 { // as at the second start
		out, err := m.command(t.Context(), t, "migrate", stack.API, "migrate").CombinedOutput()
		require.NoError(t, err, "%s", out)
		out, err = m.command(t.Context(), t, "operator", stack.API, m.project.Services["operator"].Command...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	m.start(t, "api", stack.API)
	m.start(t, "worker", stack.Worker)

	api := "http://" + m.hosts[":8080"]
	race, err := sample.Boston2004(1)
	require.NoError(t, err)
	summary, err := sample.Load(t.Context(), sample.Options{
		API: api, Login: "organizer", Password: "a password of the test's", Race: race, Out: io.Discard,
	})
	require.NoError(t, err)
	require.Equal(t, sample.Credits{Credited: 1, Total: 1}, summary.Credits)
	require.Contains(t, summary.Example.Credit.TraceURL, *m.project.Services["api"].Environment["TEMPORAL_UI_URL"])

	if _, caught := m.project.Services["mail"]; caught {
		m.losesAnAddress(t, api)
	}
	password, err := os.ReadFile(filepath.Join(m.secrets, "all", "operator_password"))
	require.NoError(t, err)
	body, err := json.Marshal(map[string]string{"login_id": "operator", "password": strings.TrimSpace(string(password))})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/v1/login", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "the operator made by compose's service logs in")
	m.start(t, "backup", backupProgram)
	out, err := m.command(t.Context(), t, "backup", backupProgram, "now").CombinedOutput()
	require.NoError(t, err, "%s", out)
	dumps, err := filepath.Glob(filepath.Join(m.hosts["/backups"], "*", "*", "dumps", "*", "manifest.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(dumps), 2, "one of each database")
	out, err = m.command(t.Context(), t, "backup", backupProgram, "restore").CombinedOutput()
	require.Error(t, err, "the programs are running")
	require.Contains(t, string(out), backup.ErrRunning.Error())
	for port, want := range map[string]string{
		":8080": "mrmrthon_build_info{", ":8081": "mrmrthon_build_info{", ":8082": `mrmrthon_backup_failures_total{server="user-db"} 0`,
	} {
		require.Contains(t, get(t, fmt.Sprintf("http://%s/metrics", m.hosts[port])), want)
	}
	require.Contains(t, get(t, api+"/openapi.json"), `"url":"`+*m.project.Services["api"].Environment["API_PUBLIC_URL"]+`"`)
}

// losesAnAddress signs somebody up whose mail is taken and comes back later.
func (m *machine) losesAnAddress(t *testing.T, api string) {
	t.Helper()
	runner := &apiclient.Client{Base: api, Login: "late-bounce@example.org", Password: "a password of the test's", HTTP: http.DefaultClient}
	require.NoError(t, runner.JSON(t.Context(), http.MethodPost, "/v1/users",
		map[string]string{"login_id": runner.Login, "password": runner.Password, "name": "E. Test", "user_type": "runner"}, nil))
	require.NoError(t, runner.LogIn(t.Context()))
	require.Eventually(t, func() bool {
		var me struct {
			Problem string `json:"email_problem"`
		}
		return runner.JSON(t.Context(), http.MethodGet, "/v1/me", nil, &me) == nil && me.Problem == "pending-bounced"
	}, 3*time.Minute, 200*time.Millisecond)
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(text)
}
