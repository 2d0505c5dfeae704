package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// OpenTraced is Open with a span for each statement, commit and rollback that
// belongs to a trace. Background statements, which run every second or more often,
// start no trace. Without a provider it is the same as Open.
func OpenTraced(cfg Config, provider trace.TracerProvider) (*sql.DB, error) {
	if provider == nil {
		return Open(cfg)
	}
	connector, err := connector(cfg)
	if err != nil {
		return nil, err
	}
	return pool(cfg, otelsql.OpenDB(connector,
		otelsql.WithTracerProvider(provider), otelsql.WithMeterProvider(noop.NewMeterProvider()),
		otelsql.WithAttributes(attribute.String("db.system.name", "mysql"), attribute.String("db.namespace", cfg.Name)),
		otelsql.WithSpanNameFormatter(spanName), otelsql.WithAttributesGetter(statementText),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableQuery:         true, // statementText does it
			DisableErrSkip:       true,
			OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true,
			SpanFilter: func(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
				return trace.SpanContextFromContext(ctx).IsValid()
			},
		}),
	)), nil
}

// spanName is the name that a statement has in our .sql files, or its verb.
func spanName(_ context.Context, method otelsql.Method, statement string) string {
	if statement == "" { // sql.conn.begin_tx, sql.tx.commit
		_, last, _ := strings.Cut(strings.TrimPrefix(string(method), "sql."), ".")
		return "SQL " + last
	}
	if name, found := strings.CutPrefix(statement, "-- name: "); found {
		name, _, _ = strings.Cut(name, " ")
		return "SQL " + name
	}
	return "SQL " + strings.Join(strings.Fields(statement)[:min(3, len(strings.Fields(statement)))], " ")
}

// statementLimit is how much of a statement a span shows, in bytes: one with a
// thousand rows is 20 kB of question marks.
const statementLimit = 1000

// statementText is the statement with its question marks: values never come
// along.
func statementText(_ context.Context, _ otelsql.Method, statement string, _ []driver.NamedValue) []attribute.KeyValue {
	if statement == "" {
		return nil
	}
	if len(statement) > statementLimit {
		statement = strings.ToValidUTF8(statement[:statementLimit], "") + "…"
	}
	return []attribute.KeyValue{attribute.String("db.query.text", statement)}
}
