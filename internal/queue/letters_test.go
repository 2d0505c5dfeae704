package queue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// letters puts bodies on the dead-letter queue: every second one by DeadLetter,
// the others as a queue does it, without a reason.
func (b testBundle) letters(t *testing.T, bodies ...string) {
	t.Helper()
	for i, body := range bodies {
		url := &b.cfg.DeadLetterURL
		if i%2 == 0 {
			url = &b.cfg.URL
		}
		_, err := b.raw.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
		require.NoError(t, err)
	}
	for _, received := range b.receive(t, (len(bodies)+1)/2) {
		require.NoError(t, b.client.DeadLetter(t.Context(), received, "broken: "+received.Body))
	}
}

func bodiesOf(letters []queue.Letter) []string {
	bodies := make([]string, len(letters))
	for i, letter := range letters {
		bodies[i] = letter.Body
	}
	return bodies
}

func TestLettersAreReadWithTheirReasonAndGivenBack(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	bodies := make([]string, 23)
	for i := range bodies {
		bodies[i] = "body " + uuid.NewString()
	}
	b.letters(t, bodies...)
	for range 2 {
		letters, err := b.client.TakeLetters(t.Context(), 100, time.Minute)
		require.NoError(t, err)
		require.ElementsMatch(t, bodies, bodiesOf(letters))
		for _, letter := range letters {
			require.NotEmpty(t, letter.MessageID)
			require.WithinDuration(t, time.Now(), letter.SentAt, time.Minute)
			if slices.Index(bodies, letter.Body)%2 == 0 {
				require.Equal(t, "broken: "+letter.Body, letter.Reason)
			} else {
				require.Empty(t, letter.Reason)
			}
		}
		require.Empty(t, b.client.ReleaseLetters(t.Context(), letters))
	}
	some, err := b.client.TakeLetters(t.Context(), 3, time.Minute)
	require.NoError(t, err)
	require.Len(t, some, 3)
}

func TestRedriveMovesLettersToTheRecordsQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	bodies := []string{"a", "b", "c", "d"}
	b.letters(t, bodies...)
	letters, err := b.client.TakeLetters(t.Context(), 4, time.Minute)
	require.NoError(t, err)
	require.Len(t, letters, 4)
	kept := letters[2]
	require.Empty(t, b.client.Redrive(t.Context(), slices.Delete(slices.Clone(letters), 2, 3)))

	var got []string
	for _, received := range b.receive(t, 3) {
		got = append(got, received.Body)
	}
	require.ElementsMatch(t, slices.DeleteFunc(bodies, func(s string) bool { return s == kept.Body }), got)
	require.Empty(t, b.client.DeleteLetters(t.Context(), []queue.Letter{kept}))
	depth, err := b.client.DeadLetterDepth(t.Context())
	require.NoError(t, err)
	require.Zero(t, depth)
}

func TestRedriveReportsWhatItCouldNotDelete(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	b.letters(t, "a", "b")
	letters, err := b.client.TakeLetters(t.Context(), 2, time.Minute)
	require.NoError(t, err)
	letters[1].ReceiptHandle = "not a handle"
	failures := b.client.Redrive(t.Context(), letters)
	require.Len(t, failures, 1)
	require.Equal(t, 1, failures[0].Index)
	b.receive(t, 2)
}
