package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/chatbot"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	quotatypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// account is an AWS account, each service as far as it is asked here.
type account struct {
	identity identityAPI
	zones    zonesAPI
	quotas   quotasAPI
	iam      providersAPI
	slack    slackAPI
	dns      dnsAPI
	registry registryAPI
}

type identityAPI interface {
	GetCallerIdentity(ctx context.Context, in *sts.GetCallerIdentityInput, opts ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

type zonesAPI interface {
	DescribeAvailabilityZones(ctx context.Context, in *ec2.DescribeAvailabilityZonesInput, opts ...func(*ec2.Options)) (*ec2.DescribeAvailabilityZonesOutput, error)
}

type quotasAPI interface {
	GetServiceQuota(ctx context.Context, in *servicequotas.GetServiceQuotaInput, opts ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error)
	GetAWSDefaultServiceQuota(ctx context.Context, in *servicequotas.GetAWSDefaultServiceQuotaInput, opts ...func(*servicequotas.Options)) (*servicequotas.GetAWSDefaultServiceQuotaOutput, error)
}

type providersAPI interface {
	ListOpenIDConnectProviders(ctx context.Context, in *iam.ListOpenIDConnectProvidersInput, opts ...func(*iam.Options)) (*iam.ListOpenIDConnectProvidersOutput, error)
}

type slackAPI interface {
	DescribeSlackWorkspaces(ctx context.Context, in *chatbot.DescribeSlackWorkspacesInput, opts ...func(*chatbot.Options)) (*chatbot.DescribeSlackWorkspacesOutput, error)
	DescribeSlackChannelConfigurations(ctx context.Context, in *chatbot.DescribeSlackChannelConfigurationsInput, opts ...func(*chatbot.Options)) (*chatbot.DescribeSlackChannelConfigurationsOutput, error)
}

type dnsAPI interface {
	ListHostedZonesByName(ctx context.Context, in *route53.ListHostedZonesByNameInput, opts ...func(*route53.Options)) (*route53.ListHostedZonesByNameOutput, error)
}

type registryAPI interface {
	DescribeRepositories(ctx context.Context, in *ecr.DescribeRepositoriesInput, opts ...func(*ecr.Options)) (*ecr.DescribeRepositoriesOutput, error)
}

// awsAccount opens the account of a profile; empty takes the usual credentials.
func awsAccount(ctx context.Context, profile, region string) (account, error) {
	options := []func(*config.LoadOptions) error{config.WithRegion(region)}
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return account{}, fmt.Errorf("AWS profile %q: %w", profile, err)
	}
	return account{
		identity: sts.NewFromConfig(cfg), zones: ec2.NewFromConfig(cfg), quotas: servicequotas.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg),
		// The service that posts to Slack has one endpoint for all regions.
		slack: chatbot.NewFromConfig(cfg, func(o *chatbot.Options) { o.Region = "us-east-2" }),
		dns:   route53.NewFromConfig(cfg), registry: ecr.NewFromConfig(cfg),
	}, nil
}

func checkEnvironment(ctx context.Context, r *report, env *environment, ask outside) {
	a, err := ask.account(ctx, env.profile, env.Region)
	if err == nil {
		var who *sts.GetCallerIdentityOutput
		if who, err = a.identity.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err == nil {
			env.account = aws.ToString(who.Account)
			r.add(env, good, "credentials: account %s", env.account)
		}
	}
	if err != nil {
		r.add(env, bad, "credentials of profile %q: %v", env.profile, err)
	} else {
		checkZones(ctx, r, env, a.zones)
		checkQuotas(ctx, r, env, a.quotas)
		checkDNS(ctx, r, env, a.dns)
		checkProvider(ctx, r, env, a.iam)
		checkRegistry(ctx, r, env, a.registry)
		checkSlack(ctx, r, env, a.slack)
	}
	checkGitHub(ctx, r, env, ask.github)
	checkTemporal(ctx, r, env, ask.temporal)
}

// checkZones wants two zones that have everything, as main.tf takes them.
func checkZones(ctx context.Context, r *report, env *environment, api zonesAPI) {
	out, err := api.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		r.add(env, unknown, "zones of %s: %v", env.Region, err)
		return
	}
	excluded := slices.Concat(withoutSomething, env.Exclude)
	if env.CPU == "ARM64" {
		excluded = append(excluded, withoutFargateARM...)
	}
	var usable []string
	for _, zone := range out.AvailabilityZones {
		if zone.OptInStatus == "opt-in-not-required" && zone.State == "available" && !slices.Contains(excluded, aws.ToString(zone.ZoneId)) {
			usable = append(usable, aws.ToString(zone.ZoneName)+" ("+aws.ToString(zone.ZoneId)+")")
		}
	}
	r.expect(env, len(usable) >= 2, "zones: "+strings.Join(usable, ", "),
		fmt.Sprintf("zones: %s has %d with VPC origins and Fargate on %s, two are needed: take another region", env.Region, len(usable), env.CPU))
}

// quota is a limit of the account with what the environment needs of it.
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
	// During a rolling update old and new tasks run side by side; migrations run beside them.
	vCPU := 2*(env.API.CPU*env.API.Max+env.Worker.CPU*env.Worker.Max)/1024 + 1
	return []quota{
		{"fargate", "L-3032A538", "vCPU", vCPU},
		{"ec2", "L-0263D0A3", "Elastic IP", gateways},
		{"vpc", "L-F678F1CE", "VPCs", 1},
		{"rds", "L-952B80B8", "cluster", 2},
	}
}

// checkQuotas compares the limits of the account, not what is left of them: what
// is in use already is named by no single call.
func checkQuotas(ctx context.Context, r *report, env *environment, api quotasAPI) {
	for _, q := range quotasOf(env) {
		found, err := serviceQuota(ctx, api, q)
		switch {
		case err != nil:
			r.add(env, unknown, "quota %s %s: %v", q.service, q.code, err)
		case !strings.Contains(aws.ToString(found.QuotaName), q.name):
			r.add(env, unknown, "quota %s %s is called %q now: compare it by hand", q.service, q.code, aws.ToString(found.QuotaName))
		default:
			text := fmt.Sprintf("quota %s: %g, this environment needs %g", aws.ToString(found.QuotaName), aws.ToFloat64(found.Value), q.needed)
			r.expect(env, aws.ToFloat64(found.Value) >= q.needed, text, text+": ask for more in Service Quotas, which can take days")
		}
	}
}

func serviceQuota(ctx context.Context, api quotasAPI, q quota) (*quotatypes.ServiceQuota, error) {
	out, err := api.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &q.service, QuotaCode: &q.code})
	if err == nil {
		return out.Quota, nil
	}
	// A quota that was never used or changed is found among the defaults alone.
	if _, missing := errors.AsType[*quotatypes.NoSuchResourceException](err); !missing {
		return nil, err
	}
	fallback, err := api.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: &q.service, QuotaCode: &q.code})
	if err != nil {
		return nil, err
	}
	return fallback.Quota, nil
}

func checkDNS(ctx context.Context, r *report, env *environment, api dnsAPI) {
	out, err := api.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: &env.Zone})
	if err != nil {
		r.add(env, unknown, "hosted zone %s: %v", env.Zone, err)
		return
	}
	public := 0
	for _, zone := range out.HostedZones {
		if strings.TrimSuffix(aws.ToString(zone.Name), ".") == env.Zone && (zone.Config == nil || !zone.Config.PrivateZone) {
			public++
		}
	}
	r.expect(env, public == 1, "hosted zone "+env.Zone,
		fmt.Sprintf("the account has %d public hosted zones %s, one is needed", public, env.Zone))
	r.expect(env, env.Domain == env.Zone || strings.HasSuffix(env.Domain, "."+env.Zone),
		"domain "+env.Domain, fmt.Sprintf("the domain %s is not in the zone %s", env.Domain, env.Zone))
}

const githubIssuer = "token.actions.githubusercontent.com"

func checkProvider(ctx context.Context, r *report, env *environment, api providersAPI) {
	out, err := api.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		r.add(env, unknown, "OIDC provider: %v", err)
		return
	}
	exists := false
	for _, provider := range out.OpenIDConnectProviderList {
		exists = exists || strings.HasSuffix(aws.ToString(provider.Arn), "/"+githubIssuer)
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

func checkRegistry(ctx context.Context, r *report, env *environment, api registryAPI) {
	for _, name := range repositories {
		in := &ecr.DescribeRepositoriesInput{RepositoryNames: []string{name}}
		if env.Registry != "" {
			id, _, _ := strings.Cut(env.Registry, ".")
			in.RegistryId = &id
		}
		_, err := api.DescribeRepositories(ctx, in)
		_, missing := errors.AsType[*ecrtypes.RepositoryNotFoundException](err)
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
func checkSlack(ctx context.Context, r *report, env *environment, api slackAPI) {
	if env.Slack == nil {
		r.add(env, good, "Slack is off")
		return
	}
	spaces, err := api.DescribeSlackWorkspaces(ctx, &chatbot.DescribeSlackWorkspacesInput{})
	if err != nil {
		r.add(env, unknown, "Slack: %v", err)
		return
	}
	authorized := false
	for _, space := range spaces.SlackWorkspaces {
		authorized = authorized || aws.ToString(space.SlackTeamId) == env.Slack.Team
	}
	r.expect(env, authorized, "Slack workspace "+env.Slack.Team, fmt.Sprintf(
		"the Slack workspace %s is not authorized: open the console of Amazon Q Developer in chat applications and choose Configure new client", env.Slack.Team))
	taken, err := api.DescribeSlackChannelConfigurations(ctx, &chatbot.DescribeSlackChannelConfigurationsInput{})
	if err != nil {
		r.add(env, unknown, "Slack channels: %v", err)
		return
	}
	ours := "mrmrthon-" + env.Name + "-alarms"
	for _, channel := range taken.SlackChannelConfigurations {
		if aws.ToString(channel.SlackChannelId) == env.Slack.Channel && aws.ToString(channel.ConfigurationName) != ours {
			r.add(env, bad, "the Slack channel %s has the configuration %s already: take another channel", env.Slack.Channel, aws.ToString(channel.ConfigurationName))
		}
	}
}

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
