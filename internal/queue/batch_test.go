package queue_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// answering returns a client of a server that gives answers which a real one cannot be made to give.
func answering(t *testing.T, answer func(ids []string) (status int, body any)) *queue.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Entries []struct {
				ID string `json:"Id"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		var ids []string
		for _, e := range in.Entries {
			ids = append(ids, e.ID)
		}
		status, body := answer(ids)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(server.Close)
	client, err := queue.New(t.Context(), queue.Config{
		Endpoint: server.URL, URL: "http://x/0/records", DeadLetterURL: "http://x/0/dead", Region: region, Concurrency: 3,
	})
	require.NoError(t, err)
	return client
}

type (
	accepted struct {
		ID string `json:"Id"`
	}
	refused struct {
		ID      string `json:"Id"`
		Code    string
		Message string
	}
	batchAnswer struct {
		Successful []accepted
		Failed     []refused
	}
)

func TestSendReportsEveryMessageThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	client := answering(t, func(ids []string) (int, any) {
		var answer batchAnswer
		for _, id := range ids {
			switch id[len(id)-1] {
			case '3':
				answer.Failed = append(answer.Failed, refused{id, "InternalError", "could not store " + recordID})
			case '7': // left out of both lists
			default:
				answer.Successful = append(answer.Successful, accepted{id})
			}
		}
		return http.StatusOK, answer
	})
	failures := client.Send(t.Context(), messages(95))
	var indexes []int
	for _, f := range failures {
		indexes = append(indexes, f.Index)
		if f.Index%10 == 3 {
			require.ErrorContains(t, f.Err, "InternalError")
		}
		require.NotContains(t, f.Err.Error(), recordID, "the server's text is not repeated")
	}
	require.Equal(t, []int{3, 7, 13, 17, 23, 27, 33, 37, 43, 47, 53, 57, 63, 67, 73, 77, 83, 87, 93}, indexes)
}

func TestSendGivesUpWhenTheQueueIsDown(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	client := answering(t, func([]string) (int, any) {
		calls.Add(1)
		return http.StatusServiceUnavailable, struct{}{}
	})
	failures := client.Send(t.Context(), messages(1000))
	require.Len(t, failures, 1000)
	// Three batches at a time, two attempts each; the other 97 batches are not tried.
	require.LessOrEqual(t, calls.Load(), int32(12))
}

func TestSendTriesAFailedBatchAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	client := answering(t, func(ids []string) (int, any) {
		if calls.Add(1) == 1 {
			return http.StatusInternalServerError, struct{}{}
		}
		var answer batchAnswer
		for _, id := range ids {
			answer.Successful = append(answer.Successful, accepted{id})
		}
		return http.StatusOK, answer
	})
	require.Empty(t, client.Send(t.Context(), messages(10)))
	require.EqualValues(t, 2, calls.Load())
}
