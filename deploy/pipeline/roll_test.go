package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	oldDefinition = "arn:aws:ecs:eu-central-1:1:task-definition/mrmrthon-test-api:7"
	newDefinition = "arn:aws:ecs:eu-central-1:1:task-definition/mrmrthon-test-api:8"
	image         = "registry.example/mrmrthon/api:v1.2.3"
)

// definition is ECS's description of a task definition.
func definition(container string) string {
	return fmt.Sprintf(`{"taskDefinition": {
		"taskDefinitionArn": %q, "family": "mrmrthon-test-api", "revision": 7, "status": "ACTIVE",
		"requiresAttributes": [{"name": "x"}], "compatibilities": ["FARGATE"], "registeredAt": "2026-01-01", "registeredBy": "arn",
		"cpu": "256", "containerDefinitions": [
			{"name": %q, "image": "registry.example/mrmrthon/api:v1.2.2", "environment": [{"name": "LOG_LEVEL", "value": "INFO"}]},
			{"name": "sidecar", "image": "elsewhere/sidecar:v1"}]},
		"tags": [{"key": "project", "value": "mrmrthon"}]}`, oldDefinition, container)
}

// service is ECS's description of a service, with each deployment given as "definition
// status state".
func service(deployments ...string) string {
	var all []string
	for _, text := range deployments {
		words := strings.Fields(text)
		all = append(all, fmt.Sprintf(`{"taskDefinition": %q, "status": %q, "rolloutState": %q, "rolloutStateReason": "tasks failed to start"}`,
			words[0], words[1], words[2]))
	}
	return fmt.Sprintf(`{"services": [{"taskDefinition": %q, "deployments": [%s],
		"events": [{"createdAt": "2026-01-01T00:00:00", "message": "(task 1) failed container health checks"}]}]}`,
		oldDefinition, strings.Join(all, ","))
}

// rolling returns a bundle in which a revision is registered and accepted by the
// service.
func rolling(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.answers("aws-ecs-describe-task-definition", definition("api"))
	b.answers("aws-ecs-register-task-definition", newDefinition+"\n")
	b.answers("aws-ecs-update-service", "mrmrthon-test-api\n")
	return b
}

func (b *bundle) roll() (status int, out string) {
	b.t.Helper()
	return b.script("roll", "mrmrthon-test-api", "api", image)
}

func TestRoll(t *testing.T) {
	t.Parallel()
	b := rolling(t)
	b.answers("aws-ecs-describe-services",
		service(oldDefinition+" PRIMARY COMPLETED"), // an answer from before the update
		service(newDefinition+" PRIMARY IN_PROGRESS", oldDefinition+" ACTIVE COMPLETED"),
		service(newDefinition+" PRIMARY IN_PROGRESS", oldDefinition+" ACTIVE COMPLETED"),
		service(newDefinition+" PRIMARY COMPLETED"))
	status, out := b.roll()
	require.Zero(t, status, out)
	require.Equal(t, 4, b.times("aws-ecs-describe-services"))
	require.Contains(t, b.calls(), "--service mrmrthon-test-api --task-definition "+newDefinition)
}

func TestRollSeesThatECSRolledBack(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]string{
		"while the old tasks come back": service(oldDefinition+" PRIMARY IN_PROGRESS", newDefinition+" ACTIVE FAILED"),
		"when they are back":            service(oldDefinition + " PRIMARY COMPLETED"),
		"before anything else ran":      service(newDefinition + " PRIMARY FAILED"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := rolling(t)
			b.answers("aws-ecs-describe-services", service(newDefinition+" PRIMARY IN_PROGRESS", oldDefinition+" ACTIVE COMPLETED"), last)
			status, out := b.roll()
			require.Equal(t, 1, status, out)
			require.Contains(t, out, "rolled back")
			require.Contains(t, out, "failed container health checks", "the service's events say why")
		})
	}
}

func TestRollGivesUp(t *testing.T) {
	t.Parallel()
	b := rolling(t)
	b.set("ROLL_WAIT", "0")
	b.answers("aws-ecs-describe-services", service(newDefinition+" PRIMARY IN_PROGRESS"))
	status, out := b.roll()
	require.Equal(t, 1, status, out)
	require.Contains(t, out, "not steady after 0 s")
}

func TestRollStopsAtWhatAWSRefuses(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		"aws-ecs-describe-task-definition", "aws-ecs-register-task-definition", "aws-ecs-update-service", "aws-ecs-describe-services",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			b := rolling(t)
			b.answers("aws-ecs-describe-services", service(newDefinition+" PRIMARY COMPLETED"))
			b.fails(call, "AccessDeniedException")
			status, out := b.roll()
			require.NotZero(t, status)
			require.Contains(t, out, "AccessDeniedException")
			require.NotContains(t, out, "is "+image)
		})
	}
}

func TestRegisterTask(t *testing.T) {
	t.Parallel()
	b := rolling(t)
	status, out := b.script("register-task", "mrmrthon-test-api", "api", image)
	require.Zero(t, status, out)
	require.Equal(t, newDefinition+"\n", out)
	_, in, found := strings.Cut(b.calls(), "--cli-input-json ")
	require.True(t, found)
	in, _, found = strings.Cut(in, " --query")
	require.True(t, found)
	require.JSONEq(t, `{"family": "mrmrthon-test-api", "cpu": "256", "containerDefinitions": [
		{"name": "api", "image": "registry.example/mrmrthon/api:v1.2.3", "environment": [{"name": "LOG_LEVEL", "value": "INFO"}]},
		{"name": "sidecar", "image": "elsewhere/sidecar:v1"}],
		"tags": [{"key": "project", "value": "mrmrthon"}]}`, in)
}

func TestRegisterTaskWantsTheContainer(t *testing.T) {
	t.Parallel()
	b := rolling(t)
	b.answers("aws-ecs-describe-task-definition", definition("other"))
	status, out := b.script("register-task", "mrmrthon-test-api", "api", image)
	require.NotZero(t, status)
	require.Contains(t, out, "no container api")
	require.Zero(t, b.times("aws-ecs-register-task-definition"))
}

func TestDeployedTag(t *testing.T) {
	t.Parallel()
	b := rolling(t)
	b.answers("aws-ecs-describe-services", oldDefinition+"\n")
	status, out := b.script("deployed-tag", "mrmrthon-test-api", "api")
	require.Zero(t, status, out)
	require.Equal(t, "v1.2.2\n", out)

	status, out = b.script("deployed-tag", "mrmrthon-test-api", "other")
	require.Equal(t, 1, status, out)
	require.Contains(t, out, "is no release")
}
