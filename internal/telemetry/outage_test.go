package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func TestLinkLogsChangesOnly(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	link := telemetry.NewLink("queue", telemetry.NewLogger(&logged, slog.LevelInfo))
	link.Report(nil)
	require.Empty(t, logged.String())
	for range 2 {
		link.Report(errors.New("connection refused"))
		link.Report(errors.New("deadline exceeded"))
		link.Report(nil)
		link.Report(nil)
	}
	require.Equal(t, 4, strings.Count(logged.String(), "\n"))
	require.Equal(t, 2, strings.Count(logged.String(), "no answer"))
	require.Equal(t, 2, strings.Count(logged.String(), "answers again"))
}
