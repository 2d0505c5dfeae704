package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/mrmrthon/mrmrthon/deploy/backup"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// The databases and accounts. Those of the API and the worker start without any
// privilege: `api migrate` grants each what its program needs, table by table. The
// DDL accounts own their database and nothing else.
const (
	mainDB = "main_db"
	userDB = "user_db"

	mainDDL    = "main_ddl"
	mainAPI    = "main_api"
	mainWorker = "main_worker"
	userDDL    = "user_ddl"
	userAPI    = "user_api"
	userWorker = "user_worker"

	backupUser = "mrmrthon_backup" // may do everything, for backups and restores
)

func (s *Stack) mariadb() component {
	return component{
		command: s.mariadbCommand,
		ready:   s.pingMariaDB,
		ports:   []int{s.ports.MariaDB},
	}
}

func (s *Stack) mariadbCommand(ctx context.Context) (*exec.Cmd, error) {
	server := s.programs.of(MariaDB)
	isMySQL, err := isMySQL(ctx, server)
	if err != nil {
		return nil, err
	}
	// Neither server can read what the other has written.
	data := s.folder.path("mariadb")
	if isMySQL {
		data = s.folder.path("mysql")
	}
	if err := s.initialiseData(ctx, server, isMySQL, data); err != nil {
		return nil, err
	}
	provision := s.folder.path("run", "provision.sql")
	if err := writeFile(provision, []byte(s.provisioning())); err != nil {
		return nil, fmt.Errorf("write the statements that provision MariaDB: %w", err)
	}
	flush := "1" // at flushed to disk at every commit
	if s.opts.Throwaway {
		flush = "2" // at every commit to the operating system
	}
	args := []string{
		"--no-defaults", // must be first: ignores the settings of the system's own instance
		"--datadir=" + data,
		"--init-file=" + provision,
		s.mariadbTemporary(),
		"--bind-address=" + host,
		fmt.Sprintf("--port=%d", s.ports.MariaDB),
		// Relative to the data folder: an absolute path may be longer than
		// the 107 bytes that a socket's name can have.
		"--socket=mariadb.sock",
		"--pid-file=mariadb.pid",
		"--skip-name-resolve",
		"--character-set-server=utf8mb4",
		"--collation-server=" + mysql.Collation,
		"--default-time-zone=+00:00",
		"--max-connections=500",
		"--performance-schema=OFF",
		"--innodb-buffer-pool-size=256M",
		"--innodb-flush-log-at-trx-commit=" + flush,
	}
	if isMySQL {
		args = append(args, "--mysqlx=OFF", noFiles) // the X protocol would want a port of its own
	} else {
		args = append(args, "--sql-mode="+mysqlMode)
	}
	if s.opts.Throwaway {
		// Each table that is made or dropped waits for the disk otherwise, and on a busy
		// one all tests do. What the system has taken survives a kill all the same.
		args = append(args, "--skip-log-bin", "--innodb-flush-method=nosync")
		if !isMySQL {
			args = append(args, "--debug-no-sync")
		}
	} else {
		args = append(args, BinaryLog()...)
	}
	args = append(append(args, asRoot()...), s.opts.DatabaseOptions...)
	return exec.Command(server, args...), nil //nolint:noctx // ends by Stop, not by a context
}

// BinaryLog are the options by which a server keeps what was committed in the last
// three days, so that backups can be restored to a moment.
func BinaryLog() []string {
	return []string{
		"--log-bin=binlog", "--binlog-format=ROW", "--server-id=1", "--sync-binlog=1", "--binlog-expire-logs-seconds=259200",
	}
}

// mysqlMode makes MariaDB refuse what MySQL refuses by default. ONLY_FULL_GROUP_BY is
// not among it, since MariaDB has another idea of what that is.
const mysqlMode = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

// noFiles turns LOAD DATA and SELECT INTO OUTFILE off. Without it, MySQL's
// packages want a folder that only their service makes.
const noFiles = "--secure-file-priv=NULL"

// isMySQL reports whether a server is MySQL rather than MariaDB. Its name does not
// say so: MariaDB's packages have a mysqld too.
func isMySQL(ctx context.Context, server string) (bool, error) {
	out, err := exec.CommandContext(ctx, server, "--no-defaults", "--version").CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("ask %s for its version: %w; it printed:\n%s", server, err, out)
	}
	return !strings.Contains(string(out), "MariaDB"), nil
}

// mariadbTemporary is a separate folder for temporary tables: a server that
// starts clears those in the folder away, and so must share it with no other.
func (s *Stack) mariadbTemporary() string { return "--tmpdir=" + s.folder.path("tmp") }

// asRoot lets root run the server, which mariadbd refuses without an explicit
// option: on some machines, such as containers, root is the only user.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// initialiseData creates the data folder once. It is created under another name
// and moved, so that an interrupted start leaves no half of one.
func (s *Stack) initialiseData(ctx context.Context, server string, isMySQL bool, data string) error {
	if _, err := os.Stat(data); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.console.say("creating the data folder %s of %s", data, server)
	fresh := data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear an unfinished data folder: %w", err)
	}
	name, args := server, []string{"--no-defaults", "--initialize-insecure", noFiles}
	if !isMySQL {
		var err error
		if name, err = findProgram("mariadb-install-db", "mysql_install_db"); err != nil {
			return fmt.Errorf("create MariaDB's data folder: %w", err)
		}
		args = []string{
			"--no-defaults", "--skip-test-db", "--skip-name-resolve",
			// Without it the installer, run by root, takes a folder of the
			// system's own instance (of its PAM plugin) away from mysql.
			"--rpm",
			// One root, whose password is set at the first start; the other
			// method adds one per host name, without a password.
			"--auth-root-authentication-method=socket", "--auth-root-socket-user=root",
		}
	}
	args = append(args, "--datadir="+fresh, s.mariadbTemporary())
	out, err := exec.CommandContext(ctx, name, append(args, asRoot()...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("create the data folder with %s: %w; it printed:\n%s", name, err, out)
	}
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("put the data folder in its place: %w", err)
	}
	return nil
}

// provisioning is run by the server at every start, before it listens: there is
// never a root account without a password, and what exists is kept. One statement
// per line, as older servers want it.
func (s *Stack) provisioning() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+";\n", args...) }

	line("ALTER USER 'root'@'localhost' IDENTIFIED BY '%s'", s.secrets.MariaDBRoot)
	line("DROP USER IF EXISTS 'root'@'%%'")
	if s.opts.Throwaway {
		line("CREATE USER 'root'@'%%' IDENTIFIED BY '%s'", s.secrets.MariaDBRoot)
		line("GRANT ALL PRIVILEGES ON *.* TO 'root'@'%%' WITH GRANT OPTION")
	}
	line("CREATE USER IF NOT EXISTS '%s'@'%s' IDENTIFIED BY '%s'", backupUser, host, s.secrets.Backup)
	line("ALTER USER '%s'@'%s' IDENTIFIED BY '%s'", backupUser, host, s.secrets.Backup)
	line("GRANT ALL PRIVILEGES ON *.* TO '%s'@'%s' WITH GRANT OPTION", backupUser, host)
	line("DROP USER IF EXISTS 'main_app'@'%%', 'user_app'@'%%'") // both programs shared them once
	for _, a := range s.accounts() {
		line("CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8mb4 COLLATE "+mysql.Collation, a.database)
		line("CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s'", a.user, a.password)
		line("ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", a.user, a.password)
		if a.ddl {
			line("GRANT ALL PRIVILEGES ON %s.* TO '%s'@'%%' WITH GRANT OPTION", a.database, a.user)
		}
	}
	return b.String()
}

type account struct {
	database, user, password string
	ddl                      bool
}

func (s *Stack) accounts() []account {
	return []account{
		{mainDB, mainDDL, s.secrets.MainDDL, true},
		{mainDB, mainAPI, s.secrets.MainAPI, false},
		{mainDB, mainWorker, s.secrets.MainWorker, false},
		{userDB, userDDL, s.secrets.UserDDL, true},
		{userDB, userAPI, s.secrets.UserAPI, false},
		{userDB, userWorker, s.secrets.UserWorker, false},
	}
}

// pingMariaDB logs in with every account, which proves the provisioning too.
func (s *Stack) pingMariaDB(ctx context.Context) error {
	for _, a := range s.accounts() {
		if err := ping(ctx, s.connection(a.user, a.password, "")); err != nil {
			return fmt.Errorf("log in to MariaDB as %s: %w", a.user, err)
		}
	}
	return nil
}

func ping(ctx context.Context, cfg *driver.Config) (err error) {
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.PingContext(ctx)
}

func (s *Stack) connection(user, password, database string) *driver.Config {
	cfg := driver.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = user, password, database
	cfg.Net, cfg.Addr = "tcp", address(s.ports.MariaDB)
	cfg.ParseTime, cfg.Timeout = true, 5*time.Second
	cfg.Logger = &driver.NopLogger{} // refusals of a server that is just starting are not worth a log line
	return cfg
}

// MySQLAddr is host:port of MariaDB.
func (s *Stack) MySQLAddr() string { return address(s.ports.MariaDB) }

// RootPassword is MariaDB's; root connects over TCP in a throwaway stack only.
func (s *Stack) RootPassword() string { return s.secrets.MariaDBRoot }

// BackupServer is MariaDB as the commands that back up and restore log in to it.
func (s *Stack) BackupServer() backup.Server { return backupServer(s.ports.MariaDB, s.secrets) }

// RunningServer is the MariaDB of a stack that another process runs in dir, at a port.
func RunningServer(dir string, port int) (backup.Server, error) {
	secrets, err := LoadSecrets(dir)
	return backupServer(port, secrets), err
}

func backupServer(port int, secrets Secrets) backup.Server {
	return backup.Server{
		Name: "local", Addr: address(port), User: backupUser, Password: secrets.Backup, Databases: []string{mainDB, userDB},
	}
}

// RootDSN connects root to a database ("main_db", "user_db" or "" for none) in
// the notation of go-sql-driver/mysql. It works in a throwaway stack only.
func (s *Stack) RootDSN(database string) string {
	return s.connection("root", s.secrets.MariaDBRoot, database).FormatDSN()
}
