package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/caarlos0/env/v11"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// settings of `local up`, besides those that reach the API and the worker.
type settings struct {
	stack.Ports
	Sample  string `env:"SAMPLE" envDefault:"boston"`
	Monitor bool   `env:"MONITOR"`
	// Webhook is the URL that alerts are posted to, with MONITOR=1.
	Webhook string `env:"ALERT_WEBHOOK_URL"`
	parts   []stack.Part
}

func upSettings(args []string) (settings, error) {
	set, err := env.ParseAs[settings]()
	if err != nil {
		return settings{}, fmt.Errorf("read the settings: %w", err)
	}
	if set.Sample != "boston" && set.Sample != "none" {
		return settings{}, fmt.Errorf("SAMPLE is %q; it can be boston or none", set.Sample)
	}
	set.parts = stack.AllParts()
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.Func("parts", "start only these, for one who runs the others in a debugger", func(list string) error {
		set.parts, err = stack.ParseParts(list)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if set.Monitor {
		set.parts = append(set.parts, stack.Monitors()...)
	}
	if flags.NArg() > 0 {
		return settings{}, errors.New("up: its other settings are environment variables")
	}
	return set, nil
}

// sampleLogin is the organizer of the sample race.
const sampleLogin = "sample-organizer"

// up runs the stack in .local until it is interrupted. A part that ends by
// itself is reported and started again.
func up(ctx context.Context, args []string) (err error) {
	set, err := upSettings(args)
	if err != nil {
		return err
	}
	root, err := stack.FindRoot()
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{
		Dir: filepath.Join(root, ".local"), Root: root,
		Ports: set.Ports, Parts: set.parts, Out: os.Stdout, Restart: true,
		Monitor: stack.Monitor{Webhook: set.Webhook},
	})
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil // a Ctrl-C while it starts is no mistake
		}
		return err
	}
	defer func() {
		s.Say("stopping")
		err = errors.Join(err, s.Stop())
	}()
	s.Say("everything is ready after %.1f s", s.Age().Seconds())
	withSample := set.Sample == "boston" && s.Has(stack.API)
	addresses(s.Console(), s, withSample)
	if withSample {
		loadSample(ctx, s)
	}
	if ctx.Err() == nil {
		s.Say("running; Ctrl-C stops everything, and the next start continues with the same data")
	}
	<-ctx.Done()
	return nil
}

// loadSample puts the sample race through the API. The stack is of use without
// it, so a failure is reported and nothing more.
func loadSample(ctx context.Context, s *stack.Stack) {
	summary, err := runSample(ctx, s.APIURL(), sampleLogin, s.OrganizerPassword(), 0, s.Console(), s.Console().Terminal())
	switch {
	case err == nil:
		if err := verifySample(ctx, s); err != nil {
			s.Say("the sample's organizer could not be verified, so its race is not on the leaderboard: %v", err)
		}
		summary.Print(s.Console())
		addresses(s.Console(), s, true)
	case ctx.Err() == nil:
		s.Say("the sample race could not be loaded: %v", err)
	}
}

// verifySample has the operator vouch for the sample's organizer, so that its race
// counts for the season leaderboard.
func verifySample(ctx context.Context, s *stack.Stack) error {
	organizer := &apiclient.Client{Base: s.APIURL(), Login: sampleLogin, Password: s.OrganizerPassword(), HTTP: http.DefaultClient}
	login, password := s.Operator()
	operator := &apiclient.Client{Base: s.APIURL(), Login: login, Password: password, HTTP: http.DefaultClient}
	for _, account := range []*apiclient.Client{organizer, operator} {
		if err := account.LogIn(ctx); err != nil {
			return err
		}
	}
	return operator.JSON(ctx, http.MethodPost, "/v1/ops/organizers/"+organizer.UserID+"/verify",
		map[string]string{"reason": "organizer of the sample race"}, nil)
}

func runSample(ctx context.Context, api, login, password string, rows int, out io.Writer, terminal bool) (sample.Summary, error) {
	race, err := sample.Boston2004(rows)
	if err != nil {
		return sample.Summary{}, err
	}
	return sample.Load(ctx, sample.Options{
		API: api, Login: login, Password: password, Race: race, Out: out, Terminal: terminal,
	})
}

func addresses(out io.Writer, s *stack.Stack, withSample bool) {
	login, password := s.Operator()
	line := func(name, value string) { _, _ = fmt.Fprintf(out, "  %-16s %s\n", name, value) }
	_, _ = fmt.Fprintln(out)
	if s.Has(stack.API) {
		line("pages", s.APIURL()+"/")
		line("API", s.APIURL())
		line("documentation", s.APIURL()+"/docs")
		line("operator", login+" / "+password)
	}
	if withSample {
		line("organizer", sampleLogin+" / "+s.OrganizerPassword()+"  (of the sample race)")
	}
	if s.Has(stack.Temporal) {
		line("Temporal Web UI", s.TemporalUIURL())
	}
	if s.Has(stack.Mail) {
		line("mails", s.MailURL())
	}
	if s.Has(stack.Worker) {
		line("worker metrics", s.WorkerURL()+"/metrics")
	}
	if s.Has(stack.Prometheus) {
		line("Prometheus", s.PrometheusURL()+"/alerts")
	}
	_, _ = fmt.Fprintln(out)
}
