package settings_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/tlstest"
)

// secureServer starts a MariaDB that takes nothing but TLS, with a certificate
// for the name localhost, and returns what reaches it.
func secureServer(t *testing.T, authority *tlstest.Authority) mysql.Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	cert, key := authority.Issue(t, "localhost")
	data := filepath.Join(dir, "data")
	out, err := exec.CommandContext(t.Context(), "mariadb-install-db", "--no-defaults", "--skip-test-db", "--rpm",
		"--auth-root-authentication-method=normal", "--datadir="+data, "--user=root").CombinedOutput()
	require.NoError(t, err, "%s", out)
	addr := freeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "mariadbd", "--no-defaults", "--user=root", "--datadir="+data, "--tmpdir="+dir,
		"--bind-address=127.0.0.1", "--port="+port, "--socket=s", "--pid-file=p", "--skip-log-bin", "--performance-schema=OFF",
		"--require-secure-transport=ON", "--ssl-ca="+write("ca.pem", authority.Certificate),
		"--ssl-cert="+write("cert.pem", cert), "--ssl-key="+write("key.pem", key),
		"--init-file="+write("init.sql", "CREATE USER app@'%' IDENTIFIED BY 'secret';\n"))
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), "%s", &log)
	})
	cfg := mysql.Config{Addr: "localhost:" + port, User: "app", Password: "secret", MaxConns: 1, TLS: true, TLSCA: authority.Certificate}
	require.Eventually(t, func() bool { return ping(t, cfg) == nil }, time.Minute, 100*time.Millisecond)
	return cfg
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
	require.Error(t, ping(t, other), "the server takes nothing but TLS")
	other = cfg
	other.TLSCA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
	_, err = mysql.Open(other)
	require.ErrorContains(t, err, "TLS_CA has no certificate that can be read")
}

// A server without TLS is not spoken to in plain when TLS was asked for.
func TestTLSToMySQLIsNotGivenUp(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("TEST_MYSQL_ADDR")
	require.NotEmpty(t, addr, "TEST_MYSQL_ADDR is not set: run the tests with `make test`")
	require.ErrorContains(t, ping(t, mysql.Config{
		Addr: addr, User: "root", Password: os.Getenv("TEST_MYSQL_ROOT_PASSWORD"), MaxConns: 1, TLS: true,
	}), "TLS")
}
