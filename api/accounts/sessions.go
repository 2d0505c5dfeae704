package accounts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type sessionStore interface {
	// RotateToken returns userdb.ErrNoSession for a token that is not good, and a
	// *userdb.ReuseError for one that was used before.
	RotateToken(ctx context.Context, token, next auth.RefreshTokenHash, expires time.Time) (userdb.Session, error)
	// EndSession does nothing for a token that is not good.
	EndSession(ctx context.Context, token auth.RefreshTokenHash) error
}

type sessions struct {
	store  sessionStore
	tokens tokens
	log    *slog.Logger
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"100" example:"kBq7cBqf4OqJ1r6Q3oJm2y0Qb5m3g8mXb3mHhG0s5vE"`
	}
}

func (s sessions) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "refresh-token", Method: http.MethodPost, Path: "/v1/token/refresh",
		Summary: "Exchange a refresh token for a new pair", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "A refresh token is good once. Using an old one ends the session, since somebody must have copied it: log in again.",
		Errors:      []int{http.StatusUnauthorized, http.StatusUnprocessableEntity},
	}, s.refresh)
	server.Register(api, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/v1/logout", DefaultStatus: http.StatusNoContent,
		Summary: "End the session of a refresh token", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "The access token lives on until it expires.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, s.logout)
}

func (s sessions) refresh(ctx context.Context, in *refreshInput) (*tokenOutput, error) {
	refresh, hash := auth.NewRefreshToken()
	session, err := s.store.RotateToken(ctx, auth.HashRefreshToken(in.Body.RefreshToken), hash, s.tokens.refreshExpiry())
	var reuse *userdb.ReuseError
	switch {
	case errors.As(err, &reuse):
		s.log.WarnContext(ctx, "a refresh token was used twice: its session has been ended",
			"user_id", reuse.UserID, "session", reuse.Session)
		return nil, errRefresh()
	case errors.Is(err, userdb.ErrNoSession):
		return nil, errRefresh()
	case err != nil:
		return nil, err
	}
	return s.tokens.answer(session, refresh)
}

func errRefresh() error {
	return server.Unauthorized("the refresh token is not good any more: log in again")
}

func (s sessions) logout(ctx context.Context, in *refreshInput) (*struct{}, error) {
	return nil, s.store.EndSession(ctx, auth.HashRefreshToken(in.Body.RefreshToken))
}
