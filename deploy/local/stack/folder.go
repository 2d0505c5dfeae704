package stack

import (
	"errors"
	"fmt"
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
	if err := checkOwner(filepath.Join(dir, "mariadb")); err != nil {
		return nil, err
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

// Close gives the folder free for the next stack.
func (f *folder) Close() error { return f.lock.Close() }

// takeLock holds the file until it is closed or this process is gone, however
// it goes.
func takeLock(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the stack's folder: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		holder, _ := os.ReadFile(path)
		err := fmt.Errorf("a stack already runs in %s (process %s): stop it first",
			filepath.Dir(path), strings.TrimSpace(string(holder)))
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

// checkOwner refuses data of another user: MariaDB would fail on it with a
// message about a file, and root would leave files that the user cannot use.
func checkOwner(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the stack's folder: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return fmt.Errorf("%s belongs to %s, but this is %s: run as its owner, or remove it to start anew",
		path, userName(int(stat.Uid)), userName(os.Geteuid()))
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// isTaken tells whether listening failed because somebody else listens.
func isTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
