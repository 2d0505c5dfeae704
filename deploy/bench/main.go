// Command bench measures the whole system on one machine, and beside every
// figure what it is to be compared with, in the same run:
//
//	bench [-size small|default|full] [-only credits,latency,…] [-out bench.json]
//	bench profile [-size …]
//
// It starts the one-machine stack empty in .local/bench on free ports. What is
// compared runs as a process of its own, which is this program again. `make
// bench` and `make profile` call it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
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
			return beChild(ctx, role, args[1:])
		}
	}
	command := "bench"
	if len(args) > 0 && args[0] == "profile" {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	name := flags.String("size", "default", "small, default or full")
	only := flags.String("only", "", "figures to measure, with commas between; empty: all ("+strings.Join(figureNames(), ", ")+")")
	out := flags.String("out", "bench.json", "where the report goes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there is no command or argument %q", flags.Arg(0))
	}
	size, err := sizeOf(*name)
	if err != nil {
		return err
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
