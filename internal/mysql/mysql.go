// Package mysql opens the MySQL and MariaDB databases behind the stores:
// settings, pool, migrations, and transactions that survive a deadlock.
package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Config says where a database is and how it is used. Embed it with a prefix:
// `envPrefix:"MAIN_DB_"`.
type Config struct {
	Addr     string `env:"ADDR,required" check:"host:port" help:"the database's server"`
	Name     string `env:"NAME,required" help:"the database"`
	User     string `env:"USER,required" help:"the account that this program logs in with"`
	Password string `env:"PASSWORD,required,unset" secret:"true" help:"the account's password"`
	MaxConns int    `env:"MAX_CONNS" envDefault:"16" unit:"connections" help:"the most connections that a process opens to it"`
	TLS      bool   `env:"TLS" envDefault:"false" help:"encrypt, and verify the server's certificate and name"`
	// ReadTimeout bounds the wait for a part of an answer, where a statement can be
	// sent to another server instead; zero: the caller's context bounds it.
	ReadTimeout time.Duration
	TLSCA       string `env:"TLS_CA" check:"PEM" help:"certificate authorities to trust instead of the system's, such as Amazon's for RDS"`
}

// Check reports a TLS_CA that would have no effect.
func (c Config) Check(prefix string) error {
	if c.TLSCA != "" && !c.TLS {
		return fmt.Errorf("%sTLS_CA is set, but %[1]sTLS is false: set it to true", prefix)
	}
	return nil
}

// Collation is how text is compared unless a column names another: without regard
// to case, accents and trailing spaces. It is named wherever text is stored or
// compared, since the default of utf8mb4 differs between MariaDB and MySQL, and
// between their versions. Both have had this one all along.
const Collation = "utf8mb4_general_ci"

const (
	dialTimeout  = 3 * time.Second
	idleLifetime = 5 * time.Minute
)

// Open returns a pool for the database. It does not connect yet: a program may
// start before its database does. Times are UTC, transactions read committed,
// and an UPDATE counts the rows it matched. The pool's errors are
// race.ErrUnavailable while the server cannot be reached or cannot do its work,
// and their texts never quote a value.
func Open(cfg Config) (*sql.DB, error) {
	connector, err := connector(cfg)
	if err != nil {
		return nil, err
	}
	return pool(cfg, sql.OpenDB(connector)), nil
}

// connector makes the connections of a pool.
func connector(cfg Config) (driver.Connector, error) {
	options := mysql.NewConfig()
	options.Net, options.Addr, options.DBName = "tcp", cfg.Addr, cfg.Name
	options.User, options.Passwd = cfg.User, cfg.Password
	options.Timeout, options.ReadTimeout = dialTimeout, cfg.ReadTimeout
	options.ParseTime, options.Loc = true, time.UTC
	options.InterpolateParams = true // one round trip a statement instead of two
	options.ClientFoundRows = true
	options.Logger = &mysql.NopLogger{} // everything relevant is returned as an error
	options.Collation = Collation
	var err error
	if options.TLS, err = cfg.tls(); err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(options)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", cfg.Name, err)
	}
	return translating{readCommitted{connector}}, nil
}

// pool sets the limits of a pool.
func pool(cfg Config, db *sql.DB) *sql.DB {
	db.SetMaxOpenConns(cfg.MaxConns)
	db.SetMaxIdleConns(cfg.MaxConns)
	db.SetConnMaxIdleTime(idleLifetime)
	return db
}

// readCommitted sets the isolation level once for each connection, which saves
// a round trip in every transaction. MySQL 8 and MariaDB 10.11 name the system
// variable differently; the statement is the same.
type readCommitted struct{ driver.Connector }

func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("mysql: the driver's connection cannot execute"), conn.Close())
	}
	if _, err := execer.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set isolation level: %w", err), conn.Close())
	}
	return conn, nil
}

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
