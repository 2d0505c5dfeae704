package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// TestRush has many people ask for few places at once, through two API processes of which
// one is killed again and again, while Temporal is down and MariaDB is killed once. Then
// half of those who entered and as many who wait cancel, and the offers of the places are
// answered or expire while the worker, Temporal and an API are killed. Nobody may get a
// place too many, nobody and no place may be lost, and the places go to those who came
// first.
func TestRush(t *testing.T) {
	t.Parallel()
	r := newRush(t)
	require.NoError(t, r.Kill(stack.Temporal))
	r.askAll(t)
	r.check(t)
	r.cancelHalf(t)
	r.answerOffers(t)
}

// rush is a race with an opening that everybody waited for.
type rush struct {
	*system
	raceID  string
	places  int
	apis    []string
	second  *secondAPI
	client  *http.Client
	runners []*rusher

	kills    int
	lastKill time.Time
}

// rusher is a runner with the last answer that they got.
type rusher struct {
	userID, token string
	entry         rushEntry
	sent          time.Time // the first request
	answered      time.Time
	tries         int
}

type rushEntry struct {
	ParticipantID string `json:"participant_id"`
	Status        string `json:"status"`
	Bib           string `json:"bib"`
	Number        int    `json:"number"`
	Position      int    `json:"position"`
}

func newRush(t *testing.T) *rush {
	t.Helper()
	s := ownSystem(t, "rush", longSessions)
	r := &rush{system: s, places: max(*rushRunners/15, 4), client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxConnsPerHost: 512, MaxIdleConnsPerHost: 512},
	}}
	organizer := s.signUp(t, "organizer")
	race := marathon("Rush")
	race["date"] = time.Now().AddDate(0, 6, 0).Format(time.DateOnly)
	race["entry"] = map[string]any{"capacity": r.places, "time_zone": "Asia/Seoul", "bib_from": 1, "bib_to": r.places}
	r.raceID = organizer.createRace(t, race)
	r.second = startSecondAPI(t, s)
	r.apis = []string{s.APIURL(), r.second.url}
	r.signUpAll(t)
	return r
}

// signUpAll makes the accounts of the runners, without passwords, and their tokens.
func (r *rush) signUpAll(t *testing.T) {
	t.Helper()
	keys, err := auth.LoadKeys(auth.Config{PrivateKeyPath: r.Env(stack.API)["JWT_PRIVATE_KEY_PATH"]})
	require.NoError(t, err)
	issuer := auth.NewIssuer(keys, auth.Config{Issuer: "mrmrthon", Audience: "mrmrthon-api", AccessTokenTTL: time.Hour}, time.Now)
	for range *rushRunners {
		id := uuid.Must(uuid.NewV7()).String()
		token, _, err := issuer.Issue(auth.Identity{UserID: id, Type: auth.Runner}, time.Time{})
		require.NoError(t, err)
		r.runners = append(r.runners, &rusher{userID: id, token: token})
	}
	for part := range slices.Chunk(r.runners, 1000) {
		var rows []string
		for _, p := range part {
			rows = append(rows, fmt.Sprintf("('%s', 'runner', 'E. Test', '', '1990-04-20', 'F', 0, NOW(6), NOW(6))", p.userID))
		}
		//nolint:gosec // IDs of this test
		_, err := r.userDB.ExecContext(t.Context(), `INSERT INTO user (user_id, user_type, name, phone, birth_date, sex, total_point, created_at, updated_at) VALUES `+strings.Join(rows, ","))
		require.NoError(t, err)
	}
}

// secondAPI is a second process of the API, which is killed and started again.
type secondAPI struct {
	program string
	env     []string
	url     string
	logs    *os.File

	mu      sync.Mutex
	running *exec.Cmd
}

func startSecondAPI(t *testing.T, s *system) *secondAPI {
	t.Helper()
	programs, err := bench.programs()
	require.NoError(t, err)
	port, giveBack, err := stack.DrawPort(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, giveBack()) })
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	logs, err := os.Create(filepath.Join(s.dir, "logs", "second-api.log"))
	require.NoError(t, err)
	a := &secondAPI{program: programs[stack.API], url: "http://" + address, logs: logs}
	for name, value := range s.Env(stack.API) {
		if name != "API_ADDR" {
			a.env = append(a.env, name+"="+value)
		}
	}
	a.env = append(a.env, "API_ADDR="+address)
	require.NoError(t, a.start())
	t.Cleanup(a.kill)
	eventually(t, patience, func() error {
		res, err := http.Get(a.url + "/readyz") //nolint:noctx // a test's address
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New("not ready: " + res.Status)
		}
		return nil
	})
	return a
}

func (a *secondAPI) start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = exec.Command(a.program) //nolint:noctx // it is killed
	a.running.Env, a.running.Stdout, a.running.Stderr = a.env, a.logs, a.logs
	return a.running.Start()
}

func (a *secondAPI) kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil {
		_ = a.running.Process.Kill()
		_ = a.running.Wait()
		a.running = nil
	}
}

// askAll has everybody ask at once, again until they are answered.
func (r *rush) askAll(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	killing := make(chan error, 1)
	go func() { killing <- r.killAPI(ctx) }()
	restarted := make(chan error, 1)
	go func() {
		time.Sleep(r.pause() / 2)
		restarted <- r.Restart(ctx, stack.MariaDB)
	}()
	began := time.Now()
	var group sync.WaitGroup
	for i, p := range r.runners {
		group.Go(func() { p.ask(t, r, i) })
	}
	group.Wait()
	took := time.Since(began)
	require.NoError(t, <-restarted)
	stop()
	require.NoError(t, <-killing)
	require.Positive(t, r.kills, "an API was killed meanwhile")
	tries, last := 0, time.Time{}
	var waits []time.Duration
	for _, p := range r.runners {
		tries += p.tries
		waits = append(waits, p.answered.Sub(p.sent))
		if p.answered.After(last) {
			last = p.answered
		}
	}
	slices.Sort(waits)
	t.Logf("%d runners, %d places, %d kills: answered in %s with %d requests, the last %s after the last kill; half within %s, 99 %% within %s", len(r.runners), r.places,
		r.kills, took.Round(time.Millisecond), tries, last.Sub(r.lastKill).Round(time.Millisecond), waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)*99/100].Round(time.Millisecond))
}

// pause is the time between two kills: a fast machine answers 15,000 within three seconds.
func (r *rush) pause() time.Duration {
	return min(time.Second, time.Duration(len(r.runners))*time.Millisecond/3)
}

// killAPI kills the second API after each pause and starts it again.
func (r *rush) killAPI(ctx context.Context) error {
	pause := r.pause()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		r.second.kill()
		r.lastKill, r.kills = time.Now(), r.kills+1
		if err := r.second.start(); err != nil {
			return err
		}
	}
}

// ask asks for a place, of either API in turn, until there is an answer.
func (p *rusher) ask(t *testing.T, r *rush, i int) {
	t.Helper()
	for p.sent = time.Now(); ; i++ {
		p.tries++
		status, err := r.call(t.Context(), http.MethodPost, r.apis[i%len(r.apis)]+"/v1/races/"+r.raceID+"/participants", p)
		if err == nil && status == http.StatusCreated {
			p.answered = time.Now()
			return
		}
		if err == nil && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
			t.Errorf("a request was answered %d", status)
			return
		}
		if time.Since(p.sent) > 3*time.Minute {
			t.Errorf("no answer: %d %v", status, err)
			return
		}
		time.Sleep(time.Duration(20+rand.IntN(200)) * time.Millisecond)
	}
}

// call makes a call as a runner and keeps the entry that it answers.
func (r *rush) call(ctx context.Context, method, url string, p *rusher) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(nil))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	response, err := r.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode < http.StatusBadRequest && len(text) > 0 {
		err = json.Unmarshal(text, &p.entry)
	}
	return response.StatusCode, err
}

// check compares the answers with what is kept.
func (r *rush) check(t *testing.T) {
	t.Helper()
	n := len(r.runners)
	ordered := slices.SortedFunc(slices.Values(r.runners), func(a, b *rusher) int { return a.entry.Number - b.entry.Number })
	for i, p := range ordered {
		require.Equal(t, i+1, p.entry.Number, "numbers without gaps, each once")
		if i < r.places {
			require.Equal(t, "entered", p.entry.Status)
			require.Equal(t, strconv.Itoa(i+1), p.entry.Bib)
		} else {
			require.Equal(t, "waiting", p.entry.Status)
			require.Equal(t, i-r.places+1, p.entry.Position)
		}
	}
	require.Equal(t, n, count(t, r.mainDB, "SELECT COUNT(DISTINCT user_id) FROM entry WHERE race_id = ?", r.raceID))
	require.Equal(t, r.places, count(t, r.mainDB, "SELECT COUNT(*) FROM participant WHERE race_id = ? AND status = 'entered'", r.raceID))
	require.Equal(t, r.places, count(t, r.mainDB, "SELECT taken FROM entry_pool WHERE race_id = ?", r.raceID))
	deadlocks := count(t, r.mainDB, "SELECT COALESCE(MAX(`count`), 0) FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'")
	t.Logf("the largest inversion between arrival and number is %s; %d deadlocks since MariaDB was killed, %.0f batches done again by the API that was not",
		r.inversion(t).Round(time.Millisecond), deadlocks, metricAt(t, r.APIURL(), "mrmrthon_entry_batch_retries_total"))
}

// inversion returns by how much, at most, somebody arrived later than one with a higher
// number.
func (r *rush) inversion(t *testing.T) (largest time.Duration) {
	t.Helper()
	rows, err := r.mainDB.QueryContext(t.Context(), "SELECT received_at FROM entry WHERE race_id = ? ORDER BY seq", r.raceID)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var latest time.Time
	for rows.Next() {
		var at time.Time
		require.NoError(t, rows.Scan(&at))
		if at.After(latest) {
			latest = at
		}
		largest = max(largest, latest.Sub(at))
	}
	require.NoError(t, rows.Err())
	return largest
}

// cancelHalf has half of those who entered cancel, and as many at the end of the line, all
// at the same time. Temporal is still down: the offers wait for their workflows.
func (r *rush) cancelHalf(t *testing.T) {
	t.Helper()
	n, half := len(r.runners), r.places/2
	var group sync.WaitGroup
	for _, p := range r.runners {
		if p.entry.Number > half && p.entry.Number <= n-half {
			continue
		}
		group.Go(func() {
			require.Eventually(t, func() bool {
				status, err := r.call(t.Context(), http.MethodDelete, r.apis[0]+"/v1/races/"+r.raceID+"/participants/me", p)
				return err == nil && status == http.StatusNoContent
			}, time.Minute, 50*time.Millisecond)
		})
	}
	group.Wait()
	require.Equal(t, half, count(t, r.mainDB, "SELECT COUNT(*) FROM entry WHERE race_id = ? AND state = 'offered' AND seq <= ?", r.raceID, r.places+half),
		"the places are offered to those in front")
	require.Equal(t, n-r.places-2*half, count(t, r.mainDB, "SELECT waiting FROM entry_pool WHERE race_id = ?", r.raceID))
	require.Equal(t, n-r.places-2*half, count(t, r.mainDB, "SELECT COUNT(*) FROM entry WHERE race_id = ? AND state = 'waiting'", r.raceID))
}

// answerOffers has every second runner accept while the worker, Temporal and an API are
// killed and started again. The others let the deadline pass, which comes meanwhile:
// their workflows, which start when Temporal is back, pass the places on.
func (r *rush) answerOffers(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	offered := r.places / 2
	_, err := r.mainDB.ExecContext(ctx, `UPDATE entry SET offer_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 + seq % 7 SECOND WHERE race_id = ? AND state = 'offered' AND seq % 2 = 1`, r.raceID)
	require.NoError(t, err)
	require.NoError(t, r.StartPart(ctx, stack.Temporal))
	restarted := make(chan error, 1)
	go func() {
		var err error
		for _, part := range []stack.Part{stack.Worker, stack.Temporal, stack.API} {
			err = errors.Join(err, r.Restart(ctx, part))
		}
		restarted <- err
	}()
	accepted := r.acceptEverySecond(t, offered)
	require.NoError(t, <-restarted)

	counted := func(want int, query string, args ...any) func() error {
		return func() error {
			if got := count(t, r.mainDB, query, args...); got != want {
				return fmt.Errorf("%d instead of %d: %s", got, want, query)
			}
			return nil
		}
	}
	passedOn := offered - accepted
	eventually(t, patience, counted(passedOn, "SELECT COUNT(*) FROM entry WHERE race_id = ? AND state = 'expired'", r.raceID))
	require.Equal(t, passedOn, count(t, r.mainDB, "SELECT COUNT(*) FROM entry WHERE race_id = ? AND state = 'offered' AND seq > ? AND seq <= ?",
		r.raceID, r.places+offered, r.places+offered+passedOn), "each place goes on to the next in line")
	require.Equal(t, passedOn, count(t, r.mainDB, "SELECT offered FROM entry_pool WHERE race_id = ?", r.raceID))
	require.Equal(t, r.places-passedOn, count(t, r.mainDB, "SELECT taken FROM entry_pool WHERE race_id = ?", r.raceID))
	require.Equal(t, r.places-passedOn, count(t, r.mainDB, "SELECT COUNT(*) FROM participant WHERE race_id = ? AND status = 'entered'", r.raceID))
	eventually(t, patience, counted(0, "SELECT COUNT(*) FROM offer_outbox"))
	r.found(t, offered+passedOn, fmt.Sprintf("WorkflowId STARTS_WITH 'offer/%s/' AND ExecutionStatus IN ('Running', 'Completed')", r.raceID))
	t.Logf("%d offers: %d accepted, %d passed on, while the worker, Temporal and an API were killed", offered, accepted, passedOn)
}

// acceptEverySecond has every second runner accept, again until there is an answer, and
// returns how many did.
func (r *rush) acceptEverySecond(t *testing.T, offered int) (accepted int) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for i, p := range r.runners {
		if p.entry.Number <= r.places || p.entry.Number > r.places+offered || p.entry.Number%2 != 0 {
			continue
		}
		accepted++
		group.Go(func() error {
			for try := i; ; try++ {
				status, err := r.call(t.Context(), http.MethodPost, r.apis[try%len(r.apis)]+"/v1/races/"+r.raceID+"/participants/me/accept", p)
				switch {
				case err == nil && status == http.StatusOK && p.entry.Status == "entered":
					return nil
				case err == nil && status != http.StatusServiceUnavailable:
					return fmt.Errorf("an acceptance was answered %d %s", status, p.entry.Status)
				case t.Context().Err() != nil:
					return t.Context().Err()
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	require.NoError(t, group.Wait())
	return accepted
}
