package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// account makes one call of the AWS CLI and decodes the answer into out. An error of the
// service is a *serviceError. It uses the CLI instead of the SDK, because anybody who
// applies Terraform has it, and the SDK's modules for these services take longer to
// compile than the rest of the project.
type account func(ctx context.Context, out any, args ...string) error

// serviceError is the AWS CLI's output for a call that a service refused.
type serviceError struct {
	code string // such as AccessDenied
	text string
}

func (e *serviceError) Error() string { return e.text }

func isCode(err error, code string) bool {
	refused, ok := errors.AsType[*serviceError](err)
	return ok && refused.code == code
}

var codeInText = regexp.MustCompile(`An error occurred \((\w+)\)`)

// awsAccount uses the account of a profile, or the default credentials if it is empty.
func awsAccount(profile, region string) account {
	return func(ctx context.Context, out any, args ...string) error {
		args = append(args, "--output", "json")
		if !slices.Contains(args, "--region") {
			args = append(args, "--region", region)
		}
		if profile != "" {
			args = append(args, "--profile", profile)
		}
		answer, err := exec.CommandContext(ctx, "aws", args...).Output()
		failed, ran := errors.AsType[*exec.ExitError](err)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return errors.New("the AWS CLI is not on PATH: see https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html")
		case ran:
			refused := &serviceError{text: strings.TrimSpace(string(failed.Stderr))}
			if match := codeInText.FindStringSubmatch(refused.text); match != nil {
				refused.code = match[1]
			}
			return refused
		case err != nil:
			return err
		}
		return json.Unmarshal(answer, out)
	}
}

func checkEnvironment(ctx context.Context, r *report, env *environment, ask outside) {
	aws := ask.account(env.profile, env.Region)
	var who struct{ Account string }
	if err := aws(ctx, &who, "sts", "get-caller-identity"); err != nil {
		r.add(env, bad, "credentials of profile %q: %v", env.profile, err)
	} else {
		env.account = who.Account
		r.add(env, good, "credentials: account %s", env.account)
		checkZones(ctx, r, env, aws)
		checkQuotas(ctx, r, env, aws)
		checkDNS(ctx, r, env, aws)
		checkProvider(ctx, r, env, aws)
		checkRegistry(ctx, r, env, aws)
		checkSlack(ctx, r, env, aws)
	}
	checkGitHub(ctx, r, env, ask.github)
	checkTemporal(ctx, r, env, ask.temporal)
}

// checkZones requires two zones that have everything that main.tf needs.
func checkZones(ctx context.Context, r *report, env *environment, aws account) {
	var out struct {
		AvailabilityZones []struct{ ZoneName, ZoneId, State, OptInStatus string } //nolint:revive,staticcheck // ZoneId is the service's name
	}
	if err := aws(ctx, &out, "ec2", "describe-availability-zones"); err != nil {
		r.add(env, unknown, "zones of %s: %v", env.Region, err)
		return
	}
	excluded := slices.Concat(withoutSomething, env.Exclude)
	if env.CPU == "ARM64" {
		excluded = append(excluded, withoutFargateARM...)
	}
	var usable []string
	for _, zone := range out.AvailabilityZones {
		if zone.OptInStatus == "opt-in-not-required" && zone.State == "available" && !slices.Contains(excluded, zone.ZoneId) {
			usable = append(usable, zone.ZoneName+" ("+zone.ZoneId+")")
		}
	}
	r.expect(env, len(usable) >= 2, "zones: "+strings.Join(usable, ", "),
		fmt.Sprintf("zones: %s has %d with VPC origins and Fargate on %s, two are needed: take another region", env.Region, len(usable), env.CPU))
}

// quota is a limit of the account and the environment's need.
type quota struct {
	service, code string
	name          string // a part of the quota's name, so that a code that means something else is noticed
	needed        float64
}

func quotasOf(env *environment) []quota {
	gateways := 1.0
	if env.NAT == "per_zone" {
		gateways = 2
	}
	// During a rolling update old and new tasks and the migrations run at the same time.
	vCPU := 2*(env.API.CPU*env.API.Max+env.Worker.CPU*env.Worker.Max)/1024 + 1
	return []quota{
		{"fargate", "L-3032A538", "vCPU", vCPU},
		{"ec2", "L-0263D0A3", "Elastic IP", gateways},
		{"vpc", "L-F678F1CE", "VPCs", 1},
		{"rds", "L-952B80B8", "cluster", 2},
	}
}

// checkQuotas compares the limits of the account, not what is left of them, since no
// single call returns what is in use.
func checkQuotas(ctx context.Context, r *report, env *environment, aws account) {
	for _, q := range quotasOf(env) {
		var out struct {
			Quota struct {
				QuotaName string
				Value     float64
			}
		}
		call := func(name string) error {
			return aws(ctx, &out, "service-quotas", name, "--service-code", q.service, "--quota-code", q.code)
		}
		err := call("get-service-quota")
		if isCode(err, "NoSuchResourceException") { // one that was never used or changed
			err = call("get-aws-default-service-quota")
		}
		switch found := out.Quota; {
		case err != nil:
			r.add(env, unknown, "quota %s %s: %v", q.service, q.code, err)
		case !strings.Contains(found.QuotaName, q.name):
			r.add(env, unknown, "quota %s %s is called %q now: compare it by hand", q.service, q.code, found.QuotaName)
		default:
			text := fmt.Sprintf("quota %s: %g, this environment needs %g", found.QuotaName, found.Value, q.needed)
			r.expect(env, found.Value >= q.needed, text, text+": ask for more in Service Quotas, which can take days")
		}
	}
}

func checkDNS(ctx context.Context, r *report, env *environment, aws account) {
	var out struct {
		HostedZones []struct {
			Name   string
			Config struct{ PrivateZone bool }
		}
	}
	if err := aws(ctx, &out, "route53", "list-hosted-zones-by-name", "--dns-name", env.Zone); err != nil {
		r.add(env, unknown, "hosted zone %s: %v", env.Zone, err)
		return
	}
	public := 0
	for _, zone := range out.HostedZones {
		if strings.TrimSuffix(zone.Name, ".") == env.Zone && !zone.Config.PrivateZone {
			public++
		}
	}
	r.expect(env, public == 1, "hosted zone "+env.Zone,
		fmt.Sprintf("the account has %d public hosted zones %s, one is needed", public, env.Zone))
	r.expect(env, env.Domain == env.Zone || strings.HasSuffix(env.Domain, "."+env.Zone),
		"domain "+env.Domain, fmt.Sprintf("the domain %s is not in the zone %s", env.Domain, env.Zone))
}

const githubIssuer = "token.actions.githubusercontent.com"

func checkProvider(ctx context.Context, r *report, env *environment, aws account) {
	var out struct {
		OpenIDConnectProviderList []struct{ Arn string }
	}
	if err := aws(ctx, &out, "iam", "list-open-id-connect-providers"); err != nil {
		r.add(env, unknown, "OIDC provider: %v", err)
		return
	}
	exists := false
	for _, provider := range out.OpenIDConnectProviderList {
		exists = exists || strings.HasSuffix(provider.Arn, "/"+githubIssuer)
	}
	switch {
	case exists && env.CreateProvider:
		r.add(env, bad, "the account has the OIDC provider of GitHub already: set create_github_provider = false (or import it)")
	case !exists && !env.CreateProvider:
		r.add(env, unknown, "the account has no OIDC provider of GitHub and create_github_provider is false: apply the environment that creates it first")
	default:
		r.add(env, good, "OIDC provider of GitHub")
	}
}

var repositories = []string{"mrmrthon/api", "mrmrthon/worker"}

func checkRegistry(ctx context.Context, r *report, env *environment, aws account) {
	for _, name := range repositories {
		call := []string{"ecr", "describe-repositories", "--repository-names", name}
		if env.Registry != "" {
			id, _, _ := strings.Cut(env.Registry, ".")
			call = append(call, "--registry-id", id)
		}
		err := aws(ctx, &struct{}{}, call...)
		missing := isCode(err, "RepositoryNotFoundException")
		switch {
		case err != nil && !missing:
			r.add(env, unknown, "image repository %s: %v", name, err)
		case env.CreateRegistry && err == nil:
			r.add(env, bad, "the image repository %s exists already: set create_registry = false (or import it)", name)
		case !env.CreateRegistry && missing:
			r.add(env, unknown, "there is no image repository %s and create_registry is false: apply the environment that creates it first", name)
		default:
			r.add(env, good, "image repository %s", name)
		}
	}
}

// checkSlack: Terraform cannot authorize a workspace, and a channel can have one
// configuration only.
func checkSlack(ctx context.Context, r *report, env *environment, aws account) {
	if env.Slack == nil {
		r.add(env, good, "Slack is off")
		return
	}
	var spaces struct {
		SlackWorkspaces []struct{ SlackTeamId string } //nolint:revive,staticcheck // the service's name
	}
	// The service that posts to Slack has one endpoint for all regions.
	if err := aws(ctx, &spaces, "chatbot", "describe-slack-workspaces", "--region", slackRegion); err != nil {
		r.add(env, unknown, "Slack: %v", err)
		return
	}
	authorized := false
	for _, space := range spaces.SlackWorkspaces {
		authorized = authorized || space.SlackTeamId == env.Slack.Team
	}
	r.expect(env, authorized, "Slack workspace "+env.Slack.Team, fmt.Sprintf(
		"the Slack workspace %s is not authorized: open the console of Amazon Q Developer in chat applications and choose Configure new client", env.Slack.Team))
	var taken struct {
		SlackChannelConfigurations []struct{ SlackChannelId, ConfigurationName string } //nolint:revive,staticcheck // the service's name
	}
	if err := aws(ctx, &taken, "chatbot", "describe-slack-channel-configurations", "--region", slackRegion); err != nil {
		r.add(env, unknown, "Slack channels: %v", err)
		return
	}
	ours := "mrmrthon-" + env.Name + "-alarms"
	for _, channel := range taken.SlackChannelConfigurations {
		if channel.SlackChannelId == env.Slack.Channel && channel.ConfigurationName != ours {
			r.add(env, bad, "the Slack channel %s has the configuration %s already: take another channel", env.Slack.Channel, channel.ConfigurationName)
		}
	}
}

const slackRegion = "us-east-2"

// checkTogether compares the environments with each other.
func checkTogether(r *report, all []environment) {
	creators := map[string][]string{}
	for i := range all {
		env := &all[i]
		if env.account == "" {
			continue // who it is could not be asked
		}
		if env.CreateProvider {
			creators["the OIDC provider in "+env.account] = append(creators["the OIDC provider in "+env.account], env.Name)
		}
		if env.CreateRegistry {
			creators["a registry"] = append(creators["a registry"], env.Name)
		}
		if env.Slack != nil {
			creators["the Slack channel "+env.Slack.Channel] = append(creators["the Slack channel "+env.Slack.Channel], env.Name)
		}
		creators["the name "+env.Name] = append(creators["the name "+env.Name], env.Name)
		creators["the domain "+env.Domain] = append(creators["the domain "+env.Domain], env.Name)
		for j := range all {
			owner := &all[j]
			if env.Registry == "" || owner.account == "" || !strings.HasPrefix(env.Registry, owner.account+".") || owner.account == env.account {
				continue
			}
			r.expect(env, slices.Contains(owner.Readers, env.account), "may pull from the registry of "+owner.Name, fmt.Sprintf(
				"pulls images from %s, whose registry_readers do not name the account %s", owner.Name, env.account))
		}
	}
	for what, names := range creators {
		if len(names) > 1 {
			r.add(&environment{Name: "all"}, bad, "%s is claimed by %s: one environment only", what, strings.Join(names, " and "))
		}
	}
}
