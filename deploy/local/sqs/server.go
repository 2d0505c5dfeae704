package sqs

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// maxRequestBytes bounds one request: a payload of 1 MiB whose every byte is escaped in JSON (\u003c).
const maxRequestBytes = 8 << 20

// Config is what a server can be told; its zero value works.
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
	tasks  []*moveTask // newest first
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

// Close answers every waiting receive with no messages and lets no further one wait, so that an HTTP
// server around it can shut down without sitting out long polls.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, q := range s.queues {
		q.dismissWaiters(nil)
	}
	for _, t := range s.tasks {
		t.stop()
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
