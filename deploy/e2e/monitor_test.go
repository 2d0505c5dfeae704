package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// notification is what Alertmanager posts to a webhook.
type notification struct {
	Status string `json:"status"` // firing, resolved
	Alerts []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

// webhook returns an address to post to, and what was posted there.
func webhook(t *testing.T) (address string, posted <-chan notification) {
	t.Helper()
	notes := make(chan notification, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var note notification
		if err := json.NewDecoder(r.Body).Decode(&note); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case notes <- note:
		case <-r.Context().Done(): // nobody reads, and Alertmanager has given up
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, notes
}

// TestMonitoring monitors a system of its own with the real rules, but at short
// intervals.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	address, posted := webhook(t)
	s := ownSystem(t, "monitoring", func(opts *stack.Options) {
		opts.Parts = slices.Concat(stack.AllParts(), stack.Monitors())
		opts.Monitor = stack.Monitor{Webhook: address, Hurry: 500 * time.Millisecond}
	})
	b := startBoston(t, s, 20)
	b.importAll(t)
	b.check(t)

	s.everyMetricExists(t)
	s.everyPanelShowsSomething(t)

	for len(posted) > 0 { // of the start, when the programs were scraped before they answered
		<-posted
	}
	require.NoError(t, s.Kill(stack.Worker))
	note := awaitNote(t, posted, "firing")
	require.Contains(t, note.Annotations["summary"], "does not answer")
	require.Contains(t, note.Annotations["runbook_url"], "RUNBOOK.md#instancedown")
	require.NoError(t, s.StartPart(t.Context(), stack.Worker))
	awaitNote(t, posted, "resolved")
}

// awaited is an alert as it was posted.
type awaited struct{ Labels, Annotations map[string]string }

// awaitNote waits until InstanceDown of the worker is posted in that status. On a slow
// machine others may be down for a scrape too.
func awaitNote(t *testing.T, posted <-chan notification, status string) awaited {
	t.Helper()
	limit := time.After(3 * patience)
	for {
		select {
		case note := <-posted:
			for _, alert := range note.Alerts {
				if alert.Labels["alertname"] == "InstanceDown" && alert.Labels["job"] == "worker" && alert.Status == status {
					return awaited{alert.Labels, alert.Annotations}
				}
			}
		case <-limit:
			require.Fail(t, "nothing was posted that is "+status)
		}
	}
}

// ofOthers are metrics that other programs export (those of hosts, MySQL and the
// Temporal server come from compose's exporters), or that exist only once
// something has gone wrong, with credentials for Temporal, or where there are scheduled
// backups or a replica.
var ofOthers = regexp.MustCompile(`^(node_.*|mysql_.*|service_.*|persistence_.*|ALERTS|temporal_request_failure_total|` +
	`mrmrthon_temporal_credential_expires_timestamp_seconds|mrmrthon_backup_.*|mrmrthon_reader_.*)$`)

// everyMetricExists waits until Prometheus has scraped every metric that a rule
// or a dashboard names.
func (s *system) everyMetricExists(t *testing.T) {
	t.Helper()
	named := s.namedByRules(t)
	maps.Copy(named, s.namedByDashboards(t))
	maps.DeleteFunc(named, func(name, _ string) bool { return ofOthers.MatchString(name) })
	require.Greater(t, len(named), 40)
	eventually(t, patience, func() error {
		var known []string
		if err := s.prometheus(t, "/api/v1/label/__name__/values", &known); err != nil {
			return err
		}
		var missing []string
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if !slices.Contains(known, name) {
				missing = append(missing, name+" ("+named[name]+")")
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("not in any scrape: %s", strings.Join(missing, ", "))
		}
		return nil
	})
}

// prometheus reads the data of an answer of Prometheus' API.
func (s *system) prometheus(t *testing.T, path string, data any) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.PrometheusURL()+path, http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("prometheus: %s", answer.Error)
	}
	return nil
}

// namedByRules returns the metrics in the rules as Prometheus read them, each
// with the rule that names it.
func (s *system) namedByRules(t *testing.T) map[string]string {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Query, LastError string }
		}
	}
	require.NoError(t, s.prometheus(t, "/api/v1/rules", &rules))
	named := map[string]string{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			require.Empty(t, rule.LastError, rule.Name)
			for _, name := range metricsOf(rule.Query) {
				named[name] = "rule " + rule.Name
			}
		}
	}
	require.NotEmpty(t, named)
	return named
}

// namedByDashboards returns the metrics in the dashboards, each with a panel that
// names it, after Prometheus has understood every expression.
func (s *system) namedByDashboards(t *testing.T) map[string]string {
	t.Helper()
	named := map[string]string{}
	for panel, exprs := range dashboards(t) {
		for _, expr := range exprs {
			_, err := s.query(t, expr)
			require.NoError(t, err, panel)
			for _, name := range metricsOf(expr) {
				named[name] = panel
			}
		}
	}
	return named
}

// ofBadDays are panels that are empty while nothing goes wrong.
var ofBadDays = []string{"api.json: Errors by route", "api.json: Refusals by route", "temporal.json: Calls that failed"}

// everyPanelShowsSomething waits until every query of every panel has a result, except
// those about hosts, which have no exporter here.
func (s *system) everyPanelShowsSomething(t *testing.T) {
	t.Helper()
	eventually(t, patience, func() error {
		var empty []string
		for panel, exprs := range dashboards(t) {
			if slices.Contains(ofBadDays, panel) {
				continue
			}
			for _, expr := range exprs {
				names := metricsOf(expr)
				if len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !ofOthers.MatchString(name) }) {
					continue
				}
				found, err := s.query(t, expr)
				if err != nil {
					return err
				}
				if found == 0 {
					empty = append(empty, panel+": "+expr)
				}
			}
		}
		if len(empty) > 0 {
			slices.Sort(empty)
			return fmt.Errorf("nothing to show:\n%s", strings.Join(empty, "\n"))
		}
		return nil
	})
}

// query asks Prometheus for a panel's expression, and returns how many series it
// has.
func (s *system) query(t *testing.T, expr string) (series int, err error) {
	t.Helper()
	query := strings.ReplaceAll(expr, "$__rate_interval", "1m")
	require.NotContains(t, query, "$", "a variable that is not known here")
	var found struct{ Result []json.RawMessage }
	err = s.prometheus(t, "/api/v1/query?query="+url.QueryEscape(query), &found)
	return len(found.Result), err
}

// dashboards returns the expressions of every panel, by "file: title".
func dashboards(t *testing.T) map[string][]string {
	t.Helper()
	root, err := stack.FindRoot()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "deploy", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	exprs := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		require.NoError(t, json.Unmarshal(text, &board), file)
		for _, panel := range board.Panels {
			name := filepath.Base(file) + ": " + panel.Title
			for _, target := range panel.Targets {
				exprs[name] = append(exprs[name], target.Expr)
			}
		}
	}
	return exprs
}

var (
	// noMetric is what holds no metric's name: label matchers, ranges, numbers,
	// and the labels of by, without, on and ignoring.
	noMetric = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)|\b\d[\w.]*\b`)
	// word is an identifier, with the bracket that follows a function's.
	word = regexp.MustCompile(`[a-zA-Z_:][\w:]*\s*\(?`)
)

// metricsOf returns the names of metrics in an expression of PromQL.
func metricsOf(expr string) (names []string) {
	for _, found := range word.FindAllString(noMetric.ReplaceAllString(expr, " "), -1) {
		switch name := strings.TrimSpace(found); {
		case strings.HasSuffix(name, "("), slices.Contains([]string{"and", "or", "unless", "bool", "sum", "max", "min", "avg"}, name):
		default:
			names = append(names, name)
		}
	}
	return names
}

func TestMetricsOfAnExpression(t *testing.T) {
	t.Parallel()
	expr := `histogram_quantile(0.99, sum by (le) (rate(a_bucket{x="b_c", y=~"5.."}[5m]))) > 1e3 or max(d:e:p99_5m) unless vector(0) == f`
	require.Equal(t, []string{"a_bucket", "d:e:p99_5m", "f"}, metricsOf(expr))
}
