package standings

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// Hash identifies everything that a ranking depends on: the edition of this
// package, the rules, and everything about each entry but its revision, so that
// undoing a disqualification leads back to the same hash. Two rankings with the
// same hash are the same, whatever the order of the entries.
func Hash(rules Rules, entries []Entry) ([sha256.Size]byte, error) {
	order := make([]*Entry, len(entries)) // entries are large: sort pointers to them
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortFunc(order, func(a, b *Entry) int { return cmp.Compare(a.RecordID, b.RecordID) })
	header, err := json.Marshal(rules)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("hash the rules: %w", err)
	}
	const flushAt = 8 << 10
	sum := sha256.New()
	buffer := appendText(binary.AppendUvarint(nil, Edition), string(header))
	for _, e := range order {
		if buffer = appendEntry(buffer, e, len(rules.Teams) > 0); len(buffer) >= flushAt {
			sum.Write(buffer)
			buffer = buffer[:0]
		}
	}
	sum.Write(buffer)
	return [sha256.Size]byte(sum.Sum(nil)), nil
}

// appendEntry writes the fields one after the other; each has its length first or
// ends by itself, so that different entries never have the same bytes.
func appendEntry(b []byte, e *Entry, teams bool) []byte {
	for _, text := range [...]string{
		e.RecordID, e.UserID, string(e.Sex), string(e.Field), e.Result.Bib, string(e.Result.Status),
	} {
		b = appendText(b, text)
	}
	for _, number := range [...]int64{
		int64(e.Age), int64(e.Result.Gun), int64(e.Result.Net), int64(e.Result.Sequence), e.Points,
	} {
		b = binary.AppendVarint(b, number)
	}
	credited := byte(0)
	if e.Credited {
		credited = 1
	}
	if teams { // the forms from before teams and implausible times existed have neither, so that old hashes stay valid
		credited += 4
	}
	if e.Implausible == "" {
		b = append(b, credited)
	} else {
		b = appendText(append(b, credited+2), e.Implausible)
	}
	if teams {
		b = appendText(b, e.Team)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
