package ops_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// letterBox is a dead-letter queue in memory, and the records queue beside it.
type letterBox struct {
	mu       sync.Mutex
	down     bool
	letters  []queue.Letter // to be taken
	taken    int            // and not given back
	redriven []string
	stuck    string // message ID for which every call fails
}

func (b *letterBox) Depth(context.Context) (queue.Depth, error) {
	if b.down {
		return queue.Depth{}, errors.New("connection refused")
	}
	return queue.Depth{Visible: 7, InFlight: 2}, nil
}

func (b *letterBox) DeadLetterDepth(context.Context) (queue.Depth, error) {
	if b.down {
		return queue.Depth{}, errors.New("connection refused")
	}
	return queue.Depth{Visible: len(b.letters)}, nil
}

func (b *letterBox) TakeLetters(_ context.Context, most int, _ time.Duration) ([]queue.Letter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errors.New("connection refused")
	}
	n := min(most, len(b.letters))
	got := b.letters[:n:n]
	b.letters, b.taken = b.letters[n:], b.taken+n
	return got, nil
}

func (b *letterBox) ReleaseLetters(_ context.Context, letters []queue.Letter) []queue.Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters, b.taken = append(b.letters, letters...), b.taken-len(letters)
	return nil
}

func (b *letterBox) Redrive(ctx context.Context, letters []queue.Letter) []queue.Failure {
	for _, letter := range letters {
		if letter.MessageID != b.stuck {
			b.redriven = append(b.redriven, letter.Body)
		}
	}
	return b.DeleteLetters(ctx, letters)
}

func (b *letterBox) DeleteLetters(_ context.Context, letters []queue.Letter) []queue.Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	var failures []queue.Failure
	for i, letter := range letters {
		if letter.MessageID == b.stuck {
			failures = append(failures, queue.Failure{Index: i, Err: errors.New("refused")})
			continue
		}
		b.taken--
	}
	return failures
}

// put adds a dead letter with that ID, broken or one of ours.
func (b *letterBox) put(t *testing.T, id, body, reason string) queue.Message {
	t.Helper()
	m := queue.Message{RaceID: newID(), RecordID: newID(), Revision: 3}
	if body == "" {
		var err error
		body, err = m.Encode()
		require.NoError(t, err)
	}
	b.letters = append(b.letters, queue.Letter{
		Received: queue.Received{MessageID: id, Body: body, ReceiptHandle: "handle", SentAt: time.Now()}, Reason: reason,
	})
	return m
}

func (b *letterBox) ids() []string {
	var ids []string
	for _, letter := range b.letters {
		ids = append(ids, letter.MessageID)
	}
	return ids
}

func TestListingDeadLettersLeavesThemOnTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ours := b.letters.put(t, "m1", "", "")
	b.letters.put(t, "m2", "not ours"+strings.Repeat("é", 4000), "decode message: the body is not a JSON object")
	for range 2 {
		got := decode[struct {
			Items []struct {
				MessageID string `json:"message_id"`
				Reason    string `json:"reason"`
				Broken    string `json:"broken"`
				Body      string `json:"body"`
				RecordID  string `json:"record_id"`
				Revision  int    `json:"revision"`
			} `json:"items"`
			Visible int `json:"visible"`
		}](t, b.call(t, http.MethodGet, "/v1/ops/dead-letters", nil), http.StatusOK)
		require.Equal(t, 2, got.Visible)
		require.Len(t, got.Items, 2)
		require.Equal(t, ours.RecordID, got.Items[0].RecordID)
		require.Equal(t, 3, got.Items[0].Revision)
		require.Empty(t, got.Items[0].Broken)
		require.Equal(t, "received too many times without being deleted", got.Items[0].Reason)
		require.Equal(t, "decode message: the body is not a JSON object", got.Items[1].Reason)
		require.NotEmpty(t, got.Items[1].Broken)
		require.LessOrEqual(t, len(got.Items[1].Body), 4096)
		require.True(t, strings.HasSuffix(got.Items[1].Body, "é"))
		require.Zero(t, b.letters.taken)
	}
}

type redriven struct {
	Redriven int `json:"redriven"`
	Broken   int `json:"broken"`
	Failed   int `json:"failed"`
}

func (b *bundle) redrive(t *testing.T, body object) redriven {
	t.Helper()
	return decode[redriven](t, b.call(t, http.MethodPost, "/v1/ops/dead-letters/redrive", body), http.StatusOK)
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []string{"m1", "m2", "m3"} {
		b.letters.put(t, id, "", "")
	}
	b.letters.put(t, "broken", "not ours", "broken")

	require.Equal(t, redriven{Redriven: 1}, b.redrive(t, object{"message_id": "m2", "reason": "the worker is fixed"}))
	require.ElementsMatch(t, []string{"m1", "m3", "broken"}, b.letters.ids())
	last := b.lastAction(t)
	require.Equal(t, "redrive-dead-letters", last.Action)
	require.Equal(t, "m2", last.Target)
	require.Equal(t, object{"redriven": 1.0, "broken": 0.0, "failed": 0.0}, last.After)

	b.letters.stuck = "m3"
	require.Equal(t, redriven{Redriven: 1, Broken: 1, Failed: 1}, b.redrive(t, object{"all": true}))
	require.Equal(t, []string{"broken"}, b.letters.ids())
	require.Len(t, b.letters.redriven, 2)

	require.Equal(t, redriven{Broken: 1}, b.redrive(t, object{"all": true}))
	for body, status := range map[*object]int{
		{"message_id": "broken"}:            http.StatusConflict,
		{"message_id": "m9"}:                http.StatusNotFound,
		{}:                                  http.StatusUnprocessableEntity,
		{"message_id": "m1", "all": true}:   http.StatusUnprocessableEntity,
		{"message_id": "m1", "every": true}: http.StatusUnprocessableEntity,
	} {
		require.Equal(t, status, b.call(t, http.MethodPost, "/v1/ops/dead-letters/redrive", *body).Code, *body)
	}
	require.Equal(t, []string{"broken"}, b.letters.ids())
}

func TestDiscardIsLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters.put(t, "m1", "", "")
	b.letters.put(t, "broken", "not ours", "decode message: the body is not a JSON object")
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPost, "/v1/ops/dead-letters/broken/discard", object{}).Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/dead-letters/m9/discard", object{"reason": "x"}).Code)
	require.ElementsMatch(t, []string{"m1", "broken"}, b.letters.ids())

	answer := b.call(t, http.MethodPost, "/v1/ops/dead-letters/broken/discard", object{"reason": "a test of another team"})
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	require.Equal(t, []string{"m1"}, b.letters.ids())
	require.Zero(t, b.letters.taken)
	last := b.lastAction(t)
	require.Equal(t, "discard-dead-letter", last.Action)
	require.Equal(t, "a test of another team", last.Reason)
	before, ok := last.Before.(object)
	require.True(t, ok)
	require.Equal(t, "not ours", before["body"])
	require.Equal(t, "decode message: the body is not a JSON object", before["reason"])

	b.letters.stuck = "m1"
	require.Equal(t, http.StatusServiceUnavailable,
		b.call(t, http.MethodPost, "/v1/ops/dead-letters/m1/discard", object{"reason": "x"}).Code)
	require.Equal(t, []string{"m1"}, b.letters.ids(), "it is given back")
}

func TestDeadLettersWhileTheQueueIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.letters.down = true
	for _, answer := range []int{
		b.call(t, http.MethodGet, "/v1/ops/dead-letters", nil).Code,
		b.call(t, http.MethodPost, "/v1/ops/dead-letters/redrive", object{"all": true}).Code,
		b.call(t, http.MethodPost, "/v1/ops/dead-letters/m1/discard", object{"reason": "x"}).Code,
	} {
		require.Equal(t, http.StatusServiceUnavailable, answer)
	}
	items, _ := b.actions(t, "")
	require.Empty(t, items)
}
