package stack

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Secrets are the passwords of one stack: made once, kept in its folder for
// its owner's eyes only. A lost file is no harm: new ones are made and set at
// the next start.
type Secrets struct {
	MariaDBRoot string `json:"mariadb_root"`
	MainApp     string `json:"main_app"`
	MainDDL     string `json:"main_ddl"`
	UserApp     string `json:"user_app"`
	UserDDL     string `json:"user_ddl"`
	Operator    string `json:"operator"`
	Organizer   string `json:"organizer"` // of the sample race
}

func (s *Secrets) fields() []*string {
	return []*string{&s.MariaDBRoot, &s.MainApp, &s.MainDDL, &s.UserApp, &s.UserDDL, &s.Operator, &s.Organizer}
}

// LoadSecrets reads dir/secrets.json, makes what is missing and keeps it.
func LoadSecrets(dir string) (Secrets, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the file in it is for its owner alone
		return Secrets{}, fmt.Errorf("keep the passwords: %w", err)
	}
	path := filepath.Join(dir, "secrets.json")
	var s Secrets
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Secrets{}, fmt.Errorf("read the passwords: %w", err)
	default:
		if err := json.Unmarshal(text, &s); err != nil {
			return Secrets{}, fmt.Errorf("read the passwords: %s is not JSON (%w); remove it, and new ones are made", path, err)
		}
	}
	changed := false
	for _, field := range s.fields() {
		if *field == "" {
			*field = rand.Text()
			changed = true
		}
	}
	if !changed {
		return s, nil
	}
	if err := s.save(path); err != nil {
		return Secrets{}, err
	}
	return s, nil
}

func (s *Secrets) save(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the passwords: %w", err)
	}
	if err := writeFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("keep the passwords: %w", err)
	}
	return nil
}

// writeFile replaces a file as a whole, readable by its owner alone.
func writeFile(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
