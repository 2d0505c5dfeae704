package auth

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	minLogin = 3
	maxLogin = 190 // characters: what the column holds
)

// ParseLogin returns the one form of a login ID: trimmed, lower case, Unicode
// NFC, so that two ways of typing it are one account. The error says what is
// wrong without the value.
func ParseLogin(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("must be text in UTF-8")
	}
	login := norm.NFC.String(strings.ToLower(strings.TrimSpace(s)))
	if n := utf8.RuneCountInString(login); n < minLogin || n > maxLogin {
		return "", errors.New("must have 3 to 190 characters")
	}
	for _, r := range login {
		if unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			return "", errors.New("must not contain spaces or invisible characters")
		}
	}
	return login, nil
}
