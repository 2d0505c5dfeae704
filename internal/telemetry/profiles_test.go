package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func TestProfilesAreServedWhereAskedFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	require.NoError(t, telemetry.ServeProfiles(ctx, telemetry.ProfilesConfig{Addr: "127.0.0.1:0"}, log))
	var line struct {
		Addr string `json:"addr"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+line.Addr+"/debug/pprof/heap", http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	profile, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NotEmpty(t, profile)
}

func TestProfilesAreServedNowhereElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	require.NoError(t, telemetry.ServeProfiles(t.Context(), telemetry.ProfilesConfig{}, log))
	require.Empty(t, out.String())
	err := telemetry.ServeProfiles(t.Context(), telemetry.ProfilesConfig{Addr: "nowhere"}, log)
	require.ErrorContains(t, err, "PPROF_ADDR")
}
