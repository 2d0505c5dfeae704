package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/settings"
)

const (
	tableBegin = "<!-- settings: written by go test ./deploy/settings -run TestSettingsPage -update -->\n"
	tableEnd   = "<!-- /settings -->"
)

// settingsPage lists all settings for those who configure the programs.
const settingsPage = "deploy/docs/settings.md"

// TestSettingsPage compares the table of settings with the programs' own lists.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	page := file(t, settingsPage)
	before, rest, found := strings.Cut(page, tableBegin)
	require.True(t, found, settingsPage+" has no %s", tableBegin)
	there, after, found := strings.Cut(rest, tableEnd)
	require.True(t, found, settingsPage+" has no %s", tableEnd)
	want := table(t, listings(t))
	if *update {
		path := filepath.Join(built.root, settingsPage)
		require.NoError(t, os.WriteFile(path, []byte(before+tableBegin+want+tableEnd+after), 0o600))
		return
	}
	var missing []string
	for line := range strings.Lines(want) {
		if !strings.Contains(there, line) {
			missing = append(missing, line)
		}
	}
	require.Empty(t, missing, "rows are missing or differ: run make generate")
	require.Equal(t, want, there, "there are extra rows, or they are out of order: run make generate")
}

// table has a row for each setting, in the order of first use.
func table(t *testing.T, all []command.Listing) string {
	t.Helper()
	var order []string
	everybody := map[string]bool{}
	bySetting, users := map[string]settings.Setting{}, map[string][]string{}
	for _, listing := range all {
		if strings.HasSuffix(listing.Command, "check") {
			continue // a probe reads where the program serves
		}
		user := listing.Program
		switch {
		case listing.Program == string(backupProgram):
			user = strings.TrimSpace(user + " " + listing.Command)
		case listing.Command != "":
			user = listing.Command
		}
		everybody[user] = true
		for _, s := range listing.Settings {
			if known, again := bySetting[s.Name]; again {
				require.Equal(t, known, s, "%s means two things", s.Name)
			} else {
				order, bySetting[s.Name] = append(order, s.Name), s
			}
			users[s.Name] = append(users[s.Name], user)
		}
	}
	var text strings.Builder
	text.WriteString("| setting | of | default | unit | |\n|---|---|---|---|---|\n")
	for _, name := range order {
		fmt.Fprintln(&text, row(bySetting[name], users[name], len(everybody)))
	}
	return text.String()
}

func row(s settings.Setting, users []string, everybody int) string {
	slices.Sort(users)
	of := strings.Join(users, ", ")
	if len(users) == everybody {
		of = "all"
	}
	value, unit := s.Default, s.Unit
	if s.Required {
		value = "**required**"
	}
	if s.Secret {
		unit += ", secret"
	}
	return "| " + strings.Join([]string{"`" + s.Name + "`", of, value, unit, s.Help}, " | ") + " |"
}
