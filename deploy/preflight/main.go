// Preflight checks, before the first terraform apply, what would stop it or the
// first release half way: zones, quotas, the hosted zone, the registry and the
// OIDC provider, Slack, GitHub's environments and the subject of its tokens, and
// Temporal's namespace and search attributes. It changes nothing.
//
//	go run ./deploy/preflight \
//	  -environment staging=deploy/terraform/sizes/small.tfvars,deploy/terraform/staging.tfvars \
//	  -environment production=deploy/terraform/sizes/medium.tfvars,deploy/terraform/production.tfvars
//
// The word before the equals sign is the AWS profile of the environment's account;
// without one (=file,file) the default credentials are used. AWS is queried through the
// AWS CLI, the repository with GITHUB_TOKEN, and the namespace with TEMPORAL_API_KEY (or
// TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY). What cannot be queried is listed as unknown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, outside{
		account: awsAccount, github: github{base: "https://api.github.com", token: os.Getenv("GITHUB_TOKEN")}, temporal: openTemporal,
	})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "preflight:", err)
		os.Exit(1)
	}
}

// outside is what preflight queries.
type outside struct {
	account  func(profile, region string) account
	github   github
	temporal func(ctx context.Context, env environment) (temporalNamespace, error)
}

func run(ctx context.Context, args []string, out io.Writer, ask outside) error {
	var given []string
	flags := flag.NewFlagSet("preflight", flag.ContinueOnError)
	flags.Func("environment", "`PROFILE=FILE,FILE…`: AWS profile and .tfvars files of an environment, size first; may be repeated", func(text string) error {
		given = append(given, text)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if len(given) == 0 || flags.NArg() > 0 {
		return errors.New("name each environment: -environment PROFILE=FILE,FILE…")
	}
	var environments []environment
	for _, text := range given {
		profile, files, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("-environment %s: PROFILE=FILE,FILE… is expected", text)
		}
		env, err := readEnvironment(strings.Split(files, ","))
		if err != nil {
			return err
		}
		env.profile = profile
		environments = append(environments, env)
	}
	var r report
	for i := range environments {
		checkEnvironment(ctx, &r, &environments[i], ask)
	}
	checkTogether(&r, environments)
	return r.print(out)
}

// report lists the findings in order.
type report struct{ findings []finding }

type finding struct {
	environment, state, text string
}

const (
	good    = "ok"
	bad     = "FAILS"
	unknown = "unknown"
)

func (r *report) add(env *environment, state, format string, args ...any) {
	r.findings = append(r.findings, finding{env.Name, state, fmt.Sprintf(format, args...)})
}

// expect adds a condition that must hold.
func (r *report) expect(env *environment, holds bool, goodText, badText string) {
	if holds {
		r.add(env, good, "%s", goodText)
		return
	}
	r.add(env, bad, "%s", badText)
}

// print writes the report and returns an error with the number of conditions that fail.
func (r *report) print(out io.Writer) error {
	count := map[string]int{}
	for _, f := range r.findings {
		count[f.state]++
		if _, err := fmt.Fprintf(out, "%-7s  %-12s  %s\n", f.state, f.environment, f.text); err != nil {
			return err
		}
	}
	if count[bad] > 0 {
		return fmt.Errorf("%d of %d checks fail (%d unknown): put these right before terraform apply", count[bad], len(r.findings), count[unknown])
	}
	_, err := fmt.Fprintf(out, "preflight: %d checks passed, %d unknown\n", count[good], count[unknown])
	return err
}
