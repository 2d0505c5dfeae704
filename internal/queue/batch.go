package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

// Failure says that one of the messages given to a call was not handled, and why.
type Failure struct {
	Index int // into the slice that was given
	Err   error
}

// batchAnswer is the response to a batch request: the batch IDs of the entries that were done, and the
// entries that were refused.
type batchAnswer struct {
	done   []string
	failed []types.BatchResultErrorEntry
}

// answerOf makes a batchAnswer from the two lists in every batch response.
func answerOf[T any](successful []T, id func(T) *string, failed []types.BatchResultErrorEntry) batchAnswer {
	done := make([]string, len(successful))
	for i, entry := range successful {
		done[i] = aws.ToString(id(entry))
	}
	return batchAnswer{done, failed}
}

// batchCall makes one request for up to MaxBatch of the messages given to a call, named by their indexes.
// The message with index i has the batch ID entryID(i). It returns an error when there is no response.
type batchCall func(ctx context.Context, indexes []int) (batchAnswer, error)

// inBatches makes the requests for the given indexes, some at a time, and returns the failures in order.
// Once a request has had no response, those that have not begun fail with the same error, so that a dead
// queue costs one timeout and not one for every batch.
func (c *Client) inBatches(ctx context.Context, what string, indexes []int, call batchCall) []Failure {
	var (
		mu       sync.Mutex
		failures []Failure
		dead     error
	)
	run := func(batch []int) {
		mu.Lock()
		err := dead
		mu.Unlock()
		var answer batchAnswer
		if err == nil {
			bounded, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			answer, err = call(bounded, batch)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			dead = err
			for _, i := range batch {
				failures = append(failures, Failure{i, fmt.Errorf("%s: %w", what, err)})
			}
			return
		}
		failures = append(failures, answer.failures(what, batch)...)
	}
	var group errgroup.Group
	group.SetLimit(c.concurrency)
	for batch := range slices.Chunk(indexes, MaxBatch) {
		group.Go(func() error {
			run(batch)
			return nil
		})
	}
	_ = group.Wait() // run reports through failures
	return inOrder(failures)
}

func inOrder(failures []Failure) []Failure {
	slices.SortFunc(failures, func(a, b Failure) int { return a.Index - b.Index })
	return failures
}

// failures lists the messages of a batch that the response does not confirm: refused, or not mentioned. Of a
// refusal only the code is reported, because the server's text may quote what was sent.
func (a batchAnswer) failures(what string, batch []int) []Failure {
	refused := make(map[string]types.BatchResultErrorEntry, len(a.failed))
	for _, f := range a.failed {
		refused[aws.ToString(f.Id)] = f
	}
	var failures []Failure
	for _, i := range batch {
		id := *entryID(i)
		f, isRefused := refused[id]
		switch {
		case isRefused:
			failures = append(failures, Failure{i, fmt.Errorf("%s: refused with %s (sender's fault: %t)", what, aws.ToString(f.Code), f.SenderFault)})
		case !slices.Contains(a.done, id):
			failures = append(failures, Failure{i, fmt.Errorf("%s: the response does not mention this message", what)})
		}
	}
	return failures
}

// entryID is the batch ID of the entry with this index.
func entryID(index int) *string { return aws.String(strconv.Itoa(index)) }

// allIndexes are 0 to n-1.
func allIndexes(n int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
	}
	return indexes
}
