package auth

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keys are the Ed25519 key that signs and every key that verifies.
type Keys struct {
	private  ed25519.PrivateKey
	id       string // of private
	verifies map[string]ed25519.PublicKey
	jwks     []byte
}

// LoadKeys reads the keys that cfg names. A missing private key file is created,
// readable only by its owner; processes that start at the same time end up with the
// same key.
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
		return nil, fmt.Errorf("encode the key set: %w", err)
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
// alphabetical order, so that every process gives a key the same ID.
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

// unescape turns \n into line breaks, so that a PEM block fits on one line: many
// tools that set environment variables cannot write more than one line.
func unescape(text string) string { return strings.ReplaceAll(text, `\n`, "\n") }

func loadPrivateKey(cfg Config) (ed25519.PrivateKey, error) {
	if cfg.PrivateKey != "" {
		private, err := parsePrivateKey(cfg.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("JWT_PRIVATE_KEY: %w", err)
		}
		return private, nil
	}
	if cfg.PrivateKeyPath == "" {
		return nil, errors.New("set JWT_PRIVATE_KEY or JWT_PRIVATE_KEY_PATH")
	}
	private, err := readKeyFile(cfg.PrivateKeyPath)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKeyFile(cfg.PrivateKeyPath); err == nil {
			private, err = readKeyFile(cfg.PrivateKeyPath)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("JWT_PRIVATE_KEY_PATH: %w", err)
	}
	return private, nil
}

func readKeyFile(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, err
	}
	private, err := parsePrivateKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return private, nil
}

// makeKeyFile writes a new key to a temporary file and links it to path: the link
// fails if another process created it first, and no process ever reads half a key.
func makeKeyFile(path string) (err error) {
	text, err := newPrivateKey()
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(folder, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	_, writeErr := draft.Write(text)
	if err := errors.Join(writeErr, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func newPrivateKey() ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Fingerprint returns a function that hashes data with a secret derived from the
// signing key, so that somebody who reads the hashes cannot find the data by
// guessing. Processes with the same key get the same hashes.
func (k *Keys) Fingerprint() (func(data []byte) [sha256.Size]byte, error) {
	return k.keyedHash("mrmrthon request fingerprint")
}

// ClaimHash returns a function that hashes, with another secret of the signing key,
// what results are claimed by: the logins that are invited and the codes of bibs.
// With another signing key, start lists must be sent again and codes printed again.
func (k *Keys) ClaimHash() (func(data []byte) [sha256.Size]byte, error) {
	return k.keyedHash("mrmrthon claims")
}

func (k *Keys) keyedHash(purpose string) (func(data []byte) [sha256.Size]byte, error) {
	secret, err := hkdf.Key(sha256.New, k.private.Seed(), nil, purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the secret of %s: %w", purpose, err)
	}
	return func(data []byte) [sha256.Size]byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(data) // never fails
		return [sha256.Size]byte(mac.Sum(nil))
	}, nil
}
