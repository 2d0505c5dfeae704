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

// batchCall makes one request for up to MaxBatch entries of a call and returns the entries that the
// answer lists as failed, or an error when there is no answer. Entry i has the batch ID entryID(i).
type batchCall func(ctx context.Context, indexes []int) ([]types.BatchResultErrorEntry, error)

// inBatches makes the requests for the given indexes, some at a time, and returns the failures in order.
// Once a request has had no answer, those that have not begun fail with the same error: a dead queue
// costs one timeout, not one for every batch.
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
		var failed []types.BatchResultErrorEntry
		if err == nil {
			bounded, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			failed, err = call(bounded, batch)
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
		failures = append(failures, entryFailures(what, batch, failed)...)
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

// entryFailures translates the failed entries of an answer. Of each only the code is told: the message is
// the server's, and may quote what was sent.
func entryFailures(what string, batch []int, failed []types.BatchResultErrorEntry) []Failure {
	var failures []Failure
	for _, f := range failed {
		err := fmt.Errorf("%s: refused with %s (sender's fault: %t)", what, aws.ToString(f.Code), f.SenderFault)
		i, parseErr := strconv.Atoi(aws.ToString(f.Id))
		if parseErr != nil || !slices.Contains(batch, i) {
			// An answer about an entry that was not sent: take none of the batch for done.
			failures = failures[:0]
			for _, i := range batch {
				failures = append(failures, Failure{i, fmt.Errorf("%s: the answer names an unknown entry", what)})
			}
			return failures
		}
		failures = append(failures, Failure{i, err})
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
