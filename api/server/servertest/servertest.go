// Package servertest configures the API's server for tests of the packages whose calls
// it serves.
package servertest

import (
	"crypto/sha256"
	"errors"
	"fmt"
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

// Markers are what tests of leaving write as a person into every field that takes one of
// them, to look for it afterwards.
var Markers = []string{"Zebra7391", "zebra7391@example.net", "73917391739"}

// Marked are the fields of the calls of runners that take a marker. A field that is added
// belongs here, or in another case of the test in package api, which looks for them.
var Marked = []string{
	"add-passkey.name",
	"change-me.email", "change-me.login_id", "change-me.name", "change-me.phone",
	"change-unofficial-record.note", "change-unofficial-record.title",
	"create-unofficial-record.note", "create-unofficial-record.title", "edit-comment.text",
	"enter-race.team", "open-dispute.right_would_be", "open-dispute.wrong", "post-comment.text", "report-comment.reason",
}

// Dump writes every row of every table of a database, read by query.
func Dump(query func(statement string) ([]map[string]any, error)) (string, error) {
	tables, err := query("SELECT table_name AS t FROM information_schema.tables WHERE table_schema = DATABASE()")
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, table := range tables {
		rows, err := query(fmt.Sprint("SELECT * FROM `", table["t"], "`"))
		if err != nil {
			return "", err
		}
		for _, row := range rows {
			fmt.Fprintln(&text, table["t"], row)
		}
	}
	return text.String(), nil
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
