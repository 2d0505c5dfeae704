// Package command is the command line of the programs: their commands, which
// take settings from the environment and no arguments; --help, which lists
// both; --version; and "settings", which lists them for other programs.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os/signal"
	"slices"
	"syscall"

	"github.com/mrmrthon/mrmrthon/internal/build"
	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// Program is an executable and its commands.
type Program struct {
	Name string
	// Commands of the program. The first has no name: it is what the program does
	// without arguments.
	Commands []Command
}

// Command is one thing that a program does.
type Command struct {
	Name string
	Does string // in a line
	// Config points to the command's settings, which are filled before Run.
	Config any
	// Ambient points to the settings that libraries read themselves. They are
	// listed and never filled.
	Ambient []any
	Run     func(ctx context.Context, log *slog.Logger) error
}

// common are the settings of every command.
type common struct {
	LogLevel slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"the lowest level that is logged"`
}

// runtimeSettings are read by Go itself.
type runtimeSettings struct {
	MemoryLimit string `env:"GOMEMLIMIT" unit:"bytes, such as 450MiB" help:"read by Go's runtime: the soft memory limit, about 90 % of the container's memory"`
}

// Exit codes.
const (
	done    = 0
	failed  = 1
	refused = 2 // there is no such command, or its settings are missing or wrong
)

// System is what a program is started with.
type System struct {
	Args        []string // without the program's own name
	Environ     []string // as os.Environ() returns it
	Out, ErrOut io.Writer
}

// Main runs the command that the arguments name, until it is done or SIGINT or
// SIGTERM comes; a second signal ends the program at once. It returns the exit
// code.
func (p Program) Main(ctx context.Context, s System) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	name, help, ok := parse(s.Args)
	command, known := p.command(name)
	switch {
	case name == "settings" && ok && !help:
		return p.list(s)
	case !ok || !known:
		_, _ = fmt.Fprint(s.ErrOut, p.usage())
		return refused
	case help:
		_, _ = fmt.Fprint(s.Out, p.help(command))
		return done
	case name == "version":
		_, _ = fmt.Fprintf(s.Out, "%s %s, commit %s\n", p.Name, build.Version(), build.Commit())
		return done
	}
	return p.run(ctx, command, s)
}

// parse reads the arguments: at most one command, with or without --help.
func parse(args []string) (name string, help, ok bool) {
	for _, arg := range args {
		switch {
		case arg == "--help" || arg == "-help" || arg == "-h" || arg == "help":
			help = true
		case name != "":
			return name, help, false
		case arg == "--version" || arg == "-version":
			name = "version"
		default:
			name = arg
		}
	}
	return name, help, true
}

func (p Program) command(name string) (Command, bool) {
	if name == "version" {
		return Command{Name: name}, true
	}
	i := slices.IndexFunc(p.Commands, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Command{}, false
	}
	return p.Commands[i], true
}

func (p Program) run(ctx context.Context, command Command, s System) int {
	var shared common
	err := errors.Join(settings.Read(&shared, s.Environ), settings.Read(command.Config, s.Environ))
	log := telemetry.NewLogger(s.ErrOut, shared.LogLevel)
	if err != nil {
		log.ErrorContext(ctx, "cannot start: settings are missing or wrong", "problems", lines(err), "help", p.call(command)+" --help")
		return refused
	}
	strays := settings.Strays(s.Environ, p.known())
	for _, name := range slices.Sorted(maps.Keys(strays)) {
		log.WarnContext(ctx, "unknown setting ignored", "name", name, "meant", strays[name])
	}
	if err := command.Run(ctx, log); err != nil {
		log.ErrorContext(ctx, "stopped", "error", err)
		return failed
	}
	return done
}

// lines are the messages of errors that were joined.
func lines(err error) (all []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, lines(e)...)
		}
		return all
	}
	return []string{err.Error()}
}

// known are the settings of all commands, some of them several times.
func (p Program) known() (all []settings.Setting) {
	for _, c := range p.Commands {
		all = append(all, c.settings()...)
	}
	return all
}

func (c Command) settings() []settings.Setting {
	list := slices.Concat(settings.Of(c.Config), settings.Of(&common{}))
	for _, ambient := range append([]any{&runtimeSettings{}}, c.Ambient...) {
		list = append(list, settings.Of(ambient)...)
	}
	return list
}

// Listing is what "settings" prints of each command, as an array in JSON.
type Listing struct {
	Program  string             `json:"program"`
	Command  string             `json:"command,omitempty"`
	Settings []settings.Setting `json:"settings"`
}

func (p Program) list(s System) int {
	listings := make([]Listing, 0, len(p.Commands))
	for _, c := range p.Commands {
		listings = append(listings, Listing{p.Name, c.Name, c.settings()})
	}
	encoder := json.NewEncoder(s.Out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(listings); err != nil {
		_, _ = fmt.Fprintln(s.ErrOut, err)
		return failed
	}
	return done
}
