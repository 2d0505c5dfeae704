package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// cloud is an account that answers from its fields.
type cloud struct {
	id         string
	zones      map[string]string // name to ID
	quotas     map[string]float64
	quotaName  string // instead of the usual ones
	providers  []string
	workspaces []string
	channels   map[string]string // ID to configuration
	hosted     []string
	repos      bool
	refuses    error // every call but the identity's
}

var quotaNames = map[string]string{
	"L-3032A538": "Fargate On-Demand vCPU resource count", "L-0263D0A3": "EC2-VPC Elastic IPs", "L-F678F1CE": "VPCs per Region", "L-952B80B8": "DB clusters",
}

// call answers as the AWS CLI does: in the services' JSON.
func (c *cloud) call(_ context.Context, out any, args ...string) error {
	if c == nil || c.id == "" {
		return &serviceError{text: "Unable to locate credentials"}
	}
	answer := map[string]any{}
	list := func(key string, items ...map[string]any) { answer[key] = append([]map[string]any{}, items...) }
	var items []map[string]any
	switch args[1] {
	case "get-caller-identity":
		answer["Account"] = c.id
	case "describe-availability-zones":
		for name, id := range c.zones {
			items = append(items, map[string]any{"ZoneName": name, "ZoneId": id, "State": "available", "OptInStatus": "opt-in-not-required"})
		}
		list("AvailabilityZones", items...)
	case "get-service-quota", "get-aws-default-service-quota":
		code := args[slices.Index(args, "--quota-code")+1]
		value, set := c.quotas[code]
		if args[1] == "get-aws-default-service-quota" {
			value = 40
		} else if !set && c.refuses == nil {
			return &serviceError{code: "NoSuchResourceException"}
		}
		answer["Quota"] = map[string]any{"QuotaName": cmp.Or(c.quotaName, quotaNames[code]), "Value": value}
	case "list-open-id-connect-providers":
		for _, name := range c.providers {
			items = append(items, map[string]any{"Arn": "arn:aws:iam::1:oidc-provider/" + name})
		}
		list("OpenIDConnectProviderList", items...)
	case "describe-slack-workspaces":
		for _, id := range c.workspaces {
			items = append(items, map[string]any{"SlackTeamId": id})
		}
		list("SlackWorkspaces", items...)
	case "describe-slack-channel-configurations":
		for id, name := range c.channels {
			items = append(items, map[string]any{"SlackChannelId": id, "ConfigurationName": name})
		}
		list("SlackChannelConfigurations", items...)
	case "list-hosted-zones-by-name":
		for _, name := range c.hosted {
			public, private := strings.CutPrefix(name, "private ")
			items = append(items, map[string]any{"Name": public + ".", "Config": map[string]any{"PrivateZone": private}})
		}
		list("HostedZones", items...)
	case "describe-repositories":
		if !c.repos && c.refuses == nil {
			return &serviceError{code: "RepositoryNotFoundException"}
		}
	default:
		return fmt.Errorf("no answer to %v", args)
	}
	if c.refuses != nil && args[1] != "get-caller-identity" {
		return c.refuses
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// testBundle is an environment in which everything is correct.
type testBundle struct {
	clouds     map[string]*cloud // by profile
	repository map[string]any
	rules      map[string]any // of each GitHub environment
	namespace  temporalNamespace
	temporal   error
	dir        string
	server     *httptest.Server
}

const production = `
environment = "production"
zone = "example.org"
domain = "results.example.org"
slack = { team_id = "T0123ABCD", channel_id = "C0123ABCD" }
github_repository = "club/results"
github_ids = { owner = 12, repository = 34 }
temporal_address = "us-east-1.aws.api.temporal.io:7233"
temporal_namespace = "mrmrthon.a1b2c"
temporal_credentials = "api_key"
`

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{
		clouds: map[string]*cloud{"club": {
			id: "123456789012", zones: map[string]string{"us-east-1a": "use1-az1", "us-east-1b": "use1-az2", "us-east-1c": "use1-az3"},
			quotas: map[string]float64{"L-3032A538": 40, "L-0263D0A3": 5, "L-F678F1CE": 5}, workspaces: []string{"T0123ABCD"}, hosted: []string{"example.org"},
		}},
		repository: map[string]any{"id": 34, "full_name": "club/results", "created_at": "2026-08-01T00:00:00Z", "owner": map[string]any{"id": 12}},
		rules: map[string]any{"production": map[string]any{
			"protection_rules": []map[string]string{{"type": "required_reviewers"}}, "deployment_branch_policy": map[string]bool{"custom_branch_policies": true},
		}},
		namespace: temporalNamespace{attributes: map[string]enums.IndexedValueType{}, expires: time.Now().Add(90 * 24 * time.Hour)},
		dir:       t.TempDir(),
	}
	for _, name := range searchAttributes() {
		b.namespace.attributes[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch path := strings.TrimPrefix(r.URL.Path, "/repos/club/results"); {
		case path == "" && b.repository != nil:
			answer = b.repository
		case strings.HasPrefix(path, "/environments/") && b.rules[filepath.Base(path)] != nil:
			answer = b.rules[filepath.Base(path)]
		default:
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(b.server.Close)
	return b
}

func (b *testBundle) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(b.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// run checks the environments, each given as profile, size and text.
func (b *testBundle) run(t *testing.T, environments ...[3]string) (string, error) {
	t.Helper()
	var args []string
	for i, env := range environments {
		args = append(args, "-environment", fmt.Sprintf("%s=../terraform/sizes/%s.tfvars,%s", env[0], env[1], b.file(t, fmt.Sprintf("%d.tfvars", i), env[2])))
	}
	var out bytes.Buffer
	err := run(t.Context(), args, &out, outside{
		account:  func(profile, _ string) account { return b.clouds[profile].call },
		github:   github{base: b.server.URL},
		temporal: func(context.Context, environment) (temporalNamespace, error) { return b.namespace, b.temporal },
	})
	return out.String(), err
}

func TestEverythingIsReady(t *testing.T) {
	t.Parallel()
	out, err := setup(t).run(t, [3]string{"club", "small", production})
	require.NoError(t, err, out)
	require.NotContains(t, out, "unknown  ")
	require.Contains(t, out, "use1-az2")
	require.NotContains(t, out, "use1-az3", "Fargate has no ARM there")
	require.Contains(t, out, "this environment needs 7")
	require.Contains(t, out, "DB clusters: 40", "a quota that was never changed is a default")
}

func TestProblemsAreFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(b *testBundle, c *cloud)
		text func(text string) string
		says string
	}{
		"no credentials": {edit: func(_ *testBundle, c *cloud) { c.id = "" }, says: "credentials of profile"},
		"one usable zone": {
			edit: func(_ *testBundle, c *cloud) { delete(c.zones, "us-east-1b") }, says: "us-east-1 has 1 with VPC origins and Fargate on ARM64",
		},
		"a new account's quota": {
			edit: func(_ *testBundle, c *cloud) { c.quotas["L-3032A538"] = 6 }, says: "vCPU resource count: 6, this environment needs 7: ask for more",
		},
		"no hosted zone": {edit: func(_ *testBundle, c *cloud) { c.hosted = []string{"private example.org"} }, says: "has 0 public hosted zones example.org"},
		"a foreign domain": {
			text: func(text string) string {
				return strings.Replace(text, "results.example.org", "results.example.com", 1)
			},
			says: "the domain results.example.com is not in the zone",
		},
		"a provider that is there": {
			edit: func(_ *testBundle, c *cloud) { c.providers = []string{githubIssuer} }, says: "set create_github_provider = false",
		},
		"a registry that is there": {edit: func(_ *testBundle, c *cloud) { c.repos = true }, says: "set create_registry = false"},
		"a workspace that is not authorized": {
			edit: func(_ *testBundle, c *cloud) { c.workspaces = nil }, says: "Slack workspace T0123ABCD is not authorized",
		},
		"a channel that is taken": {
			edit: func(_ *testBundle, c *cloud) { c.channels = map[string]string{"C0123ABCD": "mrmrthon-staging-alarms"} },
			says: "has the configuration mrmrthon-staging-alarms already",
		},
		"a repository that moved": {
			edit: func(b *testBundle, _ *cloud) { b.repository["full_name"] = "league/results" }, says: "is called league/results now",
		},
		"other IDs": {edit: func(b *testBundle, _ *cloud) { b.repository["id"] = 35 }, says: "github_ids = { owner = 12, repository = 35 }"},
		"a new repository without IDs": {
			text: func(text string) string { return strings.Replace(text, "github_ids", "# github_ids", 1) }, says: "is newer than 15 July 2026",
		},
		"no GitHub environment": {
			edit: func(b *testBundle, _ *cloud) { delete(b.rules, "production") }, says: "the repository has no environment production",
		},
		"nobody approves": {
			edit: func(b *testBundle, _ *cloud) { b.rules["production"] = map[string]any{} }, says: "has no required reviewers",
		},
		"no namespace": {
			edit: func(b *testBundle, _ *cloud) { b.temporal = serviceerror.NewNamespaceNotFound("mrmrthon.a1b2c") }, says: "Temporal has no namespace",
		},
		"an attribute of another type": {
			edit: func(b *testBundle, _ *cloud) { b.namespace.attributes["RaceId"] = enums.INDEXED_VALUE_TYPE_TEXT }, says: "lacks the search attributes RaceId, of type Keyword",
		},
		"a key that expires": {
			edit: func(b *testBundle, _ *cloud) { b.namespace.expires = time.Now().Add(time.Hour) }, says: "credentials for Temporal expire on",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, text := setup(t), production
			if test.edit != nil {
				test.edit(b, b.clouds["club"])
			}
			if test.text != nil {
				text = test.text(text)
			}
			out, err := b.run(t, [3]string{"club", "small", text})
			require.ErrorContains(t, err, "put these right before terraform apply", out)
			require.Regexp(t, "(?m)^FAILS .*"+regexp.QuoteMeta(test.says), out)
		})
	}
}

// What cannot be queried neither passes nor fails.
func TestUnansweredQuestionsAreUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.clouds["club"].refuses = errors.New("AccessDenied")
	b.repository, b.temporal = nil, errNoCredentials
	out, err := b.run(t, [3]string{"club", "small", production})
	require.NoError(t, err, out)
	require.Equal(t, 12, strings.Count(out, "unknown  "), out)

	b = setup(t)
	b.clouds["club"].quotaName = "Something else"
	out, err = b.run(t, [3]string{"club", "small", production})
	require.NoError(t, err, out)
	require.Contains(t, out, `is called "Something else" now`)
}

// TestBothEnvironments: what an account or a channel has only once may be used by only
// one environment.
func TestBothEnvironments(t *testing.T) {
	t.Parallel()
	staging := strings.NewReplacer(`"production"`, `"staging"`, "results.example.org", "staging.example.org").Replace(production)
	rules := func(b *testBundle) {
		b.rules["staging"] = map[string]any{"deployment_branch_policy": map[string]bool{"custom_branch_policies": true}}
	}
	t.Run("claim the same", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rules(b)
		out, err := b.run(t, [3]string{"club", "small", staging}, [3]string{"club", "medium", production})
		require.Error(t, err)
		for _, what := range []string{"the OIDC provider in 123456789012", "a registry", "the Slack channel C0123ABCD"} {
			require.Contains(t, out, what+" is claimed by staging and production")
		}
	})
	t.Run("in two accounts", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rules(b)
		second := *b.clouds["club"]
		second.id, second.repos = "210987654321", true
		b.clouds["live"] = &second
		live := strings.Replace(production, "C0123ABCD", "C0987ZYXW", 1) + `
create_registry = false
registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
`
		out, err := b.run(t, [3]string{"club", "small", staging}, [3]string{"live", "small", live})
		require.Error(t, err)
		require.Contains(t, out, "whose registry_readers do not name the account 210987654321")
		out, err = b.run(t, [3]string{"club", "small", staging + "registry_readers = [\"210987654321\"]\n"}, [3]string{"live", "small", live})
		require.NoError(t, err, out)
		require.Contains(t, out, "may pull from the registry of staging")
	})
}

func TestFilesAreRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.run(t, [3]string{"club", "small", "environment = \n"})
	require.Error(t, err)
	_, err = b.run(t, [3]string{"club", "small", strings.Replace(production, "zone", "# zone", 1)})
	require.ErrorContains(t, err, "zone is not set")
	require.ErrorContains(t, run(t.Context(), nil, &bytes.Buffer{}, outside{}), "name each environment")
	example, err := readEnvironment([]string{"../terraform/sizes/large.tfvars", "../terraform/example.tfvars"})
	require.NoError(t, err)
	require.Nil(t, example.Slack, "a workspace is authorized by hand first")
	require.NotNil(t, example.IDs)
}

// TestZonesAreThoseOfTerraform: the same zones are left out there.
func TestZonesAreThoseOfTerraform(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../terraform/main.tf")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "zones_without = {")
	require.True(t, found)
	block, _, _ := strings.Cut(rest, "}")
	in := map[string]bool{}
	for _, id := range regexp.MustCompile(`"([a-z0-9]+-az\d)"`).FindAllStringSubmatch(block, -1) {
		in[id[1]] = true
	}
	for _, id := range append(withoutFargateARM, withoutSomething...) {
		require.True(t, in[id], id)
		delete(in, id)
	}
	require.Empty(t, in)
}

// TestTemporalIsAsked asks a real server: without the search attributes, with
// them, and for a namespace that it does not have.
func TestTemporalIsAsked(t *testing.T) {
	t.Parallel()
	root, err := stack.FindRoot()
	require.NoError(t, err)
	cli, err := stack.TemporalCLI(t.Context(), root, stack.NewConsole(t.Output()))
	require.NoError(t, err)
	asked := func(t *testing.T, namespace string, args ...string) report {
		t.Helper()
		server, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
			ExistingPath: cli, LogLevel: "error", Stdout: t.Output(), Stderr: t.Output(), ExtraArgs: args,
			ClientOptions: &client.Options{Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))},
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		var r report
		checkTemporal(t.Context(), &r, &environment{
			TemporalAddress: server.FrontendHostPort(), TemporalNamespace: namespace, TemporalCredentials: "none",
		}, openTemporal)
		return r
	}
	last := func(r report) finding { return r.findings[len(r.findings)-1] }
	t.Run("without search attributes", func(t *testing.T) {
		t.Parallel()
		found := last(asked(t, "default"))
		require.Equal(t, bad, found.state, found.text)
		require.Contains(t, found.text, "RaceId, RunnerId, RecordId, Bib, CreditStatus")
	})
	t.Run("with them", func(t *testing.T) {
		t.Parallel()
		var args []string
		for _, name := range searchAttributes() {
			args = append(args, "--search-attribute", name+"=Keyword")
		}
		found := last(asked(t, "default", args...))
		require.Equal(t, good, found.state, found.text)
	})
	t.Run("another namespace", func(t *testing.T) {
		t.Parallel()
		found := last(asked(t, "elsewhere"))
		require.Equal(t, bad, found.state, found.text)
		require.Contains(t, found.text, "has no namespace elsewhere")
	})
}

// TestTheCLIIsCalled runs a stub of the AWS CLI and checks its arguments, its answer and
// the error of a refused call.
func TestTheCLIIsCalled(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	write := func(script string) {
		require.NoError(t, os.WriteFile(filepath.Join(bin, "aws"), []byte("#!/bin/sh\n"+script), 0o700))
	}
	ask := awsAccount("club", "eu-west-1")
	var out struct{ Arguments string }
	write(`echo "{\"Arguments\": \"$*\"}"`)
	require.NoError(t, ask(t.Context(), &out, "ec2", "describe-availability-zones"))
	require.Equal(t, "ec2 describe-availability-zones --output json --region eu-west-1 --profile club", out.Arguments)
	write(`echo "An error occurred (RepositoryNotFoundException) when calling the DescribeRepositories operation" >&2; exit 254`)
	err := ask(t.Context(), &out, "ecr", "describe-repositories")
	require.True(t, isCode(err, "RepositoryNotFoundException"), err)
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, ask(t.Context(), &out, "sts", "get-caller-identity"), "the AWS CLI is not on PATH")
}
