package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// clean forgets the stack of `local up`.
func clean(ctx context.Context) error {
	root, err := stack.FindRoot()
	if err != nil {
		return err
	}
	return stack.Clean(ctx, filepath.Join(root, ".local"), os.Stdout)
}
