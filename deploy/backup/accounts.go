package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// The databases of the system, between which accounts can go missing.
const (
	mainDB = "main_db"
	userDB = "user_db"
)

// Accounts says what became of the accounts that races in main_db name and that
// user_db did not have after a restore.
type Accounts struct {
	Kept       int      // copied from the user_db that was replaced, without points
	StandIns   int      // runners who got an account without name and login, for their points
	Organizers []string // IDs of organizers of races who have no account: nobody can log in as they
}

// complete gives every entrant in main_db an account: without one, the points have
// no owner and the credit waits for ever. A user_db from before a start list lacks
// the accounts that the list made.
func complete(ctx context.Context, servers []Server, before string) (found Accounts, err error) {
	mainServer, hasMain := serverOf(servers, mainDB)
	userServer, hasUser := serverOf(servers, userDB)
	if !hasMain || !hasUser {
		return Accounts{}, nil
	}
	races, err := mainServer.connect(ctx)
	if err != nil {
		return Accounts{}, err
	}
	defer func() { err = errors.Join(err, races.close()) }()
	people, err := userServer.connect(ctx)
	if err != nil {
		return Accounts{}, err
	}
	defer func() { err = errors.Join(err, people.close()) }()
	ids, err := races.strings(ctx, "SELECT DISTINCT user_id FROM main_db.participant UNION SELECT DISTINCT organizer_id FROM main_db.race")
	if err != nil {
		return Accounts{}, err
	}
	pool, err := mysql.Open(mysql.Config{Addr: userServer.Addr, Name: userDB, User: userServer.User, Password: userServer.Password, MaxConns: 2})
	if err != nil {
		return Accounts{}, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	store := userdb.NewAccounts(pool, time.Now)
	missing, err := withoutAccount(ctx, store, ids)
	if err != nil || len(missing) == 0 {
		return Accounts{}, err
	}
	if before != "" {
		if err := people.keepAccounts(ctx, before, missing); err != nil {
			return Accounts{}, err
		}
		still, err := withoutAccount(ctx, store, missing)
		if err != nil {
			return Accounts{}, err
		}
		found.Kept, missing = len(missing)-len(still), still
	}
	organizers, err := races.strings(ctx, "SELECT DISTINCT organizer_id FROM main_db.race")
	if err != nil {
		return Accounts{}, err
	}
	var standIns []userdb.Runner
	for _, id := range missing {
		if slices.Contains(organizers, id) {
			found.Organizers = append(found.Organizers, id)
		} else {
			standIns = append(standIns, userdb.Runner{UserID: id})
		}
	}
	found.StandIns = len(standIns)
	return found, store.EnsureRunners(ctx, standIns)
}

func serverOf(servers []Server, database string) (Server, bool) {
	i := slices.IndexFunc(servers, func(s Server) bool { return slices.Contains(s.Databases, database) })
	if i < 0 {
		return Server{}, false
	}
	return servers[i], true
}

func withoutAccount(ctx context.Context, store *userdb.Accounts, ids []string) ([]string, error) {
	there, err := store.Runners(ctx, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := there[id]; return ok }), nil
}

// keepAccounts copies accounts from the user_db that was replaced, with logins and
// without points: those come from the records.
func (e *session) keepAccounts(ctx context.Context, before string, ids []string) error {
	columns, err := e.commonColumns(ctx, before, userDB)
	if err != nil {
		return err
	}
	columns = append(columns, "user_id")
	list := strings.Join(columns, ", ")
	for chunk := range slices.Chunk(ids, 1000) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		// A login that somebody else has by now is not taken away: then a stand-in is made.
		_, err := e.db.ExecContext(ctx, fmt.Sprintf("INSERT IGNORE INTO user_db.user (%s, total_point) SELECT %[1]s, 0 FROM %s.user WHERE user_id IN (?%s)",
			list, before, strings.Repeat(", ?", len(chunk)-1)), args...)
		if err != nil {
			return fmt.Errorf("keep accounts that are newer than the backup: %w", err)
		}
	}
	return nil
}

// commonColumns lists the columns that the accounts of two databases have in common,
// which may be of different releases, without the ID and the total.
func (e *session) commonColumns(ctx context.Context, one, other string) ([]string, error) {
	return e.strings(ctx, `SELECT column_name FROM information_schema.columns
		WHERE table_name = 'user' AND table_schema IN (?, ?) AND column_name NOT IN ('user_id', 'total_point')
		GROUP BY column_name HAVING COUNT(*) = 2`, one, other)
}
