package racefile

import (
	"strings"
)

// suffixes stand after a comma without being a first name.
func isSuffix(part string) bool {
	switch plainName(part) {
	case "jr", "sr", "ii", "iii", "iv", "v", "dr", "md", "phd", "esq", "prof", "dds", "jnr", "snr":
		return true
	}
	return false
}

func isNobody(name string) bool {
	switch plainName(name) {
	case "", "noname", "unknownparticipant", "unknown", "unknownrunner", "na", "nan", "none", "anonymous", "unbekannt", "inconnu", "noinfo":
		return true
	}
	return false
}

// nameShape is how the words of a whole name are written.
type nameShape int

const (
	plainShape     nameShape = iota
	lastFirstShape           // SKERRIT Dovan
	firstLastShape           // Dovan SKERRIT
)

// shapeOf finds the family name that stands in capitals, and where it ends or begins.
func shapeOf(name string) (nameShape, int) {
	words := strings.Fields(name)
	leading, trailing := 0, 0
	for leading < len(words) && inCapitals(words[leading]) {
		leading++
	}
	for trailing < len(words) && inCapitals(words[len(words)-1-trailing]) {
		trailing++
	}
	switch {
	case len(words) < 2 || leading == len(words):
		return plainShape, 0
	case leading > 0 && trailing == 0 && lettersIn(strings.Join(words[:leading], "")) > 2:
		return lastFirstShape, leading
	case trailing > 0 && leading == 0 && lettersIn(strings.Join(words[len(words)-trailing:], "")) > 2:
		return firstLastShape, len(words) - trailing
	}
	return plainShape, 0
}

func lettersIn(s string) int { return len([]rune(plainName(s))) }

// inCapitals reports whether a word has capitals only. Scripts without case have none.
func inCapitals(word string) bool {
	return strings.ToUpper(word) == word && strings.ToLower(word) != word
}

// partName parts a whole name where it tells its parts apart. turn says that
// family names in capitals come first in this file.
// lastFirst says that the header names the family name first: of two words it is one.
func partName(name string, turn, lastFirst bool) (whole, first, last string) {
	if before, after, cut := strings.Cut(name, ","); cut {
		before, after = strings.TrimSpace(before), strings.TrimSpace(after)
		given, suffix, more := strings.Cut(after, ",")
		switch {
		case before == "" || after == "" || isSuffix(after):
		case more && isSuffix(suffix):
			first, last = strings.TrimSpace(given), before+", "+strings.TrimSpace(suffix)
			return first + " " + last, first, last
		case !more:
			return after + " " + before, after, before
		}
		return name, "", ""
	}
	words := strings.Fields(name)
	switch shape, at := shapeOf(name); {
	case shape == lastFirstShape && turn:
		first, last = strings.Join(words[at:], " "), strings.Join(words[:at], " ")
		return first + " " + last, first, last
	case shape == firstLastShape:
		return name, strings.Join(words[:at], " "), strings.Join(words[at:], " ")
	case lastFirst && len(words) == 2:
		return words[1] + " " + words[0], words[1], words[0]
	}
	return name, "", ""
}
