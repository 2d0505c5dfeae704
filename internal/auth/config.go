package auth

import (
	"fmt"
	"time"
)

// Config says how tokens are signed and how long they live.
//
// To rotate the key: first give every process the new public key among the
// other public keys, then the new private key with the old public one among
// the others, and after an access token's lifetime drop the old one.
// `openssl pkey -in key.pem -pubout` prints a public key.
type Config struct {
	PrivateKey      string        `env:"JWT_PRIVATE_KEY,unset" check:"PEM" secret:"true" help:"the key that signs access tokens: Ed25519, PKCS #8; wins over the path"`
	PrivateKeyPath  string        `env:"JWT_PRIVATE_KEY_PATH" unit:"path" help:"a file with the same, which is made when missing"`
	OtherPublicKeys string        `env:"JWT_PREVIOUS_PUBLIC_KEYS" check:"PEM" help:"other keys that verify: public, PKIX, one after the other"`
	Issuer          string        `env:"JWT_ISSUER" envDefault:"mrmrthon" help:"the claim iss"`
	Audience        string        `env:"JWT_AUDIENCE" envDefault:"mrmrthon-api" help:"the claim aud"`
	AccessTokenTTL  time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"15m" min:"1s" help:"how long an access token is valid"`
	RefreshTokenTTL time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h" min:"1s" help:"how long a refresh token is; a rotation starts it anew"`
}

// Check wants a key to sign with.
func (c Config) Check(prefix string) error {
	if c.PrivateKey == "" && c.PrivateKeyPath == "" {
		return fmt.Errorf("set %sJWT_PRIVATE_KEY, %[1]sJWT_PRIVATE_KEY_FILE or %[1]sJWT_PRIVATE_KEY_PATH", prefix)
	}
	return nil
}
