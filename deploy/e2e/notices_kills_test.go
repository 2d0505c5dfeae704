package e2e_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestNoticesUnderKills imports a race whose runners have accounts, disqualifies one of the
// first before and one after it is published, and has everything that sends, and the
// servers that take mails and calls, killed meanwhile. Who got which mail is compared with
// what the lists of the results before and after say. Nobody is left out, and a mail comes
// twice only where nobody could know that it had come.
func TestNoticesUnderKills(t *testing.T) {
	t.Parallel()
	box := newPostOffice(t)
	hook := &hookReceiver{calls: map[string]int{}, types: map[string]map[string]string{}}
	receiver := httptest.NewServer(hook)
	t.Cleanup(receiver.Close)
	s := ownSystem(t, "told", longSessions, func(o *stack.Options) { o.Env[stack.Worker]["SMTP_ADDR"] = box.address })
	n := &noticesRun{system: s, box: box, organizer: s.signUp(t, "organizer"), rows: bostonRows(t, *noticeFinishers)}
	n.organizer.retryUnavailable()
	n.raceID = n.organizer.createRace(t, marathon("Told"))
	require.Equal(t, len(n.rows), n.organizer.importStartList(t, n.raceID, startList(n.rows)).Added)
	n.giveAddresses(t)
	var made struct {
		WebhookID string `json:"webhook_id"`
		Secret    string `json:"secret"`
	}
	n.organizer.call(t, http.MethodPost, "/v1/races/"+n.raceID+"/webhooks", inJSON(t, map[string]any{
		"url": receiver.URL, "events": []string{"result.corrected", "import.applied", "race.changed", "race.official", "standings.published"},
	})).into(t, http.StatusCreated, &made)
	var err error
	hook.verifier, err = standardwebhooks.NewWebhook(made.Secret)
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	killing := make(chan error, 1)
	go func() { killing <- n.kill(ctx, receiver) }()
	got := n.organizer.importResults(t, n.raceID, "", results(n.rows))
	require.Equal(t, len(n.rows), got.Added+got.Unchanged)
	n.told(t, "Your result was posted", func(r row) bool { return r.status != "DNS" })
	first, second := n.finisher(t, 20), n.finisher(t, 10)
	n.disqualify(t, first)
	n.told(t, "Your result was corrected", func(r row) bool { return r.bib == first })
	n.organizer.call(t, http.MethodPost, "/v1/races/"+n.raceID+"/finalize", inJSON(t, map[string]int{"protest_window_s": 0})).into(t, http.StatusAccepted, nil)
	n.told(t, "The results of a race are official", func(row) bool { return true })
	before := n.listed(t)
	n.disqualify(t, second)
	n.told(t, "Your result was corrected", func(r row) bool { return r.bib == first || r.bib == second })
	var after map[string]place
	eventually(t, patience, func() error {
		if after = n.listed(t); after[second].place != 0 {
			return errors.New("the list still has whom it disqualifies")
		}
		return nil
	})
	moved := 0
	n.told(t, "Your place has moved", func(r row) bool {
		is := r.bib != second && before[r.bib] != after[r.bib]
		if is {
			moved++
		}
		return is && crc32.ChecksumIEEE([]byte(r.bib))%11 != 0
	})
	stop()
	require.NoError(t, <-killing)
	n.settled(t)
	n.check(t)
	t.Logf("%d finishers, %d places moved, %d kills of the worker among %d: %d mails, %d of them again; %d calls, %d of them again",
		len(n.rows), moved, n.workerKills, n.kills, len(box.taken), box.repeats(), len(hook.calls), hook.repeats())
	require.Greater(t, moved, len(n.rows)/2)
	n.checkCalls(t, hook, made.WebhookID)
}

// noticesRun is a race whose runners are told.
type noticesRun struct {
	*system
	box       *postOffice
	organizer *caller
	raceID    string
	rows      []row
	expected  map[[2]string]bool // address and subject

	kills, workerKills int
}

// address is that of a runner's account; empty for those without one.
func (n *noticesRun) address(bib string) string {
	if crc32.ChecksumIEEE([]byte(bib))%7 == 0 {
		return ""
	}
	return "b" + strings.ToLower(bib) + "@example.org"
}

// giveAddresses makes accounts of the runners, of whom some do not want to know when their
// place moves.
func (n *noticesRun) giveAddresses(t *testing.T) {
	t.Helper()
	_, err := n.userDB.ExecContext(t.Context(), `UPDATE user JOIN main_db.participant AS p ON p.user_id = user.user_id
		SET user.login_id = CONCAT('b', LOWER(p.bib), '`+loginEnd+`'), user.email = CONCAT('b', LOWER(p.bib), '@example.org'), user.email_confirmed_at = NOW(6)
		WHERE p.race_id = ? AND CRC32(p.bib) % 7 <> 0`, n.raceID)
	require.NoError(t, err)
	_, err = n.userDB.ExecContext(t.Context(), `INSERT INTO notice_choice (user_id, kind, channel, state, chosen_at)
		SELECT user_id, 'place-moved', 'email', 'off', NOW(6) FROM main_db.participant WHERE race_id = ? AND CRC32(bib) % 11 = 0`, n.raceID)
	require.NoError(t, err)
	n.expected = map[[2]string]bool{}
}

// told waits until all who are chosen and have an address have a mail.
func (n *noticesRun) told(t *testing.T, subject string, chosen func(row) bool) {
	t.Helper()
	var want []string
	for _, r := range n.rows {
		if address := n.address(r.bib); address != "" && chosen(r) {
			want = append(want, address)
			n.expected[[2]string{address, subject}] = true
		}
	}
	eventually(t, 3*patience, func() error {
		got := n.box.subjects()
		missing := 0
		for _, address := range want {
			if got[[2]string{address, subject}] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d have no mail %q", missing, len(want), subject)
		}
		return nil
	})
}

// finisher returns the bib of the runner who came in after so many others.
func (n *noticesRun) finisher(t *testing.T, others int) string {
	t.Helper()
	runners := slices.DeleteFunc(slices.Clone(n.rows), func(r row) bool { return r.field != "runner" || r.status != "OK" })
	slices.SortFunc(runners, func(a, b row) int { return cmp.Compare(millisOf(t, a.gun), millisOf(t, b.gun)) })
	return runners[others].bib
}

func (n *noticesRun) disqualify(t *testing.T, bib string) {
	t.Helper()
	l := load{chaos: &chaos{system: n.system, organizer: n.organizer}, raceID: n.raceID}
	i := slices.IndexFunc(n.rows, func(r row) bool { return r.bib == bib })
	n.rows[i].status = "DQ"
	l.amend(t, n.rows[i], map[string]any{"status": "DQ"})
}

// place is where somebody is in the lists.
type place struct{ place, sexPlace, divisionPlace int }

// listed reads the lists of the results.
func (n *noticesRun) listed(t *testing.T) map[string]place {
	t.Helper()
	found := map[string]place{}
	for _, field := range []string{"runner", "wheelchair"} {
		for _, p := range n.organizer.standings(t, n.raceID, field).Items {
			found[p.Bib] = place{p.Place, p.SexPlace, p.DivisionPlace}
		}
	}
	return found
}

// kill kills one part after the other, and changes the race, so that there is always
// something to call the endpoint for. With few finishers the worker is stopped and not
// killed: what a killed one leaves is left alone for a minute.
func (n *noticesRun) kill(ctx context.Context, receiver *httptest.Server) error {
	pause, small := 3*time.Second, len(n.rows) < 1000
	killed := map[stack.Part]int{}
	restart := func(part stack.Part) func() error {
		return func() error {
			killed[part]++
			if killed[part] > 1 && (small || part == stack.MariaDB) {
				return nil // once: starts take what the other tests need
			}
			if part == stack.Worker && small {
				return errors.Join(n.StopPart(part), n.StartPart(ctx, part))
			}
			return n.Restart(ctx, part)
		}
	}
	cut := func() error {
		receiver.CloseClientConnections()
		return n.box.restart(ctx)
	}
	steps := []func() error{cut, restart(stack.Worker), cut, restart(stack.API), restart(stack.Temporal), cut, restart(stack.MariaDB)}
	if small {
		pause, steps = time.Second, []func() error{cut, cut, restart(stack.Worker), cut, restart(stack.API)}
	}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			n.workerKills = killed[stack.Worker]
			return nil
		case <-time.After(pause):
		}
		if err := steps[i%len(steps)](); err != nil && ctx.Err() == nil {
			return err
		}
		n.kills++
		change := payload{"application/json", fmt.Appendf(nil, `{"city":"City %d"}`, i)}
		if _, err := n.organizer.send(ctx, http.MethodPatch, "/v1/races/"+n.raceID, change); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// settled waits until the whole change log has been told.
func (n *noticesRun) settled(t *testing.T) {
	t.Helper()
	for _, query := range []string{
		"SELECT COUNT(*) FROM main_db.change_unsealed",
		"SELECT COUNT(*) FROM main_db.change_reader WHERE name IN ('notices', 'webhooks') AND position < (SELECT position FROM main_db.change_chain)",
		"SELECT COUNT(*) FROM main_db.notice_event WHERE finished_at IS NULL AND kind NOT IN ('points-credited', 'import-applied')", // digests
		"SELECT COUNT(*) FROM mail WHERE state IN ('queued', 'sending') AND kind NOT IN ('points-credited', 'import-applied')",
		"SELECT COUNT(*) FROM main_db.webhook_delivery WHERE state = 'waiting'",
	} {
		eventually(t, 2*patience, func() error {
			left, err := tryCount(t.Context(), n.userDB, query)
			if err == nil && left > 0 {
				err = fmt.Errorf("%d: %s", left, query)
			}
			return err
		})
	}
}

// check compares the mails with what was expected.
func (n *noticesRun) check(t *testing.T) {
	t.Helper()
	got := n.box.subjects()
	for to := range n.expected {
		require.Equal(t, 1, got[to], "one mail: %v", to)
	}
	for to := range got {
		if !strings.Contains(to[1], "points") { // a digest, if it is the hour
			require.True(t, n.expected[to], "nobody else: %v", to)
		}
	}
	require.LessOrEqual(t, n.box.repeats(), n.box.unanswered()+mailsUnnoted*n.workerKills, "mails that came again")
}

// How many mails, and calls of an endpoint, a worker has sent and not noted.
const mailsUnnoted, callsUnnoted = 256, 512

// checkCalls compares the calls with what happened.
func (n *noticesRun) checkCalls(t *testing.T, hook *hookReceiver, webhookID string) {
	t.Helper()
	hook.mu.Lock()
	defer hook.mu.Unlock()
	require.Zero(t, hook.invalid, "calls whose signature is not valid")
	require.Len(t, hook.calls, count(t, n.mainDB, "SELECT COUNT(*) FROM webhook_delivery WHERE webhook_id = ? AND state = 'delivered'", webhookID))
	require.Len(t, hook.types["import.applied"], 1)
	require.Len(t, hook.types["race.official"], 1)
	require.GreaterOrEqual(t, len(hook.types["standings.published"]), 1)
	corrected := strings.Join(slices.Collect(maps.Values(hook.types["result.corrected"])), "")
	require.Equal(t, 2, strings.Count(corrected, "record_ids"), corrected)
	again := 0
	for _, calls := range hook.calls {
		again += calls - 1
	}
	require.LessOrEqual(t, again, callsUnnoted*n.kills)
}

// postOffice is an SMTP server that counts mails. When it is killed, it may have taken a
// mail whose sender has no answer.
type postOffice struct {
	address string

	mu     sync.Mutex
	server *smtp.Server
	taken  map[string]int       // by Message-ID
	by     map[string][2]string // address and subject, by Message-ID
	cut    int                  // sessions that ended before the client could read the answer, at most
	open   map[*postSession]bool
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	p := &postOffice{taken: map[string]int{}, by: map[string][2]string{}, open: map[*postSession]bool{}}
	port, giveBack, err := stack.DrawPort(t.Context()) // so that nobody takes it during a restart
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, giveBack()) })
	p.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := stack.Listen(t.Context(), p.address)
	require.NoError(t, err)
	p.serve(listener)
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

func (p *postOffice) serve(listener net.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = smtp.NewServer(p)
	p.server.Domain = "localhost"
	go func(s *smtp.Server) { _ = s.Serve(listener) }(p.server)
}

// restart cuts all connections, and listens again.
func (p *postOffice) restart(ctx context.Context) error {
	p.mu.Lock()
	for s := range p.open {
		if s.took {
			p.cut++
		}
	}
	server := p.server
	p.mu.Unlock()
	_ = server.Close()
	time.Sleep(200 * time.Millisecond) // it is down
	listener, err := stack.Listen(ctx, p.address)
	if err != nil {
		return err
	}
	p.serve(listener)
	return nil
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &postSession{office: p}
	p.open[s] = true
	return s, nil
}

// postSession is a connection. took says that the last mail it took may not be answered.
type postSession struct {
	office *postOffice
	to     string
	took   bool
}

func (s *postSession) Logout() error {
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	delete(s.office.open, s)
	return nil
}

func (s *postSession) Reset() {}

// Mail begins the next mail: its sender has read the answer to the one before.
func (s *postSession) Mail(string, *smtp.MailOptions) error {
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.took = false
	return nil
}

func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *postSession) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	id := m.Header.Get("Message-Id")
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.taken[id]++
	s.office.by[id] = [2]string{s.to, m.Header.Get("Subject")}
	s.took = true
	return nil
}

// subjects returns how many different mails there are, by address and subject.
func (p *postOffice) subjects() map[[2]string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := map[[2]string]int{}
	for _, to := range p.by {
		found[to]++
	}
	return found
}

// repeats returns how many mails came again.
func (p *postOffice) repeats() (again int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.taken {
		again += times - 1
	}
	return again
}

// unanswered returns of how many mails the sender may not have read that they were taken.
func (p *postOffice) unanswered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// hookReceiver is an endpoint that verifies and counts calls.
type hookReceiver struct {
	mu       sync.Mutex
	verifier *standardwebhooks.Webhook
	calls    map[string]int               // by Webhook-Id
	types    map[string]map[string]string // bodies by type and Webhook-Id
	invalid  int
}

func (h *hookReceiver) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err = cmp.Or(err, h.verifier.Verify(body, r.Header)); err != nil {
		h.invalid++
		return
	}
	id := r.Header.Get("Webhook-Id")
	h.calls[id]++
	for _, kind := range []string{"result.corrected", "import.applied", "race.official", "standings.published"} {
		if strings.Contains(string(body), `"type":"`+kind+`"`) {
			if h.types[kind] == nil {
				h.types[kind] = map[string]string{}
			}
			h.types[kind][id] = string(body)
		}
	}
}

func (h *hookReceiver) repeats() (again int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.calls {
		again += times - 1
	}
	return again
}
