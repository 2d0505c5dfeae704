package mail

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// refuser is an SMTP server that answers each recipient with the same error.
type refuser struct{ answer *gosmtp.SMTPError }

func (r refuser) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return r, nil }
func (refuser) Reset()                                            {}
func (refuser) Logout() error                                     { return nil }
func (refuser) Mail(string, *gosmtp.MailOptions) error            { return nil }
func (refuser) Data(io.Reader) error                              { return nil }
func (r refuser) Rcpt(string, *gosmtp.RcptOptions) error          { return r.answer }

// TestSMTPRefusals: only what is about the address switches it off.
func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code     int
		enhanced gosmtp.EnhancedCode
		bounced  bool
	}{
		{550, gosmtp.EnhancedCode{5, 1, 1}, true},   // no such mailbox
		{550, gosmtp.EnhancedCode{5, 2, 1}, true},   // a disabled one
		{553, gosmtp.EnhancedCode{5, 1, 3}, true},   // no address
		{550, gosmtp.NoEnhancedCode, true},          //
		{550, gosmtp.EnhancedCode{5, 7, 1}, false},  // we are on a block list
		{554, gosmtp.EnhancedCode{5, 7, 1}, false},  // we may not relay
		{530, gosmtp.EnhancedCode{5, 7, 0}, false},  // log in first
		{552, gosmtp.EnhancedCode{5, 2, 2}, false},  // full
		{451, gosmtp.EnhancedCode{4, 2, 1}, false},  // try again
		{450, gosmtp.EnhancedCode{4, 7, 25}, false}, // greylisted
	} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := gosmtp.NewServer(refuser{&gosmtp.SMTPError{Code: c.code, EnhancedCode: c.enhanced, Message: "<uta@example.org> is refused"}})
		go func() { _ = server.Serve(listener) }()
		sender, err := newSMTP(Config{SMTPAddr: listener.Addr().String(), SMTPTLS: "off", From: "from@example.org"})
		require.NoError(t, err)
		_, err = sender.Send(t.Context(), Message{ID: "m", To: "uta@example.org", Subject: "S", Text: "t", HTML: "h"})
		require.Error(t, err)
		require.Equal(t, c.bounced, err == ErrBounced, "%d %v: %v", c.code, c.enhanced, err) //nolint:errorlint // it is not wrapped
		require.NotContains(t, err.Error(), "uta@")
		require.NoError(t, server.Close())
	}
}

// TestSMTPErrorsAreUTF8: databases and Temporal refuse anything else, and the mail would be
// tried for ever without anybody seeing why.
func TestSMTPErrorsAreUTF8(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Write([]byte("220 mail.example.org\r\n"))
			for lines := bufio.NewScanner(connection); lines.Scan(); {
				_, _ = connection.Write([]byte("554 uta@example.org: Zugang verweigert f\xfcr Sie\r\n"))
			}
			_ = connection.Close()
		}
	}()
	sender, err := newSMTP(Config{SMTPAddr: listener.Addr().String(), SMTPTLS: "off", From: "from@example.org"})
	require.NoError(t, err)
	_, err = sender.Send(t.Context(), Message{ID: "m", To: "uta@example.org", Subject: "S", Text: "t", HTML: "h"})
	for ; err != nil; err = errors.Unwrap(err) {
		require.True(t, utf8.ValidString(err.Error()), "%q", err.Error())
		require.NotContains(t, err.Error(), "uta@")
		require.Contains(t, err.Error(), "Zugang verweigert")
	}
}

// TestSES: a mail carries its ID, which events repeat, and a refusal is an error that
// quotes no address.
func TestSES(t *testing.T) {
	t.Parallel()
	refuse, hang := false, false
	var got struct {
		ConfigurationSetName string
		EmailTags            []struct{ Name, Value string }
		Content              struct {
			Simple struct {
				Headers []struct{ Name, Value string }
			}
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&got)
		if hang {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		if refuse {
			w.Header().Set("X-Amzn-Errortype", "MessageRejected")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"message":"Email address is not verified: uta@example.org"}`)
			return
		}
		_, _ = io.WriteString(w, `{"MessageId":"0100"}`)
	}))
	t.Cleanup(server.Close)
	sender := &ses{from: "from@example.org", set: "mails", client: sesv2.New(sesv2.Options{
		Region: "eu-central-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	})}
	providerID, err := sender.Send(t.Context(), Message{ID: "m", To: "uta@example.org"})
	require.NoError(t, err)
	require.Equal(t, "0100", providerID)
	require.Equal(t, "mails", got.ConfigurationSetName)
	require.Equal(t, []struct{ Name, Value string }{{tagMailID, "m"}}, got.EmailTags)

	_, err = sender.Send(t.Context(), Message{ID: "m", To: "uta@example.org", Unsubscribe: "https://results.example.org/u"})
	require.NoError(t, err)
	require.Equal(t, []struct{ Name, Value string }{
		{"Auto-Submitted", "auto-generated"}, {"List-Unsubscribe", "<https://results.example.org/u>"}, {"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"},
	}, got.Content.Simple.Headers)

	refuse = true
	_, err = sender.Send(t.Context(), Message{ID: "m", To: "uta@example.org"})
	require.EqualError(t, err, "SES refused the mail: MessageRejected")

	hang = true
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = sender.Send(ctx, Message{ID: "m", To: "uta@example.org"})
	require.ErrorContains(t, err, "reach SES")
	require.NotErrorIs(t, err, context.DeadlineExceeded, "it is not the database that gives no answer")
}

// taker is an SMTP server that takes mails, and closes connections as a test says.
type taker struct {
	mu          sync.Mutex
	connections int
	taken       []string // Message-IDs
	last        netmail.Header
	leaves      func(taken int) bool
}

func (k *taker) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.connections++
	return &takerSession{k: k, conn: c}, nil
}

type takerSession struct {
	k    *taker
	conn *gosmtp.Conn
	took bool
}

func (*takerSession) Logout() error                          { return nil }
func (*takerSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (*takerSession) Rcpt(string, *gosmtp.RcptOptions) error { return nil }

// Reset is called when a mail has been answered.
func (s *takerSession) Reset() {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.took && s.k.leaves(len(s.k.taken)) {
		_ = s.conn.Conn().Close()
	}
	s.took = false
}

func (s *takerSession) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.k.taken, s.took, s.k.last = append(s.k.taken, m.Header.Get("Message-Id")), true, m.Header
	return nil
}

// TestConnectionsAreUsedAgain: mails that follow each other go over one connection, and a
// server that closes it when it has taken a mail gets the next over another: no mail is
// lost, and none comes twice.
func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]func(int) bool{
		"stays": func(int) bool { return false }, "leaves after each": func(int) bool { return true }, "leaves after every third": func(taken int) bool { return taken%3 == 0 },
	} {
		server := &taker{leaves: leaves}
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		serving := gosmtp.NewServer(server)
		go func() { _ = serving.Serve(listener) }()
		sender, err := newSMTP(Config{SMTPAddr: listener.Addr().String(), SMTPTLS: "off", From: "from@example.org"})
		require.NoError(t, err)
		const mails = 10
		for i := range mails {
			_, err := sender.Send(t.Context(), Message{ID: string(rune('a' + i)), To: "uta@example.org", Subject: "S", Text: "t", HTML: "h"})
			require.NoError(t, err, name)
		}
		require.NoError(t, serving.Close())
		server.mu.Lock()
		require.Len(t, server.taken, mails, name)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(server.taken))), mails, name)
		require.Equal(t, map[string]int{"stays": 1, "leaves after each": mails, "leaves after every third": 4}[name], server.connections, name)
		server.mu.Unlock()
	}
}

// TestHeaders: a notice that may be switched off says how, RFC 8058, and no mail is
// answered by a vacation responder.
func TestHeaders(t *testing.T) {
	t.Parallel()
	server := &taker{leaves: func(int) bool { return false }}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serving := gosmtp.NewServer(server)
	go func() { _ = serving.Serve(listener) }()
	t.Cleanup(func() { require.NoError(t, serving.Close()) })
	sender, err := newSMTP(Config{SMTPAddr: listener.Addr().String(), SMTPTLS: "off", From: "Mrmrthon <from@example.org>", PublicURL: "https://results.example.org"})
	require.NoError(t, err)
	const unsubscribe = "https://results.example.org/v1/unsubscribe/token"
	for _, address := range []string{unsubscribe, ""} {
		_, err = sender.Send(t.Context(), Message{ID: "m", To: "uta@example.org", Subject: "내 기록", Text: "t", HTML: "<p>h</p>", Unsubscribe: address})
		require.NoError(t, err)
		want := []string{"", ""}
		if address != "" {
			want = []string{"<" + unsubscribe + ">", "List-Unsubscribe=One-Click"}
		}
		server.mu.Lock()
		require.Equal(t, []string{"<m@results.example.org>", "auto-generated"}, []string{server.last.Get("Message-ID"), server.last.Get("Auto-Submitted")})
		require.Equal(t, want, []string{server.last.Get("List-Unsubscribe"), server.last.Get("List-Unsubscribe-Post")})
		server.mu.Unlock()
	}
}
