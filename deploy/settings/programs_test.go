package settings_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/settings"
)

var update = flag.Bool("update", false, "write the table of settings in deploy/docs/settings.md")

// backupProgram is no part of the one-machine stack, whose own commands do its work.
const backupProgram = stack.Part("backup")

// built is what all tests share: the programs, compiled once.
var built struct {
	root     string
	programs func() (map[stack.Part]string, error)
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mrmrthon-settings-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is the system's to clear
	if built.root, err = stack.FindRoot(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	built.programs = sync.OnceValues(func() (map[stack.Part]string, error) {
		programs, err := stack.Build(context.Background(), built.root, dir, false, stack.API, stack.Worker)
		if err != nil {
			return nil, err
		}
		programs[backupProgram] = filepath.Join(dir, string(backupProgram))
		build := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-o", programs[backupProgram], "./deploy/backup/cmd/backup")
		build.Dir = built.root
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build backup: %w: %s", err, out)
		}
		return programs, nil
	})
	return m.Run()
}

func program(t *testing.T, part stack.Part) string {
	t.Helper()
	programs, err := built.programs()
	require.NoError(t, err)
	return programs[part]
}

// listings are the settings of all commands of the programs, the API's first.
func listings(t *testing.T) []command.Listing {
	t.Helper()
	var all []command.Listing
	for _, part := range []stack.Part{stack.API, stack.Worker, backupProgram} {
		out, err := exec.CommandContext(t.Context(), program(t, part), "settings").Output()
		require.NoError(t, err)
		var some []command.Listing
		require.NoError(t, json.Unmarshal(out, &some))
		all = append(all, some...)
	}
	return all
}

// task is one of our programs in a deployment.
type task struct{ program, command string }

// tasks returns our programs among compose's services and Terraform's tasks, by name.
var tasks = map[string]task{
	"api": {"api", ""}, "worker": {"worker", ""}, "migrate": {"api", "migrate"}, "operator": {"api", "operator"},
}

// settingsOf returns what a task reads, by name.
func settingsOf(t *testing.T, of task) map[string]settings.Setting {
	t.Helper()
	byName := map[string]settings.Setting{}
	for _, listing := range listings(t) {
		if listing.Program == of.program && listing.Command == of.command {
			for _, s := range listing.Settings {
				byName[s.Name] = s
			}
		}
	}
	require.NotEmpty(t, byName, "%s has no command %q", of.program, of.command)
	return byName
}

// disagreements compares the variables that a deployment gives to a task with those that
// the task reads.
func disagreements(given map[string]bool, reads map[string]settings.Setting) (found []string) {
	has := map[string]bool{}
	for name := range given {
		base := strings.TrimSuffix(name, settings.FileSuffix)
		setting, known := reads[name]
		if !known {
			setting, known = reads[base]
			known = known && setting.File
		}
		switch {
		case !known:
			found = append(found, name+" is no setting")
		case has[setting.Name]:
			found = append(found, setting.Name+" is there twice")
		default:
			has[setting.Name] = true
		}
	}
	for name, setting := range reads {
		if setting.Required && !has[name] {
			found = append(found, name+" is missing")
		}
	}
	return found
}

func TestDisagreements(t *testing.T) {
	t.Parallel()
	reads := map[string]settings.Setting{
		"ADDR": {Name: "ADDR", Required: true}, "PASSWORD": {Name: "PASSWORD", Required: true, Secret: true, File: true}, "LEVEL": {Name: "LEVEL"},
	}
	require.Empty(t, disagreements(map[string]bool{"ADDR": true, "PASSWORD_FILE": true}, reads))
	require.ElementsMatch(t, []string{"ADDR is missing", "ADDR_FILE is no setting", "LEVELS is no setting"},
		disagreements(map[string]bool{"ADDR_FILE": true, "PASSWORD": true, "LEVELS": true}, reads))
	require.Equal(t, []string{"PASSWORD is there twice"},
		disagreements(map[string]bool{"ADDR": true, "PASSWORD": true, "PASSWORD_FILE": true}, reads))
}

func TestEverySettingIsExplained(t *testing.T) {
	t.Parallel()
	for _, listing := range listings(t) {
		for _, s := range listing.Settings {
			require.NotEmpty(t, s.Help, s.Name)
			require.NotContains(t, s.Help, "|", s.Name)
			require.False(t, s.Required && s.Default != "", "%s is required and has a default", s.Name)
		}
	}
}

func file(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{built.root}, elements...)...))
	require.NoError(t, err)
	return string(text)
}
