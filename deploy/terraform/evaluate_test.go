package terraform_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// functions are those of Terraform's that the evaluated expressions call.
var functions = map[string]function.Function{
	"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "regex": stdlib.RegexFunc, "split": stdlib.SplitFunc, "sort": stdlib.SortFunc,
	"setunion": stdlib.SetUnionFunc, "merge": stdlib.MergeFunc, "keys": stdlib.KeysFunc, "pow": stdlib.PowFunc, "flatten": stdlib.FlattenFunc,
	"jsonencode": stdlib.JSONEncodeFunc, "yamlencode": stdlib.JSONEncodeFunc, // JSON is YAML
	"coalesce": stdlib.CoalesceFunc, "tostring": stdlib.MakeToFunc(cty.String), "length": stdlib.LengthFunc, "values": stdlib.ValuesFunc,
	"alltrue": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}}, Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for it := args[0].ElementIterator(); it.Next(); {
				if _, value := it.Element(); value.False() {
					return cty.False, nil
				}
			}
			return cty.True, nil
		},
	}),
}

// evaluator computes expressions of one module without Terraform.
type evaluator struct {
	t      *testing.T
	module *module
	scope  map[string]cty.Value // var, module, aws_… as they are given
	locals map[string]hclsyntax.Expression
}

// newEvaluator returns an evaluator of a module's folder with these variables, each
// as a value of Go's that JSON knows. Other objects may be given by their type,
// as in aws_ecr_repository.
func newEvaluator(t *testing.T, dir string, given map[string]any) *evaluator {
	t.Helper()
	e := &evaluator{t: t, module: modules(t)[dir], scope: map[string]cty.Value{}, locals: map[string]hclsyntax.Expression{}}
	variables := map[string]cty.Value{}
	for name, block := range e.module.declared {
		if name, isVariable := strings.CutPrefix(name, "var."); isVariable {
			if fallback := block.Body.Attributes["default"]; fallback != nil {
				value, problems := fallback.Expr.Value(nil)
				require.False(t, problems.HasErrors(), problems)
				variables[name] = value
			}
		}
	}
	for name, value := range given {
		if name, other := strings.CutPrefix(name, "="); other {
			e.scope[name] = asValue(t, value)
			continue
		}
		require.Contains(t, e.module.declared, "var."+name)
		variables[name] = asValue(t, value)
	}
	e.scope["var"] = cty.ObjectVal(variables)
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	require.NoError(t, err)
	for _, path := range paths {
		for _, block := range body(t, path).Blocks {
			if block.Type == "locals" {
				for name, attribute := range block.Body.Attributes {
					e.locals[name] = attribute.Expr
				}
			}
		}
	}
	return e
}

func asValue(t *testing.T, value any) cty.Value {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	typ, err := ctyjson.ImpliedType(text)
	require.NoError(t, err)
	result, err := ctyjson.Unmarshal(text, typ)
	require.NoError(t, err)
	return result
}

// value computes an expression, and before it the locals that it reads.
func (e *evaluator) value(expr hclsyntax.Expression) cty.Value {
	e.t.Helper()
	locals := map[string]cty.Value{}
	for _, to := range expr.Variables() {
		if to.RootName() == "local" {
			name := second(e.t, to)
			if _, done := locals[name]; !done {
				require.Contains(e.t, e.locals, name)
				locals[name] = e.value(e.locals[name])
			}
		}
	}
	scope := maps.Clone(e.scope)
	scope["local"] = cty.ObjectVal(locals)
	result, problems := expr.Value(&hcl.EvalContext{Variables: scope, Functions: functions})
	require.False(e.t, problems.HasErrors(), problems)
	return result
}

// second is what follows the root of a reference, as the name in local.name.
func second(t *testing.T, to hcl.Traversal) string {
	t.Helper()
	attribute, ok := to[1].(hcl.TraverseAttr)
	require.True(t, ok)
	return attribute.Name
}

// local decodes a local into out.
func (e *evaluator) local(name string, out any) {
	e.t.Helper()
	require.Contains(e.t, e.locals, name)
	e.decode(e.value(e.locals[name]), out)
}

func (e *evaluator) decode(value cty.Value, out any) {
	e.t.Helper()
	text, err := ctyjson.Marshal(value, value.Type())
	require.NoError(e.t, err)
	require.NoError(e.t, json.Unmarshal(text, out), string(text))
}

// policy decodes an argument of a resource that is a policy in JSON.
func (e *evaluator) policy(resource, argument string) (p policy) {
	e.t.Helper()
	require.Contains(e.t, e.module.declared, resource)
	text := e.value(e.module.declared[resource].Body.Attributes[argument].Expr).AsString()
	require.NoError(e.t, json.Unmarshal([]byte(text), &p), text)
	return p
}

type policy struct {
	Statement []struct {
		Effect    string
		Action    any
		Condition map[string]map[string]any
	}
}

// admits reports whether a trust policy lets in a job with that subject.
func (p policy) admits(t *testing.T, subject string) bool {
	t.Helper()
	require.Len(t, p.Statement, 1)
	const key = "token.actions.githubusercontent.com:sub"
	for operator, conditions := range p.Statement[0].Condition {
		for name, want := range conditions {
			if name != key {
				continue
			}
			switch operator {
			case "StringEquals":
				return want == subject
			case "StringLike":
				text, ok := want.(string)
				require.True(t, ok, "one pattern")
				pattern := strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, ".*")
				return regexp.MustCompile("^" + pattern + "$").MatchString(subject)
			}
			require.Fail(t, operator)
		}
	}
	require.Fail(t, "a trust policy without a subject lets in every repository")
	return false
}

// TestWhoMayAssumeTheRoles: jobs of repositories created, renamed or transferred
// since 15 July 2026 name the IDs of owner and repository, those of older ones do
// not. Deployments need the environment, and with it its approval; a tag is
// enough to push images only.
func TestWhoMayAssumeTheRoles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ids     any
		subject string
		deploy  bool
		images  bool
	}{
		"older, environment":           {nil, "repo:club/results:environment:production", true, false},
		"older, tag":                   {nil, "repo:club/results:ref:refs/tags/v1.2.3", false, true},
		"older, branch":                {nil, "repo:club/results:ref:refs/heads/main", false, false},
		"older, pull request":          {nil, "repo:club/results:pull_request", false, false},
		"older, another environment":   {nil, "repo:club/results:environment:staging", false, false},
		"older, another repository":    {nil, "repo:club/results-2:environment:production", false, false},
		"newer, environment":           {map[string]int{"owner": 12, "repository": 34}, "repo:club@12/results@34:environment:production", true, false},
		"newer, tag":                   {map[string]int{"owner": 12, "repository": 34}, "repo:club@12/results@34:ref:refs/tags/v1.2.3", false, true},
		"newer, a name that was freed": {map[string]int{"owner": 12, "repository": 34}, "repo:club/results:environment:production", false, false},
		"newer, another owner":         {map[string]int{"owner": 12, "repository": 34}, "repo:club@99/results@34:environment:production", false, false},
		"newer, environment like a tag": {
			map[string]int{"owner": 12, "repository": 34}, "repo:club@12/results@34:environment:production:ref:refs/tags/v1", false, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvaluator(t, ".", map[string]any{
				"environment": "production", "github_repository": "club/results", "github_ids": test.ids, "region": "us-east-1",
				"=data": map[string]any{"aws_caller_identity": map[string]any{"this": map[string]string{"account_id": "123456789012"}}},
			})
			require.Equal(t, test.deploy, e.policy("aws_iam_role.deploy", "assume_role_policy").admits(t, test.subject))
			require.Equal(t, test.images, e.policy("aws_iam_role.images", "assume_role_policy").admits(t, test.subject))
		})
	}
}

// TestTagsOnlyPush: the role of tags reaches the registry and nothing else, and
// the role that deploys cannot replace an image.
func TestTagsOnlyPush(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("release.tf")
	require.NoError(t, err)
	images := between(t, string(text), `resource "aws_iam_role_policy" "images"`, "\n}\n")
	for _, action := range regexp.MustCompile(`"([a-z]+):[A-Z]\w+"`).FindAllStringSubmatch(images, -1) {
		require.Equal(t, "ecr", action[1])
	}
	deploy := between(t, string(text), `resource "aws_iam_role_policy" "deploy"`, "\n}\n")
	require.NotContains(t, deploy, "ecr:PutImage")
	require.Contains(t, deploy, "ecs:UpdateService")
}

func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, begin)
	require.True(t, found, begin)
	inner, _, found := strings.Cut(rest, end)
	require.True(t, found, begin)
	return inner
}

func TestZonesThatLackSomething(t *testing.T) {
	t.Parallel()
	excluded := func(architecture string) (zones []string) {
		newEvaluator(t, ".", map[string]any{"cpu_architecture": architecture, "excluded_zones": []string{"euc1-az3"}}).local("excluded_zones", &zones)
		return zones
	}
	require.Equal(t, []string{"apne1-az3", "cac1-az3", "euc1-az3", "use1-az3", "usw1-az2"}, excluded("ARM64"))
	require.NotContains(t, excluded("X86_64"), "use1-az3")
	zones := modules(t)["."].declared["data.aws_availability_zones.this"].Body.Attributes["exclude_zone_ids"]
	require.Equal(t, "excluded_zones", second(t, zones.Expr.Variables()[0]))
}

// TestRegistryOfAnotherAccount: the images, and what may be pulled, follow it.
func TestRegistryOfAnotherAccount(t *testing.T) {
	t.Parallel()
	for registry, account := range map[any]string{nil: "123456789012", "210987654321.dkr.ecr.eu-west-1.amazonaws.com": "210987654321"} {
		e := newEvaluator(t, ".", map[string]any{
			"region": "eu-west-1", "registry": registry,
			"=data": map[string]any{"aws_caller_identity": map[string]any{"this": map[string]string{"account_id": "123456789012"}}},
		})
		var images, arns map[string]string
		e.local("images", &images)
		e.local("repository_arns", &arns)
		require.Equal(t, account+".dkr.ecr.eu-west-1.amazonaws.com/mrmrthon/worker", images["worker"])
		require.Equal(t, "arn:aws:ecr:eu-west-1:"+account+":repository/mrmrthon/api", arns["api"])
	}
}

// TestVariablesAreValidated tries values on the validations of variables.
func TestVariablesAreValidated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		variable string
		value    any
		valid    bool
	}{
		{"github_repository", "mrmrthon/mrmrthon", true},
		{"github_repository", "mrmrthon@1/mrmrthon@2", false}, // IDs have a variable of their own
		{"github_ids", nil, true},
		{"github_ids", map[string]int{"owner": 12, "repository": 34}, true},
		{"github_ids", map[string]int{"owner": 0, "repository": 34}, false},
		{"registry", nil, true},
		{"registry", "210987654321.dkr.ecr.us-east-1.amazonaws.com", true},
		{"registry", "210987654321.dkr.ecr.eu-west-1.amazonaws.com", false},
		{"registry", "ghcr.io/mrmrthon", false},
		{"registry_readers", []string{"210987654321"}, true},
		{"registry_readers", []string{"21098765432"}, false},
		{"excluded_zones", []string{"use1-az3", "apne1-az3"}, true},
		{"excluded_zones", []string{"us-east-1a"}, false},
		{"backup_lock_grace_days", nil, true},
		{"backup_lock_grace_days", 3, true},
		{"backup_lock_grace_days", 2, false},
		{"slack", map[string]string{"team_id": "T0123ABCD", "channel_id": "C0123ABCD"}, true},
		{"slack", map[string]string{"team_id": "club", "channel_id": "#races"}, false},
	} {
		e := newEvaluator(t, ".", map[string]any{test.variable: test.value, "create_registry": test.variable != "registry" || test.value == nil})
		valid := true
		for _, block := range e.module.declared["var."+test.variable].Body.Blocks {
			valid = valid && e.value(block.Body.Attributes["condition"].Expr).True()
		}
		require.Equal(t, test.valid, valid, "%s = %v", test.variable, test.value)
	}
}

// TestFirewallLetsACityRead: 50,000 people behind one carrier's address who look
// at standings every 10 s. Reads without a login are counted apart from all else.
func TestFirewallLetsACityRead(t *testing.T) {
	t.Parallel()
	const city, everySeconds, window = 50000, 10, 300
	var limit int
	e := newEvaluator(t, ".", nil)
	e.decode(e.scope["var"].GetAttr("read_limit"), &limit)
	require.GreaterOrEqual(t, limit, city*window/everySeconds)

	text, err := os.ReadFile("modules/edge/firewall.tf")
	require.NoError(t, err)
	rules := map[string]string{}
	for _, rule := range strings.Split(string(text), "\n  rule {\n")[1:] {
		name := regexp.MustCompile(`name += "([a-z-]+)"`).FindStringSubmatch(rule)
		require.Len(t, name, 2)
		rules[name[1]] = rule
	}
	require.Contains(t, rules["public-reads"], "rule_label")
	require.Contains(t, rules["public-reads"], `"authorization"`)
	priority := func(name string) int {
		found := regexp.MustCompile(`priority = (\d+)`).FindStringSubmatch(rules[name])
		require.Len(t, found, 2, name)
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		return n
	}
	for _, name := range []string{"reads", "requests"} {
		require.Greater(t, priority(name), priority("public-reads"), "%s counts by a label that is not there yet", name)
		require.Contains(t, rules[name], `key   = "public-read"`, name)
		require.Equal(t, name == "requests", strings.Contains(rules[name], "not_statement"), name)
	}
	require.Contains(t, rules["reads"], "var.read_limit")
	require.Contains(t, rules["requests"], "var.request_limit")
}

// TestFirewallLetsFilesThrough: a managed rule about bodies refuses what is larger than
// 8 KB, and takes parts of workbooks for attacks.
func TestFirewallLetsFilesThrough(t *testing.T) {
	t.Parallel()
	var groups map[string]struct{ Count []string }
	newEvaluator(t, "modules/edge", nil).local("rule_groups", &groups)
	require.Subset(t, groups["AWSManagedRulesCommonRuleSet"].Count, []string{
		"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY", "RestrictedExtensions_QUERYARGUMENTS",
	})
}

// alarm is one of the locals in modules/observability/alarms.tf.
type alarm struct {
	Text, Metric, Statistic, Missing string
	Over, Under                      *float64
	Minutes                          int
}

// TestAlarmsSeeATotalOutage: what is dead sends nothing, and that is an alarm.
func TestAlarmsSeeATotalOutage(t *testing.T) {
	t.Parallel()
	both := func(a, b any) map[string]any { return map[string]any{"main_db": a, "user_db": b} }
	programs := map[string]string{"api": "a", "worker": "w"}
	e := newEvaluator(t, "modules/observability", map[string]any{
		"name": "mrmrthon-x", "cluster_name": "c", "service_names": programs, "log_groups": programs, "queue_name": "q", "dead_letter_name": "d", "mail_queues": map[string]string{"events": "e", "dead_letters": "ed"},
		"balancer_suffix": "b", "target_group_suffix": "t", "database_clusters": both("m", "u"), "database_memory": both(1, 2),
		"serverless": both(true, false), "storage_alarm_bytes": 3, "connection_limit": 4,
	})
	var alarms map[string]alarm
	e.local("alarms", &alarms)
	count := 0
	for _, part := range []string{"path_alarms", "mail_alarms", "service_alarms", "database_alarms", "capacity_alarms", "log_alarms"} {
		var some map[string]alarm
		e.local(part, &some)
		count += len(some)
	}
	require.Len(t, alarms, count, "two alarms have one name")
	for name, a := range alarms {
		require.NotEqual(t, a.Over == nil, a.Under == nil, "%s: over or under", name)
		require.True(t, a.Minutes < 60 || a.Minutes%60 == 0, name)
	}
	for _, name := range []string{"api-no-target", "api-gone", "worker-gone"} {
		require.Equal(t, "breaching", alarms[name].Missing, name)
		require.LessOrEqual(t, alarms[name].Minutes, 3, name)
	}
	require.Equal(t, "HealthyHostCount", alarms["api-no-target"].Metric)
	for _, name := range []string{
		"balancer-errors", "api-errors", "api-memory", "worker-memory", "main_db-memory", "main_db-storage", "user_db-volume", "main_db-capacity",
	} {
		require.Contains(t, alarms, name)
	}
	require.NotContains(t, alarms, "user_db-capacity", "a fixed class has no capacity to use up")
	book, err := os.ReadFile("../prometheus/RUNBOOK.md")
	require.NoError(t, err)
	for name, a := range alarms {
		sections, _, found := strings.Cut(a.Text, ": ")
		for section := range strings.SplitSeq(sections, ", ") {
			if found && regexp.MustCompile(`^[A-Z]\w+$`).MatchString(section) {
				require.Contains(t, string(book), "\n## "+section+"\n", name)
			}
		}
	}
	text, err := os.ReadFile("modules/observability/alarms.tf")
	require.NoError(t, err)
	require.Contains(t, string(text), `"5xxErrorRate"`)
}

// TestCollector: each task's collector names the task in the label instance, and
// takes traces on the address that the programs are given.
func TestCollector(t *testing.T) {
	t.Parallel()
	e := newEvaluator(t, "modules/task", map[string]any{
		"container": "api", "region": "eu-west-1",
		"metrics":                   map[string]any{"port": 8080, "image": "collector:v1", "workspace_arn": "arn", "write_url": "https://aps"},
		"=aws_cloudwatch_log_group": map[string]any{"this": map[string]string{"name": "/api"}},
	})
	var collectors []struct {
		Essential   bool
		Environment []struct{ Name, Value string }
	}
	e.local("collectors", &collectors)
	require.Len(t, collectors, 1)
	require.False(t, collectors[0].Essential, "the program goes on without it")
	var config struct {
		Receivers struct {
			OTLP struct {
				Protocols struct{ HTTP struct{ Endpoint string } }
			}
		}
		Processors struct {
			Resource struct {
				Attributes []struct {
					Key, Action   string
					FromAttribute string `json:"from_attribute"`
				}
			}
		}
		Service struct {
			Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(collectors[0].Environment[0].Value), &config))
	require.Equal(t, []string{"awsxray"}, config.Service.Pipelines["traces"].Exporters)
	for name, pipeline := range config.Service.Pipelines {
		require.Less(t, slices.Index(pipeline.Processors, "resourcedetection"), slices.Index(pipeline.Processors, "resource"), name)
	}
	require.Equal(t, "service.instance.id", config.Processors.Resource.Attributes[1].Key)
	settings, err := os.ReadFile("settings.tf")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(settings), `OTEL_EXPORTER_OTLP_ENDPOINT = "http://`+config.Receivers.OTLP.Protocols.HTTP.Endpoint+`"`))
	var rights []struct{ Sid string }
	e.local("collector_rights", &rights)
	require.Len(t, rights, 2)
}

// TestIdleConnections: a server that closes idle connections before the load
// balancer does answers now and then with 502, and so does the balancer before
// CloudFront.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	seconds := func(path, pattern string) int {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		require.Len(t, found, 2, "%s: %s", path, pattern)
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		return n
	}
	balancer := seconds("modules/edge/balancer.tf", `idle_timeout\s+= (\d+)`)
	require.Greater(t, seconds("../../api/stop.go", `idleTimeout = (\d+) \* time.Second`), balancer)
	require.Greater(t, balancer, seconds("modules/edge/cdn.tf", `origin_keepalive_timeout = (\d+)`))
}
