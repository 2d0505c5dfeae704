package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// entries measures a rush for a fifteenth as many places: at the store, beside one
// transaction for each request and beside plain inserts of the same rows, and through
// HTTP, beside a call that is refused before it does anything.
func (b *bench) entries(ctx context.Context) {
	const figure = "entry"
	n, store := b.size.Credits, maindb.New(b.mainDB, time.Now)
	b.say("a rush of %d", n)
	rush, p99 := rush(ctx, store, n)
	b.say("one transaction each")
	alone := b.placesOneByOne(ctx, store, max(n/10, 100))
	b.say("plain inserts")
	plain := b.plainEntries(ctx, entryRace(ctx, store, n), n)
	b.report.add(figure, "p99 of the answers during the rush", "ms", p99, target{})
	b.report.add(figure, "entries at the store", "/s", rush, target{})
	b.report.add(figure, "one conditional update and transaction each", "/s", alone, target{})
	b.report.add(figure, "plain multi-row inserts of the same rows", "/s", plain, target{})
	b.report.ratio(figure, "entries to one transaction each", rush, alone, target{atLeast: 20, floor: 2})
	b.report.ratio(figure, "entries to plain inserts", rush, plain, target{atLeast: 0.6, floor: 0.1})

	runners := b.runners(ctx, n)
	path := "/v1/races/" + entryRace(ctx, store, n) + "/participants"
	post := func(body string, want int) (rate float64) {
		return each(ctx, n, callers, func(ctx context.Context, i int) error {
			request := apiclient.Request{Method: http.MethodPost, Path: path, ContentType: "application/json", Body: []byte(body)}
			answer, err := runners[i].Send(ctx, request)
			if err == nil && answer.Status != want {
				err = fmt.Errorf("POST %s: %s", path, answer)
			}
			return err
		})
	}
	b.say("calls that do nothing")
	nothing := post(`{"nothing":1}`, http.StatusUnprocessableEntity)
	b.say("entries through HTTP")
	entered := post(`{}`, http.StatusCreated)
	b.report.add(figure, "entries through HTTP", "/s", entered, target{})
	b.report.add(figure, "authenticated POSTs that do nothing", "/s", nothing, target{})
	b.report.ratio(figure, "entries through HTTP to POSTs that do nothing", entered, nothing, target{atLeast: 0.6, floor: 0.1})
}

const (
	connections = 16  // that the comparisons at the store use at once
	callers     = 256 // that ask at the same time through HTTP
)

// placesFor is how many places a rush of n is for.
func placesFor(n int) int { return max(n/15, 1) }

// entryRace makes a race with places for a rush of n and returns its ID.
func entryRace(ctx context.Context, store *maindb.Store, n int) string {
	places := placesFor(n)
	r := race.Race{
		ID: uuid.Must(uuid.NewV7()).String(), OrganizerID: uuid.NewString(), Name: "Rush", Date: race.DateOf(time.Now().AddDate(1, 0, 0)),
		Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
		Entry: &race.EntrySettings{Zone: "UTC", WaitingList: true, Capacity: places, BibFrom: 1, BibTo: places},
	}
	must(store.CreateRace(ctx, r))
	return r.ID
}

// rush has n runners ask at once, through two Enterings as of two processes.
func rush(ctx context.Context, store *maindb.Store, n int) (rate, p99 float64) {
	accounts := func(_ context.Context, userIDs []string) (map[string]maindb.Account, error) {
		found := make(map[string]maindb.Account, len(userIDs))
		for _, id := range userIDs {
			found[id] = maindb.Account{Sex: race.Female}
		}
		return found, nil
	}
	processes := []*maindb.Entering{maindb.NewEntering(store, accounts), maindb.NewEntering(store, accounts)}
	raceID, ids, users, waits := entryRace(ctx, store, n), newIDs(n), newIDs(n), make([]float64, n)
	began := time.Now()
	rate = each(ctx, n, n, func(ctx context.Context, i int) error {
		for {
			_, err := processes[i%2].Enter(ctx, maindb.Entry{ID: ids[i], RaceID: raceID, UserID: users[i]})
			if !errors.Is(err, maindb.ErrBusy) {
				waits[i] = milliseconds(time.Since(began))
				return err
			}
			// Those beyond the bound would keep the processors busy by asking again at
			// once; over HTTP they are told to wait for seconds.
			time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond) //nolint:gosec // no secret
		}
	})
	return rate, percentile(waits, 0.99)
}

// placesOneByOne gives away places with a transaction each: a conditional update of the
// counter, and the entry.
func (b *bench) placesOneByOne(ctx context.Context, store *maindb.Store, n int) (rate float64) {
	raceID := entryRace(ctx, store, 15*n)
	var next atomic.Int64
	return each(ctx, n, connections, func(ctx context.Context, _ int) error {
		return b.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE entry_pool SET taken = taken + 1 WHERE race_id = ? AND pool = 1 AND taken < capacity", raceID)
			return errors.Join(err, insertEntries(ctx, tx, raceID, int(next.Add(1)), 1, 0))
		})
	})
}

// plainEntries writes the rows that a rush writes, as many in a transaction as a batch
// has, and nothing else.
func (b *bench) plainEntries(ctx context.Context, raceID string, n int) (rate float64) {
	const batch = 256
	began := time.Now()
	for first := 1; first <= n; first += batch {
		rows := min(batch, n-first+1)
		entered := min(rows, max(placesFor(n)-first+1, 0))
		check(b.inTx(ctx, func(tx *sql.Tx) error { return insertEntries(ctx, tx, raceID, first, rows, entered) }))
	}
	return perSecond(n, time.Since(began))
}

// insertEntries inserts the marks of the accounts, the entries with their numbers from
// first on, and the participants with bibs of those of them who have entered.
func insertEntries(ctx context.Context, tx *sql.Tx, raceID string, first, rows, entered int) error {
	now, ids, users := time.Now().UTC(), newIDs(rows), newIDs(rows)
	const (
		entry       = "race_id, pool, seq, entry_id, user_id, state, standing, sex, team, received_at, created_at, changed_at"
		participant = "participant_id, race_id, user_id, bib, bib_key, sex, field, status, created_at, updated_at"
	)
	return errors.Join(
		insertAll(ctx, tx, "account_mark", "user_id", rows, func(n int) []any { return []any{users[n]} }),
		insertAll(ctx, tx, "entry", entry, rows, func(n int) []any {
			state := race.Waiting
			if n < entered {
				state = race.Entered
			}
			return []any{raceID, 1, first + n, ids[n], users[n], string(state), false, "F", "", now, now, now}
		}),
		insertAll(ctx, tx, "participant", participant, entered, func(n int) []any {
			bib := strconv.Itoa(first + n)
			return []any{ids[n], raceID, users[n], bib, bib, "F", "runner", "entered", now, now}
		}))
}

// runners makes n accounts without passwords, and returns their clients with tokens.
func (b *bench) runners(ctx context.Context, n int) []*apiclient.Client {
	keys := must(auth.LoadKeys(auth.Config{PrivateKeyPath: b.stack.Env(stack.API)["JWT_PRIVATE_KEY_PATH"]}))
	issuer := auth.NewIssuer(keys, auth.Config{Issuer: "mrmrthon", Audience: "mrmrthon-api", AccessTokenTTL: time.Hour}, time.Now)
	ids, runners := newIDs(n), make([]*apiclient.Client, n)
	for i, id := range ids {
		token, _, err := issuer.Issue(auth.Identity{UserID: id, Type: auth.Runner}, time.Time{})
		check(err)
		runners[i] = &apiclient.Client{Base: b.stack.APIURL(), Token: token, HTTP: keepAlive}
	}
	now := time.Now().UTC()
	check(insertAll(ctx, b.userDB, "user", "user_id, user_type, name, phone, sex, total_point, created_at, updated_at", n, func(i int) []any {
		return []any{ids[i], "runner", "Rusher", "", "F", 0, now, now}
	}))
	return runners
}
