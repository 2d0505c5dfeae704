package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"time"
)

// keyFile is where the API keeps the key that it signs tokens with.
const keyFile = "jwt.pem"

// program is the API or the worker: both report by /readyz when they are ready.
func (s *Stack) program(part Part, port int) component {
	return component{
		command: func(context.Context) (*exec.Cmd, error) {
			cmd := exec.Command(s.programs.of(part)) //nolint:noctx // ends by Stop, not by a context
			cmd.Dir, cmd.Env = s.folder.dir, s.environment(s.Env(part))
			return cmd, nil
		},
		ready: func(ctx context.Context) error {
			return expectOK(ctx, "http://"+address(port)+"/readyz")
		},
		ports: []int{port},
	}
}

// expectOK fetches a page, and turns any answer but 200 into an error with the
// beginning of its body.
func expectOK(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return fmt.Errorf("GET %s: %s %s", url, res.Status, text)
	}
	return nil
}

// migrates reports whether the databases must be migrated: a stack of MariaDB
// and one of the programs.
func (s *Stack) migrates() bool {
	return contains(s.parts, MariaDB) && (contains(s.parts, API) || contains(s.parts, Worker))
}

// prepareData runs the migrations and adds the operator. Both do nothing the
// second time.
func (s *Stack) prepareData(ctx context.Context) error {
	if !s.migrates() {
		return nil
	}
	if err := s.step(ctx, migrate, s.MigrateEnv()); err != nil || !contains(s.parts, API) {
		return err
	}
	login, password := s.Operator()
	return s.step(ctx, operator, map[string]string{"OPERATOR_LOGIN": login, "OPERATOR_PASSWORD": password})
}

// MigrateEnv returns the settings of `api migrate` in this stack.
func (s *Stack) MigrateEnv() map[string]string {
	env := s.Owners()
	maps.Copy(env, map[string]string{
		"MAIN_DB_API_USER": mainAPI, "MAIN_DB_WORKER_USER": mainWorker,
		"USER_DB_API_USER": userAPI, "USER_DB_WORKER_USER": userWorker,
	})
	return env
}

// step runs a one-off command of the API program to its end.
func (s *Stack) step(ctx context.Context, name Part, extra map[string]string) (err error) {
	began := time.Now()
	out, err := newLineWriter(s.console, name, s.folder.path("logs"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	env := s.Env(API)
	maps.Copy(env, extra)
	cmd := exec.CommandContext(ctx, s.programs.of(API), string(name))
	cmd.Dir, cmd.Env = s.folder.dir, s.environment(env)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("`api %s` failed: %w; its last lines:%s", name, err, out.lastLines())
	}
	s.console.say("%s is done after %s", name, round(time.Since(began)))
	return nil
}

// Operator returns the login and password of the operator that the stack adds.
// OPERATOR_LOGIN and OPERATOR_PASSWORD override them.
func (s *Stack) Operator() (login, password string) {
	login, password = os.Getenv("OPERATOR_LOGIN"), os.Getenv("OPERATOR_PASSWORD")
	if login == "" {
		login = "operator"
	}
	if password == "" {
		password = s.secrets.Operator
	}
	return login, password
}

// OrganizerPassword is the password of the sample's organizer.
func (s *Stack) OrganizerPassword() string { return s.secrets.Organizer }

// Env returns the settings of the API or the worker in this stack, for tests that run
// parts of a program themselves.
func (s *Stack) Env(part Part) map[string]string {
	env := map[string]string{
		"MAIN_DB_ADDR": s.MySQLAddr(), "MAIN_DB_NAME": mainDB,
		"MAIN_DB_USER": mainAPI, "MAIN_DB_PASSWORD": s.secrets.MainAPI,
		"USER_DB_ADDR": s.MySQLAddr(), "USER_DB_NAME": userDB,
		"USER_DB_USER": userAPI, "USER_DB_PASSWORD": s.secrets.UserAPI,
		"QUEUE_ENDPOINT": s.QueueEndpoint(), "QUEUE_URL": s.QueueURL(),
		"DEAD_LETTER_QUEUE_URL": s.DeadLetterQueueURL(),
		"AWS_REGION":            awsRegion, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"TEMPORAL_ADDRESS": s.TemporalAddress(), "TEMPORAL_NAMESPACE": temporalNamespace,
		"TEMPORAL_UI_URL": s.TemporalUIURL(), "TEMPORAL_GZIP": "false",
		"API_ADDR": address(s.ports.API), "WORKER_ADDR": address(s.ports.Worker),
	}
	if part == Worker {
		env["MAIN_DB_USER"], env["MAIN_DB_PASSWORD"] = mainWorker, s.secrets.MainWorker
		env["USER_DB_USER"], env["USER_DB_PASSWORD"] = userWorker, s.secrets.UserWorker
	}
	if part == Worker && os.Getenv("AUDIT_INTERVAL") == "" {
		// The local queue loses its messages at every stop. Their records should
		// not have to wait for the default of 5 minutes, which suits a queue that
		// keeps them.
		env["AUDIT_INTERVAL"] = "1m"
	}
	env["WEBHOOK_LOOPBACK"] = "true" // so that receivers can be tried out on this machine
	if part == Worker && s.Has(Mail) {
		env["MAIL_SENDER"], env["MAIL_FROM"] = "smtp", "Mrmrthon <no-reply@localhost.localdomain>"
		env["SMTP_ADDR"], env["SMTP_TLS"] = address(s.ports.SMTP), "off"
		env["API_PUBLIC_URL"] = s.APIURL()
		if s.Has(SQS) {
			env["MAIL_EVENTS_QUEUE_URL"], env["MAIL_EVENTS_DEAD_LETTER_QUEUE_URL"] = s.MailEventsQueueURL(), s.MailEventsDeadLetterQueueURL()
		}
	}
	if part == API {
		env["JWT_PRIVATE_KEY_PATH"] = s.folder.path(keyFile)
		env["API_PUBLIC_URL"] = "http://" + address(s.ports.API)
		// All clients on one machine have the same address, including tests and the
		// sample.
		for _, limit := range []string{"SIGN_UPS_PER_ADDRESS", "SIGN_UPS_PER_MINUTE"} {
			if os.Getenv(limit) == "" {
				env[limit] = "10000"
			}
		}
	}
	maps.Copy(env, s.opts.Env[part])
	return env
}

// environment is this process's environment with the settings on top: those that
// the stack does not set, such as LOG_LEVEL, pass through. Amazon's and Temporal's
// do not, so that a stack never talks to servers in the user's own profile.
func (s *Stack) environment(settings map[string]string) []string {
	env := environmentWithout("AWS_", "TEMPORAL_", "OPERATOR_")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		env = append(env, name+"="+settings[name])
	}
	return env
}

// mail is the mail catcher, which takes the place of a provider.
func (s *Stack) mail() component {
	return component{
		command: func(context.Context) (*exec.Cmd, error) {
			args := []string{"-smtp", address(s.ports.SMTP), "-addr", address(s.ports.Mail)}
			if s.Has(SQS) {
				args = append(args, "-events", s.MailEventsQueueURL())
			}
			return exec.Command(s.programs.of(Mail), args...), nil //nolint:noctx // ends by Stop, not by a context
		},
		ready: func(ctx context.Context) error { return expectOK(ctx, s.MailURL()+"/healthz") },
		ports: []int{s.ports.SMTP, s.ports.Mail},
	}
}

// MailURL is the page on which the mails are shown that the worker has sent.
func (s *Stack) MailURL() string { return "http://" + address(s.ports.Mail) }

// APIURL is the address of the API.
func (s *Stack) APIURL() string { return "http://" + address(s.ports.API) }

// WorkerURL is the address of the worker's health and metrics.
func (s *Stack) WorkerURL() string { return "http://" + address(s.ports.Worker) }

// Ports returns the ports in use.
func (s *Stack) Ports() Ports { return s.ports }
