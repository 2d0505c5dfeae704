package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, in) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	require.NotEmpty(t, url, line)

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", http.NoBody)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)

	stop()
	require.NoError(t, <-ended)
}

func TestRunNamesATakenPort(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	require.ErrorContains(t, run(t.Context(), []string{"-addr", taken.Addr().String()}, io.Discard), "port "+port+" is taken")
}

func TestRunRefusesSettings(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"whole seconds":       {"-visibility", "1500ms"},
		"unexpected argument": {"records"},
		"maxReceiveCount":     {"-max-receives", "0"},
		"VisibilityTimeout":   {"-visibility", "13h"},
		"queue name":          {"-queue", "not a name"},
	} {
		require.ErrorContains(t, run(t.Context(), args, io.Discard), want)
	}
}
