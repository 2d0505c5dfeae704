package mysql_test

import (
	"database/sql"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestStatementsOfATrace: what belongs to a trace has spans, with question marks
// for values, also where the server quotes them.
func TestStatementsOfATrace(t *testing.T) {
	t.Parallel()
	const login = "somebody@example.org"
	_, cfg := mysqltest.New(t, fstest.MapFS{"0001_account.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE account (login VARCHAR(100) PRIMARY KEY);\n",
	)}})
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	db, err := mysql.OpenTraced(cfg, provider)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })

	const insert = "-- name: AddAccount :exec\nINSERT INTO account (login) VALUES (?)"
	_, err = db.ExecContext(t.Context(), insert, login)
	require.NoError(t, err)
	require.Empty(t, recorder.Ended(), "what belongs to no trace begins none")

	long := strings.Replace("DELETE FROM account WHERE login IN (?)", "?", strings.Repeat("?,", 999)+"?", 1)
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	require.NoError(t, mysql.InTx(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, long, manyOf("nobody", 1000)...)
		return err
	}))
	_, err = db.ExecContext(ctx, insert, login)
	require.True(t, mysql.IsDuplicate(err))
	require.EqualError(t, err, "MySQL error 1062 (23000)", "the server's message quotes the login")
	require.NotErrorIs(t, err, race.ErrUnavailable)

	var names []string
	for _, span := range recorder.Ended() {
		require.Equal(t, request.SpanContext().SpanID(), span.Parent().SpanID())
		names = append(names, span.Name())
		for _, attr := range span.Attributes() {
			require.NotContains(t, attr.Value.String(), login)
			require.Less(t, len(attr.Value.String()), 1100)
		}
		for _, event := range span.Events() {
			for _, attr := range event.Attributes {
				require.NotContains(t, attr.Value.String(), login)
			}
		}
	}
	require.Equal(t, []string{"SQL begin_tx", "SQL DELETE FROM account", "SQL commit", "SQL AddAccount"}, names)
	failed := recorder.Ended()[3]
	require.Equal(t, codes.Error, failed.Status().Code)
	require.Equal(t, "MySQL error 1062 (23000)", failed.Events()[0].Attributes[1].Value.AsString())
}

func manyOf(value string, n int) []any {
	values := make([]any, n)
	for i := range values {
		values[i] = value
	}
	return values
}
