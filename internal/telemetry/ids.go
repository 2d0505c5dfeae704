package telemetry

import (
	"log/slog"
	"strconv"
	"strings"
)

// IDsOf returns the IDs that a workflow ID is made of, as logs and spans name
// them: race_id, record_id and revision of credit/<race>/<record>/r<revision>,
// race_id of standings/<race>, none of any other.
func IDsOf(workflowID string) []slog.Attr {
	parts := strings.Split(workflowID, "/")
	switch {
	case len(parts) == 4 && parts[0] == "credit":
		ids := []slog.Attr{slog.String("race_id", parts[1]), slog.String("record_id", parts[2])}
		if revision, err := strconv.Atoi(strings.TrimPrefix(parts[3], "r")); err == nil {
			ids = append(ids, slog.Int("revision", revision))
		}
		return ids
	case len(parts) == 2 && parts[0] == "standings":
		return []slog.Attr{slog.String("race_id", parts[1])}
	}
	return nil
}
