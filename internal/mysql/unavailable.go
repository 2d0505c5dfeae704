package mysql

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

// IsUnavailable reports whether err says that the server could not be reached
// or could not do its work just now, so that the same call may succeed later.
func IsUnavailable(err error) bool {
	const (
		tooManyConnections = 1040
		shutdown           = 1053
		readOnly           = 1290
	)
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) ||
		hasNumber(err, tooManyConnections, shutdown, readOnly, lockWaitTimeout)
}
