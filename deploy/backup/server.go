package backup

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// Server is a database server of which databases are backed up. Its account may do
// everything on the server.
type Server struct {
	Name           string // of its folder in the place
	Addr           string
	User, Password string
	Databases      []string
}

// session is a connection to a server, and the tools for it.
type session struct {
	Server
	db                 *sql.DB
	version            string
	isMariaDB, logs    bool
	dump, read, client string // the tools' paths
	folder             string // for files that are large or secret, removed at the end
}

// connect logs in to the server and finds the tools that it is used with.
func (s Server) connect(ctx context.Context) (_ *session, err error) {
	db, err := mysql.Open(mysql.Config{Addr: s.Addr, User: s.User, Password: s.Password, MaxConns: 2})
	if err != nil {
		return nil, err
	}
	e := &session{Server: s, db: db}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if err := db.QueryRowContext(ctx, "SELECT VERSION(), @@log_bin").Scan(&e.version, &e.logs); err != nil {
		return nil, fmt.Errorf("log in to the database server %s as %s: %w", s.Addr, s.User, err)
	}
	e.isMariaDB = strings.Contains(e.version, "MariaDB")
	for _, tool := range []struct {
		path           *string
		mariaDB, mySQL string
	}{{&e.dump, "mariadb-dump", "mysqldump"}, {&e.read, "mariadb-binlog", "mysqlbinlog"}, {&e.client, "mariadb", "mysql"}} {
		names := []string{tool.mySQL}
		if e.isMariaDB {
			names = []string{tool.mariaDB, tool.mySQL}
		}
		if *tool.path, err = findTool(ctx, e.isMariaDB, names...); err != nil {
			return nil, err
		}
	}
	if e.folder, err = os.MkdirTemp("", "mrmrthon-backup-"); err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	if err := e.writeOptions(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *session) close() error {
	err := e.db.Close()
	if e.folder != "" {
		err = errors.Join(err, os.RemoveAll(e.folder))
	}
	return err
}

// findTool returns the path of a tool, which must be the server's own: MySQL's
// and MariaDB's tools do not understand each other's logs, and the packages of
// MariaDB install theirs under MySQL's names too, as links. Not all of them say
// by --version whose they are.
func findTool(ctx context.Context, isMariaDB bool, names ...string) (string, error) {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		version, err := exec.CommandContext(ctx, path, "--version").Output()
		if err == nil && (strings.HasPrefix(filepath.Base(target), "mariadb") || bytes.Contains(version, []byte("MariaDB"))) == isMariaDB {
			return path, nil
		}
	}
	if isMariaDB {
		return "", fmt.Errorf("%s is not on PATH; install MariaDB's tools (Debian: apt-get install mariadb-client)", names[0])
	}
	return "", fmt.Errorf("%s of MySQL is not on PATH; install MySQL's tools (package mysql-client)", names[0])
}

// writeOptions writes the file by which the tools log in, so that the password is
// neither in their arguments nor in their environment.
func (e *session) writeOptions() error {
	host, port, err := net.SplitHostPort(e.Addr)
	if err != nil {
		return fmt.Errorf("address of the database server: %w", err)
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(e.Password)
	text := fmt.Sprintf("[client]\nprotocol=tcp\nhost=%s\nport=%s\nuser=%s\n", host, port, e.User) + `password="` + quoted + "\"\n"
	return os.WriteFile(e.options(), []byte(text), 0o600)
}

func (e *session) options() string { return filepath.Join(e.folder, "client.cnf") }

// command runs a tool with its standard input and output; what it prints on its
// standard error is in the error. Its clock shows UTC, in which moments are given.
func (e *session) command(ctx context.Context, in io.Reader, out io.Writer, tool string, args ...string) error {
	cmd := exec.CommandContext(ctx, tool, append([]string{"--defaults-file=" + e.options()}, args...)...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	cmd.Env = append(os.Environ(), "TZ=UTC")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(tool), err, complaint(said.String()))
	}
	return nil
}

var quotedText = regexp.MustCompile(`'[^']*'`)

// complaint returns the last line that a tool printed, which holds its error. Before
// it the client quotes the statement with values that may be personal data; of quoted
// texts only the names of tables are kept.
func complaint(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return quotedText.ReplaceAllStringFunc(lines[len(lines)-1], func(quoted string) string {
		if tableName.MatchString(quoted) {
			return quoted
		}
		return "'…'"
	})
}

var tableName = regexp.MustCompile(`^'[a-z_]+\.[a-z_]+'$`)

// now returns the server's time.
func (e *session) now(ctx context.Context) (now time.Time, err error) {
	err = e.db.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now)
	return now, err
}

// tables lists the tables of a database, in order.
func (e *session) tables(ctx context.Context, database string) ([]string, error) {
	return e.strings(ctx, "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = ? ORDER BY table_name", database)
}

// closedLogs flushes the binary log and lists those that are complete.
func (e *session) closedLogs(ctx context.Context) ([]string, error) {
	if _, err := e.db.ExecContext(ctx, "FLUSH BINARY LOGS"); err != nil {
		return nil, fmt.Errorf("close the binary log: %w", err)
	}
	names, err := e.strings(ctx, "SHOW BINARY LOGS")
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return names[:len(names)-1], nil
}

// strings returns the first column of a query's rows.
func (e *session) strings(ctx context.Context, query string, args ...any) (all []string, err error) {
	rows, err := e.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("ask the database server: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var first string
		row := slices.Repeat([]any{new(any)}, len(columns))
		row[0] = &first
		if err := rows.Scan(row...); err != nil {
			return nil, err
		}
		all = append(all, first)
	}
	return all, rows.Err()
}

// The timeline of a server is the history of its binary logs. A new data folder and a
// restore begin a new one: the logs of the old timeline do not lead to what the
// server holds now. The server itself remembers the timeline, in a database that none
// of the programs sees, which calls it a series, as backups once did.
const timelineTable = "mrmrthon_backups.series"

// timeline returns the server's timeline and gives it one when it has none.
func (e *session) timeline(ctx context.Context) (string, error) {
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS mrmrthon_backups CHARACTER SET utf8mb4 COLLATE " + mysql.Collation,
		"CREATE TABLE IF NOT EXISTS " + timelineTable + " (one TINYINT NOT NULL PRIMARY KEY, series VARCHAR(40) NOT NULL)",
	} {
		if _, err := e.db.ExecContext(ctx, statement); err != nil {
			return "", fmt.Errorf("prepare the timeline of backups: %w", err)
		}
	}
	found, err := e.strings(ctx, "SELECT series FROM "+timelineTable)
	if err != nil || len(found) > 0 {
		return strings.Join(found, ""), err
	}
	return e.beginTimeline(ctx)
}

func (e *session) beginTimeline(ctx context.Context) (string, error) {
	now, err := e.now(ctx)
	if err != nil {
		return "", err
	}
	timeline := now.Format(stampFormat)
	if _, err := e.db.ExecContext(ctx, "REPLACE INTO "+timelineTable+" (one, series) VALUES (1, ?)", timeline); err != nil {
		return "", fmt.Errorf("begin a timeline of backups: %w", err)
	}
	return timeline, nil
}

// empty reports whether a database is as the programs' first start left it: without
// results and without accounts but operators'.
func (e *session) empty(ctx context.Context, database string, tables []string) (bool, error) {
	for table, where := range map[string]string{
		"race": "", "unofficial_record": "", "user": " WHERE user_type <> 'operator'",
	} {
		if !slices.Contains(tables, table) {
			continue
		}
		var used bool
		if err := e.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+database+"."+table+where+")").Scan(&used); err != nil {
			return false, fmt.Errorf("check whether %s.%s is empty: %w", database, table, err)
		}
		if used {
			return false, nil
		}
	}
	return true, nil
}
