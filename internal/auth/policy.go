package auth

import (
	_ "embed"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	minPassword = 8
	maxPassword = 128 // characters
)

//go:embed common_passwords.txt
var commonList string

var common = func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(commonList) {
		set[word] = true
	}
	return set
}()

// CheckPassword reports why password may not be chosen by who logs in as
// login. It follows NIST SP 800-63B: the length counts, in characters, and no
// mixture is asked for; what is guessed first is refused. The error never
// holds the password.
func CheckPassword(password, login string) error {
	if !utf8.ValidString(password) {
		return errors.New("must be text in UTF-8")
	}
	password = canonical(password)
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return errors.New("must have 8 to 128 characters")
	}
	lower := strings.ToLower(password)
	if lower == login {
		return errors.New("must not be the login")
	}
	if common[lower] || oneCharacter(lower) {
		return errors.New("is guessed among the first: choose another")
	}
	return nil
}

// canonical is Unicode NFC, as RFC 8265 has it for passwords: keyboards differ
// in how they compose an ü, and the same password must hash the same.
func canonical(password string) string { return norm.NFC.String(password) }

func oneCharacter(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return strings.Trim(s, string(first)) == ""
}
