package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

// Fingerprint returns a function that hashes data under a secret drawn from
// the signing key: whoever reads the hashes cannot guess at what was hashed.
// Processes with the same key agree.
func (k *Keys) Fingerprint() (func(data []byte) [sha256.Size]byte, error) {
	secret, err := hkdf.Key(sha256.New, k.private.Seed(), nil, "mrmrthon request fingerprint", sha256.Size)
	if err != nil {
		return nil, err
	}
	return func(data []byte) [sha256.Size]byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(data) // never fails
		return [sha256.Size]byte(mac.Sum(nil))
	}, nil
}
