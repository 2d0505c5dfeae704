package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// logLine is a line of a program's log.
type logLine map[string]any

// logged waits until a part has logged exactly n lines for which is holds.
func (s *system) logged(t *testing.T, part stack.Part, is func(logLine) bool, n int) (found []logLine) {
	t.Helper()
	eventually(t, patience, func() error {
		text, err := os.ReadFile(filepath.Join(s.dir, "logs", string(part)+".log"))
		require.NoError(t, err)
		found = nil
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, len(text)+1)
		for lines.Scan() {
			var line logLine
			if json.Unmarshal(lines.Bytes(), &line) == nil && is(line) {
				found = append(found, line)
			}
		}
		if len(found) != n {
			return fmt.Errorf("%s logged %d such lines, not %d", part, len(found), n)
		}
		return nil
	})
	return found
}
