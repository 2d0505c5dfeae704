package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Keys are the Ed25519 key that signs and every key that verifies.
type Keys struct {
	private  ed25519.PrivateKey
	id       string // of private
	verifies map[string]ed25519.PublicKey
	jwks     []byte
}

// LoadKeys reads the keys that cfg names. The file of the private key is made,
// readable by its owner alone, when it is missing; processes that start at
// once end up with the same key.
func LoadKeys(cfg Config) (*Keys, error) {
	private, err := loadPrivateKey(cfg)
	if err != nil {
		return nil, err
	}
	others, err := parsePublicKeys(cfg.OtherPublicKeys)
	if err != nil {
		return nil, fmt.Errorf("JWT_PREVIOUS_PUBLIC_KEYS: %w", err)
	}
	return newKeys(private, others)
}

func newKeys(private ed25519.PrivateKey, others []ed25519.PublicKey) (*Keys, error) {
	own := publicOf(private)
	k := &Keys{private: private, id: keyID(own), verifies: map[string]ed25519.PublicKey{}}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, public := range append([]ed25519.PublicKey{own}, others...) {
		id := keyID(public)
		if _, listed := k.verifies[id]; listed {
			continue
		}
		k.verifies[id] = public
		set.Keys = append(set.Keys, jwkOf(public, id))
	}
	var err error
	if k.jwks, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("write the key set: %w", err)
	}
	return k, nil
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517, RFC 8037), the
// signing one first.
func (k *Keys) JWKS() []byte { return append([]byte(nil), k.jwks...) }

type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

func jwkOf(public ed25519.PublicKey, id string) jwk {
	return jwk{
		Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(public),
		ID: id, Use: "sig", Algorithm: "EdDSA",
	}
}

// keyID is the key's thumbprint (RFC 7638): the hash of its required members in
// alphabetical order, so that everybody gives a key the same name.
func keyID(public ed25519.PublicKey) string {
	members := `{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`
	sum := sha256.Sum256([]byte(members))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func publicOf(private ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(private[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
}

func parsePrivateKey(text string) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode([]byte(unescape(text)))
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("must be a PEM block PRIVATE KEY (PKCS #8)")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("must be a PKCS #8 private key") // the cause may quote the key
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("must be an Ed25519 key, not %T", parsed)
	}
	return private, nil
}

func parsePublicKeys(text string) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for rest := []byte(strings.TrimSpace(unescape(text))); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "PUBLIC KEY" {
			return nil, errors.New("must be PEM blocks PUBLIC KEY (PKIX)")
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read public key %d: %w", len(keys)+1, err)
		}
		public, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("key %d must be an Ed25519 key, not %T", len(keys)+1, parsed)
		}
		keys = append(keys, public)
		rest = []byte(strings.TrimSpace(string(rest)))
	}
	return keys, nil
}

// unescape lets a PEM block stand on one line with \n in it: many a tool that
// sets the environment cannot write more than one line.
func unescape(text string) string { return strings.ReplaceAll(text, `\n`, "\n") }
