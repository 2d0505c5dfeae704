// Package keys serves API keys, with which machines call the API: of a race, and of an
// organizer for all of their races.
package keys

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	tag = "API keys"

	racePath = "/v1/races/{race_id}/keys"
	minePath = "/v1/me/keys"

	maxBody = 16 << 10
)

const about = "Send the key as `Authorization: Bearer mrk_…`. The scope read covers what a viewer may read, timing also files and records, all also settings, start lists and " +
	"publication; no key makes keys, staff or hand-overs, deletes or voids a race, or changes an account. A key never may more than the account that made it. " +
	"It ends when that account leaves the race, is deleted or is recovered by a mailed link, and is refused while the account is suspended. The owner of the account gets a mail when a key is made. "

// Register adds the calls to the API. accounts mails a notice of every new key.
// It returns what pages do with keys.
func Register(api huma.API, store *maindb.Store, accounts *userdb.Accounts, now func() time.Time) *Service {
	k := keys{store: store, accounts: accounts, now: now}
	errs := []int{http.StatusNotFound, http.StatusConflict}
	server.Register(api, huma.Operation{
		OperationID: "create-race-key", Method: http.MethodPost, Path: racePath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Create an API key for a race", Tags: []string{tag}, Description: about + "The secret is shown only in this answer.",
	}, k.createOfRace)
	server.Register(api, huma.Operation{
		OperationID: "list-race-keys", Method: http.MethodGet, Path: racePath, Errors: errs,
		Summary: "List the API keys of a race", Tags: []string{tag},
	}, k.listOfRace)
	server.Register(api, huma.Operation{
		OperationID: "revoke-race-key", Method: http.MethodDelete, Path: racePath + "/{key_id}", DefaultStatus: http.StatusNoContent, Errors: errs,
		Summary: "Revoke an API key of a race", Tags: []string{tag}, Description: "It stops working within a second.",
	}, k.revokeOfRace)
	server.Register(api, huma.Operation{
		OperationID: "create-my-key", Method: http.MethodPost, Path: minePath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Create an API key for all races that you own or work on", Tags: []string{tag}, Description: about + "With the scope all it creates races, too. The secret is shown only in this answer.",
	}, k.createOwn)
	server.Register(api, huma.Operation{
		OperationID: "list-my-keys", Method: http.MethodGet, Path: minePath,
		Summary: "List your API keys for all of your races", Tags: []string{tag},
	}, k.listOwn)
	server.Register(api, huma.Operation{
		OperationID: "revoke-my-key", Method: http.MethodDelete, Path: minePath + "/{key_id}", DefaultStatus: http.StatusNoContent, Errors: errs,
		Summary: "Revoke one of your API keys", Tags: []string{tag}, Description: "It stops working within a second.",
	}, k.revokeOwn)
	return &Service{k}
}

// Service is what pages do with the keys of a race, as the calls do.
type Service struct{ calls keys }

// OfRace returns the keys of the race of ctx, the newest first.
func (s *Service) OfRace(ctx context.Context) ([]ShownKey, error) {
	out, err := s.calls.listOfRace(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// CreateOfRace creates a key of the race of ctx and returns its secret, which is shown
// only this once.
func (s *Service) CreateOfRace(ctx context.Context, in NewKey) (ShownKey, string, error) {
	if err := server.Valid(in); err != nil {
		return ShownKey{}, "", err
	}
	out, err := s.calls.create(ctx, server.RaceFrom(ctx).ID, in)
	if err != nil {
		return ShownKey{}, "", err
	}
	return out.Body.ShownKey, out.Body.Secret, nil
}

// RevokeOfRace revokes a key of the race of ctx.
func (s *Service) RevokeOfRace(ctx context.Context, keyID string) error {
	return s.calls.revoke(ctx, server.RaceFrom(ctx).ID, keyID)
}

type keys struct {
	store    *maindb.Store
	accounts *userdb.Accounts
	now      func() time.Time
}

// NewKey is what a new API key is to be.
type NewKey struct {
	Name      string     `json:"name" minLength:"1" maxLength:"100" example:"finish line laptop" doc:"A name to tell your keys apart. Only people who may see the keys can read it."`
	Scope     auth.Scope `json:"scope" enum:"read,timing,all" example:"timing"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the key ends by itself; never by default."`
}

// ShownKey is an API key without its secret.
type ShownKey struct {
	KeyID      string     `json:"key_id" format:"uuid"`
	Name       string     `json:"name"`
	Prefix     string     `json:"prefix" example:"mrk_x7Fq2a" doc:"How the key begins."`
	Scope      auth.Scope `json:"scope" enum:"read,timing,all"`
	RaceID     string     `json:"race_id,omitempty" format:"uuid" doc:"The only race that it is good for."`
	CreatedBy  string     `json:"created_by" format:"uuid" doc:"The account that it acts for."`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"May lag by up to a minute."`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
}

type createdKeyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		ShownKey
		Secret string `json:"secret" doc:"The key. It is shown only once: keep it like a password."`
	}
}

type keysOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items []ShownKey `json:"items" nullable:"false" doc:"The newest first, with those that have ended."`
	}
}

type raceKeyInput struct {
	RaceID string `path:"race_id"`
	Body   NewKey
}

type ownKeyInput struct {
	Body NewKey
}

type raceKeysInput struct {
	RaceID string `path:"race_id"`
}

type revokeRaceKeyInput struct {
	RaceID string `path:"race_id"`
	KeyID  string `path:"key_id"`
}

type revokeOwnKeyInput struct {
	KeyID string `path:"key_id"`
}

func (k keys) createOfRace(ctx context.Context, in *raceKeyInput) (*createdKeyOutput, error) {
	return k.create(ctx, server.RaceFrom(ctx).ID, in.Body)
}

func (k keys) createOwn(ctx context.Context, in *ownKeyInput) (*createdKeyOutput, error) {
	return k.create(ctx, "", in.Body)
}

func (k keys) create(ctx context.Context, raceID string, in NewKey) (*createdKeyOutput, error) {
	var wrong race.FieldErrors
	now := k.now().UTC().Truncate(time.Microsecond)
	name, err := race.Line(in.Name)
	if err == nil && name == "" {
		err = errors.New("must have 1 to 100 characters")
	}
	wrong.Add("name", err)
	var expires time.Time
	if in.ExpiresAt != nil {
		if expires = in.ExpiresAt.UTC().Truncate(time.Microsecond); !expires.After(now) || expires.Year() > 9999 {
			wrong = append(wrong, race.FieldError{Field: "expires_at", Message: "must be in the future"})
		}
	}
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	caller := server.CallerFrom(ctx)
	secret, prefix, hash := auth.NewAPIKey()
	key := maindb.APIKey{
		ID: server.ResourceID(ctx), Prefix: prefix, Name: name, Scope: in.Scope, RaceID: raceID,
		CreatedBy: caller.UserID, CreatorType: caller.Type, CreatedAt: now, ExpiresAt: expires,
	}
	err = k.store.AddKey(ctx, key, hash, func(ctx context.Context) error {
		return k.accounts.NotifyKey(ctx, caller.UserID, caller.Session, key.ID, prefix)
	})
	switch {
	case errors.Is(err, userdb.ErrNoSession), errors.Is(err, userdb.ErrSuspended):
		return nil, server.SessionEnded()
	case errors.Is(err, race.ErrNotFound) && raceID == "":
		return nil, server.AccountDeleted()
	case err != nil:
		return nil, err
	}
	out := &createdKeyOutput{CacheControl: "no-store"}
	out.Body.ShownKey, out.Body.Secret = show(key), secret
	return out, nil
}

func (k keys) listOfRace(ctx context.Context, _ *raceKeysInput) (*keysOutput, error) {
	found, err := k.store.RaceKeys(ctx, server.RaceFrom(ctx).ID)
	return list(found), err
}

func (k keys) listOwn(ctx context.Context, _ *struct{}) (*keysOutput, error) {
	found, err := k.store.AccountKeys(ctx, server.CallerFrom(ctx).UserID)
	return list(found), err
}

func list(found []maindb.APIKey) *keysOutput {
	out := &keysOutput{CacheControl: "no-store"}
	out.Body.Items = make([]ShownKey, len(found))
	for i, key := range found {
		out.Body.Items[i] = show(key)
	}
	return out
}

func show(key maindb.APIKey) ShownKey {
	return ShownKey{
		KeyID: key.ID, Name: key.Name, Prefix: key.Prefix, Scope: key.Scope, RaceID: key.RaceID, CreatedBy: key.CreatedBy, CreatedAt: key.CreatedAt,
		ExpiresAt: server.TimeOrNil(key.ExpiresAt), LastUsedAt: server.TimeOrNil(key.LastUsedAt), RevokedAt: server.TimeOrNil(key.RevokedAt),
	}
}

func (k keys) revokeOfRace(ctx context.Context, in *revokeRaceKeyInput) (*struct{}, error) {
	return nil, k.revoke(ctx, server.RaceFrom(ctx).ID, in.KeyID)
}

func (k keys) revokeOwn(ctx context.Context, in *revokeOwnKeyInput) (*struct{}, error) {
	return nil, k.revoke(ctx, "", in.KeyID)
}

func (k keys) revoke(ctx context.Context, raceID, keyID string) error {
	if !server.IsID(keyID) {
		return race.ErrNotFound
	}
	return k.store.RevokeKey(ctx, raceID, server.CallerFrom(ctx).UserID, keyID)
}
