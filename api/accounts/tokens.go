package accounts

import (
	"time"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// noStore keeps answers that are for the caller alone out of every cache.
const noStore = "no-store"

// tokens makes the answer of a login or a refresh.
type tokens struct {
	issuer     *auth.Issuer
	refreshTTL time.Duration
	now        func() time.Time
}

type tokenOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		AccessToken  string        `json:"access_token" doc:"For the header Authorization: Bearer <access_token>."`
		TokenType    string        `json:"token_type" example:"Bearer"`
		ExpiresIn    int           `json:"expires_in" example:"900" doc:"Seconds until the access token expires."`
		RefreshToken string        `json:"refresh_token" doc:"Can be used once, at POST /v1/token/refresh."`
		UserID       string        `json:"user_id"`
		UserType     auth.UserType `json:"user_type" enum:"runner,organizer,operator"`
	}
}

func (t tokens) refreshExpiry() time.Time { return t.now().Add(t.refreshTTL) }

func (t tokens) answer(session userdb.Session, refresh string) (*tokenOutput, error) {
	account := session.Account
	access, ttl, err := t.issuer.Issue(auth.Identity{UserID: account.UserID, Type: account.Type, Session: session.ID})
	if err != nil {
		return nil, err
	}
	out := &tokenOutput{CacheControl: noStore}
	out.Body.AccessToken, out.Body.TokenType, out.Body.ExpiresIn = access, "Bearer", int(ttl.Seconds())
	out.Body.RefreshToken = refresh
	out.Body.UserID, out.Body.UserType = account.UserID, account.Type
	return out, nil
}
