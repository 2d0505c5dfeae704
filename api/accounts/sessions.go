package accounts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type sessions struct {
	store  *userdb.Store
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
		Summary: "Refresh an access token", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Returns a new access token and a new refresh token. A refresh token can be used once: using it again ends the session, since somebody must have copied it.",
		Errors:      []int{http.StatusUnauthorized, http.StatusUnprocessableEntity},
	}, s.refresh)
	server.Register(api, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/v1/logout", DefaultStatus: http.StatusNoContent,
		Summary: "Log out", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Ends the session of the refresh token. Its access token stays valid until it expires.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, s.logout)
}

func (s sessions) refresh(ctx context.Context, in *refreshInput) (*tokenOutput, error) {
	refresh, hash := auth.NewRefreshToken()
	session, err := s.store.RotateToken(ctx, auth.HashRefreshToken(in.Body.RefreshToken), hash, s.tokens.refreshExpiry())
	var reuse *userdb.ReuseError
	switch {
	case errors.As(err, &reuse):
		s.log.WarnContext(ctx, "refresh token used twice: its session was ended",
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
	return server.Unauthorized("the refresh token is no longer valid: log in again")
}

func (s sessions) logout(ctx context.Context, in *refreshInput) (*struct{}, error) {
	return nil, s.store.EndSession(ctx, auth.HashRefreshToken(in.Body.RefreshToken))
}
