package claims

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// Hash is a keyed hash; auth.Keys.ClaimHash makes one.
type Hash = func(data []byte) [sha256.Size]byte

// LoginHash returns what is kept of a login, in its canonical form, that a start list
// invites.
func LoginHash(hash Hash, login string) string {
	sum := hash([]byte("login\x00" + login))
	return hex.EncodeToString(sum[:])
}

// codeAlphabet leaves out letters and digits that are mistaken for each other in
// print.
var codeAlphabet = base32.NewEncoding("ABCDEFGHJKLMNPQRSTUVWXYZ23456789").WithPadding(base32.NoPadding)

// Code returns the claim code of a bib: 12 letters and digits, 60 bits, in groups of
// four. It is derived again whenever it is needed, so that none is stored.
func Code(hash Hash, raceID, bibKey string) string {
	sum := hash([]byte("code\x00" + raceID + "\x00" + bibKey))
	text := codeAlphabet.EncodeToString(sum[:])
	return text[:4] + "-" + text[4:8] + "-" + text[8:12]
}

// readCode returns a code as Code writes it, however it was typed.
func readCode(typed string) string {
	text := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(text) != len("AAAABBBBCCCC") {
		return ""
	}
	return text[:4] + "-" + text[4:8] + "-" + text[8:]
}
