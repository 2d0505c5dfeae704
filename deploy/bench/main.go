// Command bench measures the whole system on one machine, together with what each
// figure is compared with, in the same run:
//
//	bench [-size small|default|full] [-only credits,latency,…] [-out bench.json]
//
// It starts an empty one-machine stack in .local/bench on free ports. What the system
// is compared with runs in a process of its own, which is this program again.
// `make bench` calls it.
//
// A run fails if a ratio is below its floor, which also holds on a busy machine. Goals
// are printed next to the figures and fail nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && roles()[args[0]] != nil {
		return attempt(func() { runChild(ctx, roles()[args[0]], args[1:]) })
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	name := flags.String("size", "default", "small, default or full")
	only := flags.String("only", "", "figures to measure, separated by commas; all when empty")
	out := flags.String("out", "bench.json", "where the report goes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	size, known := sizes()[*name]
	if flags.NArg() > 0 || !known {
		return fmt.Errorf("usage: bench [-size small|default|full] [-only …] [-out …]")
	}
	figures, err := selected(*only, size)
	if err != nil {
		return err
	}
	report := &Report{Began: time.Now(), Commit: commit(ctx), Size: *name, Machine: thisMachine()}
	if err := measure(ctx, size, figures, report); err != nil {
		return err
	}
	if err := errors.Join(report.print(os.Stdout), report.write(*out)); err != nil {
		return err
	}
	fmt.Printf("took %s; every value is in %s\n", time.Since(report.Began).Round(time.Second), *out)
	return report.belowFloor()
}

// Size is how much is measured.
type Size struct {
	Repetitions int
	WarmUp      int           // records before the first repetition
	Credits     int           // records in one import
	Engine      int           // workflows that do nothing
	Servers     int           // of them on each server with other settings
	Plain       int           // records of the plain design, which is slow
	Latency     int           // records, one by one
	Import      int           // rows
	Memory      int           // rows of the import whose peak memory is measured
	Finishers   int           // of the race whose standings are recomputed and read
	Readers     int           // of events
	Mails       int           // of one event, and deliveries to one webhook
	For         time.Duration // how long pages are read and logins made
	Curve       []int         // records of the imports before and after the ledger is filled
	Ledger      int           // lines it is filled with
}

// sizes returns the sizes by name. small is for CI, which checks that the bench works
// and that the floors hold; full adds the curve and takes most of an hour.
func sizes() map[string]Size {
	usual := Size{
		Repetitions: 3, WarmUp: 1000, Credits: 10_000, Engine: 10_000, Servers: 3000, Plain: 500, Latency: 300,
		Import: 30_000, Memory: 50_000, Finishers: 30_000, Readers: 200, Mails: 30_000, For: 5 * time.Second,
	}
	full := usual
	full.Curve, full.Ledger = []int{1000, 10_000, 50_000}, 1_000_000
	return map[string]Size{
		"small": {
			Repetitions: 1, WarmUp: 100, Credits: 600, Engine: 600, Servers: 400, Plain: 60, Latency: 30,
			Import: 500, Memory: 500, Finishers: 500, Readers: 20, Mails: 600, For: time.Second,
			Curve: []int{50}, Ledger: 2000,
		},
		"default": usual,
		"full":    full,
	}
}

// figure is something that the bench measures, as often as the size asks for.
type figure struct {
	name    string
	measure func(*bench, context.Context) // in one repetition
	once    bool                          // it repeats by itself
}

// figures lists all figures in the order in which they are measured; those that grow
// the tables come last.
func figures() []figure {
	return []figure{
		{name: "credits", measure: (*bench).credits},
		{name: "latency", measure: (*bench).latency},
		{name: "login", measure: (*bench).login},
		{name: "import", measure: (*bench).imports},
		{name: "plan", measure: (*bench).plans},
		{name: "standings", measure: (*bench).standings},
		{name: "pages", measure: (*bench).pages},
		{name: "view", measure: (*bench).view},
		{name: "entry", measure: (*bench).entries},
		{name: "notices", measure: (*bench).notices},
		{name: "curve", measure: (*bench).curve, once: true},
	}
}

// selected returns the figures of a list such as "credits,latency", or all of
// them when it is empty; the curve only where the size has one.
func selected(list string, size Size) ([]figure, error) {
	var chosen []figure
	var names []string
	wanted := strings.Split(list, ",")
	for _, f := range figures() {
		names = append(names, f.name)
		if list == "" && (f.name != "curve" || len(size.Curve) > 0) || slices.Contains(wanted, f.name) {
			chosen = append(chosen, f)
		}
	}
	if list != "" && len(chosen) != len(wanted) {
		return nil, fmt.Errorf("-only %s: the figures are %s", list, strings.Join(names, ", "))
	}
	return chosen, nil
}

// measure starts the stack and measures the figures.
func measure(ctx context.Context, size Size, figures []figure, report *Report) error {
	b := &bench{size: size, report: report}
	err := attempt(func() {
		b.start(ctx)
		b.say("warming up")
		b.load(ctx, size.WarmUp)
		b.engine(ctx, b.stack.TemporalAddress(), size.WarmUp, eager)
	})
	for _, f := range figures {
		for b.turn = range size.Repetitions {
			if err != nil || f.once && b.turn > 0 {
				break
			}
			if err = attempt(func() { f.measure(b, ctx) }); err != nil {
				err = fmt.Errorf("measure %s: %w", f.name, err)
			}
		}
	}
	return errors.Join(err, b.close())
}

// No step of a measurement can go on after a failure. So they return no errors: check
// ends the figure, and attempt returns what went wrong.

type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func attempt(do func()) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case failure:
			err = cause.error
		default:
			panic(cause)
		}
	}()
	do()
	return nil
}
