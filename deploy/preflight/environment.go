package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// environment is the part of an environment's .tfvars files that preflight reads, with
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

// withoutSomething lists the zones that main.tf leaves out; a test compares them.
var (
	withoutSomething  = []string{"usw1-az2", "apne1-az3", "cac1-az3"}
	withoutFargateARM = []string{"use1-az3"}
)

// github reads a repository's settings.
type github struct {
	base, token string
}

// immutableSince is when GitHub began to put the IDs of owner and repository into the
// OIDC subjects of new, renamed and transferred repositories.
var immutableSince = time.Date(2026, time.July, 15, 0, 0, 0, 0, time.UTC)

func (g github) get(ctx context.Context, path string, answer any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	client := &http.Client{Timeout: 20 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return res.StatusCode, fmt.Errorf("GitHub answers %s to GET %s", res.Status, path)
	}
	return res.StatusCode, json.Unmarshal(text, answer)
}

func checkGitHub(ctx context.Context, r *report, env *environment, g github) {
	var repository struct {
		ID        int64     `json:"id"`
		FullName  string    `json:"full_name"`
		CreatedAt time.Time `json:"created_at"`
		Owner     struct {
			ID int64 `json:"id"`
		} `json:"owner"`
	}
	if _, err := g.get(ctx, "/repos/"+env.Repository, &repository); err != nil {
		r.add(env, unknown, "repository %s: %v; set GITHUB_TOKEN if it is private", env.Repository, err)
		return
	}
	want := fmt.Sprintf("github_ids = { owner = %d, repository = %d }", repository.Owner.ID, repository.ID)
	switch {
	case repository.FullName != env.Repository:
		r.add(env, bad, "the repository is called %s now, not %s: subjects of OIDC tokens carry the present name", repository.FullName, env.Repository)
	case env.IDs != nil && (env.IDs.Owner != repository.Owner.ID || env.IDs.Repository != repository.ID):
		r.add(env, bad, "github_ids are not those of %s: %s", env.Repository, want)
	case env.IDs == nil && repository.CreatedAt.After(immutableSince):
		r.add(env, bad, "%s is newer than 15 July 2026, so its OIDC subjects carry IDs: %s", env.Repository, want)
	case env.IDs == nil:
		r.add(env, unknown, "%s is older than 15 July 2026; if it was renamed or transferred since, or opted in to immutable subjects, it needs %s", env.Repository, want)
	default:
		r.add(env, good, "subjects of OIDC tokens carry the IDs of %s", env.Repository)
	}
	var found struct {
		Rules []struct {
			Type string `json:"type"`
		} `json:"protection_rules"`
		Policy *struct{} `json:"deployment_branch_policy"`
	}
	status, err := g.get(ctx, "/repos/"+env.Repository+"/environments/"+env.Name, &found)
	if status == http.StatusNotFound {
		r.add(env, bad, "the repository has no environment %s: create it with its variables (terraform output -json pipeline)", env.Name)
		return
	}
	if err != nil {
		r.add(env, unknown, "environment %s: %v", env.Name, err)
		return
	}
	approved := false
	for _, rule := range found.Rules {
		approved = approved || rule.Type == "required_reviewers"
	}
	if env.Name == "production" {
		r.expect(env, approved, "deployments to production need an approval",
			"the GitHub environment production has no required reviewers: anybody who may push a tag could deploy")
	}
	r.expect(env, found.Policy != nil, "the GitHub environment is limited to certain branches and tags",
		"any branch may deploy to the GitHub environment: limit it to main and tags v*")
}
