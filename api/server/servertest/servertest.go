// Package servertest configures the API's server for tests of the packages whose calls
// it serves.
package servertest

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// Store is main_db, or a test's version of it.
type Store interface {
	server.RaceReader
	server.KeyStore
}

// Config returns the configuration of a server that logs nothing.
func Config(verifier server.Verifier, store Store) server.Config {
	return server.Config{
		Verifier: verifier, Races: store, Keys: store, Fingerprint: sha256.Sum256,
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Health: http.NotFoundHandler(),
	}
}

var errUnknown = errors.New("not a token of these tests")

// Tokens accepts tokens of the form "<user type>/<user ID>".
type Tokens struct{}

// Verify returns the identity that a token names.
func (Tokens) Verify(token string) (auth.Identity, error) {
	userType, userID, found := strings.Cut(token, "/")
	if !found {
		return auth.Identity{}, errUnknown
	}
	return auth.Identity{UserID: userID, Type: auth.UserType(userType)}, nil
}

// Callers accepts the tokens that are its keys.
type Callers map[string]auth.Identity

// Verify returns the identity of a token.
func (c Callers) Verify(token string) (auth.Identity, error) {
	identity, ok := c[token]
	if !ok {
		return auth.Identity{}, errUnknown
	}
	return identity, nil
}
