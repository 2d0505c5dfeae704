package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

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

// makeKeyFile writes a new key beside path and links it there: the link fails
// when another process was first, and nobody ever reads half a key.
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
		return nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
