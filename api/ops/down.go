package ops

import (
	"errors"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
)

// DownError says that a part of the system does not answer just now.
type DownError struct {
	Part string // as an operator knows it: Temporal, the queue
	Err  error
}

func (e *DownError) Error() string { return e.Part + " does not answer: " + e.Err.Error() }

// Unwrap returns what the part's client said.
func (e *DownError) Unwrap() error { return e.Err }

// translate answers for a part that is down. Databases that are have their
// answer in the frame.
func translate(err error) error {
	if down, ok := errors.AsType[*DownError](err); ok {
		return server.Unavailable(down.Part + " does not answer")
	}
	return err
}

// The parts that an answer may have to do without.
const (
	partTemporal = "temporal"
	partUserDB   = "user_db"
)

// patience is how long an answer waits for a part that it can do without.
const patience = 2 * time.Second
