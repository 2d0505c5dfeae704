package mailevents_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/mailevents"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakes are a queue and a store whose calls fail at first.
type fakes struct {
	mu       sync.Mutex
	batches  [][]queue.Received
	outages  int // calls of the queue, and of the store for each event, that fail
	noted    []userdb.MailEvent
	deleted  []string
	dead     map[string]string // reasons, by the ID of the message
	finished func()
}

var errOutage = errors.New("connection refused")

func (f *fakes) Receive(ctx context.Context, _ int, _ time.Duration) ([]queue.Received, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.outages > 0 {
		f.outages--
		return nil, errOutage
	}
	if len(f.batches) == 0 {
		f.finished()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	batch := f.batches[0]
	f.batches, f.outages = f.batches[1:], 2
	return batch, nil
}

func (f *fakes) NoteMailEvent(_ context.Context, e userdb.MailEvent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.outages > 0 {
		f.outages--
		return errOutage
	}
	f.noted = append(f.noted, e)
	return nil
}

func (f *fakes) Delete(_ context.Context, received []queue.Received) []queue.Failure {
	for _, r := range received {
		f.deleted = append(f.deleted, r.MessageID)
	}
	return []queue.Failure{{Err: errOutage}} // harmless
}

func (f *fakes) DeadLetter(_ context.Context, received queue.Received, reason string) error {
	f.dead[received.MessageID] = reason
	if received.MessageID == "stays" {
		return errOutage
	}
	return nil
}

func (*fakes) ExtendVisibility(context.Context, []queue.Received, time.Duration) []queue.Failure {
	return nil
}

const complaint = `{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"uta@example.org"}],"timestamp":"2026-05-09T09:00:00Z"},` +
	`"mail":{"timestamp":"2026-05-09T08:00:00Z"}}`

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	f := &fakes{outages: 2, dead: map[string]string{}, finished: stop, batches: [][]queue.Received{
		{{MessageID: "1", Body: complaint}, {MessageID: "2", Body: `uta@example.org`}, {MessageID: "stays", Body: `{}`}},
		{{MessageID: "1", Body: complaint}},
	}}
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	mailevents.New(f, f, slog.New(slog.NewJSONHandler(&log, nil)), registry).Run(ctx)

	require.Len(t, f.noted, 2, "as often as it comes; the store makes nothing of the second")
	require.Equal(t, []string{"uta@example.org"}, f.noted[0].Addresses)
	require.Equal(t, []string{"1", "1"}, f.deleted)
	require.Len(t, f.dead, 2)
	require.NotContains(t, log.String(), "uta@example.org")
	families, err := registry.Gather()
	require.NoError(t, err)
	counted := map[string]float64{}
	for _, metric := range families[0].GetMetric() {
		counted[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
	}
	require.Equal(t, map[string]float64{
		"bounce": 0, "complaint": 2, "delivery": 0, "other": 0, "rejection": 0, "suppression": 0, "transient-bounce": 0, "unreadable": 1,
	}, counted)
}
