package accounts_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// mailbox keeps what is sent, and refuses mail to addresses at bounce.example.org.
type mailbox struct{ mails []mail.Message }

func (m *mailbox) Send(_ context.Context, message mail.Message) (string, error) {
	if strings.HasSuffix(message.To, "@bounce.example.org") {
		return "", mail.ErrBounced
	}
	m.mails = append(m.mails, message)
	return "provider's " + message.ID, nil
}

// deliver does what the relay of the API and the worker do, and returns what was
// sent.
func (b *bundle) deliver() []mail.Message {
	b.t.Helper()
	box := &mailbox{}
	steps := activities.NewMails(b.ledger, box, "https://api.example.org/", prometheus.NewRegistry())
	require.NoError(b.t, b.store.AnswerRecoveries(b.t.Context()))
	require.NoError(b.t, b.store.StartMails(b.t.Context(), func(ctx context.Context, mailID string, _ int) error {
		_, err := steps.SendMail(ctx, activities.MailInput{MailID: mailID})
		return err
	}))
	return box.mails
}

// deliverOne is deliver for exactly one mail.
func (b *bundle) deliverOne(to, subject string) mail.Message {
	b.t.Helper()
	sent := b.deliver()
	require.Len(b.t, sent, 1)
	require.Equal(b.t, []string{to, subject}, []string{sent[0].To, sent[0].Subject})
	return sent[0]
}

var linkForm = regexp.MustCompile(`https://api\.example\.org/v1/users/link#[a-z-]+\.([\w-]{43})`)

// tokenOf returns the token of the link in a mail.
func (b *bundle) tokenOf(m mail.Message) string {
	b.t.Helper()
	found := linkForm.FindStringSubmatch(m.Text)
	require.Len(b.t, found, 2, m.Text)
	require.Contains(b.t, m.HTML, found[0])
	return found[1]
}

func (b *bundle) post(path string, body fields) answer {
	b.t.Helper()
	return b.do(request{method: "POST", path: path, body: body})
}

// confirmed signs up the runner uta with a confirmed address and logs in.
func (b *bundle) confirmed(email string) pair {
	b.t.Helper()
	a := b.post("/v1/users", fields{"login_id": "uta", "password": password, "name": "First Runner", "user_type": "runner", "email": email})
	require.Equal(b.t, http.StatusCreated, a.status, a.text)
	token := b.tokenOf(b.deliverOne(email, "Confirm your e-mail address"))
	require.Equal(b.t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": token}).status)
	held := b.pairOf(b.login("uta", password, ""))
	b.deliver() // the notice of the first device
	return held
}

func TestConfirmAnAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.post("/v1/users", fields{"login_id": "Uta@Example.org", "password": password, "name": "Uta", "user_type": "runner", "language": "ko"})
	require.Equal(t, http.StatusCreated, a.status, a.text)
	held := b.pairOf(b.login("uta@example.org", password, ""))
	me := b.get("/v1/me", held.access)
	require.Equal(t, "uta@example.org", me.string("email_pending"), "a login that is an address is the address")
	require.Empty(t, me.string("email"))

	sent := b.deliverOne("uta@example.org", "이메일 주소 확인")
	require.Empty(t, b.deliver(), "each mail is sent once")
	token := b.tokenOf(sent)
	refused := b.post("/v1/users/password", fields{"token": token, "password": "another good one"})
	require.Equal(t, http.StatusUnprocessableEntity, refused.status, "a link is for its purpose")
	require.Equal(t, []string{"body.token"}, refused.locations())
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": token}).status)
	require.Equal(t, http.StatusUnprocessableEntity, b.post("/v1/users/confirm", fields{"token": token}).status, "once")
	me = b.get("/v1/me", held.access)
	require.Equal(t, "uta@example.org", me.string("email"))
	require.Empty(t, me.string("email_pending"))
}

func TestRecoverAnAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.confirmed("uta@example.org")
	known := b.post("/v1/users/recovery", fields{"login_id": "UTA"})
	unknown := b.post("/v1/users/recovery", fields{"login_id": "nobody@example.org"})
	require.Equal(t, http.StatusAccepted, known.status, known.text)
	require.Equal(t, []any{known.status, known.text}, []any{unknown.status, unknown.text})
	token := b.tokenOf(b.deliverOne("uta@example.org", "Choose a new password"))

	weak := b.post("/v1/users/password", fields{"token": token, "password": "password"})
	require.Equal(t, []string{"body.password"}, weak.locations(), weak.text)
	require.Equal(t, http.StatusUnprocessableEntity, b.post("/v1/users/confirm", fields{"token": token}).status)
	const another = "another good one"
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/password", fields{"token": token, "password": another}).status)
	require.Equal(t, http.StatusUnprocessableEntity, b.post("/v1/users/password", fields{"token": token, "password": another}).status)
	require.Equal(t, http.StatusUnauthorized, b.login("uta", password, "").status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(held.refresh).status, "all sessions have ended")
	b.deliverOne("uta@example.org", "Your account was recovered")
	b.pairOf(b.login("uta", another, ""))

	b.post("/v1/users/recovery", fields{"login_id": "uta@example.org"})
	token = b.tokenOf(b.deliverOne("uta@example.org", "Choose a new password"))
	b.clock.pass(time.Hour)
	require.Equal(t, http.StatusUnprocessableEntity, b.post("/v1/users/password", fields{"token": token, "password": password}).status, "it expires")

	for range 8 { // five in an hour, whoever asks
		b.clock.pass(5 * time.Minute)
		b.post("/v1/users/recovery", fields{"login_id": "uta"})
	}
	require.Len(t, b.deliver(), 5)
	held = b.pairOf(b.login("uta", another, ""))
	for _, change := range []fields{{"email": "new@example.org"}, {"login_id": "uta-the-second"}} {
		change["current_password"] = another
		a := b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: change})
		require.Equal(t, http.StatusOK, a.status, "whoever asks for recoveries does not use up the owner's links: %s", a.text)
	}
}

func TestAnUnconfirmedAddressRecoversNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp("victim@example.org", auth.Runner)
	b.deliverOne("victim@example.org", "Confirm your e-mail address")
	b.post("/v1/users/recovery", fields{"login_id": "victim@example.org"})
	require.Empty(t, b.deliver())
}

func TestChangeAddressAndLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.confirmed("old@example.org")
	patch := func(body fields) answer {
		return b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: body})
	}
	require.Equal(t, []string{"body.current_password"}, patch(fields{"email": "new@example.org"}).locations())
	require.Equal(t, []string{"body.current_password"}, patch(fields{"email": "new@example.org", "current_password": "wrong one"}).locations())
	require.Equal(t, []string{"body.email"}, patch(fields{"email": "new@", "current_password": password}).locations())

	changed := patch(fields{"email": "first@example.org", "current_password": password})
	require.Equal(t, "first@example.org", changed.string("email_pending"), changed.text)
	require.Equal(t, "old@example.org", changed.string("email"), "until it is confirmed")
	outdated := b.tokenOf(b.deliverOne("first@example.org", "Confirm your e-mail address"))
	patch(fields{"email": "new@example.org", "current_password": password})
	token := b.tokenOf(b.deliverOne("new@example.org", "Confirm your e-mail address"))
	require.Equal(t, http.StatusUnprocessableEntity, b.post("/v1/users/confirm", fields{"token": outdated}).status)
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": token}).status)
	b.deliverOne("old@example.org", "Your e-mail address was changed")

	b.signUp("taken", auth.Runner)
	require.Equal(t, "uta", patch(fields{"login_id": "Taken", "current_password": password}).string("login_id"))
	token = b.tokenOf(b.deliverOne("new@example.org", "Confirm your new login"))
	require.Equal(t, http.StatusConflict, b.post("/v1/users/confirm", fields{"token": token}).status)
	patch(fields{"login_id": "pippig", "current_password": password})
	token = b.tokenOf(b.deliverOne("new@example.org", "Confirm your new login"))
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": token}).status)
	b.deliverOne("new@example.org", "Your login was changed")
	require.Equal(t, http.StatusOK, b.login("pippig", password, "").status)
	require.Equal(t, http.StatusUnauthorized, b.login("uta", password, "").status)
}

func TestNotices(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.confirmed("uta@example.org")
	b.pairOf(b.login("uta", password, ""))
	require.Empty(t, b.deliver(), "a device that is known")
	b.pairOf(b.do(request{method: "POST", path: "/v1/login", agent: "curl/8.5", body: fields{"login_id": "uta", "password": password}}))
	require.Contains(t, b.deliverOne("uta@example.org", "New login to your account").Text, "(curl)")

	changed := b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"password": "another good one", "current_password": password}})
	require.Equal(t, http.StatusOK, changed.status, changed.text)
	b.deliverOne("uta@example.org", "Your password was changed")
}

func TestBounces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/v1/users", fields{"login_id": "eve", "password": password, "name": "Eve", "user_type": "runner", "email": "eve@bounce.example.org"})
	eve := b.pairOf(b.login("eve", password, ""))
	require.Empty(t, b.deliver())
	me := b.get("/v1/me", eve.access)
	require.Equal(t, []string{"", "pending-bounced"}, []string{me.string("email_pending"), me.string("email_problem")})

	held := b.confirmed("uta@example.org")
	require.NoError(t, b.exec("UPDATE user SET email = 'uta@bounce.example.org' WHERE login_id = 'uta'"))
	b.post("/v1/users/recovery", fields{"login_id": "uta"})
	require.Empty(t, b.deliver())
	require.Equal(t, "bounced", b.get("/v1/me", held.access).string("email_problem"))
	require.NoError(t, b.exec("UPDATE user SET email = 'uta@example.org' WHERE login_id = 'uta'"))
	b.post("/v1/users/recovery", fields{"login_id": "uta"})
	require.Empty(t, b.deliver(), "nothing more goes there")
	b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"email": "uta@example.org", "current_password": password}})
	token := b.tokenOf(b.deliverOne("uta@example.org", "Confirm your e-mail address"))
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": token}).status)
	require.Empty(t, b.get("/v1/me", held.access).string("email_problem"))
}

// TestMailsAreNotLostAndNotDoubled: a crash at any point.
func TestMailsAreNotLostAndNotDoubled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/v1/users", fields{"login_id": "uta", "password": password, "name": "Uta", "user_type": "runner", "email": "uta@example.org"})
	var id string
	begin := func(_ context.Context, mailID string, _ int) error { id = mailID; return nil }
	require.NoError(t, b.store.StartMails(t.Context(), begin)) // and Temporal forgets the workflow
	require.Empty(t, b.deliver())
	b.clock.pass(11 * time.Minute)
	box := &mailbox{}
	cut := activities.NewMails(lostAnswer{b.ledger}, box, "https://api.example.org", prometheus.NewRegistry())
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err := cut.SendMail(stopped, activities.MailInput{MailID: id})
	require.Error(t, err)
	again := b.deliverOne("uta@example.org", "Confirm your e-mail address")
	require.Equal(t, id, again.ID, "the same Message-ID")
	result, err := activities.NewMails(b.ledger, box, "", prometheus.NewRegistry()).SendMail(t.Context(), activities.MailInput{MailID: id})
	require.NoError(t, err)
	require.Equal(t, userdb.MailSent, result.State, "and no other")
	b.clock.pass(11 * time.Minute)
	require.Empty(t, b.deliver())

	b.post("/v1/users", fields{"login_id": "eve", "password": password, "name": "Eve", "user_type": "runner", "email": "eve@example.org"})
	b.clock.pass(24 * time.Hour)
	require.Empty(t, b.deliver(), "a link that has expired is not worth a mail")
}

// lostAnswer is a store whose answer to the outcome is lost.
type lostAnswer struct{ *userdb.Ledger }

func (l lostAnswer) FinishMail(ctx context.Context, _ string, _ userdb.MailState, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestANewPasswordEndsWhatTheOldOneBegan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.confirmed("uta@example.org")
	const another = "another good one"
	hijack := func(current string) (email, login string) {
		held = b.pairOf(b.login("uta", current, ""))
		b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"email": "thief@example.org", "login_id": "thief", "current_password": current}})
		for _, m := range b.deliver() {
			switch m.Subject {
			case "Confirm your e-mail address":
				email = b.tokenOf(m)
			case "Confirm your new login":
				login = b.tokenOf(m)
			}
		}
		return email, login
	}
	useless := func(tokens ...string) {
		t.Helper()
		for _, token := range tokens {
			require.Equal(t, http.StatusUnprocessableEntity, b.post("/v1/users/confirm", fields{"token": token}).status)
		}
		me := b.get("/v1/me", held.access)
		require.Equal(t, []string{"uta", "uta@example.org", ""}, []string{me.string("login_id"), me.string("email"), me.string("email_pending")}, me.text)
	}

	email, login := hijack(password)
	b.post("/v1/users/recovery", fields{"login_id": "uta"})
	recovery := b.tokenOf(b.deliverOne("uta@example.org", "Choose a new password"))
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/password", fields{"token": recovery, "password": another}).status)
	held = b.pairOf(b.login("uta", another, ""))
	useless(email, login)

	b.clock.pass(2 * time.Hour) // more links may be asked for
	b.deliver()
	email, login = hijack(another)
	changed := b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"password": password, "current_password": another}})
	require.Equal(t, http.StatusOK, changed.status, changed.text)
	useless(email, login)

	b.deliver()
	changed = b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"password": another, "email": "new@example.org", "current_password": password}})
	require.Equal(t, "new@example.org", changed.string("email_pending"), "what is asked for with the new password counts")
	for _, m := range b.deliver() {
		if m.To == "new@example.org" {
			email = b.tokenOf(m)
		}
	}
	require.Equal(t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": email}).status)
}

func TestManyAccountsCannotFloodAMailbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const victim = "victim@example.org"
	for i := range 3 {
		login := fmt.Sprintf("bomber%d", i)
		a := b.post("/v1/users", fields{"login_id": login, "password": password, "name": "B", "user_type": "runner", "email": victim})
		require.Equal(t, http.StatusCreated, a.status, a.text)
		held := b.pairOf(b.login(login, password, ""))
		for range 4 {
			b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"email": "Victim@example.org", "current_password": password}})
		}
	}
	require.Len(t, b.deliver(), 5)
	a := b.post("/v1/users", fields{"login_id": victim, "password": password, "name": "Victim", "user_type": "runner"})
	require.Equal(t, http.StatusCreated, a.status, "they can still sign up")
	held := b.pairOf(b.login(victim, password, ""))
	change := request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"email": victim, "current_password": password}}
	require.Equal(t, http.StatusTooManyRequests, b.do(change).status)
	b.clock.pass(12 * time.Minute)
	held = b.pairOf(b.login(victim, password, ""))
	change.token = held.access
	require.Equal(t, victim, b.do(change).string("email_pending"))
}

// report has the provider report about a mail, twice as queues do.
func (b *bundle) report(kind userdb.MailEventKind, m mail.Message, sent, at time.Time) {
	b.t.Helper()
	for range 2 {
		require.NoError(b.t, b.ledger.NoteMailEvent(b.t.Context(), userdb.MailEvent{Kind: kind, MailID: m.ID, Addresses: []string{m.To}, SentAt: sent, At: at}))
	}
}

// email returns what the account says about its address.
func (b *bundle) email(held pair) []string {
	b.t.Helper()
	me := b.get("/v1/me", held.access)
	return []string{me.string("email"), me.string("email_pending"), me.string("email_problem")}
}

func TestLateBounces(t *testing.T) {
	t.Parallel()
	for kind, problem := range map[userdb.MailEventKind]string{userdb.PermanentBounce: "bounced", userdb.Complaint: "complained"} {
		t.Run(problem, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			const address = "uta@example.org"
			held := b.confirmed(address)
			confirm := func() mail.Message {
				b.clock.pass(time.Minute)
				b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"email": address, "current_password": password}})
				return b.deliverOne(address, "Confirm your e-mail address")
			}
			b.clock.pass(time.Minute)
			sent := b.clock.Now()
			b.post("/v1/users/recovery", fields{"login_id": "uta"})
			recovery := b.deliverOne(address, "Choose a new password")
			require.NoError(t, b.ledger.FinishMail(t.Context(), recovery.ID, userdb.MailSent, "p"))
			for _, none := range []userdb.MailEventKind{userdb.TransientBounce, userdb.Delivery, userdb.Rejection, userdb.OtherMailEvent} {
				b.report(none, recovery, sent, sent)
			}
			require.Equal(t, []string{address, "", ""}, b.email(held), "the address is all right")

			b.clock.pass(time.Minute)
			happened := b.clock.Now()
			b.post("/v1/users/recovery", fields{"login_id": "uta"}) // waits for the relay
			require.NoError(t, b.store.AnswerRecoveries(t.Context()))
			b.report(kind, recovery, sent, happened)
			b.report(userdb.Complaint, recovery, sent, happened.Add(time.Second))
			me := b.get("/v1/me", held.access)
			require.Equal(t, []string{address, "", problem}, b.email(held), "the first report stays")
			require.Equal(t, happened.UTC().Format(time.RFC3339Nano), me.string("email_problem_since"))
			require.Contains(t, me.string("email_problem_advice"), "Confirm an address that takes mail")
			require.Empty(t, b.deliver(), "nor a mail that was written before")
			b.post("/v1/users/recovery", fields{"login_id": "uta"})
			require.Empty(t, b.deliver())

			first := confirm()
			require.Equal(t, []string{address, address, problem}, b.email(held))
			require.Equal(t, http.StatusNoContent, b.post("/v1/users/confirm", fields{"token": b.tokenOf(first)}).status)
			require.Equal(t, []string{address, "", ""}, b.email(held))
			b.report(kind, recovery, sent, happened)
			require.Equal(t, []string{address, "", ""}, b.email(held), "a report from before the address was confirmed again")

			b.clock.pass(time.Minute)
			b.report(kind, mail.Message{ID: "", To: address}, b.clock.Now(), b.clock.Now())
			require.Equal(t, []string{address, "", problem}, b.email(held), "of a mail that is not kept any more")
			old := confirm()
			again := confirm()
			b.report(kind, old, sent, happened)
			require.Equal(t, []string{address, address, problem}, b.email(held), "about the link before")
			b.report(kind, again, b.clock.Now(), b.clock.Now())
			require.Equal(t, []string{address, "", problem}, b.email(held), "what is wrong with the confirmed address stays")
			b.post("/v1/users/recovery", fields{"login_id": "uta"})
			require.Empty(t, b.deliver())
		})
	}
}

// TestABounceComesBeforeTheAnswer: the provider's event overtakes the note that it has
// taken the mail.
func TestABounceComesBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/v1/users", fields{"login_id": "eve", "password": password, "name": "Eve", "user_type": "runner", "email": "eve@example.org"})
	eve := b.pairOf(b.login("eve", password, ""))
	var m userdb.Mail
	require.NoError(t, b.store.StartMails(t.Context(), func(ctx context.Context, id string, _ int) (err error) {
		m, err = b.ledger.BeginMail(ctx, id)
		return err
	}))
	b.report(userdb.Complaint, mail.Message{ID: m.ID, To: m.Address}, b.clock.Now(), b.clock.Now())
	b.report(userdb.PermanentBounce, mail.Message{ID: m.ID, To: m.Address}, b.clock.Now(), b.clock.Now())
	require.NoError(t, b.ledger.FinishMail(t.Context(), m.ID, userdb.MailSent, "p"))
	require.Equal(t, []string{"", "", "pending-complained"}, b.email(eve))
	done, err := b.ledger.BeginMail(t.Context(), m.ID)
	require.NoError(t, err)
	require.Equal(t, userdb.MailBounced, done.State)
}

// TestABounceIsAboutEveryAccountOfAnAddress, and about no other.
func TestABounceIsAboutEveryAccountOfAnAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.confirmed("uta@example.org")
	b.post("/v1/users", fields{"login_id": "eve", "password": password, "name": "Eve", "user_type": "runner", "email": "eve@example.org"})
	eve := b.pairOf(b.login("eve", password, ""))
	b.deliver()
	require.NoError(t, b.exec("UPDATE user SET email = 'uta@example.org', email_pending = NULL WHERE login_id = 'eve'"))
	b.signUp("other", auth.Runner)
	require.NoError(t, b.exec("UPDATE user SET email = 'uta2@example.org' WHERE login_id = 'other'"))
	b.post("/v1/users/recovery", fields{"login_id": "uta"})
	b.report(userdb.PermanentBounce, b.deliverOne("uta@example.org", "Choose a new password"), b.clock.Now(), b.clock.Now())
	require.Equal(t, "bounced", b.email(held)[2])
	require.Equal(t, "bounced", b.email(eve)[2])
	require.Empty(t, b.email(b.pairOf(b.login("other", password, "")))[2])
}
