package plans

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// sameName reports whether two names may be those of the same person: each word of
// the shorter name is one of the other's, in any order, whatever the case and the
// accents, or an initial of it. An empty name fits any other.
func sameName(a, b string) bool {
	short, long := nameWords(a), nameWords(b)
	if len(short) > len(long) {
		short, long = long, short
	}
	if len(short) == 0 || strings.Join(short, "") == strings.Join(long, "") {
		return true
	}
	for _, word := range short {
		i := slices.Index(long, word)
		if i < 0 {
			i = slices.IndexFunc(long, func(other string) bool { return isInitial(word, other) || isInitial(other, word) })
		}
		if i < 0 {
			return false
		}
		long = slices.Delete(long, i, i+1)
	}
	return true
}

func isInitial(initial, word string) bool {
	return utf8.RuneCountInString(initial) == 1 && strings.HasPrefix(word, initial)
}

var (
	// Letters that no accent distinguishes from the ones that files write instead.
	plainLetters = strings.NewReplacer("ß", "ss", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i")
	// German and Nordic vowels may be written with an e after them.
	plainVowels = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")
)

func nameWords(name string) []string {
	bare := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Cf) {
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToLower(name)))
	bare = plainVowels.Replace(plainLetters.Replace(norm.NFC.String(bare)))
	words := strings.FieldsFunc(bare, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	slices.Sort(words)
	return words
}

// plain keeps the letters and digits of a name in lower case.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFC.String(name))
}
