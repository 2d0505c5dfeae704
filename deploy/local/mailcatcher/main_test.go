package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
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
