package settings_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// exportedBy maps prefixes of metric names to scrape jobs. The first match counts.
var exportedBy = []struct {
	name *regexp.Regexp
	jobs []string
}{
	{regexp.MustCompile(`^(up|ALERTS)$`), nil}, // Prometheus makes them itself
	{regexp.MustCompile(`^mrmrthon_backup_`), []string{"backup"}},
	{regexp.MustCompile(`^(mrmrthon|go|process)_`), []string{"api", "worker"}},
	{regexp.MustCompile(`^temporal_`), []string{"api", "worker"}}, // the SDK's, of the client's side
	{regexp.MustCompile(`^node_`), []string{"node"}},
	{regexp.MustCompile(`^mysql_`), []string{"mysql"}},
	{regexp.MustCompile(`^(service|persistence)_`), []string{"temporal"}},
}

// TestComposeScrapesWhatDashboardsShow: each metric that a dashboard or a rule
// names is exported by a service of compose that Prometheus finds and reaches.
// That our own metrics exist is checked by deploy/e2e on running programs.
func TestComposeScrapesWhatDashboardsShow(t *testing.T) {
	t.Parallel()
	services := project(t).Services
	var config struct {
		Scrapes []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string `yaml:"names"`
				Port  int      `yaml:"port"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(file(t, "deploy", "docker", "prometheus.yml")), &config))
	scraped := map[string]bool{}
	for _, scrape := range config.Scrapes {
		scraped[scrape.Job] = true
		require.NotEmpty(t, scrape.DNS, scrape.Job)
		for _, name := range scrape.DNS[0].Names {
			require.Contains(t, services, name, "job %s scrapes a service that compose does not have", scrape.Job)
			require.Contains(t, services[name].Networks, "watch", "Prometheus does not reach %s", name)
		}
	}
	var recorded []string
	var rules struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(file(t, "deploy", "prometheus", "rules.yml")), &rules))
	exprs := map[string][]string{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			recorded = append(recorded, rule.Record)
			exprs["rule "+rule.Record+rule.Alert] = []string{rule.Expr}
		}
	}
	boards, err := filepath.Glob(filepath.Join(built.root, "deploy", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, boards)
	for _, path := range boards {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		require.NoError(t, json.Unmarshal(text, &board), path)
		for _, panel := range board.Panels {
			for _, target := range panel.Targets {
				exprs[filepath.Base(path)+": "+panel.Title] = append(exprs[filepath.Base(path)+": "+panel.Title], target.Expr)
			}
		}
	}
	for where, all := range exprs {
		for _, expr := range all {
			for _, name := range metricsIn(expr) {
				if slices.Contains(recorded, name) {
					continue
				}
				i := slices.IndexFunc(exportedBy, func(e struct {
					name *regexp.Regexp
					jobs []string
				},
				) bool {
					return e.name.MatchString(name)
				})
				require.GreaterOrEqual(t, i, 0, "%s: nobody is known to export %s", where, name)
				for _, job := range exportedBy[i].jobs {
					require.True(t, scraped[job], "%s: compose scrapes nothing that exports %s", where, name)
				}
			}
		}
	}
}

var (
	noMetric  = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)|\b\d[\w.]*\b`)
	promWord  = regexp.MustCompile(`[a-zA-Z_:][\w:]*\s*\(?`)
	operators = []string{"and", "or", "unless", "bool", "sum", "max", "min", "avg"}
)

// metricsIn returns the names of the metrics in an expression of PromQL.
func metricsIn(expr string) (names []string) {
	for _, found := range promWord.FindAllString(noMetric.ReplaceAllString(expr, " "), -1) {
		if name := strings.TrimSpace(found); !strings.HasSuffix(name, "(") && !slices.Contains(operators, name) {
			names = append(names, name)
		}
	}
	return names
}

// TestNoInhibitionSilencesAPage: an alert that pages somebody is never inhibited by
// another one. A dead worker once hid the API's old outbox.
func TestNoInhibitionSilencesAPage(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert  string
				Labels map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(file(t, "deploy", "prometheus", "rules.yml")), &rules))
	for _, path := range []string{"prometheus/alertmanager.yml", "prometheus/alertmanager-discord.yml", "docker/alertmanager.yml"} {
		var config struct {
			Inhibits []struct {
				Target []string `yaml:"target_matchers"`
			} `yaml:"inhibit_rules"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(file(t, "deploy", path)), &config))
		for _, inhibit := range config.Inhibits {
			for _, group := range rules.Groups {
				for _, rule := range group.Rules {
					require.False(t, rule.Labels["severity"] == "page" && strings.Contains(strings.Join(inhibit.Target, " "), rule.Alert),
						"%s: %s is silenced", path, rule.Alert)
				}
			}
		}
	}
}
