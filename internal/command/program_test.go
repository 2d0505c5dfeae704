package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

type workSettings struct {
	Target   string `env:"WORK_TARGET,required" check:"host:port" help:"where to"`
	Password string `env:"WORK_PASSWORD,required" secret:"true" help:"of the target"`
	Times    int    `env:"WORK_TIMES" envDefault:"3" help:"how often"`
}

type ambientSettings struct {
	Home string `env:"WORK_HOME" help:"read by a library"`
}

// testBundle is a program, and what it did and printed.
type testBundle struct {
	program Program
	did     workSettings
	fail    error
	out     bytes.Buffer
	errOut  bytes.Buffer
}

func setup() *testBundle {
	b := &testBundle{}
	var cfg workSettings
	probe := struct {
		Addr string `env:"WORK_ADDR" envDefault:":1" check:":port" help:"where it serves"`
	}{}
	b.program = Program{Name: "worker", Commands: append([]Command{{
		Does: "work", Config: &cfg, Ambient: []any{&ambientSettings{}},
		Run: func(_ context.Context, log *slog.Logger) error {
			log.Debug("at work")
			b.did = cfg
			return b.fail
		},
	}}, Probes(&probe, &probe.Addr)...)}
	return b
}

func (b *testBundle) run(t *testing.T, args []string, environ ...string) int {
	t.Helper()
	b.out.Reset()
	b.errOut.Reset()
	return b.program.Main(t.Context(), System{Args: args, Environ: environ, Out: &b.out, ErrOut: &b.errOut})
}

func TestRun(t *testing.T) {
	t.Parallel()
	b := setup()
	require.Zero(t, b.run(t, nil, "WORK_TARGET=a:1", "WORK_PASSWORD=hunter2", "LOG_LEVEL=debug", "WORK_TIMS=4"))
	require.Equal(t, workSettings{Target: "a:1", Password: "hunter2", Times: 3}, b.did)
	require.Contains(t, b.errOut.String(), "at work")
	require.Contains(t, b.errOut.String(), `"name":"WORK_TIMS","meant":"WORK_TIMES"`)
	require.NotContains(t, b.errOut.String(), "hunter2")

	b.fail = errors.New("the work is too hard")
	require.Equal(t, 1, b.run(t, nil, "WORK_TARGET=a:1", "WORK_PASSWORD=hunter2"))
	require.Contains(t, b.errOut.String(), `"msg":"stopped","error":"the work is too hard"`)
}

func TestWrongSettingsAreAllNamed(t *testing.T) {
	t.Parallel()
	b := setup()
	require.Equal(t, 2, b.run(t, nil, "WORK_TARGET=hunter2", "LOG_LEVEL=loud"))
	var line struct{ Problems []string }
	require.NoError(t, json.Unmarshal(b.errOut.Bytes(), &line))
	require.Equal(t, []string{
		`LOG_LEVEL must be one of debug, info, warn, error, not "loud"`,
		`WORK_TARGET must be host:port such as db.example.org:3306, not "hunter2"`,
		"WORK_PASSWORD is not set: of the target; or name a file that holds it by WORK_PASSWORD_FILE",
	}, line.Problems)
	require.Zero(t, b.did)
}

func TestWordsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	b := setup()
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}} {
		require.Zero(t, b.run(t, args))
		for _, want := range []string{
			"worker healthcheck", "worker settings", "WORK_PASSWORD[_FILE]  (required)  text, secret", "WORK_TIMES            3",
			"WORK_HOME", "LOG_LEVEL",
		} {
			require.Contains(t, b.out.String(), want)
		}
	}
	require.Zero(t, b.run(t, []string{"healthcheck", "--help"}))
	require.Contains(t, b.out.String(), "WORK_ADDR")
	require.NotContains(t, b.out.String(), "WORK_TARGET")
	require.Zero(t, b.run(t, []string{"--version"}))
	require.Regexp(t, `^worker dev, commit \w+\n$`, b.out.String())
	for _, args := range [][]string{{"play"}, {"healthcheck", "now"}, {"settings", "now"}, {"--loud"}} {
		require.Equal(t, 2, b.run(t, args), args)
		require.Contains(t, b.errOut.String(), "usage: worker [command]")
	}
}

func TestSettingsAsJSON(t *testing.T) {
	t.Parallel()
	b := setup()
	require.Zero(t, b.run(t, []string{"settings"}))
	var listings []Listing
	require.NoError(t, json.Unmarshal(b.out.Bytes(), &listings))
	require.Len(t, listings, 3)
	require.Equal(t, "worker", listings[0].Program)
	require.Equal(t, "WORK_TARGET", listings[0].Settings[0].Name)
	require.True(t, listings[0].Settings[0].Required)
	require.Len(t, listings[0].Settings, 6)
	require.Equal(t, "healthcheck", listings[1].Command)
}

func TestProbes(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "main_db", http.StatusServiceUnavailable) })
	server := httptest.NewServer(mux)
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	for _, addr := range []string{":" + port, "0.0.0.0:" + port, "127.0.0.1:" + port, "[::]:" + port} {
		b := setup()
		require.Zero(t, b.run(t, []string{"healthcheck"}, "WORK_ADDR="+addr), b.errOut.String())
		require.Equal(t, 1, b.run(t, []string{"readycheck"}, "WORK_ADDR="+addr))
		require.Contains(t, b.errOut.String(), "503 Service Unavailable main_db")
	}
	b := setup()
	require.Equal(t, 1, b.run(t, []string{"healthcheck"}, "WORK_ADDR=127.0.0.1:1"))
	require.Contains(t, b.errOut.String(), "connection refused")
}
