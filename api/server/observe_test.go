package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mrmrthon/mrmrthon/api/server"
)

type raceQuery struct {
	RaceID string `path:"race_id"`
	Name   string `query:"name"`
}

// serveStandings registers a route for anyone.
func (b *testBundle) serveStandings(handler func(context.Context, *raceQuery) (*struct{}, error)) {
	server.Register(b.api, huma.Operation{
		OperationID: "standings", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings",
	}, handler)
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.serveStandings(func(context.Context, *raceQuery) (*struct{}, error) { return nil, errors.New("broken") })
	const path = "/v1/races/" + raceID + "/standings"
	own := "0192-caller_s_own_ID"
	require.Equal(t, own, b.call(http.MethodGet, path, "", "", "X-Request-Id", own).Header().Get("X-Request-Id"))
	require.Contains(t, b.logs.String(), `"msg":"unexpected error","error":"broken","request_id":"`+own+`"`)
	require.Regexp(t, `"msg":"request",.*"request_id":"`+own+`","race_id":"`+raceID+`"`, b.logs.String())

	for _, other := range []string{"", "short", strings.Repeat("x", 65), "someone@example.org", `"quoted", and more`} {
		given := b.call(http.MethodGet, path, "", "", "X-Request-Id", other).Header().Get("X-Request-Id")
		require.Regexp(t, "^[0-9a-f-]{36}$", given, "not well-formed: %s", other)
	}
}

func TestARequestIsTracedByItsRoute(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	b := setup(t, func(cfg *server.Config) {
		cfg.Traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	})
	var failing error
	b.serveStandings(func(context.Context, *raceQuery) (*struct{}, error) { return nil, failing })

	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b.call(http.MethodGet, "/v1/races/"+raceID+"/standings?name=Secretname", "", "", "traceparent", caller)
	b.call(http.MethodGet, "/v1/races/Secretname/standings", "", "")
	b.call(http.MethodGet, "/Secretname", "", "")
	failing = errors.New("Secretname is wrong")
	b.call(http.MethodGet, "/v1/races/"+raceID+"/standings", "", "")
	b.call(http.MethodGet, "/healthz", "", "")

	ended := recorder.Ended()
	require.Len(t, ended, 4, "health is asked all the time")
	for _, span := range ended {
		require.NotContains(t, span.Name(), "Secretname")
		require.Empty(t, span.Events())
		require.NotContains(t, span.Status().Description, "Secretname")
		for _, attr := range span.Attributes() {
			require.NotContains(t, attr.Value.String(), "Secretname")
		}
	}
	first := ended[0]
	require.Equal(t, "GET /v1/races/{race_id}/standings", first.Name())
	require.Contains(t, first.Attributes(), attribute.String("race_id", raceID))
	require.Contains(t, first.Attributes(), attribute.Int("http.response.status_code", http.StatusNoContent))
	require.Equal(t, codes.Unset, first.Status().Code)
	require.False(t, first.Parent().IsValid(), "a caller does not decide what of ours is kept")
	require.Len(t, first.Links(), 1)
	require.Equal(t, "b7ad6b7169203331", first.Links()[0].SpanContext.SpanID().String())
	require.Equal(t, "GET unknown", ended[2].Name())
	require.Equal(t, codes.Error, ended[3].Status().Code)
	require.Contains(t, b.logs.String(), `"trace_id":"`+ended[3].SpanContext().TraceID().String()+`"`)
}
