// Command bench measures the whole system on one machine, together with what each
// figure is compared with, in the same run:
//
//	bench [-size small|default|full] [-only credits,latency,…] [-out bench.json]
//	bench profile [-size …]
//
// It starts an empty one-machine stack in .local/bench on free ports. What the system
// is compared with runs in a process of its own, which is this program again.
// `make bench` and `make profile` call it.
//
// A run fails if a ratio is below its floor, which also holds on a busy machine. Goals
// are printed next to the figures and fail nothing.
package main

import (
	"context"
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
	if len(args) > 0 {
		if role, ok := roles()[args[0]]; ok {
			return runChild(ctx, role, args[1:])
		}
	}
	command := "bench"
	if len(args) > 0 && args[0] == "profile" {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	name := flags.String("size", "default", "small, default or full")
	only := flags.String("only", "", "figures to measure, separated by commas; all when empty")
	out := flags.String("out", "bench.json", "where the report goes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	size, known := sizes()[*name]
	if flags.NArg() > 0 || !known {
		return fmt.Errorf("usage: %s [-size small|default|full] [-only …] [-out …]", command)
	}
	if command == "profile" {
		return profile(ctx, size)
	}
	figures, err := selected(*only, size)
	if err != nil {
		return err
	}
	return measure(ctx, size, figures, *out)
}

// Size is how much is measured.
type Size struct {
	Name        string        `json:"name"`
	Repetitions int           `json:"repetitions"`
	WarmUp      int           `json:"warm_up"` // records before the first repetition
	Credits     int           `json:"credits"` // records in one import
	Engine      int           `json:"engine"`  // workflows
	Servers     int           `json:"servers"` // workflows on each server with other settings
	Plain       int           `json:"plain"`   // records of the plain design, which is slow
	Latency     int           `json:"latency"`
	Import      int           `json:"import"` // rows
	Memory      int           `json:"memory"` // rows of the import whose peak memory is measured
	Finishers   int           `json:"finishers"`
	Readers     int           `json:"readers"` // of events
	For         time.Duration `json:"for_ns"`  // how long pages are read and logins made
	Curve       []int         `json:"curve,omitempty"`
	Standings   []int         `json:"curve_finishers,omitempty"`
	Ledger      int           `json:"curve_ledger,omitempty"` // lines that exist before
}

// sizes returns the sizes by name. small is for CI, which checks that the bench works
// and that the floors hold; full adds the curves and takes most of an hour.
func sizes() map[string]Size {
	small := Size{
		Name: "small", Repetitions: 1, WarmUp: 100, Credits: 600, Engine: 600, Servers: 400, Plain: 60, Latency: 30,
		Import: 500, Memory: 500, Finishers: 500, Readers: 20, For: time.Second,
		Curve: []int{50}, Standings: []int{100}, Ledger: 2000,
	}
	usual := Size{
		Name: "default", Repetitions: 3, WarmUp: 1000, Credits: 10_000, Engine: 10_000, Servers: 3000, Plain: 500, Latency: 300,
		Import: 30_000, Memory: 50_000, Finishers: 30_000, Readers: 200, For: 5 * time.Second,
	}
	full := usual
	full.Name = "full"
	full.Curve, full.Standings, full.Ledger = []int{1000, 10_000, 100_000}, []int{1000, 30_000, 50_000}, 1_000_000
	return map[string]Size{small.Name: small, usual.Name: usual, full.Name: full}
}

// figure is something that the bench measures.
type figure struct {
	name    string
	measure func(*bench, context.Context) error
}

// figures lists all figures in the order in which they are measured; those that grow
// the tables come last.
func figures() []figure {
	return []figure{
		{"credits", (*bench).credits},
		{"latency", (*bench).latency},
		{"login", (*bench).login},
		{"import", (*bench).imports},
		{"plan", (*bench).plans},
		{"standings", (*bench).standings},
		{"pages", (*bench).pages},
		{"curve", (*bench).curve},
	}
}

// selected returns the figures of a list such as "credits,latency", or all of
// them when it is empty; the curve only where the size has one.
func selected(list string, size Size) ([]figure, error) {
	var chosen []figure
	wanted := strings.Split(list, ",")
	for _, f := range figures() {
		if list == "" && (f.name != "curve" || len(size.Curve) > 0) || slices.Contains(wanted, f.name) {
			chosen = append(chosen, f)
		}
	}
	if list != "" && len(chosen) != len(wanted) {
		return nil, fmt.Errorf("-only %s: the figures are credits, latency, login, import, plan, standings, pages, curve", list)
	}
	return chosen, nil
}

// measure starts the stack, measures the figures, prints and writes the report.
func measure(ctx context.Context, size Size, figures []figure, out string) (err error) {
	began := time.Now()
	b, err := open(ctx, size, nil)
	if err != nil {
		return err
	}
	if err := b.warmUp(ctx); err != nil {
		return b.close(fmt.Errorf("warm up: %w", err))
	}
	for _, f := range figures {
		if err := f.measure(b, ctx); err != nil {
			return b.close(fmt.Errorf("measure %s: %w", f.name, err))
		}
	}
	if err := b.close(nil); err != nil {
		return err
	}
	b.report.Began, b.report.Took = began, time.Since(began).Seconds()
	if err := b.report.print(os.Stdout); err != nil {
		return err
	}
	if err := b.report.write(out); err != nil {
		return err
	}
	fmt.Printf("every value is in %s, every log in %s\n", out, b.dir)
	return b.report.belowFloor()
}
