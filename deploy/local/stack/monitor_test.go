package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAlertsGoWhereTheyAreSentTo: the URL of a Slack or Discord channel gets the receiver
// of that service, any other what Alertmanager posts, and without one nobody is notified.
// Alertmanager accepts each configuration.
func TestAlertsGoWhereTheyAreSentTo(t *testing.T) {
	t.Parallel()
	amtool, err := FindMonitor("amtool")
	require.NoError(t, err)
	root, err := FindRoot()
	require.NoError(t, err)
	for webhook, want := range map[string][]string{
		"https://hooks.slack.com/services/T/B/x":   {`api_url: "https://hooks.slack.com/services/T/B/x"`, "title: "},
		"https://discord.com/api/webhooks/1/a-$1_": {`webhook_url: "https://discord.com/api/webhooks/1/a-$1_"`, "message: "},
		"http://127.0.0.1:9999/alerts":             {`webhook_configs:`, `url: "http://127.0.0.1:9999/alerts"`},
		"":                                         {"- name: people\n"},
	} {
		shipped, urlSetting := receiverOf(webhook)
		text, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", shipped))
		require.NoError(t, err)
		config, err := withReceiver(string(text), urlSetting, webhook)
		require.NoError(t, err)
		for _, part := range want {
			require.Contains(t, config, part)
		}
		require.NotContains(t, config, "_file:")
		path := filepath.Join(t.TempDir(), "alertmanager.yml")
		require.NoError(t, os.WriteFile(path, []byte(config), 0o600)) //nolint:gosec // a folder of the test
		out, err := exec.CommandContext(t.Context(), amtool, "check-config", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	_, err = withReceiver("route: {}\n", "", "")
	require.Error(t, err)
	_, err = withReceiver("route: {}\n", "api_url", "https://hooks.slack.com/services/T/B/x")
	require.Error(t, err)
}
