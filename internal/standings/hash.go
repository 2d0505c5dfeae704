package standings

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
)

// Hash is the fingerprint of everything that a ranking follows from. Two
// rankings with the same hash are the same, however the entries came about and
// in whatever order they are given.
func Hash(rules Rules, entries []Entry) ([sha256.Size]byte, error) {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return cmp.Compare(a.RecordID, b.RecordID) })
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	if err := encoder.Encode(rules); err != nil {
		return [sha256.Size]byte{}, err
	}
	for i := range sorted {
		if err := encoder.Encode(&sorted[i]); err != nil {
			return [sha256.Size]byte{}, err
		}
	}
	return [sha256.Size]byte(sum.Sum(nil)), nil
}
