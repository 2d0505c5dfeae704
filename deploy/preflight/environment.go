package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// environment is what preflight reads of an environment's .tfvars files, with
// the defaults of variables.tf.
type environment struct {
	profile string
	account string // ID, once it is known

	Name       string `json:"environment"`
	Region     string `json:"region"`
	Zone       string `json:"zone"`
	Domain     string `json:"domain"`
	NAT        string `json:"nat"`
	CPU        string `json:"cpu_architecture"`
	Exclude    []string
	API        tasks    `json:"api"`
	Worker     tasks    `json:"worker"`
	Slack      *slackID `json:"slack"`
	Repository string   `json:"github_repository"`
	IDs        *struct {
		Owner      int64 `json:"owner"`
		Repository int64 `json:"repository"`
	} `json:"github_ids"`
	CreateProvider bool     `json:"create_github_provider"`
	CreateRegistry bool     `json:"create_registry"`
	Registry       string   `json:"registry"`
	Readers        []string `json:"registry_readers"`

	TemporalAddress     string `json:"temporal_address"`
	TemporalNamespace   string `json:"temporal_namespace"`
	TemporalCredentials string `json:"temporal_credentials"`
	TemporalTLS         bool   `json:"temporal_tls"`
}

type tasks struct {
	CPU float64 `json:"cpu"` // units, 1,024 a vCPU
	Max float64 `json:"max"`
}

type slackID struct {
	Team    string `json:"team_id"`
	Channel string `json:"channel_id"`
}

// readEnvironment reads files as terraform -var-file does: a later one wins.
func readEnvironment(files []string) (environment, error) {
	values := map[string]json.RawMessage{}
	parser := hclparse.NewParser()
	for _, path := range files {
		file, problems := parser.ParseHCLFile(filepath.Clean(path))
		if problems.HasErrors() {
			return environment{}, problems
		}
		attributes, problems := file.Body.JustAttributes()
		if problems.HasErrors() {
			return environment{}, problems
		}
		for name, attribute := range attributes {
			value, problems := attribute.Expr.Value(&hcl.EvalContext{})
			if problems.HasErrors() {
				return environment{}, problems
			}
			text, err := ctyjson.Marshal(value, value.Type())
			if err != nil {
				return environment{}, fmt.Errorf("%s: %s: %w", path, name, err)
			}
			values[name] = text
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return environment{}, err
	}
	env := environment{
		Region: "us-east-1", CPU: "ARM64", Repository: "mrmrthon/mrmrthon", CreateProvider: true, CreateRegistry: true, TemporalTLS: true,
	}
	if err := json.Unmarshal(text, &env); err != nil {
		return environment{}, fmt.Errorf("%v: %w", files, err)
	}
	if more := values["excluded_zones"]; more != nil {
		if err := json.Unmarshal(more, &env.Exclude); err != nil {
			return environment{}, fmt.Errorf("%v: excluded_zones: %w", files, err)
		}
	}
	for name, value := range map[string]string{
		"environment": env.Name, "zone": env.Zone, "domain": env.Domain, "nat": env.NAT,
		"temporal_address": env.TemporalAddress, "temporal_namespace": env.TemporalNamespace, "temporal_credentials": env.TemporalCredentials,
	} {
		if value == "" {
			return environment{}, fmt.Errorf("%v: %s is not set", files, name)
		}
	}
	return env, nil
}

// withoutSomething are the zones that main.tf leaves out, a test compares them.
var (
	withoutSomething  = []string{"usw1-az2", "apne1-az3", "cac1-az3"}
	withoutFargateARM = []string{"use1-az3"}
)
