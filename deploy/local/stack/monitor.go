package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Monitor configures Prometheus and Alertmanager.
type Monitor struct {
	// Webhook is the URL that alerts are posted to; empty: they are shown only.
	Webhook string
	// Hurry, if it is set, replaces every interval in the configuration and every
	// duration that an alert must last; the time between scrapes is four times that.
	// For tests.
	Hurry time.Duration
}

// monitorPrograms are the names of the programs: Debian's, then the project's.
var monitorPrograms = map[Part][]string{
	Alertmanager: {"prometheus-alertmanager", "alertmanager"},
	Prometheus:   {"prometheus"},
}

// nodeExporter is where one would be, were it installed.
const nodeExporter = host + ":9100"

// FindMonitor finds a program of Prometheus or Alertmanager by one of its names.
func FindMonitor(names ...string) (string, error) {
	path, err := findProgram(names...)
	if err != nil {
		return "", fmt.Errorf("the monitoring programs are not installed (%w); install them with: "+
			"sudo apt-get install prometheus prometheus-alertmanager", err)
	}
	return path, nil
}

func (s *Stack) prometheus() component {
	return component{
		command: s.prometheusCommand,
		ready:   func(ctx context.Context) error { return expectOK(ctx, s.PrometheusURL()+"/-/ready") },
		ports:   []int{s.ports.Prometheus},
	}
}

func (s *Stack) prometheusCommand(context.Context) (*exec.Cmd, error) {
	return exec.Command(s.programs.of(Prometheus), //nolint:noctx // ends by Stop, not by a context
		"--config.file", s.folder.path("monitor", "prometheus.yml"),
		"--storage.tsdb.path", s.folder.path("monitor", "prometheus"),
		"--storage.tsdb.retention.time", "7d",
		"--web.listen-address", address(s.ports.Prometheus),
		"--log.level", "warn"), nil
}

func (s *Stack) alertmanager() component {
	return component{
		command: func(context.Context) (*exec.Cmd, error) {
			return exec.Command(s.programs.of(Alertmanager), //nolint:noctx // ends by Stop, not by a context
				"--config.file", s.folder.path("monitor", "alertmanager.yml"),
				"--storage.path", s.folder.path("monitor", "alertmanager"),
				"--web.listen-address", address(s.ports.Alertmanager),
				"--cluster.listen-address=", // it is alone
				"--log.level", "warn"), nil
		},
		ready: func(ctx context.Context) error { return expectOK(ctx, s.AlertmanagerURL()+"/-/ready") },
		ports: []int{s.ports.Alertmanager},
	}
}

// prepareMonitors writes the configuration: that of deploy/prometheus, with the
// addresses of this stack.
func (s *Stack) prepareMonitors(ctx context.Context) error {
	if !contains(s.parts, Prometheus) && !contains(s.parts, Alertmanager) {
		return nil
	}
	if err := os.MkdirAll(s.folder.path("monitor", "targets"), 0o700); err != nil {
		return fmt.Errorf("configure Prometheus: %w", err)
	}
	files := map[string]string{
		"targets/api.yml":          target(address(s.ports.API)),
		"targets/worker.yml":       target(address(s.ports.Worker)),
		"targets/alertmanager.yml": target(address(s.ports.Alertmanager)),
		"targets/node.yml":         "[]",
	}
	if answers(ctx, nodeExporter) {
		files["targets/node.yml"] = target(nodeExporter)
	}
	alerts, urlSetting := receiverOf(s.opts.Monitor.Webhook)
	for name, shipped := range map[string]string{"prometheus.yml": "prometheus.yml", "rules.yml": "rules.yml", "alertmanager.yml": alerts} {
		text, err := os.ReadFile(filepath.Join(s.opts.Root, "deploy", "prometheus", shipped))
		if err != nil {
			return fmt.Errorf("configure Prometheus: %w", err)
		}
		files[name] = s.hurried(string(text))
	}
	var err error
	if files["alertmanager.yml"], err = withReceiver(files["alertmanager.yml"], urlSetting, s.opts.Monitor.Webhook); err != nil {
		return err
	}
	for name, text := range files {
		if err := writeFile(s.folder.path("monitor", name), []byte(text)); err != nil {
			return fmt.Errorf("configure Prometheus: %w", err)
		}
	}
	return nil
}

func target(addr string) string { return fmt.Sprintf("- targets: [%q]\n", addr) }

var intervals = regexp.MustCompile(`(?m)^( *(?:for|evaluation_interval|group_wait|group_interval|repeat_interval): )\w+$`)

// scrapes is also how long a scrape may take, and programs under the race detector on a
// busy machine take their time.
var scrapes = regexp.MustCompile(`(?m)^( *scrape_interval: )\w+$`)

func (s *Stack) hurried(text string) string {
	if s.opts.Monitor.Hurry == 0 {
		return text
	}
	text = scrapes.ReplaceAllString(text, fmt.Sprintf("${1}%dms", 4*s.opts.Monitor.Hurry.Milliseconds()))
	return intervals.ReplaceAllString(text, fmt.Sprintf("${1}%dms", s.opts.Monitor.Hurry.Milliseconds()))
}

// receiverOf returns the configuration that is shipped for the service of a webhook, and
// the setting of its receiver that is the URL; empty: the service has none of its own.
func receiverOf(webhook string) (file, urlSetting string) {
	switch {
	case strings.HasPrefix(webhook, "https://hooks.slack.com/"):
		return "alertmanager.yml", "api_url"
	case strings.HasPrefix(webhook, "https://discord.com/"):
		return "alertmanager-discord.yml", "webhook_url"
	}
	return "alertmanager.yml", ""
}

// withReceiver gives the receiver of a service its URL. For any other webhook, or none, it
// replaces the receivers, which stand last.
func withReceiver(config, urlSetting, webhook string) (string, error) {
	if urlSetting != "" {
		before, rest, found := strings.Cut(config, urlSetting+"_file: ")
		_, after, ended := strings.Cut(rest, "\n")
		if !found || !ended {
			return "", fmt.Errorf("configure Alertmanager: there is no %s_file to replace", urlSetting)
		}
		return before + fmt.Sprintf("%s: %q\n", urlSetting, webhook) + after, nil
	}
	routes, _, found := strings.Cut(config, "\nreceivers:\n")
	if !found {
		return "", errors.New("configure Alertmanager: there are no receivers to replace")
	}
	config = routes + "\nreceivers:\n  - name: people\n"
	if webhook != "" {
		config += fmt.Sprintf("    webhook_configs:\n      - url: %q\n", webhook)
	}
	return config, nil
}

func answers(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	return err == nil && conn.Close() == nil
}

// PrometheusURL is where Prometheus answers.
func (s *Stack) PrometheusURL() string { return "http://" + address(s.ports.Prometheus) }

// AlertmanagerURL is where Alertmanager answers.
func (s *Stack) AlertmanagerURL() string { return "http://" + address(s.ports.Alertmanager) }
