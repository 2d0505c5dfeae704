package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Server error numbers, from the MySQL reference's "Server Error Message
// Reference"; MariaDB has the same.
const (
	tooManyConnections = 1040
	shutdown           = 1053
	duplicateEntry     = 1062
	lockWaitTimeout    = 1205
	deadlock           = 1213
	readOnly           = 1290
)

// IsDuplicate reports whether err says that a unique key is already taken.
func IsDuplicate(err error) bool { return hasNumber(err, duplicateEntry) }

func isContention(err error) bool { return hasNumber(err, deadlock, lockWaitTimeout) }

func hasNumber(err error, numbers ...uint16) bool {
	server, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains(numbers, server.Number)
}

// isUnavailable reports whether err says that the server could not be reached
// or could not do its work just now, so that the same call may succeed later.
func isUnavailable(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || hasNumber(err, tooManyConnections, shutdown, readOnly, lockWaitTimeout)
}

// A databaseError is what the pools return instead of the driver's error. It wraps
// what callers branch on: race.ErrUnavailable where that applies, and the driver's
// own error.
type databaseError struct {
	cause       error
	unavailable bool
}

// Error leaves out the server's message, which may quote a value, such as
// somebody's login in a duplicate entry; number and SQL state stay.
func (e *databaseError) Error() string {
	if server, ok := errors.AsType[*mysql.MySQLError](e.cause); ok {
		return fmt.Sprintf("MySQL error %d (%s)", server.Number, server.SQLState[:])
	}
	return e.cause.Error()
}

func (e *databaseError) Unwrap() []error {
	if e.unavailable {
		return []error{race.ErrUnavailable, e.cause}
	}
	return []error{e.cause}
}

// translate is called with every error of the driver. Those that database/sql
// compares by identity, such as io.EOF and driver.ErrSkip, come back as they are.
func translate(err error) error {
	if err == nil {
		return nil
	}
	unavailable := isUnavailable(err)
	if _, server := errors.AsType[*mysql.MySQLError](err); !server && !unavailable {
		return err
	}
	return &databaseError{cause: err, unavailable: unavailable}
}

// full returns err with what the server said: for statements that hold no
// personal data, such as migrations.
func full(err error) error {
	if server, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return fmt.Errorf("%w: %s", err, server.Message)
	}
	return err
}

// translating makes connections whose errors are translated.
type translating struct{ driver.Connector }

func (c translating) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, translate(err)
	}
	whole, ok := conn.(driverConn)
	if !ok {
		return nil, errors.Join(errors.New("mysql: the driver's connection lacks what database/sql uses"), conn.Close())
	}
	return translatingConn{whole}, nil
}

type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type translatingConn struct{ driverConn }

func (c translatingConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := c.driverConn.BeginTx(ctx, options)
	return translatingTx{tx}, translate(err)
}

func (c translatingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, translate(err)
	}
	whole, ok := stmt.(driverStmt)
	if !ok {
		return nil, errors.Join(errors.New("mysql: the driver's statement lacks what database/sql uses"), stmt.Close())
	}
	return translatingStmt{whole}, nil
}

func (c translatingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.driverConn.ExecContext(ctx, query, args)
	return result, translate(err)
}

func (c translatingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	return translatingRows{rows}, translate(err)
}

func (c translatingConn) Ping(ctx context.Context) error { return translate(c.driverConn.Ping(ctx)) }

type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type translatingStmt struct{ driverStmt }

func (s translatingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.driverStmt.ExecContext(ctx, args)
	return result, translate(err)
}

func (s translatingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.driverStmt.QueryContext(ctx, args)
	return translatingRows{rows}, translate(err)
}

type translatingTx struct{ driver.Tx }

func (t translatingTx) Commit() error   { return translate(t.Tx.Commit()) }
func (t translatingTx) Rollback() error { return translate(t.Tx.Rollback()) }

type translatingRows struct{ driver.Rows }

func (r translatingRows) Next(dest []driver.Value) error { return translate(r.Rows.Next(dest)) }
