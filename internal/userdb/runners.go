package userdb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Runner is what races may know about an account.
type Runner struct {
	UserID    string
	Name      string
	Sex       race.Sex  // empty: unknown
	BirthDate race.Date // zero: unknown
	// Owned reports whether the account is a person's own: it has a login, or had
	// one until its owner left. Otherwise it is a stand-in for somebody on a start
	// list, and the list may correct it.
	Owned    bool
	HideName *bool // see race.Discretion; read, not written
	HideAge  *bool // likewise
	// Replaces says that these values replace all that the stand-in had, empty ones
	// too: it is for another person now, or the list cleared something.
	Replaces bool
}

// Discretion is what the person wants shown in public.
func (r Runner) Discretion() race.Discretion {
	return race.Discretion{HideName: r.HideName, HideAge: r.HideAge, BirthDate: r.BirthDate}
}

// runnerChunk is how many accounts one statement reads or writes.
const runnerChunk = 1000

// StandInID returns the user ID of the stand-in for a bib of a race: the person of the
// start-list row, with the row's own name, birth date and sex. It stays what it is
// when the runner claims the result, which then is the account's. It is a UUIDv7 with the race's time, and always the same,
// so that a start list sent again after a crash creates no second account.
func StandInID(raceID, bibKey string) string {
	id, err := uuid.Parse(raceID)
	if err != nil {
		id = uuid.Nil // the hash below distinguishes races by itself
	}
	sum := sha256.Sum256([]byte(raceID + "/" + bibKey))
	const timeBytes = 6
	copy(id[timeBytes:], sum[:])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id.String()
}

// StandIn returns the user ID of the stand-in for a bib of a race, after it has added
// one that is missing: points that go back to it need an owner.
func (s *Accounts) StandIn(ctx context.Context, raceID, bibKey string) (string, error) {
	id := StandInID(raceID, bibKey)
	known, err := s.Runners(ctx, []string{id})
	if err != nil {
		return "", err
	}
	if _, exists := known[id]; !exists {
		err = s.EnsureRunners(ctx, []Runner{{UserID: id}})
	}
	return id, err
}

// NameStandIn is StandIn for what is only planned: it makes nothing.
func NameStandIn(_ context.Context, raceID, bibKey string) (string, error) {
	return StandInID(raceID, bibKey), nil
}

// Runners returns the accounts with those IDs by ID, without those that do not
// exist.
func (s *Store) Runners(ctx context.Context, userIDs []string) (map[string]Runner, error) {
	found := make(map[string]Runner, len(userIDs))
	for ids := range slices.Chunk(userIDs, runnerChunk) {
		rows, err := s.queries.Runners(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read runners: %w", err)
		}
		for _, row := range rows {
			found[row.UserID] = Runner{
				UserID: row.UserID, Name: row.Name, Sex: race.Sex(row.Sex), BirthDate: dateOf(row.BirthDate), Owned: row.Owned.Bool,
				HideName: wish(row.HideName), HideAge: wish(row.HideAge),
			}
		}
	}
	return found, nil
}

// LoginsOf returns the accounts with those user IDs that have a login, with no more than
// what Account.OwnsLogin needs. There is no way to ask for the account of a login on
// purpose: whoever names a login in a start list must not learn whether it exists.
func (s *Store) LoginsOf(ctx context.Context, userIDs []string) ([]Account, error) {
	var found []Account
	for ids := range slices.Chunk(userIDs, runnerChunk) {
		rows, err := s.queries.LoginsOf(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read logins of runners: %w", err)
		}
		for _, row := range rows {
			found = append(found, Account{UserID: row.UserID, LoginID: row.LoginID.String, Email: row.Email.String})
		}
	}
	return found, nil
}

// EnsureRunners creates or updates the accounts of stand-ins. What a stand-in
// leaves empty stays unchanged, or is cleared if it is for another person now. An
// account that a person has claimed in the meantime is left alone. Repeating the
// call changes nothing.
func (s *Accounts) EnsureRunners(ctx context.Context, standIns []Runner) error {
	now := s.now()
	for runners := range slices.Chunk(standIns, runnerChunk) {
		var replaced []string
		for _, r := range runners {
			if r.Replaces {
				replaced = append(replaced, r.UserID)
			}
		}
		err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
			if len(replaced) > 0 {
				if err := s.queries.WithTx(tx).ForgetStandIns(ctx, replaced); err != nil {
					return err
				}
			}
			return putRunners(ctx, tx, runners, now)
		})
		if err != nil {
			return fmt.Errorf("ensure runners: %w", err)
		}
		ids := make([]string, len(runners))
		for i, r := range runners {
			ids[i] = r.UserID
		}
		s.changed(ids...)
	}
	return nil
}

func (s *Accounts) changed(userIDs ...string) {
	if s.Changed != nil {
		s.Changed(userIDs...)
	}
}

func putRunners(ctx context.Context, tx *sql.Tx, runners []Runner, now time.Time) error {
	const perRunner = 6
	args := make([]any, 0, perRunner*len(runners))
	for _, r := range runners {
		args = append(args, r.UserID, r.Name, optionalDate(r.BirthDate), string(r.Sex), now, now)
	}
	const row = ",(?, 'runner', ?, '', ?, ?, ?, ?)"
	//nolint:gosec // what is concatenated is placeholders alone
	statement := `INSERT INTO user
		(user_id, user_type, name, phone, birth_date, sex, created_at, updated_at)
		VALUES ` + strings.Repeat(row, len(runners))[1:] + `
		ON DUPLICATE KEY UPDATE
			name       = IF(login_id IS NULL AND erased_at IS NULL AND VALUES(name) <> '', VALUES(name), name),
			birth_date = IF(login_id IS NULL AND erased_at IS NULL AND VALUES(birth_date) IS NOT NULL, VALUES(birth_date), birth_date),
			sex        = IF(login_id IS NULL AND erased_at IS NULL AND VALUES(sex) <> '', VALUES(sex), sex),
			updated_at = IF(login_id IS NULL AND erased_at IS NULL, VALUES(updated_at), updated_at)`
	_, err := tx.ExecContext(ctx, statement, args...)
	return err
}

// wish is nil for what its owner has not decided.
func wish(column sql.NullBool) *bool {
	if !column.Valid {
		return nil
	}
	return &column.Bool
}

func dateOf(column sql.NullTime) race.Date {
	if !column.Valid {
		return race.Date{}
	}
	return race.DateOf(column.Time)
}
