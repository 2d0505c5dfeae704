package race

import (
	"errors"
	"strings"
)

// MaxBibLength is the most characters that a bib may have.
const MaxBibLength = 16

// CheckBib reports what is wrong with a bib as an organizer wrote it.
func CheckBib(bib string) error {
	if bib == "" || len(bib) > MaxBibLength {
		return errors.New("must have 1 to 16 characters")
	}
	for i, c := range []byte(bib) {
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("-._/ ", rune(c))) {
			return errors.New("must be letters and digits, for example 1234 or W16")
		}
	}
	return nil
}

// BibKey returns the form in which bibs are compared: upper case and without
// leading zeros, so that 0042 is 42 and w16 is W16.
func BibKey(bib string) string {
	key := strings.TrimLeft(strings.ToUpper(strings.TrimSpace(bib)), "0")
	if key == "" && strings.Contains(bib, "0") {
		return "0"
	}
	return key
}
