// Package sqs is a small server that speaks Amazon SQS's JSON protocol, for the one-machine stack and
// for tests. Production uses Amazon SQS and the compose file ElasticMQ; the program that uses the queue
// knows only an endpoint. The conformance tests of this package hold all three to the same behaviour.
//
// It exists because credits must be quick on one machine as well: a waiting receive is answered as soon as
// there is a message, whereas the emulators that need no container answer only when the batch is full or
// the wait is over.
//
// What differs from Amazon SQS:
//
//   - Queues live in memory and are gone when the process ends.
//   - Only the calls that our own programs and tests make. Standard queues only: FIFO queues, tags, policies
//     and encryption are refused.
//   - Message groups always take turns, one message each, where Amazon begins to prefer quiet groups once a
//     group has 30 messages and a tenth of all in flight.
//   - Signatures are not checked. Listen on a loopback address.
//   - A change takes effect at once: no minute of waiting after a purge or a deletion, and a deleted queue's
//     name can be used again.
//   - There are no duplicates, and the messages of a group leave in the order in which they became visible,
//     which a consumer must not rely on.
package sqs

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// maxRequestBytes bounds one request: a payload of 1 MiB whose every byte is escaped in JSON (\u003c).
const maxRequestBytes = 8 << 20

// Config configures a server; its zero value works.
type Config struct {
	// Region is the region in the queues' ARNs; us-east-1 when empty.
	Region string
	// AccountID is the account in ARNs and queue URLs; 000000000000 when empty.
	AccountID string
	// Clock is the machine's when nil.
	Clock Clock
}

// Server holds queues in memory and serves them over HTTP. It is safe for concurrent use. Make one with
// New.
//
// One lock guards all queues: it is held for microseconds, and messages move between queues.
type Server struct {
	region  string
	account string
	clock   Clock

	mu     sync.Mutex
	queues map[string]*queue
	closed bool
}

// New returns a server without queues.
func New(cfg Config) *Server {
	s := &Server{
		region:  cmp.Or(cfg.Region, "us-east-1"),
		account: cmp.Or(cfg.AccountID, "000000000000"),
		clock:   cfg.Clock,
		queues:  map[string]*queue{},
	}
	if s.clock == nil {
		s.clock = wallClock{}
	}
	return s
}

// Close answers every waiting receive without messages and lets no further one wait, so that the HTTP server
// can shut down without waiting for long polls.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, q := range s.queues {
		q.dismissWaiters(nil)
	}
}

// ServeHTTP answers one call of the JSON protocol, which names its operation in X-Amz-Target, and
// GET /healthz.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		_, _ = io.WriteString(w, "ok\n")
		return
	}
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	answer, err := s.call(w, r)
	switch {
	case errors.Is(err, errClientGone):
		return
	case err != nil:
		writeError(w, r, err)
	default:
		writeJSON(w, http.StatusOK, answer)
	}
}

// call runs the operation that a request names.
func (s *Server) call(w http.ResponseWriter, r *http.Request) (any, error) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	if !ok || r.Method != http.MethodPost {
		return nil, errUnknownOperation.errorf("this server speaks the JSON protocol: POST with X-Amz-Target: AmazonSQS.<operation>")
	}
	run, ok := operations[name]
	if !ok {
		return nil, errUnknownOperation.errorf("operation %s is not served here", name)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return nil, errSerialization.errorf("the request could not be read: %v", err)
	}
	return run(s, r, body)
}

// writeJSON writes an answer of the JSON protocol.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil { // the answers are structs of strings and numbers
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up sees its message again after the visibility timeout
}

// operation runs one call: it decodes the body, does the work and returns the answer.
type operation func(s *Server, r *http.Request, body []byte) (any, error)

// empty is the answer of operations without a result.
type empty struct{}

// operations are the calls of the JSON protocol that this server answers.
var operations = map[string]operation{
	"CreateQueue":                  decoded((*Server).createQueue),
	"GetQueueUrl":                  decoded((*Server).getQueueURL),
	"DeleteQueue":                  onQueue((*Server).deleteQueue),
	"PurgeQueue":                   onQueue((*Server).purgeQueue),
	"GetQueueAttributes":           onQueue((*Server).getQueueAttributes),
	"SendMessage":                  decoded((*Server).sendMessage),
	"SendMessageBatch":             decoded((*Server).sendMessageBatch),
	"ReceiveMessage":               decoded((*Server).receiveMessage),
	"DeleteMessage":                onQueue((*Server).deleteMessage),
	"DeleteMessageBatch":           onQueue((*Server).deleteMessageBatch),
	"ChangeMessageVisibility":      onQueue((*Server).changeVisibility),
	"ChangeMessageVisibilityBatch": onQueue((*Server).changeVisibilityBatch),
}

// decoded turns a method on a decoded request into an operation.
func decoded[In any](run func(s *Server, r *http.Request, in In) (any, error)) operation {
	return func(s *Server, r *http.Request, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, errSerialization.errorf("the request is not the JSON that this operation takes")
		}
		return run(s, r, in)
	}
}

// onQueue turns a method on a queue, which it locks, and on a decoded request into an operation.
func onQueue[In interface{ url() string }](run func(s *Server, q *queue, in In) (any, error)) operation {
	return decoded(func(s *Server, _ *http.Request, in In) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		q, err := s.byURL(in.url())
		if err != nil {
			return nil, err
		}
		return run(s, q, in)
	})
}

// Clock is the server's only source of time, so that a test can let hours pass in a moment.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// AfterFunc calls f once, in a goroutine of its own, when d has passed, and returns a function that
	// cancels it. Canceling it later does nothing.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// wallClock is the machine's clock.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}
