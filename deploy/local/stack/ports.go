package stack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// Ports are the TCP ports of a stack, all on 127.0.0.1. A zero picks a free
// port, as tests need. The names of the settings are those of `make run`.
type Ports struct {
	API        int `env:"API_PORT"         envDefault:"8080"`
	Worker     int `env:"WORKER_PORT"      envDefault:"8081"`
	MariaDB    int `env:"MARIADB_PORT"     envDefault:"13306"`
	SQS        int `env:"SQS_PORT"         envDefault:"9324"`
	Temporal   int `env:"TEMPORAL_PORT"    envDefault:"7233"`
	TemporalUI int `env:"TEMPORAL_UI_PORT" envDefault:"8233"`
	SMTP       int `env:"SMTP_PORT"        envDefault:"1025"`
	Mail       int `env:"MAIL_PORT"        envDefault:"8025"`

	Prometheus   int `env:"PROMETHEUS_PORT"   envDefault:"9090"`
	Alertmanager int `env:"ALERTMANAGER_PORT" envDefault:"9093"`
}

// host is the only address the stack listens on, so that nothing on a development
// machine can be reached from its network.
const host = "127.0.0.1"

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// slot is one port of a part: where the number is kept, and the name of the setting
// to suggest if the port is taken.
type slot struct {
	port    *int
	part    Part
	what    string
	setting string
}

func (p *Ports) slots() []slot {
	return []slot{
		{&p.API, API, "API", "API_PORT"},
		{&p.Worker, Worker, "worker", "WORKER_PORT"},
		{&p.MariaDB, MariaDB, "MariaDB", "MARIADB_PORT"},
		{&p.SQS, SQS, "SQS server", "SQS_PORT"},
		{&p.Temporal, Temporal, "Temporal", "TEMPORAL_PORT"},
		{&p.TemporalUI, Temporal, "Temporal Web UI", "TEMPORAL_UI_PORT"},
		{&p.SMTP, Mail, "mail catcher", "SMTP_PORT"},
		{&p.Mail, Mail, "page of the mail catcher", "MAIL_PORT"},
		{&p.Prometheus, Prometheus, "Prometheus", "PROMETHEUS_PORT"},
		{&p.Alertmanager, Alertmanager, "Alertmanager", "ALERTMANAGER_PORT"},
	}
}

// choose fills the zeros with free ports, which are reserved until release is
// called, and reports every chosen port of the given parts that is taken or used
// twice.
func (p *Ports) choose(ctx context.Context, parts []Part) (release func() error, err error) {
	var problems []error
	seen := map[int]slot{}
	for _, s := range p.slots() {
		if *s.port == 0 || !contains(parts, s.part) {
			continue
		}
		if other, twice := seen[*s.port]; twice {
			problems = append(problems, fmt.Errorf("port %d is asked for twice: by %s and by %s",
				*s.port, other.setting, s.setting))
			continue
		}
		seen[*s.port] = s
		if err := awaitChosen(ctx, *s.port); err != nil {
			problems = append(problems, fmt.Errorf("port %d (%s) %w; choose another with %s=%d make run",
				*s.port, s.what, err, s.setting, suggestion(ctx, *s.port)))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	var drawn []func() error
	release = func() error {
		var problems []error
		for _, back := range drawn {
			problems = append(problems, back())
		}
		return errors.Join(problems...)
	}
	for _, s := range p.slots() {
		for *s.port == 0 {
			port, back, err := DrawPort(ctx)
			if err != nil {
				return nil, errors.Join(err, release())
			}
			drawn = append(drawn, back)
			if _, chosen := seen[port]; !chosen {
				*s.port = port
			}
		}
	}
	return release, nil
}

// probe returns why nothing can listen on the port, nil when it is free.
func probe(ctx context.Context, port int) error {
	if port < 1 || port > 65535 {
		return errors.New("is not a port number")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address(port))
	if err == nil {
		return l.Close()
	}
	if isTaken(err) {
		return errors.New("is taken")
	}
	return fmt.Errorf("cannot be used (%w)", errors.Unwrap(err))
}

// settles bounds how long a port is taken after the socket that listened on it was closed:
// a child that is being forked has what is open in this process until it executes its
// program, which takes its time on a busy machine.
const settles = 2 * time.Second

// awaitChosen is probe, again until the port has settled.
func awaitChosen(ctx context.Context, port int) (err error) {
	_ = poll(ctx, settles, func(ctx context.Context) error {
		err = probe(ctx, port)
		return err
	})
	return err
}

// Listen listens at an address whose port was drawn, as soon as the port has settled.
func Listen(ctx context.Context, address string) (listener net.Listener, err error) {
	err = poll(ctx, settles, func(ctx context.Context) error {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		return err
	})
	return listener, err
}

// suggestion returns a free port near the taken one, so that the command in the message
// can be copied.
func suggestion(ctx context.Context, port int) int {
	for next := port + 10; next < port+1000; next += 10 {
		if probe(ctx, next) == nil {
			return next
		}
	}
	return port + 10
}

// Free ports are drawn from below the range that the kernel hands out to
// outgoing connections (from 32768 on Linux), so that a part which is killed
// and started again finds its port still free.
const (
	firstFree = 20000
	lastFree  = 32000
)

// DrawPort returns a port that nobody listens on and that no other stack on this
// machine gets until giveBack is called. A part takes seconds to listen for the
// first time, and again after a kill; until then the UDP port of the same number,
// which no part uses, is held as a marker.
func DrawPort(ctx context.Context) (port int, giveBack func() error, err error) {
	var lc net.ListenConfig
	for range 1000 {
		port := firstFree + rand.IntN(lastFree-firstFree) //nolint:gosec // a port, not a secret
		sign, err := lc.ListenPacket(ctx, "udp", address(port))
		if err != nil {
			continue
		}
		if probe(ctx, port) == nil {
			return port, sign.Close, nil
		}
		_ = sign.Close()
	}
	return 0, nil, fmt.Errorf("no free port between %d and %d", firstFree, lastFree)
}

// awaitFree waits until the port of a process that has just died can be
// listened on again.
func awaitFree(ctx context.Context, port int) error {
	return poll(ctx, 10*time.Second, func(ctx context.Context) error { return probe(ctx, port) })
}
