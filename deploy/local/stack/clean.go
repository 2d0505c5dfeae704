package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Clean forgets what a stack keeps in its folder: data, logs, passwords, keys
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
		f.path("mariadb"), f.path("mariadb.new"), f.path("temporal"), f.path("monitor"), f.path("logs"), f.path("run"), f.path("tmp"),
		f.path("secrets.json"), f.path(keyFile), f.path("bench"), f.path("bench.lock"), f.path("profiles"),
		f.path("bin", string(SQS)), f.path("bin", string(API)), f.path("bin", string(Worker)), f.path("bin", "local"), f.path("bin", "bench"),
	} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("clean: %w", err)
		}
	}
	return nil
}
