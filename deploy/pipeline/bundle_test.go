package pipeline

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bundle runs scripts in a folder of their own, with a stub for every external command.
type bundle struct {
	t    *testing.T
	root string // has .github/scripts and .ci as the project has them
	stub string // calls and answers
	env  []string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	_, err := exec.LookPath("jq")
	require.NoError(t, err, "the scripts need jq")
	dir := t.TempDir()
	b := &bundle{t: t, root: filepath.Join(dir, "root"), stub: filepath.Join(dir, "stub")}
	for _, folder := range []string{filepath.Join(".github", "scripts"), ".ci"} {
		require.NoError(t, os.CopyFS(filepath.Join(b.root, folder), os.DirFS(filepath.Join("..", "..", folder))))
	}
	bin := filepath.Join(dir, "bin")
	for _, folder := range []string{b.stub, bin} {
		require.NoError(t, os.Mkdir(folder, 0o755))
	}
	stub, err := filepath.Abs(filepath.Join("testdata", "stub"))
	require.NoError(t, err)
	for _, program := range []string{"aws", "cosign", "gh", "curl"} {
		require.NoError(t, os.Symlink(stub, filepath.Join(bin, program)))
	}
	b.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "STUB="+b.stub,
		"ECS_CLUSTER=mrmrthon-test", "ECR_REGISTRY=registry.example", "GITHUB_REPOSITORY=mrmrthon/mrmrthon",
		"MIGRATE_TASK_FAMILY=mrmrthon-test-migrate", "MIGRATE_LOG_GROUP=/mrmrthon-test-migrate",
		"TASK_SUBNETS=subnet-1,subnet-2", "TASK_SECURITY_GROUP=sg-1",
		"AWS_EVERY=0", "CI_EVERY=0", "TURN_EVERY=0", "GITHUB_RUN_ID=20", "SLACK_WEBHOOK_URL=", "RUN_URL=",
		// git without any configuration of the machine
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.org", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.org")
	return b
}

// answers sets the stub's output for successive calls of that name.
func (b *bundle) answers(name string, answers ...string) {
	b.t.Helper()
	for i, answer := range answers {
		require.NoError(b.t, os.WriteFile(filepath.Join(b.stub, fmt.Sprintf("%s.%d", name, i+1)), []byte(answer), 0o600))
	}
}

// fails makes calls of that name fail with that text.
func (b *bundle) fails(name, text string) {
	b.t.Helper()
	b.answers(name, text+"\n")
	require.NoError(b.t, os.WriteFile(filepath.Join(b.stub, name+".1.exit"), []byte("254"), 0o600))
}

// set adds a setting to the scripts' environment.
func (b *bundle) set(name, value string) { b.env = append(b.env, name+"="+value) }

// run runs a program in root and returns its exit status and what it printed.
func (b *bundle) run(program string, args ...string) (status int, out string) {
	b.t.Helper()
	if strings.HasPrefix(program, ".") {
		program = filepath.Join(b.root, program)
	}
	cmd := exec.CommandContext(b.t.Context(), program, args...)
	cmd.Dir, cmd.Env = b.root, b.env
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		require.NoError(b.t, err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// script runs one of .github/scripts.
func (b *bundle) script(name string, args ...string) (status int, out string) {
	b.t.Helper()
	return b.run("./.github/scripts/"+name, args...)
}

func (b *bundle) git(args ...string) {
	b.t.Helper()
	status, out := b.run("git", args...)
	require.Zero(b.t, status, out)
}

// calls returns the calls that the scripts made, as command lines.
func (b *bundle) calls() string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.stub, "calls"))
	if !os.IsNotExist(err) {
		require.NoError(b.t, err)
	}
	return string(text)
}

// times counts the calls of that name.
func (b *bundle) times(name string) int {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.stub, name+".calls"))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(b.t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(b.t, err)
	return n
}

// write makes a file of the project.
func (b *bundle) write(name, text string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(filepath.Join(b.root, name), []byte(text), fs.FileMode(0o600)))
}
