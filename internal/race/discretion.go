package race

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Discretion is what a person wants shown of them in public. It changes nothing about
// places and points.
type Discretion struct {
	HideName  *bool // nil: the default, which is to show it of adults
	HideAge   *bool // likewise
	BirthDate Date  // zero: unknown
}

// Hides reports whether a result shows initials for the name, and no age. A minor is
// somebody who is below the age of consent today or was on race day; ageThen may be
// UnknownAge.
func (d Discretion) Hides(ageThen int, today Date, consent int) (name, age bool) {
	minor := ageThen != UnknownAge && ageThen < consent
	if !d.BirthDate.IsZero() && d.BirthDate.AgeOn(today) < consent {
		minor = true
	}
	wish := func(hide *bool) bool {
		if hide == nil {
			return minor
		}
		return *hide
	}
	return wish(d.HideName), wish(d.HideAge)
}

// Initials returns the first letter of each word of a name: "U. P." for "Uta Pippig".
func Initials(name string) string {
	var initials []string
	for word := range strings.FieldsSeq(name) {
		first, _ := utf8.DecodeRuneInString(word)
		initials = append(initials, string(unicode.ToUpper(first))+".")
	}
	return strings.Join(initials, " ")
}

// consentAges are the ages from which on people decide about their own data, where
// they differ from defaultConsentAge: Article 8 of the GDPR with the laws that
// complete it, COPPA in the United States, PIPA in South Korea.
var consentAges = map[string]int{
	"AT": 14, "BE": 13, "BG": 14, "CY": 14, "CZ": 15, "DK": 15, "EE": 13, "ES": 14, "FI": 13, "FR": 15, "GB": 13,
	"GR": 15, "IT": 14, "KR": 14, "LT": 14, "LV": 13, "MT": 13, "NO": 13, "PT": 13, "SE": 13, "US": 13,
}

const defaultConsentAge = 16

// ConsentAge returns the age of consent in a country by its ISO 3166 code of two
// letters, 16 where the code is empty or not listed.
func ConsentAge(country string) int {
	if age, listed := consentAges[country]; listed {
		return age
	}
	return defaultConsentAge
}
