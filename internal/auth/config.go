package auth

import "time"

// Config says how tokens are signed and how long they live.
//
// To rotate the key: first give every process the new public key among the
// other public keys, then the new private key with the old public one among
// the others, and after an access token's lifetime drop the old one.
// `openssl pkey -in key.pem -pubout` prints a public key.
type Config struct {
	PrivateKey      string        `env:"JWT_PRIVATE_KEY,unset"`                  // PEM, PKCS #8, Ed25519; wins over the path
	PrivateKeyPath  string        `env:"JWT_PRIVATE_KEY_PATH"`                   // file with the same, made when missing
	OtherPublicKeys string        `env:"JWT_PREVIOUS_PUBLIC_KEYS"`               // PEM, PKIX, one after the other: verify, never sign
	Issuer          string        `env:"JWT_ISSUER" envDefault:"mrmrthon"`       // the claim iss
	Audience        string        `env:"JWT_AUDIENCE" envDefault:"mrmrthon-api"` // the claim aud
	AccessTokenTTL  time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"15m"`
	RefreshTokenTTL time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h"` // of each token: a rotation starts it anew
}
