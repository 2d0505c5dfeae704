package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// retryAfter is when a caller should retry while a server is down. Servers restart
// within seconds.
const retryAfter = 5 * time.Second

// Problems never quote the invalid value, which may be a password or a birth date. huma
// has one constructor for the whole program.
func init() {
	huma.NewError = func(status int, detail string, errs ...error) huma.StatusError {
		problem := &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}
		for _, err := range errs {
			if err != nil {
				problem.Add(withoutValue(err))
			}
		}
		return problem
	}
}

func withoutValue(err error) error {
	var detailer huma.ErrorDetailer
	if !errors.As(err, &detailer) {
		return err
	}
	detail := *detailer.ErrorDetail()
	detail.Value = nil
	if missing := missingProperty.FindStringSubmatch(detail.Message); missing != nil {
		detail.Location += "." + missing[1]
		detail.Message = "is required"
	}
	return &detail
}

// missingProperty is huma's message about a missing property. Its location is the
// object, not the property.
var missingProperty = regexp.MustCompile(`^expected required property (\S+) to be present$`)

// translate turns a domain error into the caller's answer. Any other error is logged
// and hidden.
func translate(ctx context.Context, log *slog.Logger, err error) error {
	var (
		status   huma.StatusError
		conflict *race.ConflictError
		invalid  *race.InvalidError
	)
	switch {
	case errors.As(err, &status):
		return err
	case errors.Is(err, race.ErrNotFound):
		return huma.Error404NotFound(noSuchThing)
	case errors.Is(err, race.ErrLeft):
		return Unauthorized("the account of this access token has been deleted")
	case errors.Is(err, race.ErrStale):
		return huma.Error412PreconditionFailed("there is a newer revision than the one in If-Match: read it again")
	case errors.As(err, &conflict):
		return huma.Error409Conflict(conflict.Message, details([]race.FieldError{{Field: conflict.Field, Message: conflict.Message}})...)
	case errors.As(err, &invalid):
		return huma.Error422UnprocessableEntity("validation failed", details(invalid.Fields)...)
	case errors.Is(context.Cause(ctx), ErrStopping):
		return Unavailable("this process is stopping: ask again")
	case errors.Is(ctx.Err(), context.Canceled):
		return huma.NewError(statusClientClosedRequest, "the caller went away")
	case errors.Is(err, race.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		log.WarnContext(ctx, "call answered with 503: something that it needs is unavailable", "error", err)
		return Unavailable("a part of the service is down")
	}
	log.ErrorContext(ctx, "unexpected error", "error", err)
	return huma.Error500InternalServerError("something went wrong on our side; it has been logged")
}

// ErrStopping is the cause of a call's context when the process stops and can no longer
// wait for it.
var ErrStopping = errors.New("the process is stopping")

// statusClientClosedRequest is nginx's status for a request whose caller has
// disconnected. It appears only in logs and metrics.
const statusClientClosedRequest = 499

// Unavailable is the answer while a server that the call needs is down.
func Unavailable(detail string) error {
	return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(detail),
		http.Header{"Retry-After": {strconv.Itoa(int(retryAfter.Seconds()))}})
}

// maxBusyWait is how long a caller waits at most who finds the server busy.
const maxBusyWait = 5

// Busy is the answer to a call that found more calls waiting than are taken. Callers
// are told to wait for different times, so that they do not come back together.
func Busy(detail string) error {
	return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(detail),
		http.Header{"Retry-After": {strconv.Itoa(1 + rand.IntN(maxBusyWait))}}) //nolint:gosec // no secret
}

func details(fields []race.FieldError) []error {
	var errs []error
	for _, f := range fields {
		if f.Field != "" {
			errs = append(errs, &huma.ErrorDetail{Location: "body." + f.Field, Message: f.Message})
		}
	}
	return errs
}

// Problem returns what the API answers to an error, for pages that put it in their
// own words.
func Problem(ctx context.Context, err error) (*huma.ErrorModel, http.Header) {
	return problemOf(translate(ctx, loggerFrom(ctx), err))
}

// writeError answers a huma call with err, which translate has converted.
func writeError(api huma.API, ctx huma.Context, err error) {
	status, headers := problemOf(err)
	for name, values := range headers {
		for _, value := range values {
			ctx.SetHeader(name, value)
		}
	}
	var errs []error
	for _, detail := range status.Errors {
		errs = append(errs, detail)
	}
	// The caller may have disconnected.
	_ = huma.WriteErr(api, ctx, status.Status, status.Detail, errs...)
}

// writeProblem answers a request outside of huma with err.
func writeProblem(w http.ResponseWriter, err error) {
	problem, headers := problemOf(err)
	maps.Copy(w.Header(), headers)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.Status)
	_ = json.NewEncoder(w).Encode(problem) //nolint:errchkjson // likewise; without values it always encodes
}

var problemType = reflect.TypeFor[huma.ErrorModel]()

func problemOf(err error) (*huma.ErrorModel, http.Header) {
	var headers http.Header
	if withHeaders, ok := errors.AsType[huma.HeadersError](err); ok {
		headers = withHeaders.GetHeaders()
	}
	var problem *huma.ErrorModel
	if !errors.As(err, &problem) {
		problem = &huma.ErrorModel{
			Status: http.StatusInternalServerError,
			Title:  http.StatusText(http.StatusInternalServerError),
			Detail: "something went wrong on our side",
		}
	}
	return problem, headers
}

// TooMany is the answer to a call that is over a limit: a 429 that says when to try
// again.
func TooMany(retryAfter time.Duration, detail string) error {
	seconds := (retryAfter + time.Second - 1) / time.Second
	return huma.ErrorWithHeaders(huma.Error429TooManyRequests(detail),
		http.Header{"Retry-After": {strconv.FormatInt(int64(seconds), 10)}})
}
