package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestStop stops API and worker with SIGTERM while they are busy. StopPart fails if that
// takes 30 s or the exit code is not 0.
func TestStop(t *testing.T) {
	t.Parallel()
	s := ownSystem(t, "stop")
	b := startBoston(t, s, 200)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"an API that takes a file in", b.apiStopsInAnImport},
		{"a worker in a burst", b.workerStopsInABurst},
		{"API and worker with nobody answering", b.stopWithNobodyAnswering},
	} {
		if !t.Run(step.name, step.run) {
			return // what follows would only fail for the same reason
		}
	}
}

// heard is an answer, or the error of a call that got none.
type heard struct {
	answer
	err error
}

// importing posts all rows in the background and delivers the answer.
func (b *boston) importing(t *testing.T) <-chan heard {
	t.Helper()
	answered := make(chan heard, 1)
	file := results(b.rows)
	go func() {
		got, err := b.organizer.send(t.Context(), http.MethodPost, recordsOf(b.raceID)+"/import", file)
		answered <- heard{got, err}
	}()
	return answered
}

// stopping stops a part in the background and delivers the error.
func (s *system) stopping(part stack.Part) <-chan error {
	stopped := make(chan error, 1)
	go func() { stopped <- s.StopPart(part) }()
	return stopped
}

func (b *boston) apiStopsInAnImport(t *testing.T) {
	held, err := b.mainDB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = held.Rollback() }()
	_, err = held.ExecContext(t.Context(), "SELECT race_id FROM race WHERE race_id = ? FOR UPDATE", b.raceID)
	require.NoError(t, err)
	answered := b.importing(t)
	eventually(t, patience, func() error {
		// Not innodb_trx, which does not change when it is read ten times a second.
		var name string
		var waits int
		err := b.userDB.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'").Scan(&name, &waits)
		if err == nil && waits == 0 {
			err = errors.New("the import does not wait for the lock yet")
		}
		return err
	})
	stopped := b.stopping(stack.API)
	eventually(t, patience, func() error {
		if b.ready(t, b.APIURL()) {
			return errors.New("the API says that it is ready")
		}
		return nil
	})
	require.NoError(t, held.Rollback())
	got := <-answered
	require.NoError(t, got.err)
	require.Equal(t, http.StatusOK, got.status, got.String())
	require.NoError(t, <-stopped)
	require.NoError(t, b.StartPart(t.Context(), stack.API))
	b.enterAll(t)
	b.check(t)
}

// enterAll enters all rows, which were posted, in the book.
func (b *boston) enterAll(t *testing.T) {
	t.Helper()
	for _, r := range b.organizer.records(t, b.raceID) {
		b.ids[r.Bib] = r.RecordID
	}
	for _, r := range b.rows {
		b.book.enter(t, b.ids[r.bib], 1, b.book.marathonOutcome(t, r))
	}
}

// ready reports whether a program is ready.
func (*system) ready(t *testing.T, base string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/readyz", http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false // it has closed its listener
	}
	require.NoError(t, res.Body.Close())
	return res.StatusCode == http.StatusOK
}

// workerStopsInABurst stops the worker after the first few credits of a race; the next
// worker has to do the rest.
func (b *boston) workerStopsInABurst(t *testing.T) {
	next := startBoston(t, b.system, len(b.rows))
	require.NoError(t, b.StopPart(stack.Worker))
	next.importAll(t)
	for _, enough := range []int{1, len(next.rows) / 3, 2 * len(next.rows) / 3} {
		require.NoError(t, b.StartPart(t.Context(), stack.Worker))
		eventually(t, patience, func() error {
			n, err := tryCount(t.Context(), b.userDB, "SELECT COUNT(*) FROM credit WHERE race_id = ?", next.raceID)
			if err == nil && n < enough {
				err = fmt.Errorf("%d of %d credits", n, enough)
			}
			return err
		})
		require.NoError(t, b.StopPart(stack.Worker))
		require.NoError(t, b.balanced(t.Context()))
	}
	require.NoError(t, b.StartPart(t.Context(), stack.Worker))
	next.check(t)
}

// stopWithNobodyAnswering freezes databases, queue and Temporal, so that calls,
// steps, sends and polls hang, and stops both programs.
func (b *boston) stopWithNobodyAnswering(t *testing.T) {
	next := startBoston(t, b.system, 20)
	next.importAll(t)
	parts := []stack.Part{stack.MariaDB, stack.SQS, stack.Temporal}
	for _, part := range parts {
		b.freeze(t, part)
	}
	thaw := func() {
		for _, part := range parts {
			b.signal(t, part, syscall.SIGCONT)
		}
	}
	defer thaw()
	answered := next.importing(t)
	api, worker := b.stopping(stack.API), b.stopping(stack.Worker)
	require.NoError(t, <-api)
	require.NoError(t, <-worker)
	if got := <-answered; got.err == nil { // it may have come after the listener was closed
		require.Equal(t, http.StatusServiceUnavailable, got.status, got.String())
	}
	thaw()
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		require.NoError(t, b.StartPart(t.Context(), part))
	}
	next.check(t)
}

// signal sends a signal to the process of a part, and returns its number.
func (s *system) signal(t *testing.T, part stack.Part, sig syscall.Signal) (pid int) {
	t.Helper()
	pid, err := s.PID(part)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, sig))
	return pid
}

// freeze stops the process of a part, and waits for that where /proc shows it: on a busy
// machine the threads of a process go on until the one that gets the signal has its turn.
func (s *system) freeze(t *testing.T, part stack.Part) {
	t.Helper()
	status := fmt.Sprintf("/proc/%d/stat", s.signal(t, part, syscall.SIGSTOP))
	eventually(t, patience, func() error {
		text, err := os.ReadFile(status)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && !strings.Contains(string(text), ") T ") {
			err = fmt.Errorf("%s is not frozen yet", part)
		}
		return err
	})
}

// TestASecondSignalEndsAtOnce sends a second signal while the API, with no server
// reachable, is still in its notice period.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	programs, err := bench.programs()
	require.NoError(t, err)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(programs[stack.API]) //nolint:noctx // ends by its signals
			var env []string
			for name, value := range map[string]string{
				"API_ADDR": "127.0.0.1:0", "JWT_PRIVATE_KEY_PATH": filepath.Join(t.TempDir(), "jwt.pem"),
				"MAIN_DB_ADDR": "127.0.0.1:1", "MAIN_DB_NAME": "none", "MAIN_DB_USER": "none", "MAIN_DB_PASSWORD": "none",
				"USER_DB_ADDR": "127.0.0.1:1", "USER_DB_NAME": "none", "USER_DB_USER": "none", "USER_DB_PASSWORD": "none",
				"QUEUE_ENDPOINT": "http://127.0.0.1:1", "QUEUE_URL": "http://127.0.0.1:1/q", "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/d",
				"AWS_REGION": "us-east-1", "TEMPORAL_ADDRESS": "127.0.0.1:1",
			} {
				env = append(env, name+"="+value)
			}
			cmd.Env = env
			lines := &awaitedLine{text: `"msg":"serving"`, seen: make(chan struct{})}
			cmd.Stderr = lines
			// Who was started in the background by a shell ignores SIGINT, and so would a
			// child, unless the signal is handled when it starts.
			caught := make(chan os.Signal, 1)
			signal.Notify(caught, sig)
			require.NoError(t, cmd.Start())
			signal.Stop(caught)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-lines.seen:
			case err := <-ended:
				t.Fatalf("it did not serve: %v\n%s", err, lines)
			}
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case err := <-ended:
					exit, ok := errors.AsType[*exec.ExitError](err)
					require.True(t, ok, "it ended by itself: %v", err)
					status, ok := exit.Sys().(syscall.WaitStatus)
					require.True(t, ok && status.Signaled() && status.Signal() == sig, "%v", err)
					return
				case <-tick.C:
					if err := cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
						require.NoError(t, err)
					}
				case <-t.Context().Done():
					t.Fatal(context.Cause(t.Context()))
				}
			}
		})
	}
}

// awaitedLine keeps what is written to it and reports when it contains a text.
type awaitedLine struct {
	strings.Builder
	text string
	seen chan struct{}
	done bool
}

func (w *awaitedLine) Write(p []byte) (int, error) {
	n, err := w.Builder.Write(p)
	if !w.done && strings.Contains(w.String(), w.text) {
		w.done = true
		close(w.seen)
	}
	return n, err
}
