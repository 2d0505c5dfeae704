package race

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
)

// DrawCommitment returns what is published of a draw's seed before the draw: the SHA-256
// of its text, in hexadecimal.
func DrawCommitment(seed string) string {
	hash := sha256.Sum256([]byte(seed))
	return hex.EncodeToString(hash[:])
}

// DrawOrder puts the public numbers of all who ever registered for a draw in the order in
// which they are drawn. Anyone can compute it again:
//
//   - The list is all numbers in the order of their characters, each followed by a line
//     feed; listHash is its SHA-256 in hexadecimal.
//   - The lot of a number is HMAC-SHA-256 with the seed's text as key over the list's
//     hash, a colon and the number. The lowest lot is drawn first.
//
// The list takes part so that the seed alone, which main_db holds from the beginning,
// does not say who will be drawn: each number that is added changes all lots.
func DrawOrder(seed string, numbers []string) (order []string, listHash string) {
	order = slices.Sorted(slices.Values(numbers))
	list := sha256.New()
	for _, number := range order {
		list.Write([]byte(number + "\n"))
	}
	listHash = hex.EncodeToString(list.Sum(nil))
	type drawn struct {
		number string
		lot    []byte
	}
	lots := make([]drawn, len(order))
	for i, number := range order {
		lot := hmac.New(sha256.New, []byte(seed))
		lot.Write([]byte(listHash + ":" + number))
		lots[i] = drawn{number, lot.Sum(nil)}
	}
	slices.SortFunc(lots, func(a, b drawn) int {
		return cmp.Or(bytes.Compare(a.lot, b.lot), cmp.Compare(a.number, b.number))
	})
	for i, lot := range lots {
		order[i] = lot.number
	}
	return order, listHash
}

// checkDraw reports what is wrong with when the places of a race are drawn.
func (s EntrySettings) checkDraw(wrong *FieldErrors, day Date) {
	switch at := s.DrawsAt(); {
	case s.Order != ByArrival && s.Order != ByDraw:
		wrong.Add("order", errors.New(`must be "arrival" or "draw"`))
	case s.Order == ByArrival && !s.DrawAt.IsZero():
		wrong.Add("draw_at", errors.New(`must be left out unless order is "draw"`))
	case s.Order == ByArrival:
	case s.ClosesAt.IsZero():
		wrong.Add("closes_at", errors.New("must be given: places are drawn among those who registered before"))
	case at.Before(s.ClosesAt):
		wrong.Add("draw_at", errors.New("must not be before closes_at"))
	case !DateOf(s.In(at)).Midnight().Before(day.Midnight()):
		field := "draw_at"
		if s.DrawAt.IsZero() {
			field = "closes_at"
		}
		wrong.Add(field, errors.New("must be before the day of the race"))
	}
}
