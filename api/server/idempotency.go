package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// Hash is a SHA-256 sum.
type Hash = [sha256.Size]byte

// KeyStore remembers idempotency keys.
type KeyStore interface {
	// ReserveKey binds key to resourceID and request, or returns its earlier
	// binding.
	ReserveKey(ctx context.Context, key, request Hash, resourceID, userID string) (maindb.Reservation, error)
	// SaveResponse stores the answer for every later call with the key.
	SaveResponse(ctx context.Context, key Hash, status int, body []byte) error
	// ReleaseKey deletes a key whose call created nothing.
	ReleaseKey(ctx context.Context, key Hash) error
}

const (
	maxKeyLength  = 255
	maxStoredBody = 8 << 20 // of an answer; a larger one is not stored and its call runs again
)

// ResourceID returns the ID for the resource that this call creates. It is the same for
// every call with the same Idempotency-Key, so that a call repeated after a crash finds
// what the first attempt created.
func ResourceID(ctx context.Context) string {
	if id, ok := ctx.Value(resourceKey).(string); ok {
		return id
	}
	return uuid.Must(uuid.NewV7()).String()
}

// Reserved returns the context of a call whose key is bound to resourceID. It repeats
// an earlier call unless that is newID, which the call has proposed.
func Reserved(ctx context.Context, resourceID, newID string) context.Context {
	ctx = context.WithValue(ctx, resourceKey, resourceID)
	if first, err := uuid.Parse(resourceID); resourceID != newID && err == nil {
		ctx = context.WithValue(ctx, retryKey, first)
	}
	return ctx
}

// RetryOf returns when a call that repeats an Idempotency-Key was first made, if the
// outcome of that attempt is unknown, and zero for a new call.
func RetryOf(ctx context.Context) time.Time {
	if id, ok := ctx.Value(retryKey).(uuid.UUID); ok {
		return time.Unix(id.Time().UnixTime())
	}
	return time.Time{}
}

// idempotency honours the Idempotency-Key of calls that create something. Bodies may
// hold passwords, so fingerprint is a keyed hash: a plain hash could be reversed by
// guessing.
type idempotency struct {
	api         huma.API
	keys        KeyStore
	fingerprint func(data []byte) Hash
	log         *slog.Logger
}

func (i idempotency) middleware(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	key := ctx.Header("Idempotency-Key")
	rule := Access[op.Method+" "+op.Path]
	if key == "" || !rule.Creates {
		next(ctx)
		return
	}
	if len(key) > maxKeyLength {
		writeError(i.api, ctx, Invalid("header.Idempotency-Key", "must have at most "+strconv.Itoa(maxKeyLength)+" characters"))
		return
	}
	r, w := humachi.Unwrap(ctx)
	body, err := readAtMost(r, op.MaxBodyBytes)
	if err != nil {
		writeError(i.api, ctx, err)
		return
	}
	request := i.fingerprint(body)
	keyHash := keyOf(ctx, key, request)
	newID := uuid.Must(uuid.NewV7()).String()
	reserved, err := i.reserve(ctx.Context(), keyHash, request, newID)
	switch {
	case err != nil:
		writeError(i.api, ctx, translate(ctx.Context(), i.log, err))
		return
	case reserved.Response != nil:
		replay(w, *reserved.Response)
		return
	}
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	retry := reserved.ResourceID != newID
	r = r.WithContext(Reserved(ctx.Context(), reserved.ResourceID, newID))
	r.Body = io.NopCloser(bytes.NewReader(body))
	next(humachi.NewContext(op, r, answer))
	i.settle(r.Context(), keyHash, answer, rule.Secret, retry)
}

// keyOf returns the scope of an Idempotency-Key: the caller, the call and the key.
// Anonymous callers are strangers to each other, and many of them choose "1". Their
// body is part of the scope: a stranger's key means nothing to them, and a retry, with
// the same body, still finds what the first attempt created. They learn nothing that
// way but what they sent.
func keyOf(ctx huma.Context, key string, request Hash) Hash {
	op, location, caller := ctx.Operation(), ctx.URL(), CallerFrom(ctx.Context()).UserID
	if caller == "" {
		caller = "anonymous " + hex.EncodeToString(request[:])
	}
	return sha256.Sum256([]byte(caller + "\n" + op.Method + " " + location.RequestURI() + "\n" + key))
}

func (i idempotency) reserve(ctx context.Context, key, request Hash, newID string) (maindb.Reservation, error) {
	reserved, err := i.keys.ReserveKey(ctx, key, request, newID, CallerFrom(ctx).UserID)
	if err != nil {
		return maindb.Reservation{}, err
	}
	if reserved.RequestHash != request {
		return maindb.Reservation{}, Invalid("header.Idempotency-Key", "was used before with another body: use a new key for a new request")
	}
	return reserved, nil
}

// settleTimeout bounds how long storing the answer may delay the end of a call.
const settleTimeout = 2 * time.Second

// settle stores the answer for the next call with the key. A refused call created
// nothing and frees its key, unless it repeats a call whose outcome is unknown, as it
// also is after a 5xx. Then the key stays bound to its resource ID. The answer has
// already been sent: a failure here only means that a retry runs the handler again.
func (i idempotency) settle(ctx context.Context, key Hash, answer *recorder, secret, retry bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var err error
	switch {
	case answer.status >= http.StatusInternalServerError || answer.body.Len() > maxStoredBody:
	case answer.status >= http.StatusBadRequest && retry:
	case answer.status >= http.StatusBadRequest:
		err = i.keys.ReleaseKey(ctx, key)
	case secret: // the key stays bound to its resource ID
	default:
		err = i.keys.SaveResponse(ctx, key, answer.status, answer.body.Bytes())
	}
	if err != nil {
		i.log.WarnContext(ctx, "answer not stored for its Idempotency-Key: a retry will run the call again", "error", err)
	}
}

func replay(w http.ResponseWriter, answer maindb.StoredResponse) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // the caller may have disconnected
}

// readAtMost reads a body of up to limit bytes, as huma does.
func readAtMost(r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, huma.NewError(http.StatusRequestEntityTooLarge,
			"the body must have at most "+strconv.FormatInt(limit, 10)+" bytes")
	}
	if err != nil {
		return nil, huma.Error400BadRequest("the body could not be read")
	}
	return body, nil
}

// recorder keeps a copy of the answer.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	r.body.Write(data)
	return r.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
