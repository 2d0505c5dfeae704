package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
)

// TestACallMayTakeLongerThanItsBody works on after the time for sending the body
// is over, which begins once more when the body was read for its key: nobody has
// gone away.
func TestACallMayTakeLongerThanItsBody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const forBody = 50 * time.Millisecond
	type input struct {
		Body struct {
			LoginID string `json:"login_id"`
		}
	}
	server.Register(b.api, huma.Operation{
		OperationID: "sign-up", Method: http.MethodPost, Path: "/v1/users", BodyReadTimeout: forBody,
	}, func(ctx context.Context, _ *input) (*struct{}, error) {
		select {
		case <-time.After(5 * forBody):
			return &struct{}{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	listening := httptest.NewServer(b.router)
	defer listening.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, listening.URL+"/v1/users", strings.NewReader(`{"login_id":"me"}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "once")
	response, err := listening.Client().Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNoContent, response.StatusCode)
}
