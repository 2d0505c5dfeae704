package e2e_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBrokenMessagesGoToTheDeadLetterQueue: each goes there with its reason, and other
// messages are not delayed.
func TestBrokenMessagesGoToTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	own := rand.Text() // other tests may have bad messages too
	before := s.metric(t, deadLettered)
	bodies := []string{
		"not JSON " + own, `{"v":2,"race_id":"` + own + `"}`, `["` + own + `"]`,
		`{"v":1,"race_id":"` + own + `","record_id":"2","revision":1}`,
	}
	for _, body := range bodies {
		s.post(t, body)
	}
	b := startBoston(t, s, 5)
	b.importAll(t)

	for body, letter := range s.takeDeadLetters(t, s.DeadLetterQueueURL(), bodies...) {
		require.NotEmpty(t, letter.MessageAttributes["reason"].StringValue, body)
	}
	b.check(t)
	eventually(t, patience, func() error { // a message is counted after it has moved
		if counted := s.metric(t, deadLettered) - before; counted < float64(len(bodies)) {
			return fmt.Errorf("%v dead letters are counted", counted)
		}
		return nil
	})
}

// deadLettered returns how many messages the worker has dead-lettered.
const deadLettered = "mrmrthon_bridge_dead_lettered_total"

// metric reads a counter of the worker.
func (s *system) metric(t *testing.T, name string) float64 {
	t.Helper()
	return metricAt(t, s.WorkerURL(), name)
}

// metricAt returns a metric of the program at a URL.
func metricAt(t *testing.T, programURL, name string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, programURL+"/metrics", http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	sample := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	require.NotNil(t, sample, "%s has no %s", programURL, name)
	value, err := strconv.ParseFloat(string(sample[1]), 64)
	require.NoError(t, err)
	return value
}
