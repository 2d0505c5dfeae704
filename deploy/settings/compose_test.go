package settings_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// project reads docker-compose.yml as `docker compose` does, with all profiles and
// nothing set in the environment: validated against the schema, interpolated, merged.
func project(t *testing.T) *types.Project {
	t.Helper()
	return merged(t, nil, "docker-compose.yml")
}

// merged reads several files as one project, with these variables set.
func merged(t *testing.T, environ []string, files ...string) *types.Project {
	t.Helper()
	paths := make([]string, len(files))
	for i, name := range files {
		paths[i] = filepath.Join(built.root, name)
	}
	options, err := cli.NewProjectOptions(paths, cli.WithWorkingDirectory(built.root), cli.WithEnv(environ),
		cli.WithProfiles([]string{"backup"}), cli.WithResolvedPaths(true), cli.WithConsistency(true))
	require.NoError(t, err)
	loaded, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return loaded
}

func TestComposeSettings(t *testing.T) {
	t.Parallel()
	services := project(t).Services
	ours := maps.Clone(tasks)
	ours["backup"] = task{"backup", ""}
	for name, of := range ours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reads := settingsOf(t, of)
			given := map[string]bool{}
			for key := range services[name].Environment {
				given[key] = true
				require.False(t, reads[key].Secret && reads[key].File, "%s is a secret: give it by %s_FILE", key, key)
			}
			require.Empty(t, disagreements(given, reads))
		})
	}
}

// writable are the exceptions; docker-compose.yml gives the reasons.
var writable = []string{"temporal-ui"}

func TestComposeIsHardened(t *testing.T) {
	t.Parallel()
	for name, service := range project(t).Services {
		require.Equal(t, !slices.Contains(writable, name), service.ReadOnly, "%s: read_only", name)
		require.Equal(t, []string{"ALL"}, service.CapDrop, "%s: cap_drop", name)
		require.Contains(t, service.SecurityOpt, "no-new-privileges:true", name)
		require.NotNil(t, service.Deploy, "%s has no limits", name)
		require.Positive(t, service.Deploy.Resources.Limits.MemoryBytes, "%s: memory", name)
		require.Positive(t, service.Deploy.Resources.Limits.NanoCPUs.Value(), "%s: cpus", name)
		require.Empty(t, service.ContainerName, "%s could not be scaled", name)
		require.False(t, service.Privileged, name)
		require.Regexp(t, `^[\w./-]+:(v?\d[\w.-]*\.[\w.-]+|dev)$`, service.Image, "the image of %s is not pinned", name)
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is open to the network", name)
		}
		once := service.Restart == "no"
		if !once {
			require.NotNil(t, service.HealthCheck, "%s has no health check", name)
		}
		for dependency, condition := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if project(t).Services[dependency].Restart == "no" {
				want = types.ServiceConditionCompletedSuccessfully
			}
			require.Equal(t, want, condition.Condition, "%s waits for %s", name, dependency)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				_, err := os.Stat(volume.Source)
				require.NoError(t, err, name)
				require.True(t, volume.ReadOnly, "%s may write %s", name, volume.Source)
			}
		}
	}
	require.Empty(t, project(t).Services["worker"].Ports, "workers could not be scaled")
}

// TestComposeKeepsApart checks which service reaches which database and has which
// secrets.
func TestComposeKeepsApart(t *testing.T) {
	t.Parallel()
	p := project(t)
	on := func(network string) (names []string) {
		for name, service := range p.Services {
			if _, there := service.Networks[network]; there {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	require.Equal(t, []string{"api", "backup", "main-db", "main-db-exporter", "migrate", "worker"}, on("main-db"))
	require.Equal(t, []string{"api", "backup", "migrate", "operator", "user-db", "user-db-exporter", "worker"}, on("user-db"))
	require.Equal(t, []string{"temporal", "temporal-db", "temporal-schema"}, on("temporal-db"))
	for _, network := range []string{"main-db", "user-db", "temporal-db", "engine", "watch"} {
		require.True(t, p.Networks[network].Internal, network)
	}
	for name, service := range p.Services {
		if name == "secrets" {
			continue
		}
		for _, volume := range service.Volumes {
			owner, isSecret := strings.CutPrefix(volume.Source, "secrets-")
			if !isSecret {
				continue
			}
			require.Equal(t, "/run/secrets", volume.Target, name)
			require.True(t, volume.ReadOnly, name)
			require.True(t, owner == name || owner == "temporal" && strings.HasPrefix(name, "temporal-"), "%s has the secrets of %s", name, owner)
		}
	}
}

// TestComposeBuildsEachImageOnce: under Bake, Compose's builder, two services that
// build one tag race each other ("image already exists"). A service that builds
// nothing runs what another one builds.
func TestComposeBuildsEachImageOnce(t *testing.T) {
	t.Parallel()
	builders := map[string][]string{}
	for name, service := range project(t).Services {
		if service.Build != nil {
			builders[service.Image] = append(builders[service.Image], name)
		}
	}
	for image, names := range builders {
		require.Len(t, names, 1, "%s", image)
	}
	for name, service := range project(t).Services {
		if strings.HasPrefix(service.Image, "mrmrthon/") {
			require.Contains(t, builders, service.Image, "nothing builds the image of %s", name)
		}
	}
}

// TestComposeWaits: `docker compose up --wait` fails when a service exits, even
// with 0, unless another service depends on its completion (docker/compose#10596).
func TestComposeWaits(t *testing.T) {
	t.Parallel()
	awaited := map[string]bool{}
	for _, service := range project(t).Services {
		for dependency, condition := range service.DependsOn {
			awaited[dependency] = awaited[dependency] || condition.Condition == types.ServiceConditionCompletedSuccessfully
		}
	}
	for name, service := range project(t).Services {
		if service.Restart == "no" {
			require.True(t, awaited[name], "nothing waits for %s to complete, so that up --wait would fail", name)
		}
	}
}

// TestComposeTemporal: server, tools and schema are of the same release.
func TestComposeTemporal(t *testing.T) {
	t.Parallel()
	services := project(t).Services
	_, version, _ := strings.Cut(services["temporal"].Image, ":")
	for _, name := range []string{"temporal-schema", "temporal-namespace"} {
		require.Equal(t, "temporalio/admin-tools:"+version, services[name].Image, name)
	}
}

// TestComposeQueues: ElasticMQ creates the queues that the programs use, and they
// dead-letter a message after as many receives as the one-machine stack does.
func TestComposeQueues(t *testing.T) {
	t.Parallel()
	conf := file(t, "deploy", "docker", "elasticmq.conf")
	for _, name := range []string{"api", "worker"} {
		environment := project(t).Services[name].Environment
		require.Equal(t, "http://queue:9324/000000000000/records", *environment["QUEUE_URL"])
		require.Equal(t, *environment["QUEUE_URL"]+"-dead", *environment["DEAD_LETTER_QUEUE_URL"])
	}
	events := *project(t).Services["worker"].Environment["MAIL_EVENTS_QUEUE_URL"]
	require.Equal(t, "http://queue:9324/000000000000/mail-events", events)
	require.Equal(t, events+"-dead", *project(t).Services["worker"].Environment["MAIL_EVENTS_DEAD_LETTER_QUEUE_URL"])
	require.Contains(t, project(t).Services["mail"].Command, events, "what the catcher plays is read")
	for _, name := range []string{"records", "mail-events"} {
		require.Regexp(t, `(?m)^  `+name+` \{$`, conf)
		require.Regexp(t, `(?m)^  `+name+`-dead \{ \}$`, conf)
		require.Contains(t, conf, `name = "`+name+`-dead"`)
	}
	local := regexp.MustCompile(`maxReceives = "(\d+)"`).FindStringSubmatch(file(t, "deploy", "local", "stack", "sqs.go"))
	require.Len(t, local, 2)
	require.Contains(t, conf, "maxReceiveCount = "+local[1])
}

// TestComposeSendsAlertsToAChannel: the two settings put the files where the shipped
// configurations look.
func TestComposeSendsAlertsToAChannel(t *testing.T) {
	t.Parallel()
	mounts := func(environ ...string) map[string]string {
		at := map[string]string{}
		for _, volume := range merged(t, environ, "docker-compose.yml").Services["alertmanager"].Volumes {
			at[volume.Target] = volume.Source
		}
		return at
	}
	require.Equal(t, filepath.Join(built.root, "deploy", "docker", "alertmanager.yml"), mounts()["/etc/alertmanager/alertmanager.yml"])
	for _, name := range []string{"alertmanager.yml", "alertmanager-discord.yml"} {
		at := mounts("ALERTMANAGER_CONFIG=./deploy/prometheus/"+name, "ALERT_URL_FILE=./alert-webhook-url")
		require.Equal(t, filepath.Join(built.root, "deploy", "prometheus", name), at["/etc/alertmanager/alertmanager.yml"])
		require.Equal(t, filepath.Join(built.root, "alert-webhook-url"), at["/etc/prometheus/alert-webhook-url"])
		require.Contains(t, file(t, "deploy", "prometheus", name), "url_file: /etc/prometheus/alert-webhook-url")
	}
}

func TestDockerIgnoreLetsInTheSources(t *testing.T) {
	t.Parallel()
	ignore := strings.Split(file(t, ".dockerignore"), "\n")
	for _, name := range []string{"go.mod", "go.sum", "activities", "api", "deploy/backup", "deploy/local/mailcatcher", "internal", "worker", "workflows"} {
		require.Contains(t, ignore, "!"+name)
		_, err := os.Stat(filepath.Join(built.root, name))
		require.NoError(t, err)
	}
}
