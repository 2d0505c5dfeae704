// Package prometheus_test checks the configuration of Prometheus, Alertmanager
// and Grafana. That the metrics which it names exist is checked by deploy/e2e.
package prometheus_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"Prometheus":   {"promtool", "check", "config", "prometheus.yml"},
		"rules":        {"promtool", "check", "rules", "rules.yml"},
		"rule tests":   {"promtool", "test", "rules", "rules_test.yml"},
		"days of them": {"promtool", "test", "rules", "rules_days_test.yml"},
		"Alertmanager": {"amtool", "check-config", "alertmanager.yml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := stack.FindMonitor(command[0])
			require.NoError(t, err)
			out, err := exec.CommandContext(t.Context(), program, command[1:]...).CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}

// TestDiscordIsToldLikeSlack: the configuration for Discord differs in its receiver alone.
// Debian's Alertmanager has no webhook_url_file yet, so it checks one with the URL.
func TestDiscordIsToldLikeSlack(t *testing.T) {
	t.Parallel()
	routesOf := func(name string) string {
		_, routes, found := strings.Cut(read(t, name), "\nroute:\n")
		require.True(t, found)
		routes, _, _ = strings.Cut(routes, "\nreceivers:\n")
		return routes
	}
	require.Equal(t, routesOf("alertmanager.yml"), routesOf("alertmanager-discord.yml"))
	config := strings.Replace(read(t, "alertmanager-discord.yml"), "webhook_url_file: /etc/prometheus/alert-webhook-url", "webhook_url: https://discord.com/api/webhooks/1/x", 1)
	path := filepath.Join(t.TempDir(), "alertmanager.yml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	program, err := stack.FindMonitor("amtool")
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), program, "check-config", path).CombinedOutput()
	require.NoError(t, err, string(out))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// found returns what the first group of a pattern matches.
func found(pattern, text string) (all []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

func TestEveryAlertIsTestedAndHasItsSectionInTheRunbook(t *testing.T) {
	t.Parallel()
	rules, book, tests := read(t, "rules.yml"), read(t, "RUNBOOK.md"), read(t, "rules_test.yml")+read(t, "rules_days_test.yml")
	alerts := found(`(?m)^ +- alert: (\w+)$`, rules)
	require.NotEmpty(t, alerts)
	require.Equal(t, alerts, found(`(?m)^## (\w+)$`, book), "the sections of the runbook are the alerts, in their order")
	for i, url := range found(`(?m)^ +runbook_url: (\S+)$`, rules) {
		require.True(t, strings.HasSuffix(url, "/deploy/prometheus/RUNBOOK.md#"+strings.ToLower(alerts[i])), url)
	}
	for i, section := range strings.Split(book, "\n## ")[1:] {
		for _, part := range []string{"**Meaning.** ", "**Where to look.** ", "**What to do.** "} {
			require.Contains(t, section, part, alerts[i])
		}
	}
	for _, alert := range alerts {
		require.Regexp(t, `alertname: `+alert+`\n +exp_alerts:`, tests, "rules_test.yml or rules_days_test.yml makes each alert fire")
	}
}

func TestDashboardsAreWhole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../grafana/dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	uids := map[string]bool{}
	for _, file := range files {
		var board struct {
			UID    string `json:"uid"`
			Title  string `json:"title"`
			Panels []struct {
				ID      int    `json:"id"`
				Title   string `json:"title"`
				Targets []struct {
					Expr string `json:"expr"`
				} `json:"targets"`
			} `json:"panels"`
		}
		require.NoError(t, json.Unmarshal([]byte(read(t, file)), &board), file)
		require.NotEmpty(t, board.Title, file)
		require.False(t, board.UID == "" || uids[board.UID], "%s has no uid of its own", file)
		uids[board.UID] = true
		ids := map[int]bool{}
		for _, panel := range board.Panels {
			require.False(t, ids[panel.ID], "%s: two panels are number %d", file, panel.ID)
			ids[panel.ID] = true
			require.NotEmpty(t, panel.Title, file)
			require.NotEmpty(t, panel.Targets, panel.Title)
		}
	}
}
