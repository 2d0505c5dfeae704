package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestCatch(t *testing.T) {
	t.Parallel()
	box := &mailbox{}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := gosmtp.NewServer(box)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })

	send := func(to string) error {
		return smtp.SendMail(listener.Addr().String(), nil, "from@example.org", []string{to}, []byte("Subject: =?UTF-8?q?=ED=99=95?=\r\n"+
			"Message-ID: <1@example.org>\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<script>alert(1)</script>\r\n"))
	}
	require.ErrorContains(t, send("bounce@example.org"), "550")
	require.ErrorContains(t, send("busy@example.org"), "451")
	require.NoError(t, send("uta@example.org"))
	got := box.find("uta@")
	require.Len(t, got, 1)
	require.Equal(t, []string{"확", "1@example.org"}, []string{got[0].Subject, got[0].MessageID})
	require.Empty(t, box.find("eve@"))

	answer := httptest.NewRecorder()
	box.pages().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mails/1", http.NoBody))
	require.Equal(t, http.StatusOK, answer.Code)
	require.NotContains(t, answer.Body.String(), "<script>", "a mail cannot do anything on the page")
	require.Contains(t, answer.Body.String(), "sandbox")
}

// TestReport: what is put on the queue is what the worker reads, twice.
func TestReport(t *testing.T) {
	t.Parallel()
	var bodies []string
	queue := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ MessageBody string }
		if json.NewDecoder(r.Body).Decode(&call) != nil || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		bodies = append(bodies, call.MessageBody)
	}))
	t.Cleanup(queue.Close)
	box := &mailbox{events: queue.URL + "/000000000000/mail-events"}
	const mailID = "01970000-0000-7000-8000-000000000001"
	sent := time.Date(2026, 5, 9, 8, 0, 0, 0, time.UTC)
	for _, to := range []string{"uta@example.org", "late-bounce+2@example.org", "Complaint@example.org"} {
		require.NoError(t, box.report(caught{MessageID: mailID + "@localhost", At: sent, To: []string{to}}))
	}
	require.Len(t, bodies, 4)
	for i, kind := range []userdb.MailEventKind{userdb.PermanentBounce, userdb.PermanentBounce, userdb.Complaint, userdb.Complaint} {
		event, err := mail.ParseEvent(bodies[i])
		require.NoError(t, err)
		require.Equal(t, kind, event.Kind)
		require.Equal(t, mailID, event.MailID)
		require.Equal(t, sent, event.SentAt)
	}

	answer := httptest.NewRecorder()
	box.pages().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	require.Contains(t, answer.Body.String(), "late-bounce@…")
	require.NotContains(t, answer.Body.String(), "without a queue")
}
