package sqs

import "regexp"

// maxBatch is how many entries a batch can have.
const maxBatch = 10

// batchID is what the ID of a batch entry may be.
var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batchAnswer answers a batch entry by entry.
type batchAnswer[T any] struct {
	Successful []T
	Failed     []batchFailure
}

// runBatch does one thing for each entry of a batch; an entry that is refused is listed and does not
// stop the others. A batch that breaks the rules for batches is refused whole.
func runBatch[E, T any](entries []E, id func(E) string, do func(E) (T, error)) (batchAnswer[T], error) {
	answer := batchAnswer[T]{Successful: []T{}, Failed: []batchFailure{}}
	if err := checkBatch(entries, id); err != nil {
		return answer, err
	}
	for _, e := range entries {
		done, err := do(e)
		if err != nil {
			answer.Failed = append(answer.Failed, newBatchFailure(id(e), err))
			continue
		}
		answer.Successful = append(answer.Successful, done)
	}
	return answer, nil
}

func checkBatch[E any](entries []E, id func(E) string) error {
	switch {
	case len(entries) == 0:
		return errEmptyBatch.errorf("there must be at least one entry in the request")
	case len(entries) > maxBatch:
		return errTooManyEntries.errorf("the maximum number of entries per request is %d; there are %d", maxBatch, len(entries))
	}
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		switch name := id(e); {
		case !batchID.MatchString(name):
			return errInvalidBatchID.errorf("a batch entry ID has 1 to 80 letters, digits, hyphens or underscores")
		case seen[name]:
			return errBatchIDsNotDistinct.errorf("the ID %s is repeated", name)
		default:
			seen[name] = true
		}
	}
	return nil
}

// batchDone is the answer for an entry of which there is nothing more to say.
type batchDone struct {
	ID string `json:"Id"`
}
