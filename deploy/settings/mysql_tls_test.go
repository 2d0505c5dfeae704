package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/tlstest"
)

// secureServer starts a database server with a certificate for the name localhost
// and an account that may only log in through TLS, and returns what reaches it.
func secureServer(t *testing.T, authority *tlstest.Authority) mysql.Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	cert, key := authority.Issue(t, "localhost")
	server, err := stack.Start(t.Context(), stack.Options{
		Dir: t.TempDir(), Parts: []stack.Part{stack.MariaDB}, Throwaway: true,
		DatabaseOptions: []string{
			"--ssl-ca=" + write("ca.pem", authority.Certificate),
			"--ssl-cert=" + write("cert.pem", cert), "--ssl-key=" + write("key.pem", key),
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	root, err := mysql.Open(mysql.Config{Addr: server.MySQLAddr(), User: "root", Password: server.RootPassword(), MaxConns: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	_, err = root.ExecContext(t.Context(), "CREATE USER app@'%' IDENTIFIED BY 'secret' REQUIRE SSL")
	require.NoError(t, err)
	_, port, _ := strings.Cut(server.MySQLAddr(), ":")
	return mysql.Config{Addr: "localhost:" + port, User: "app", Password: "secret", MaxConns: 1, TLS: true, TLSCA: authority.Certificate}
}

func ping(t *testing.T, cfg mysql.Config) error {
	t.Helper()
	db, err := mysql.Open(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	return db.PingContext(t.Context())
}

func TestTLSToMySQL(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	cfg := secureServer(t, authority)

	db, err := mysql.Open(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var name, cipher string
	require.NoError(t, db.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
	require.NotEmpty(t, cipher)

	other := cfg
	other.TLSCA = tlstest.NewAuthority(t).Certificate
	require.ErrorContains(t, ping(t, other), "certificate signed by unknown authority")
	other.TLSCA = "" // the system's
	require.ErrorContains(t, ping(t, other), "certificate signed by unknown authority")
	other = cfg
	other.Addr = strings.Replace(cfg.Addr, "localhost", "127.0.0.1", 1)
	require.ErrorContains(t, ping(t, other), "cannot validate certificate for 127.0.0.1")
	other = cfg
	other.TLS, other.TLSCA = false, ""
	require.ErrorContains(t, ping(t, other), "1045", "the account takes nothing but TLS")
	other = cfg
	other.TLSCA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
	_, err = mysql.Open(other)
	require.ErrorContains(t, err, "TLS_CA has no certificate that can be read")
}

// With TLS required there is no fallback to plain text for a server without TLS. MySQL
// generates its own certificate, which is not trusted.
func TestTLSToMySQLIsNotGivenUp(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("TEST_MYSQL_ADDR")
	require.NotEmpty(t, addr, "TEST_MYSQL_ADDR is not set: run the tests with `make test`")
	err := ping(t, mysql.Config{
		Addr: addr, User: "root", Password: os.Getenv("TEST_MYSQL_ROOT_PASSWORD"), MaxConns: 1, TLS: true,
	})
	require.Error(t, err)
	require.Regexp(t, "server does not support TLS|failed to verify certificate", err.Error())
}
