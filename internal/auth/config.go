package auth

import "time"

// Config says how tokens are signed and how long they live.
type Config struct {
	PrivateKey         string        `env:"JWT_PRIVATE_KEY,unset"`                                  // PEM, PKCS #8, Ed25519; wins over the path
	PrivateKeyPath     string        `env:"JWT_PRIVATE_KEY_PATH"`                                   // file with the same, made when missing
	PreviousPublicKeys string        `env:"JWT_PREVIOUS_PUBLIC_KEYS"`                               // PEM, PKIX, one after the other; still verified
	Issuer             string        `env:"JWT_ISSUER" envDefault:"https://mrmrthon.localhost"`     // the claim iss
	Audience           string        `env:"JWT_AUDIENCE" envDefault:"https://mrmrthon.localhost/v1"` // the claim aud
	AccessTokenTTL     time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"15m"`
	RefreshTokenTTL    time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h"` // of each token; a rotation starts it anew
}
