package race

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line reads a text of one line, such as a name: without the space around it, and
// without marks that nobody sees, which come along when text is copied. Every other
// character that shows nothing is refused, since what looks like a name must be that
// name. The joiners stay: some scripts and emoji are not written rightly without them.
// A text of which nothing is seen is empty.
func Line(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("must be text in UTF-8")
	}
	line, seen := strings.TrimSpace(strings.Map(dropMark, s)), false
	for _, r := range line {
		switch {
		case unicode.IsControl(r), unicode.In(r, unicode.Zl, unicode.Zp):
			return "", errors.New("must be one line without control characters")
		case unicode.Is(unicode.Cf, r) && !unicode.In(r, unicode.Join_Control, unicode.Prepended_Concatenation_Mark) && !isTag(r):
			return "", hiddenError(r)
		}
		seen = seen || !isBlank(r)
	}
	if !seen {
		return "", nil
	}
	return line, nil
}

// Visible returns what readers tell lines apart by: without the marks that Line drops,
// and with single spaces. A line may have been stored before they were dropped, or copied
// from a page, where Within has put one after it.
func Visible(line string) string {
	return strings.Join(strings.Fields(strings.Map(dropMark, line)), " ")
}

// dropMark returns -1, for strings.Map, for the byte order mark, the soft hyphen, the
// spaces and joiners without width, and the marks that give a direction to their
// neighbours or to the text after them.
func dropMark(r rune) rune {
	switch r {
	case '\uFEFF', '\u00AD', '\u200B', '\u2060', '\u200E', '\u200F', '\u061C':
		return -1
	}
	return DropOverride(r)
}

// isBlank reports whether a character shows nothing of its own.
func isBlank(r rune) bool {
	const blankBraille = '\u2800'
	return unicode.IsSpace(r) || r == blankBraille ||
		r > unicode.MaxASCII && unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// isTag reports whether a character spells out a region in the emoji of its flag.
func isTag(r rune) bool { return r >= 0xE0020 && r <= 0xE007F }

// CheckDirection refuses the characters that override the direction of a text, or embed
// another one: left open, they turn around whatever is shown after it.
func CheckDirection(s string) error {
	if at := strings.IndexFunc(s, overridesDirection); at >= 0 {
		r, _ := utf8.DecodeRuneInString(s[at:])
		return hiddenError(r)
	}
	return nil
}

func hiddenError(r rune) error { return fmt.Errorf("must not have the invisible character %U", r) }

func overridesDirection(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// DropOverride returns -1 for the characters that CheckDirection refuses, for
// strings.Map: texts may have been stored before it did.
func DropOverride(r rune) rune {
	if overridesDirection(r) {
		return -1
	}
	return r
}

// WithoutOverrides returns a text, such as a whole page, without the characters that
// CheckDirection refuses. Nearly every text has none, which is found out without decoding
// it, and is returned as it is.
func WithoutOverrides(text []byte) []byte {
	const first = 0xE2 // the byte that each of them begins with
	for rest := text; ; {
		at := bytes.IndexByte(rest, first)
		if at < 0 {
			return text
		}
		if r, _ := utf8.DecodeRune(rest[at:]); overridesDirection(r) {
			return bytes.Map(DropOverride, text)
		}
		rest = rest[at+1:]
	}
}

// Within returns a name as it is put into a sentence that is written from left to right.
// After a name in Arabic or Hebrew, a mark keeps the numbers and the punctuation that
// follow from being taken for a part of it.
func Within(name string) string {
	const leftToRight = "\u200E"
	name = strings.Map(DropOverride, name)
	if strings.ContainsFunc(name, isRightToLeft) {
		return name + leftToRight
	}
	return name
}

// rightToLeft has the blocks of the scripts that are written from right to left.
var rightToLeft = &unicode.RangeTable{
	R16: []unicode.Range16{{0x0590, 0x08FF, 1}, {0xFB1D, 0xFDFF, 1}, {0xFE70, 0xFEFE, 1}},
	R32: []unicode.Range32{{0x10800, 0x10FFF, 1}, {0x1E800, 0x1EFFF, 1}},
}

func isRightToLeft(r rune) bool { return r >= 0x0590 && unicode.Is(rightToLeft, r) }
