package race

import (
	"errors"
	"strings"
)

// Errors that callers branch on. The API translates them to HTTP statuses, the
// worker to Temporal failures; any other error is hidden from callers.
var (
	// ErrNotFound: it does not exist, or the caller may not know that it does.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: a database cannot be reached or cannot serve the call at the
	// moment; the same call may succeed later.
	ErrUnavailable = errors.New("unavailable")
	// ErrNotOwn: it exists, but is not the caller's.
	ErrNotOwn = errors.New("not the caller's own")
	// ErrStale: the revision that a change was based on is not the latest.
	ErrStale = errors.New("there is a newer revision")
	// ErrLeft: the account that the call is made for has been deleted.
	ErrLeft = errors.New("the account has been deleted")
)

// ConflictError says that a change contradicts what is already there. Message
// is for the caller to read and holds no personal data.
type ConflictError struct {
	Field   string // as the API names it; may be empty
	Message string
}

func (e *ConflictError) Error() string { return e.Message }

// FieldError is one thing that is wrong with an input.
type FieldError struct {
	Field   string // as the API names it
	Message string // what would be right; never the value itself
}

// InvalidError lists everything that is wrong with an input.
type InvalidError struct {
	Fields []FieldError
}

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + " " + f.Message
	}
	return strings.Join(parts, "; ")
}

// FieldErrors collects the errors of an input, field by field.
type FieldErrors []FieldError

// Add adds an error of a field; a nil err adds nothing.
func (f *FieldErrors) Add(field string, err error) {
	if err != nil {
		*f = append(*f, FieldError{Field: field, Message: err.Error()})
	}
}

// Err returns an *InvalidError with all of them, nil if there are none.
func (f FieldErrors) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &InvalidError{Fields: f}
}

// Rejection is the business outcome that a record cannot be credited as it stands.
// It is not a failure of the system: nothing is retried until the record or the
// start list is corrected. Reason may hold IDs and bibs, never a name.
type Rejection struct {
	Reason string
}

func (r *Rejection) Error() string { return "rejected: " + r.Reason }
