package accounts

import (
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

const maxName = 200 // characters: what the column holds

var phonePattern = regexp.MustCompile(`^\+?\d[\d ()./-]{2,30}$`)

func parseName(s string) (string, error) {
	line, err := race.Line(s)
	if err != nil {
		return "", err
	}
	name := norm.NFC.String(line)
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName {
		return "", errors.New("must have 1 to 200 characters")
	}
	return name, nil
}

// parsePhone reads a telephone number as people write it; empty is none.
func parsePhone(s string) (string, error) {
	phone := strings.TrimSpace(s)
	if phone != "" && !phonePattern.MatchString(phone) {
		return "", errors.New(`must be a telephone number, for example "+49 30 901820"`)
	}
	return phone, nil
}

// parseBirthDate reads a date in the past within a human life; empty is none.
func parseBirthDate(s string, now time.Time) (race.Date, error) {
	if s == "" {
		return race.Date{}, nil
	}
	born, err := race.ParseDate(s)
	if err != nil {
		return race.Date{}, err
	}
	today := race.DateOf(now.UTC())
	if !born.Before(today) {
		return race.Date{}, errors.New("must be in the past")
	}
	if born.AgeOn(today) > race.MaxAge {
		return race.Date{}, errors.New("must be within the last 120 years")
	}
	return born, nil
}

// parseSex reads M, F or X; empty is not stated.
func parseSex(s string) (race.Sex, error) {
	switch sex := race.Sex(s); sex {
	case "", race.Male, race.Female, race.NonBinary:
		return sex, nil
	}
	return "", errors.New("must be M, F or X")
}
