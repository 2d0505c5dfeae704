package pipeline

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const task = "arn:aws:ecs:eu-central-1:1:task/mrmrthon-test/0123"

// ended is ECS's description of a task that has stopped.
func ended(container string) string {
	return fmt.Sprintf(`{"tasks": [{"lastStatus": "STOPPED", "stoppedReason": "why it stopped", "containers": [%s]}]}`, container)
}

func migrating(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.answers("aws-ecs-describe-task-definition", definition("migrate"))
	b.answers("aws-ecs-register-task-definition", newDefinition+"\n")
	b.answers("aws-ecs-run-task", fmt.Sprintf(`{"tasks": [{"taskArn": %q}], "failures": []}`, task))
	b.answers("aws-logs-get-log-events", "2 migrations applied\n")
	return b
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	b := migrating(t)
	b.answers("aws-ecs-describe-tasks", `{"tasks": [{"lastStatus": "PROVISIONING"}]}`, `{"tasks": [{"lastStatus": "RUNNING"}]}`,
		ended(`{"name": "migrate", "exitCode": 0}`))
	status, out := b.script("migrate", image)
	require.Zero(t, status, out)
	require.Contains(t, out, "2 migrations applied")
	require.Contains(t, b.calls(), "run-task --cluster mrmrthon-test --task-definition "+newDefinition)
	require.Contains(t, b.calls(), "subnets=[subnet-1,subnet-2],securityGroups=[sg-1],assignPublicIp=DISABLED")
	require.Contains(t, b.calls(), "--log-stream-name migrate/migrate/0123")
}

func TestMigrateFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ started, now, says string }{
		"with an exit code":               {now: ended(`{"name": "migrate", "exitCode": 3}`), says: "exit code 3"},
		"without ever having run":         {now: ended(`{"name": "migrate"}`), says: "exit code none: why it stopped"},
		"when ECS has no room":            {started: `{"tasks": [], "failures": [{"reason": "RESOURCE:FARGATE"}]}`, says: "RESOURCE:FARGATE"},
		"when it does not come to an end": {now: `{"tasks": [{"lastStatus": "RUNNING"}]}`, says: "still runs after 0 s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := migrating(t)
			b.set("MIGRATE_WAIT", "0")
			b.answers("aws-ecs-describe-tasks", test.now)
			if test.started != "" {
				b.answers("aws-ecs-run-task", test.started)
			}
			status, out := b.script("migrate", image)
			require.Equal(t, 1, status, out)
			require.Contains(t, out, test.says)
		})
	}
}

// Without a log the exit code decides.
func TestMigrateWithoutALog(t *testing.T) {
	t.Parallel()
	b := migrating(t)
	b.answers("aws-ecs-describe-tasks", ended(`{"name": "migrate", "exitCode": 0}`))
	b.fails("aws-logs-get-log-events", "ResourceNotFoundException")
	status, out := b.script("migrate", image)
	require.Zero(t, status, out)
	require.Contains(t, out, "the log cannot be read")
}
