package settings_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// club reads the files that env.example names, as `docker compose` does.
func club(t *testing.T) *types.Project {
	t.Helper()
	environ := strings.Split(file(t, "deploy", "club", "env.example"), "\n")
	require.Contains(t, environ, "COMPOSE_FILE=docker-compose.yml:deploy/club/compose.yml")
	require.Contains(t, environ, "COMPOSE_PROFILES=backup")
	var set []string
	for _, line := range environ {
		if line != "" && !strings.HasPrefix(line, "#") {
			set = append(set, line)
		}
	}
	return merged(t, set, "docker-compose.yml", "deploy/club/compose.yml")
}

// TestClubFitsOneServer: 8 GB of memory with 1.5 to spare for the system, and one
// processor: Docker refuses a limit above what the host has.
func TestClubFitsOneServer(t *testing.T) {
	t.Parallel()
	var memory types.UnitBytes
	p := club(t)
	for name, service := range p.Services {
		require.LessOrEqual(t, service.Deploy.Resources.Limits.NanoCPUs.Value(), float32(1), "%s: cpus", name)
		require.NotNil(t, service.Deploy, name)
		require.Positive(t, service.Deploy.Resources.Limits.MemoryBytes, name)
		if service.Restart != "no" { // those that end do so before the others start
			memory += service.Deploy.Resources.Limits.MemoryBytes
			require.Equal(t, "unless-stopped", service.Restart, name)
		}
		for _, port := range service.Ports {
			if name != "proxy" {
				require.Equal(t, "127.0.0.1", port.HostIP, "%s is open to the internet", name)
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind && name != "node-exporter" {
				require.NotNil(t, volume.Bind, "%s: %s", name, volume.Source)
				require.NotEmpty(t, volume.Bind.SELinux, "%s may not read %s on SELinux", name, volume.Source)
			}
		}
	}
	require.LessOrEqual(t, int64(memory), int64(6656)<<20)
	require.Contains(t, p.Services, "backup", "backups are on a schedule")
	require.Equal(t, "https://results.example.org", *p.Services["api"].Environment["API_PUBLIC_URL"])
	worker := p.Services["worker"].Environment
	require.Equal(t, "https://results.example.org", *worker["API_PUBLIC_URL"], "links in mails lead to the club")
	require.NotContains(t, p.Services, "mail", "a club's mails are not caught")
	require.Equal(t, []string{"off", "starttls", "", ""}, []string{*worker["MAIL_SENDER"], *worker["SMTP_TLS"], *worker["SMTP_ADDR"], *worker["MAIL_EVENTS_QUEUE_URL"]})
	require.Contains(t, p.Services["worker"].Networks, "edge", "mails leave the machine")
	require.Equal(t, p.Networks["proxy"].Ipam.Config[0].Subnet, *p.Services["api"].Environment["TRUSTED_PROXIES"], "the proxy is believed who its callers are")
	for _, service := range []string{"proxy", "api"} {
		require.Contains(t, p.Services[service].Networks, "proxy")
	}
	require.Contains(t, p.Services["api"].Networks, "main-db", "the overlay adds networks")
	for name, of := range map[string]task{"api": tasks["api"], "worker": tasks["worker"], "backup": {"backup", ""}} {
		given := map[string]bool{}
		for key := range p.Services[name].Environment {
			given[key] = true
		}
		require.Empty(t, disagreements(given, settingsOf(t, of)), name)
	}
}

// upgrading is a clone with two releases, and a Docker that notes what it is told.
type upgrading struct {
	*testing.T
	dir, bin string
}

func setupUpgrade(t *testing.T) *upgrading {
	t.Helper()
	u := &upgrading{t, t.TempDir(), t.TempDir()}
	for _, name := range []string{"upgrade", "env.example"} {
		u.write(filepath.Join("deploy", "club", name), file(t, "deploy", "club", name), 0o755)
	}
	u.write(".gitignore", "/.env\n/.env.next\n/.previous-release\n/calls\n/sick\n", 0o644)
	u.git("init", "--quiet", "--initial-branch=main")
	u.git("remote", "add", "origin", u.dir)
	for _, tag := range []string{"v1.0.0", "v1.1.0"} {
		u.write("release", tag, 0o644)
		u.git("add", "--all")
		u.git("-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "--quiet", "-m", tag)
		u.git("tag", tag)
	}
	u.git("checkout", "--quiet", "v1.0.0")
	u.write(".env", file(t, "deploy", "club", "env.example"), 0o600)
	docker := "#!/bin/sh\n. ./.env\necho \"$VERSION $(cat release): $*\" >>calls\ncase \"$*\" in *' up '*) [ \"$VERSION\" != \"$(cat sick 2>/dev/null)\" ] ;; esac\n"
	require.NoError(t, os.WriteFile(filepath.Join(u.bin, "docker"), []byte(docker), 0o755))
	return u
}

func (u *upgrading) write(name, text string, mode os.FileMode) {
	u.Helper()
	path := filepath.Join(u.dir, name)
	require.NoError(u, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(u, os.WriteFile(path, []byte(text), mode))
}

func (u *upgrading) git(args ...string) {
	u.Helper()
	out, err := exec.CommandContext(u.Context(), "git", append([]string{"-C", u.dir}, args...)...).CombinedOutput()
	require.NoError(u, err, "%s", out)
}

// run upgrades and returns what Docker was told, by the release that was checked out.
func (u *upgrading) run(argument string) (calls []string, err error) {
	u.Helper()
	cmd := exec.CommandContext(u.Context(), filepath.Join(u.dir, "deploy", "club", "upgrade"), argument)
	cmd.Env = append(os.Environ(), "PATH="+u.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	u.Logf("%s", out)
	text, readErr := os.ReadFile(filepath.Join(u.dir, "calls"))
	if readErr == nil {
		calls = strings.Split(strings.TrimSpace(string(text)), "\n")
		require.NoError(u, os.Remove(filepath.Join(u.dir, "calls")))
	}
	return calls, err
}

func TestClubUpgrade(t *testing.T) {
	t.Parallel()
	u := setupUpgrade(t)
	const up, backup, build = "compose up --detach --wait --remove-orphans", "compose run --rm backup now", "compose build --quiet"
	calls, err := u.run("v1.1.0")
	require.NoError(t, err)
	require.Equal(t, []string{
		"v1.0.0 v1.0.0: " + backup, "v1.1.0 v1.1.0: " + build, "v1.1.0 v1.1.0: " + up, "v1.1.0 v1.1.0: image prune --force",
	}, calls)
	calls, err = u.run("--back")
	require.NoError(t, err)
	require.Equal(t, "v1.0.0 v1.0.0: "+up, calls[2])

	u.write("sick", "v1.1.0", 0o644)
	calls, err = u.run("v1.1.0")
	require.Error(t, err)
	require.Equal(t, "v1.0.0 v1.0.0: "+up, calls[len(calls)-1], "the release before runs again")
	_, err = u.run("v9.9.9")
	require.Error(t, err)
	u.write("release", "changed by hand", 0o644)
	calls, err = u.run("v1.1.0")
	require.Error(t, err)
	require.Empty(t, calls, "nothing is touched")
}
