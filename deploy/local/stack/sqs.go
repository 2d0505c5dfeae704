package stack

import (
	"context"
	"os/exec"
)

// The queues of the path of a record. They live in the server's memory, which
// creates them again at every start.
const (
	recordsQueue    = "records"
	deadLetterQueue = "records-dead"
	// mailEventsQueue is for what the mail catcher reports later about mails.
	mailEventsQueue = "mail-events"
	// maxReceives is after how many receives a message is moved to the
	// dead-letter queue.
	maxReceives = "5"
	// visibility is how long a received message is hidden. Recovery from a
	// crash of the bridge waits for it; Amazon's default of 30 s triples that.
	visibility = "10s"
	// awsAccount is part of every queue's URL; emulators agree on it.
	awsAccount = "000000000000"
	awsRegion  = "us-east-1"
)

func (s *Stack) sqs() component {
	return component{
		command: s.sqsCommand,
		ready:   func(ctx context.Context) error { return expectOK(ctx, s.QueueEndpoint()+"/healthz") },
		ports:   []int{s.ports.SQS},
	}
}

func (s *Stack) sqsCommand(context.Context) (*exec.Cmd, error) {
	cmd := exec.Command(s.programs.of(SQS), //nolint:noctx // ends by Stop, not by a context
		"-addr", address(s.ports.SQS), "-region", awsRegion,
		"-queue", recordsQueue, "-dead-letter-queue", deadLetterQueue, "-also", mailEventsQueue,
		"-max-receives", maxReceives, "-visibility", visibility)
	return cmd, nil
}

// QueueEndpoint is the address of the SQS server.
func (s *Stack) QueueEndpoint() string { return "http://" + address(s.ports.SQS) }

// QueueURL is the URL of the records queue.
func (s *Stack) QueueURL() string { return s.queueURL(recordsQueue) }

// DeadLetterQueueURL is the URL of the dead-letter queue.
func (s *Stack) DeadLetterQueueURL() string { return s.queueURL(deadLetterQueue) }

// MailEventsQueueURL is the URL of the queue of mail events.
func (s *Stack) MailEventsQueueURL() string { return s.queueURL(mailEventsQueue) }

// MailEventsDeadLetterQueueURL is the URL of its dead-letter queue.
func (s *Stack) MailEventsDeadLetterQueueURL() string { return s.queueURL(mailEventsQueue + "-dead") }

func (s *Stack) queueURL(name string) string {
	return s.QueueEndpoint() + "/" + awsAccount + "/" + name
}
