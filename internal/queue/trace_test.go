package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// TestTraceAndLabelComeAlong: to the receiver, to the dead-letter queue and back.
func TestTraceAndLabelComeAlong(t *testing.T) {
	t.Parallel()
	const span, other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319d-00f067aa0ba902b7-00"
	b := setup(t, "30")
	sent := messages(3)
	sent[0].Trace.Parent, sent[1].Trace.Link = span, other
	sent[1].Label = queue.Label{Bib: "101", RaceName: "Park 10K <\u00e9>"}
	type attributes struct {
		label queue.Label
		trace queue.Trace
	}
	want := map[string]attributes{}
	for _, m := range sent {
		body, err := m.Encode()
		require.NoError(t, err)
		want[body] = attributes{m.Label, m.Trace}
	}
	check := func(received []queue.Received) {
		t.Helper()
		for _, r := range received {
			require.Equal(t, attributes{r.Label, r.Trace}, want[r.Body])
		}
	}

	require.Empty(t, b.client.Send(t.Context(), sent))
	received := b.receive(t, len(sent))
	check(received)
	for _, r := range received {
		require.NoError(t, b.client.DeadLetter(t.Context(), r, "looked at"))
	}
	letters, err := b.client.TakeLetters(t.Context(), len(sent), time.Minute)
	require.NoError(t, err)
	require.Len(t, letters, len(sent))
	for _, letter := range letters {
		require.Equal(t, attributes{letter.Label, letter.Trace}, want[letter.Body])
		require.Equal(t, "looked at", letter.Reason)
	}
	require.Empty(t, b.client.Redrive(t.Context(), letters))
	check(b.receive(t, len(sent)))
}
