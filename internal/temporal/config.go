// Package temporal connects to Temporal (a self-hosted server, in plain text or by
// TLS with or without a client certificate, or Temporal Cloud with a certificate or
// an API key) and describes, lists, starts and resets workflows.
package temporal

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
)

// Config says where Temporal is and how to connect to it; its tags are for
// settings.Read. Embed it with the prefix "TEMPORAL_".
type Config struct {
	Address   string `env:"ADDRESS,required" check:"host:port" help:"Temporal's frontend"`
	Namespace string `env:"NAMESPACE" envDefault:"default" help:"with Temporal Cloud, name and account: races.a1b2c"`

	Gzip bool `env:"GZIP" envDefault:"true" help:"compress calls: fewer bytes for more CPU; false where the server is near"`

	TLS           bool   `env:"TLS" envDefault:"false" help:"encrypt, and verify the server"`
	TLSCA         string `env:"TLS_CA" check:"PEM" help:"certificate authorities to trust instead of the system's"`
	TLSCert       string `env:"TLS_CERT" check:"PEM" help:"the client's certificate and those between it and its authority, for mTLS"`
	TLSKey        string `env:"TLS_KEY,unset" check:"PEM" secret:"true" help:"the certificate's private key"`
	TLSServerName string `env:"TLS_SERVER_NAME" help:"the name to verify the server by; the one in the address when empty"`
	APIKey        string `env:"API_KEY,unset" secret:"true" help:"Temporal Cloud's API key, instead of a certificate"`
}

// Check returns an error for settings that contradict each other.
func (c Config) Check(prefix string) error {
	var problems []error
	for name, value := range map[string]string{
		"TLS_CA": c.TLSCA, "TLS_CERT": c.TLSCert, "TLS_KEY": c.TLSKey, "TLS_SERVER_NAME": c.TLSServerName, "API_KEY": c.APIKey,
	} {
		if value != "" && !c.TLS {
			problems = append(problems, fmt.Errorf("%s%s is set, but %[1]sTLS is false: set it to true", prefix, name))
		}
	}
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		problems = append(problems, fmt.Errorf("%sTLS_CERT is set without %[1]sTLS_KEY", prefix))
	case c.TLSCert == "" && c.TLSKey != "":
		problems = append(problems, fmt.Errorf("%sTLS_KEY is set without %[1]sTLS_CERT", prefix))
	case c.TLSCert != "":
		if _, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey)); err != nil {
			problems = append(problems, fmt.Errorf("%sTLS_CERT and %[1]sTLS_KEY do not go together: %w", prefix, err))
		}
	}
	return errors.Join(problems...)
}

// Expiry returns when the credentials stop being accepted. An API key of Temporal
// Cloud is a JWT whose payload names its end; a client certificate says so
// itself. Zero means that there are no credentials, or that they do not say.
func (c Config) Expiry() time.Time {
	if c.TLSCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey))
		if err != nil || pair.Leaf == nil {
			return time.Time{}
		}
		return pair.Leaf.NotAfter
	}
	parts := strings.Split(c.APIKey, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.Expires, 0)
}

// Register exports the expiry of the credentials, if they have one, so that an
// alert fires before every workflow stops.
func (c Config) Register(registry prometheus.Registerer) {
	expiry := c.Expiry()
	if expiry.IsZero() {
		return
	}
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mrmrthon_temporal_credential_expires_timestamp_seconds",
		Help: "When the API key or client certificate for Temporal expires, in Unix time.",
	})
	gauge.Set(float64(expiry.Unix()))
	registry.MustRegister(gauge)
}

// Options are the part of a client's options that says how to reach the server.
func (c Config) Options() (client.Options, error) {
	options := client.Options{HostPort: c.Address, Namespace: c.Namespace}
	if !c.Gzip {
		options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	}
	if !c.TLS {
		return options, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.TLSServerName}
	if c.TLSCA != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM([]byte(c.TLSCA)) {
			return client.Options{}, errors.New("TEMPORAL_TLS_CA has no certificate that can be read")
		}
	}
	if c.TLSCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey))
		if err != nil {
			return client.Options{}, fmt.Errorf("TEMPORAL_TLS_CERT: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	options.ConnectionOptions.TLS = settings
	if c.APIKey != "" {
		options.Credentials = client.NewAPIKeyStaticCredentials(c.APIKey)
	}
	return options, nil
}
