package pipeline

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	uses = regexp.MustCompile(`\buses:\s*(.*)`)
	// pinned is an action by its commit, with the version for the reader, or a
	// workflow of ours.
	pinned = regexp.MustCompile(`^([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/[\w-]+\.yml)$`)
)

// TestActionsArePinned: a tag of somebody else's action may move, a commit does
// not; and no job has more rights than it names.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	commits := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "\npermissions: {}\n", file)
		for _, found := range uses.FindAllStringSubmatch(string(text), -1) {
			require.Regexp(t, pinned, found[1], file)
			if name, commit, ok := strings.Cut(found[1], "@"); ok {
				require.Contains(t, []string{"", commit}, commits[name], "two versions of %s", name)
				commits[name] = commit
			}
		}
	}
	require.NotEmpty(t, commits)
}
