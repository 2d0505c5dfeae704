package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// entries measures a rush for a fifteenth as many places: at the store, beside one
// transaction for each request and beside plain inserts of the same rows, and through
// HTTP, beside a call that is refused before it does anything.
func (b *bench) entries(ctx context.Context) error {
	n := b.size.Credits
	b.say("a rush of %d", n)
	rush, err := b.rush(ctx, n)
	if err != nil {
		return err
	}
	b.say("one transaction each")
	alone, err := b.placesOneByOne(ctx, max(n/10, 100))
	if err != nil {
		return err
	}
	b.say("plain inserts")
	plain, err := b.plainEntries(ctx, n)
	if err != nil {
		return err
	}
	b.report.add("entry", "entries at the store", "/s", rush, target{})
	b.report.add("entry", "one conditional update and transaction each", "/s", alone, target{})
	b.report.add("entry", "plain multi-row inserts of the same rows", "/s", plain, target{})
	b.report.ratio("entry", "entries to one transaction each", rush, alone, target{atLeast: 20, floor: 2})
	b.report.ratio("entry", "entries to plain inserts", rush, plain, target{atLeast: 0.6, floor: 0.1})
	return b.entriesByHTTP(ctx, n)
}

// entryRace makes a race with places and returns its ID.
func (b *bench) entryRace(ctx context.Context, store *maindb.Store, places int) (string, error) {
	r := race.Race{
		ID: uuid.Must(uuid.NewV7()).String(), OrganizerID: uuid.NewString(), Name: "Rush", Date: race.DateOf(time.Now().AddDate(1, 0, 0)),
		Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
		Entry: &race.EntrySettings{Zone: "UTC", WaitingList: true, Capacity: places, BibFrom: 1, BibTo: places},
	}
	_, err := store.CreateRace(ctx, r)
	return r.ID, err
}

// rush has n runners ask at once, through two Enterings as of two processes.
func (b *bench) rush(ctx context.Context, n int) (rate float64, err error) {
	store := maindb.New(b.mainDB, time.Now)
	raceID, err := b.entryRace(ctx, store, max(n/15, 1))
	if err != nil {
		return 0, err
	}
	accounts := func(_ context.Context, userIDs []string) (map[string]maindb.Account, error) {
		found := make(map[string]maindb.Account, len(userIDs))
		for _, id := range userIDs {
			found[id] = maindb.Account{Sex: race.Female}
		}
		return found, nil
	}
	processes := []*maindb.Entering{maindb.NewEntering(store, accounts), maindb.NewEntering(store, accounts)}
	group, ctx := errgroup.WithContext(ctx)
	waits := make([]float64, n)
	began := time.Now()
	for i := range n {
		group.Go(func() error {
			entry := maindb.Entry{ID: uuid.Must(uuid.NewV7()).String(), RaceID: raceID, UserID: uuid.Must(uuid.NewV7()).String()}
			for {
				_, err := processes[i%2].Enter(ctx, entry)
				if errors.Is(err, maindb.ErrBusy) {
					// Those beyond the bound would keep the processors busy by asking at once
					// again; over HTTP they are told to wait for seconds.
					time.Sleep(time.Duration(20+rand.IntN(40)) * time.Millisecond) //nolint:gosec // no secret
					continue
				}
				waits[i] = float64(time.Since(began).Milliseconds())
				return err
			}
		})
	}
	err = group.Wait()
	rate = perSecond(n, time.Since(began))
	b.report.add("entry", "p99 of the answers during the rush", "ms", percentile(waits, 0.99), target{})
	return rate, err
}

// connections is how many connections the comparisons use at once.
const connections = 16

// placesOneByOne gives away places with a transaction each: a conditional update of the
// counter, and the entry.
func (b *bench) placesOneByOne(ctx context.Context, n int) (rate float64, err error) {
	raceID, err := b.entryRace(ctx, maindb.New(b.mainDB, time.Now), n)
	if err != nil {
		return 0, err
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(connections)
	began := time.Now()
	for range n {
		group.Go(func() error {
			return b.inTx(ctx, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "UPDATE entry_pool SET taken = taken + 1 WHERE race_id = ? AND pool = 1 AND taken < capacity", raceID)
				if err != nil {
					return err
				}
				return insertEntryRows(ctx, tx, raceID, int(next.Add(1)), 1, 0)
			})
		})
	}
	err = group.Wait()
	return perSecond(n, time.Since(began)), err
}

// plainEntries writes the rows that a rush writes, 256 in a transaction, and nothing
// else: the marks of the accounts, the entries, and the participants with bibs.
func (b *bench) plainEntries(ctx context.Context, n int) (rate float64, err error) {
	const batch = 256
	raceID, err := b.entryRace(ctx, maindb.New(b.mainDB, time.Now), max(n/15, 1))
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for first := 1; first <= n; first += batch {
		rows := min(batch, n-first+1)
		entered := min(rows, max(n/15-first+1, 0))
		err := b.inTx(ctx, func(tx *sql.Tx) error { return insertEntryRows(ctx, tx, raceID, first, rows, entered) })
		if err != nil {
			return 0, err
		}
	}
	return perSecond(n, time.Since(began)), nil
}

func (b *bench) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := b.mainDB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// insertEntryRows inserts entries with their numbers from first on, of which some have
// entered.
func insertEntryRows(ctx context.Context, tx *sql.Tx, raceID string, first, rows, entered int) error {
	now := time.Now().UTC()
	var marks, entries, participants []any
	for i := range rows {
		id, user, state := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String(), "waiting"
		if i < entered {
			state = "entered"
			bib := strconv.Itoa(first + i)
			participants = append(participants, id, raceID, user, bib, bib, "F", "runner", "entered", now, now)
		}
		marks = append(marks, user)
		entries = append(entries, raceID, 1, first+i, id, user, state, false, "F", "", now, now, now)
	}
	for _, insert := range []struct {
		into    string
		columns int
		args    []any
	}{
		{"account_mark (user_id)", 1, marks},
		{"entry (race_id, pool, seq, entry_id, user_id, state, standing, sex, team, received_at, created_at, changed_at)", 12, entries},
		{"participant (participant_id, race_id, user_id, bib, bib_key, sex, field, status, created_at, updated_at)", 10, participants},
	} {
		if len(insert.args) == 0 {
			continue
		}
		row := ",(" + strings.Repeat(",?", insert.columns)[1:] + ")"
		//nolint:gosec // only placeholders are added
		statement := "INSERT INTO " + insert.into + " VALUES " + strings.Repeat(row, len(insert.args)/insert.columns)[1:]
		if _, err := tx.ExecContext(ctx, statement, insert.args...); err != nil {
			return err
		}
	}
	return nil
}

// callers is how many connections ask at the same time.
const callers = 256

// entriesByHTTP has n runners with tokens ask the API for places.
func (b *bench) entriesByHTTP(ctx context.Context, n int) error {
	raceID, err := b.entryRace(ctx, maindb.New(b.mainDB, time.Now), max(n/15, 1))
	if err != nil {
		return err
	}
	tokens, err := b.runnersWithTokens(ctx, n)
	if err != nil {
		return err
	}
	url := b.stack.APIURL() + "/v1/races/" + raceID + "/participants"
	b.say("calls that do nothing")
	nothing, err := postAll(ctx, url, tokens, `{"nothing":1}`, http.StatusUnprocessableEntity)
	if err != nil {
		return err
	}
	b.say("entries through HTTP")
	entered, err := postAll(ctx, url, tokens, `{}`, http.StatusCreated)
	if err != nil {
		return err
	}
	b.report.add("entry", "entries through HTTP", "/s", entered, target{})
	b.report.add("entry", "authenticated POSTs that do nothing", "/s", nothing, target{})
	b.report.ratio("entry", "entries through HTTP to POSTs that do nothing", entered, nothing, target{atLeast: 0.6, floor: 0.1})
	return nil
}

// runnersWithTokens makes accounts without passwords, and their tokens.
func (b *bench) runnersWithTokens(ctx context.Context, n int) (tokens []string, err error) {
	keys, err := auth.LoadKeys(auth.Config{PrivateKeyPath: b.stack.Env(stack.API)["JWT_PRIVATE_KEY_PATH"]})
	if err != nil {
		return nil, err
	}
	issuer := auth.NewIssuer(keys, auth.Config{Issuer: "mrmrthon", Audience: "mrmrthon-api", AccessTokenTTL: time.Hour}, time.Now)
	for len(tokens) < n {
		var rows []string
		for range min(1000, n-len(tokens)) {
			id := uuid.Must(uuid.NewV7()).String()
			token, _, err := issuer.Issue(auth.Identity{UserID: id, Type: auth.Runner}, time.Time{})
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token)
			rows = append(rows, "('"+id+"', 'runner', 'Rusher', '', 'F', 0, NOW(6), NOW(6))")
		}
		//nolint:gosec // IDs of this function
		_, err := b.userDB.ExecContext(ctx, "INSERT INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at) VALUES "+strings.Join(rows, ","))
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// postAll posts a body once with each token and returns calls per second.
func postAll(ctx context.Context, url string, tokens []string, body string, want int) (rate float64, err error) {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: callers, MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, callers)
	began := time.Now()
	for range callers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(tokens) {
					return
				}
				if err := post(ctx, client, url, tokens[i], body, want); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err = <-errs:
	default:
	}
	return perSecond(len(tokens), time.Since(began)), err
}

func post(ctx context.Context, client *http.Client, url, token, body string, want int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != want {
		err = fmt.Errorf("POST %s: %d %s", url, response.StatusCode, text)
	}
	return err
}
