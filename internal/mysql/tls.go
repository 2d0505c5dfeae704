package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// tls returns what the driver needs for an encrypted connection, nil for a plain
// one. The driver verifies the name in Addr.
func (c Config) tls() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil //nolint:nilnil // the driver's word for no TLS
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM([]byte(c.TLSCA)) {
			return nil, fmt.Errorf("database %s: TLS_CA has no certificate that can be read", c.Name)
		}
	}
	return settings, nil
}
