// Command sqs runs the SQS-compatible server of the one-machine stack: a queue and its dead-letter queue, in
// memory, and others like them. It prints a line when it listens, answers GET /healthz, and ends on SIGINT or SIGTERM,
// after which its messages are gone.
//
//	sqs -addr 127.0.0.1:9324 -queue records -dead-letter-queue records-dead -max-receives 5 -visibility 10s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/sqs"
)

// settings are the flags.
type settings struct {
	addr, region, queue, deadLetters string
	others                           []string
	maxReceives                      int
	visibility                       time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sqs:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	set, err := parse(args)
	if err != nil {
		return err
	}
	queues := sqs.New(sqs.Config{Region: set.region})
	if err := createQueues(queues, set.queue, set.deadLetters, set); err != nil {
		return err
	}
	for _, name := range set.others {
		if err := createQueues(queues, name, name+"-dead", set); err != nil {
			return err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", set.addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(set.addr)
		return fmt.Errorf("port %s is taken (%s): end the program that has it, or choose another port", port, set.addr)
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", set.addr, err)
	}
	_, _ = fmt.Fprintf(out, "sqs: listening on http://%s, queue %s, dead letters %s after %d receives\n",
		listener.Addr(), set.queue, set.deadLetters, set.maxReceives)
	return serve(ctx, listener, queues)
}

func parse(args []string) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("sqs", flag.ContinueOnError)
	flags.StringVar(&set.addr, "addr", "127.0.0.1:9324", "`host:port` to listen on")
	flags.StringVar(&set.region, "region", "us-east-1", "region in the queues' ARNs")
	flags.StringVar(&set.queue, "queue", "records", "`name` of the queue")
	flags.StringVar(&set.deadLetters, "dead-letter-queue", "records-dead", "`name` of its dead-letter queue")
	flags.Func("also", "`name` of another queue, whose dead-letter queue is name-dead; may be given again", func(name string) error {
		set.others = append(set.others, name)
		return nil
	})
	flags.IntVar(&set.maxReceives, "max-receives", 5, "receives before a message goes to the dead-letter queue, 1 to 1000")
	flags.DurationVar(&set.visibility, "visibility", 30*time.Second, "how long a received message stays hidden, whole seconds up to 12h")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if set.visibility%time.Second != 0 {
		return settings{}, fmt.Errorf("-visibility %s is not whole seconds", set.visibility)
	}
	return set, nil
}

// createQueues makes the dead-letter queue, which keeps messages for the 14 days that SQS allows, and the
// queue that leads to it.
func createQueues(server *sqs.Server, queue, deadLetters string, set settings) error {
	if err := server.CreateQueue(deadLetters, map[string]string{"MessageRetentionPeriod": "1209600"}); err != nil {
		return fmt.Errorf("create queue %s: %w", deadLetters, err)
	}
	policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, server.QueueARN(deadLetters), set.maxReceives)
	err := server.CreateQueue(queue, map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(set.visibility / time.Second)),
		"RedrivePolicy":     policy,
	})
	if err != nil {
		return fmt.Errorf("create queue %s: %w", queue, err)
	}
	return nil
}

// serve answers until ctx is done, then lets calls under way finish.
func serve(ctx context.Context, listener net.Listener, queues *sqs.Server) error {
	server := &http.Server{Handler: queues, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	queues.Close()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
