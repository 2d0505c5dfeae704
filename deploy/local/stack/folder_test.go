package stack

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFolderOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	require.NoError(t, checkOwner(t.TempDir()))
	require.NoError(t, checkOwner("/does/not/exist"))

	foreign := "/" // root's, for an ordinary user
	if os.Geteuid() == 0 {
		foreign = t.TempDir()
		require.NoError(t, os.Chown(foreign, 65534, 65534))
	}
	err := checkOwner(foreign)
	require.ErrorContains(t, err, foreign+" belongs to ")
	require.ErrorContains(t, err, ": run as its owner, or remove it to start from scratch")
}
