package temporal

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/internal/tlstest"
)

// testBundle is a frontend of Temporal by TLS, as far as a client needs one to
// see whether it is healthy.
type testBundle struct {
	authority *tlstest.Authority
	cfg       Config      // that reaches it, without a certificate of the client's
	keys      chan string // the Authorization of each call
}

func setup(t *testing.T, clients tls.ClientAuthType) *testBundle {
	t.Helper()
	b := &testBundle{authority: tlstest.NewAuthority(t), keys: make(chan string, 10)}
	cert, key := b.authority.Issue(t, "temporal.example.org")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	require.NoError(t, err)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: clients, ClientCAs: b.authority.Pool(),
	})), grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		sent, _ := metadata.FromIncomingContext(ctx)
		b.keys <- strings.Join(sent.Get("authorization"), ",")
		return handler(ctx, req)
	}))
	workflowservice.RegisterWorkflowServiceServer(server, workflowservice.UnimplementedWorkflowServiceServer{})
	healthy := health.NewServer()
	healthy.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan error, 1)
	go func() { over <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-over)
	})
	b.cfg = Config{
		Address: listener.Addr().String(), Namespace: "default",
		TLS: true, TLSCA: b.authority.Certificate, TLSServerName: "temporal.example.org",
	}
	return b
}

// dial asks the frontend whether it is healthy.
func dial(t *testing.T, cfg Config) error {
	t.Helper()
	require.NoError(t, cfg.Check("TEMPORAL_"))
	options, err := cfg.Options()
	require.NoError(t, err)
	options.Logger = temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	c, err := client.NewLazyClient(options)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	return err
}

func TestTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, tls.NoClientCert)
	require.NoError(t, dial(t, b.cfg))

	other := b.cfg
	other.TLSCA = tlstest.NewAuthority(t).Certificate
	require.ErrorContains(t, dial(t, other), "certificate signed by unknown authority")
	other = b.cfg
	other.TLSCA = "" // the system's
	require.ErrorContains(t, dial(t, other), "certificate signed by unknown authority")
	other = b.cfg
	other.TLSServerName = "" // the address has another name
	require.ErrorContains(t, dial(t, other), "cannot validate certificate for 127.0.0.1")
	require.Error(t, dial(t, Config{Address: b.cfg.Address, Namespace: "default"}), "in plain")
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, tls.RequireAndVerifyClientCert)
	require.Error(t, dial(t, b.cfg), "without a certificate")

	known := b.cfg
	known.TLSCert, known.TLSKey = b.authority.Issue(t, "worker")
	require.NoError(t, dial(t, known))

	stranger := b.cfg
	stranger.TLSCert, stranger.TLSKey = tlstest.NewAuthority(t).Issue(t, "worker")
	require.Error(t, dial(t, stranger))
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	b := setup(t, tls.NoClientCert)
	b.cfg.APIKey = "an-api-key"
	require.NoError(t, dial(t, b.cfg))
	require.Equal(t, "Bearer an-api-key", <-b.keys)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	cert, key := tlstest.NewAuthority(t).Issue(t, "worker")
	_, otherKey := tlstest.NewAuthority(t).Issue(t, "worker")
	for name, test := range map[string]struct {
		environ []string
		want    string // in the error; empty: none
	}{
		"plain":              {nil, ""},
		"TLS":                {[]string{"TEMPORAL_TLS=true"}, ""},
		"mTLS":               {[]string{"TEMPORAL_TLS=true", "TEMPORAL_TLS_CERT=" + cert, "TEMPORAL_TLS_KEY=" + key}, ""},
		"a key without TLS":  {[]string{"TEMPORAL_API_KEY=hunter2"}, "TEMPORAL_API_KEY is set, but TEMPORAL_TLS is false"},
		"a CA without TLS":   {[]string{"TEMPORAL_TLS_CA=" + cert}, "TEMPORAL_TLS_CA is set, but TEMPORAL_TLS is false"},
		"a lone certificate": {[]string{"TEMPORAL_TLS=true", "TEMPORAL_TLS_CERT=" + cert}, "TEMPORAL_TLS_CERT is set without TEMPORAL_TLS_KEY"},
		"a lone key":         {[]string{"TEMPORAL_TLS=true", "TEMPORAL_TLS_KEY=" + key}, "TEMPORAL_TLS_KEY is set without TEMPORAL_TLS_CERT"},
		"another's key":      {[]string{"TEMPORAL_TLS=true", "TEMPORAL_TLS_CERT=" + cert, "TEMPORAL_TLS_KEY=" + otherKey}, "TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY do not go together"},
		"no port":            {[]string{"TEMPORAL_ADDRESS=localhost"}, "TEMPORAL_ADDRESS must be host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cfg struct {
				Temporal Config `envPrefix:"TEMPORAL_"`
			}
			err := settings.Read(&cfg, append([]string{"TEMPORAL_ADDRESS=localhost:7233"}, test.environ...))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	cert, key := authority.Issue(t, "client")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	require.NoError(t, err)
	claims := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".signature"
	}
	for name, test := range map[string]struct {
		cfg  Config
		want time.Time
	}{
		"an API key":               {Config{APIKey: claims(`{"exp":1800000000,"iss":"temporal.io"}`)}, time.Unix(1800000000, 0)},
		"a key that does not say":  {Config{APIKey: claims(`{"iss":"temporal.io"}`)}, time.Time{}},
		"a key that is not a JWT":  {Config{APIKey: "secret"}, time.Time{}},
		"a payload that is broken": {Config{APIKey: "a.%%%.c"}, time.Time{}},
		"a payload of other types": {Config{APIKey: claims(`{"exp":"soon"}`)}, time.Time{}},
		"a certificate":            {Config{TLSCert: cert, TLSKey: key}, pair.Leaf.NotAfter},
		"no credentials":           {Config{}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.True(t, test.want.Equal(test.cfg.Expiry()), "%s", test.cfg.Expiry())
			registry := prometheus.NewRegistry()
			test.cfg.Register(registry)
			found, err := registry.Gather()
			require.NoError(t, err)
			if test.want.IsZero() {
				require.Empty(t, found)
				return
			}
			require.InDelta(t, test.want.Unix(), found[0].GetMetric()[0].GetGauge().GetValue(), 0)
		})
	}
}
