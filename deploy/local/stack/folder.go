package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folder is the directory a stack lives in, locked against a second stack.
type folder struct {
	dir  string
	lock *os.File
}

// openFolder makes the directory and its parts and takes the lock.
func openFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the stack's folder: %w", err)
	}
	for _, sub := range []string{"", "bin", "logs", "run", "temporal", "tmp"} {
		path := filepath.Join(dir, sub)
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // binaries are for all; secrets and data are 0600 and 0700
			return nil, fmt.Errorf("make the stack's folder: %w", err)
		}
		if err := checkOwner(path); err != nil {
			return nil, err
		}
	}
	for _, data := range []string{"mariadb", "mysql"} {
		if err := checkOwner(filepath.Join(dir, data)); err != nil {
			return nil, err
		}
	}
	lock, err := takeLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	return &folder{dir: dir, lock: lock}, nil
}

func (f *folder) path(elements ...string) string {
	return filepath.Join(append([]string{f.dir}, elements...)...)
}

// Close releases the folder for the next stack.
func (f *folder) Close() error { return f.lock.Close() }

// ErrRunning says that another process runs a stack in the folder.
var ErrRunning = errors.New("a stack already runs")

// takeLock locks the file until it is closed or this process ends in any way.
func takeLock(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the stack's folder: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		holder, _ := os.ReadFile(path)
		err := fmt.Errorf("%w in %s (process %s): stop it first",
			ErrRunning, filepath.Dir(path), strings.TrimSpace(string(holder)))
		return nil, errors.Join(err, lock.Close())
	}
	if err := lock.Truncate(0); err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock the stack's folder: %w", err), lock.Close())
		}
	}
	return lock, nil
}

// checkOwner refuses data of another user: the database server would fail on it with a
// message about a file, and root would leave files that the user cannot use.
func checkOwner(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect the stack's folder: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return fmt.Errorf("%s belongs to %s, but this is %s: run as its owner, or remove it to start from scratch",
		path, userName(int(stat.Uid)), userName(os.Geteuid()))
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// isTaken reports whether listening failed because the port is in use.
func isTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// Clean removes what a stack keeps in its folder: data, logs, passwords, keys
// and our programs. Tools that took minutes to build stay. It refuses while a
// stack runs there.
func Clean(ctx context.Context, dir string, out io.Writer) (err error) {
	f, err := openFolder(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := endStale(ctx, f.dir, NewConsole(out)); err != nil {
		return err
	}
	for _, path := range []string{
		f.path("mariadb"), f.path("mariadb.new"), f.path("mysql"), f.path("mysql.new"),
		f.path("temporal"), f.path("monitor"), f.path("logs"), f.path("run"), f.path("tmp"),
		f.path("secrets.json"), f.path(keyFile), f.path("bench"), f.path("bench.lock"),
		f.path("bin", string(SQS)), f.path("bin", string(Mail)), f.path("bin", string(API)), f.path("bin", string(Worker)), f.path("bin", "local"), f.path("bin", "bench"),
	} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("clean: %w", err)
		}
	}
	return nil
}

// Secrets are the passwords of one stack: generated once and stored in its folder,
// readable only by its owner. Losing the file does no harm: new ones are generated
// and set at the next start.
type Secrets struct {
	MariaDBRoot string `json:"mariadb_root"`
	MainDDL     string `json:"main_ddl"`
	MainAPI     string `json:"main_api"`
	MainWorker  string `json:"main_worker"`
	UserDDL     string `json:"user_ddl"`
	UserAPI     string `json:"user_api"`
	UserWorker  string `json:"user_worker"`
	Backup      string `json:"backup"`
	Operator    string `json:"operator"`
	Organizer   string `json:"organizer"` // of the sample race
}

func (s *Secrets) fields() []*string {
	return []*string{
		&s.MariaDBRoot, &s.MainDDL, &s.MainAPI, &s.MainWorker, &s.UserDDL, &s.UserAPI, &s.UserWorker, &s.Backup, &s.Operator, &s.Organizer,
	}
}

// LoadSecrets reads dir/secrets.json, generates what is missing and stores it.
func LoadSecrets(dir string) (Secrets, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the file in it is readable only by its owner
		return Secrets{}, fmt.Errorf("store the passwords: %w", err)
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
			return Secrets{}, fmt.Errorf("read the passwords: %s is not JSON (%w); remove it, and new ones are generated", path, err)
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
		return fmt.Errorf("store the passwords: %w", err)
	}
	return nil
}

// writeFile replaces a file atomically, readable only by its owner.
func writeFile(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
