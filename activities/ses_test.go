package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// senderVariable makes this test's own executable a process that sends the mails of an event
// through SES; it holds the database's address as JSON.
const senderVariable = "ACTIVITIES_TEST_SENDER"

// lostLease is the exit status of such a process when another one has the mails.
const lostLease = 3

var sesEvent = activities.NoticeInput{Position: 7, Kind: notice.RaceOfficial}

func TestMain(m *testing.M) {
	if os.Getenv(senderVariable) == "" {
		os.Exit(m.Run())
	}
	status, err := sendThroughSES(os.Getenv(senderVariable))
	if err != nil {
		fmt.Println(err)
	}
	os.Exit(status)
}

// sendThroughSES takes one step after the other, as a worker does, until all mails are sent,
// another process has them, or it is asked to stop.
func sendThroughSES(database string) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var cfg mysql.Config
	if err := json.Unmarshal([]byte(database), &cfg); err != nil {
		return 1, err
	}
	db, err := mysql.Open(cfg)
	if err != nil {
		return 1, err
	}
	sender, err := mail.NewSender(ctx, mail.Config{Sender: "ses", From: "Mrmrthon <from@example.org>", SESRegion: "eu-central-1"})
	if err != nil {
		return 1, err
	}
	ledger, registry := userdb.NewLedger(db, time.Now), prometheus.NewRegistry()
	mails := activities.NewMails(ledger, sender, "https://results.example.org", registry)
	steps := activities.NewNotices(activities.NoticesConfig{}, nil, ledger, mails, time.Now, registry)
	for {
		sent, err := steps.SendNotices(ctx, sesEvent)
		_, held := errors.AsType[*userdb.HeldError](err)
		switch {
		case held:
			return lostLease, nil
		case ctx.Err() != nil, err == nil && !sent.More:
			return 0, nil
		case err != nil:
			fmt.Println("a step failed:", err)
		}
	}
}

// sesStandIn is Amazon SES. It refuses some mails, and answers others that it has accepted
// with an error or not at all.
type sesStandIn struct {
	cut func() // cuts the connections to the database: at each 150th mail that is accepted

	mu       sync.Mutex
	requests int
	accepted int
	times    map[string]int // by mail, how often it was accepted
	lost     map[string]int // by mail, how many of these times the answer did not say so
}

// sesProcess is a process that sends through the stand-in.
type sesProcess struct {
	*exec.Cmd
	output   bytes.Buffer
	server   *httptest.Server
	accepted map[string]bool // its mails
	stopsAt  int             // after so many, the provider answers nothing until it resumes
	stopped  chan struct{}
	resume   chan struct{}
}

func (s *sesStandIn) start(t *testing.T, database []byte, stopsAt int) *sesProcess {
	t.Helper()
	p := &sesProcess{accepted: map[string]bool{}, stopsAt: stopsAt, stopped: make(chan struct{}), resume: make(chan struct{})}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(p, w, r) }))
	self, err := os.Executable()
	require.NoError(t, err)
	p.Cmd = exec.CommandContext(t.Context(), self)
	p.Stdout, p.Stderr = &p.output, &p.output
	p.Env = append(os.Environ(), senderVariable+"="+string(database), "AWS_ENDPOINT_URL_SESV2="+p.server.URL,
		"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	require.NoError(t, p.Start())
	return p
}

func (s *sesStandIn) serve(p *sesProcess, w http.ResponseWriter, r *http.Request) {
	var sent struct{ EmailTags []struct{ Value string } }
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &sent) != nil {
		return // its sender is gone
	}
	id := sent.EmailTags[0].Value
	s.mu.Lock()
	s.requests++
	refuses, fails, hangsUp, cut := s.requests%59 == 0, s.requests%61 == 0, s.requests%67 == 0, false
	if !refuses {
		s.accepted++
		s.times[id]++
		cut = s.accepted%150 == 0
		if !p.accepted[id] && len(p.accepted)+1 == p.stopsAt {
			close(p.stopped)
		}
		p.accepted[id] = true
		if fails || hangsUp {
			s.lost[id]++
		}
	}
	reached := len(p.accepted)
	s.mu.Unlock()
	if cut {
		s.cut()
	}
	if p.stopsAt > 0 && reached >= p.stopsAt {
		select {
		case <-p.resume:
		case <-r.Context().Done():
		}
	}
	switch {
	case refuses:
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
	case fails:
		w.WriteHeader(http.StatusInternalServerError)
	case hangsUp:
		panic(http.ErrAbortHandler)
	default:
		_, _ = fmt.Fprintf(w, `{"MessageId":%q}`, uuid.NewString())
	}
}

// stops waits until the provider has stopped answering the process.
func (p *sesProcess) stops(t *testing.T) {
	t.Helper()
	select {
	case <-p.stopped:
	case <-time.After(time.Minute):
		require.NoError(t, p.Process.Kill())
		require.Fail(t, "the process did not get that far", p.output.String())
	}
}

// end waits for the end of a process and returns its exit status.
func (p *sesProcess) end() (status int) {
	_ = p.Wait()
	p.server.CloseClientConnections()
	p.server.Close() // when all of its requests are served
	return p.ProcessState.ExitCode()
}

// TestKillsWhileSESSends: processes that send the mails of an event through SES are killed,
// stopped and overtaken, while SES and the database fail now and then. Everybody gets the
// mail, and nobody more often than there were attempts of which nobody knew how they ended.
func TestKillsWhileSESSends(t *testing.T) {
	t.Parallel()
	const readers, unnoted = 900, 256 // as many mails may be under way, or back and not noted yet
	const each = 100                  // as many does a process send before it ends
	db, cfg := mysqltest.New(t, userdb.Migrations())
	worker := mysqltest.Account(t, cfg, userdb.Grants(), mysql.Worker)
	database, err := json.Marshal(worker) //nolint:gosec // with the password of the test's own account
	require.NoError(t, err)
	query := func(statement string, args ...any) (found []string) {
		rows, err := db.Query(statement, args...) //nolint:noctx // also while the test ends
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			found = append(found, text)
		}
		require.NoError(t, rows.Err())
		return found
	}
	execute := func(statement string, args ...any) {
		_, err := db.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	var runners []userdb.Runner
	var mails []userdb.NewNotice
	for i := range readers {
		address := fmt.Sprintf("runner%d@example.org", i)
		runners = append(runners, userdb.Runner{UserID: uuid.NewString(), Name: "Runner", Sex: race.Female})
		mails = append(mails, userdb.NewNotice{
			UserID: runners[i].UserID, Recipient: userdb.Recipient{Address: address, Language: "ko"}, Kind: notice.RaceOfficial, ExpiresAt: time.Now().Add(time.Hour),
			About: notice.Facts{RaceID: uuid.NewString(), Race: "춘천", Bib: fmt.Sprint(i), Official: true, Now: &notice.Figures{Gun: "3:00:00", Status: "OK", Place: i + 1}},
		})
	}
	require.NoError(t, userdb.NewAccounts(db, time.Now).EnsureRunners(t.Context(), runners))
	execute("UPDATE user SET email = CONCAT(user_id, '@example.org')")
	_, err = userdb.NewLedger(db, time.Now).WriteNotices(t.Context(), notice.Event{Position: sesEvent.Position, Kind: sesEvent.Kind}, mails, nil)
	require.NoError(t, err)

	// The lease of a process that was killed ends after a minute, for which nobody waits here.
	leaseEnds := func() { execute("UPDATE notice_sender SET sender_until = DATE_SUB(NOW(6), INTERVAL 1 DAY)") }
	sent := func() map[string]bool {
		found := map[string]bool{}
		for _, id := range query("SELECT mail_id FROM mail WHERE state = 'sent'") {
			found[id] = true
		}
		return found
	}
	ses := &sesStandIn{times: map[string]int{}, lost: map[string]int{}, cut: func() {
		for _, id := range query("SELECT id FROM information_schema.processlist WHERE user = ?", worker.User) {
			_, _ = db.Exec("KILL CONNECTION " + id) //nolint:noctx // it may be gone by now
		}
	}}
	unknown := map[string]int{} // by mail, how often its process ended, or lost the lease, before it was noted
	most := 0                   // of one process
	lose := func(p *sesProcess, noted map[string]bool) {
		count := 0
		for id := range p.accepted {
			if noted[id] {
				continue
			}
			unknown[id]++
			if ses.lost[id] == 0 {
				count++
			}
		}
		require.LessOrEqual(t, count, unnoted)
		most = max(most, count)
	}
	for _, end := range []os.Signal{os.Kill, nil, syscall.SIGTERM, os.Kill, syscall.SIGTERM} {
		leaseEnds()
		p := ses.start(t, database, each)
		p.stops(t)
		if end != nil {
			require.NoError(t, p.Process.Signal(end))
			status := p.end()
			require.Equal(t, map[os.Signal]int{os.Kill: -1, syscall.SIGTERM: 0}[end], status, p.output.String())
			lose(p, sent())
			continue
		}
		// It goes on although another one has its mails by now.
		var noted map[string]bool
		var other *sesProcess
		for status := lostLease; status == lostLease; {
			leaseEnds()
			noted = sent()
			other = ses.start(t, database, 10)
			ended := make(chan int, 1)
			go func() { ended <- other.end() }()
			select {
			case <-other.stopped:
				close(p.resume)
				require.Equal(t, lostLease, p.end(), p.output.String())
				lose(p, noted)
				require.NoError(t, other.Process.Kill())
				status = <-ended
				lose(other, sent())
			case status = <-ended: // the first one had noted something, and has them again
				require.Equal(t, lostLease, status, other.output.String())
				require.Empty(t, other.accepted)
			}
		}
	}
	leaseEnds()
	last := ses.start(t, database, 0)
	require.Zero(t, last.end(), last.output.String())

	require.Len(t, sent(), readers)
	require.Len(t, ses.times, readers, "everybody got the mail")
	again, lost, lostByUs := 0, 0, 0
	for id, times := range ses.times {
		require.LessOrEqual(t, times, 1+ses.lost[id]+unknown[id])
		again, lost, lostByUs = again+times-1, lost+ses.lost[id], lostByUs+unknown[id]
	}
	t.Logf("%d mails, %d came again: of %d the answer was lost, %d were not noted when a process ended, at most %d of one", readers, again, lost, lostByUs, most)
}
