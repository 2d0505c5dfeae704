package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// besidesPath are folders where packages put servers, although the PATH of an
// ordinary user often lacks them: Debian, Fedora, sources, Homebrew.
var besidesPath = []string{
	"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/usr/libexec",
	"/usr/local/mysql/bin", "/usr/local/mysql/scripts", "/usr/local/mariadb/bin", "/opt/homebrew/bin",
}

// findProgram returns the first of the names on PATH or in the usual folders.
func findProgram(names ...string) (string, error) {
	folders := slices.Concat(filepath.SplitList(os.Getenv("PATH")), besidesPath)
	for _, name := range names {
		for _, folder := range folders {
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil && filepath.IsAbs(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("neither %s was found on PATH or in %s",
		strings.Join(names, " nor "), strings.Join(besidesPath, ", "))
}

// FindRoot is the folder of go.mod, at or above the working folder.
func FindRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the project: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the project: %w", err)
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the project: no go.mod at or above %s", start)
		}
	}
}
