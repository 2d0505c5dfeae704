package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// OutboxRow is a record revision that is not on the queue yet.
type OutboxRow struct {
	ID       int64
	RaceID   string
	RecordID string
	Revision int
	// The trace that the revision came about in, in W3C's form, empty when there
	// is none. At most one is set: what many rows came about in at once is a link,
	// since nobody can read a trace of 30,000 credits.
	TraceParent, TraceLink string
}

// traceOf returns the context's trace as the outbox keeps it.
func traceOf(ctx context.Context) sql.NullString { return nullString(telemetry.TraceParent(ctx)) }

const deleteOutbox = `DELETE o
FROM JSON_TABLE(?, '$[*]' COLUMNS (outbox_id BIGINT PATH '$')) AS sent
STRAIGHT_JOIN outbox AS o FORCE INDEX (PRIMARY) ON o.outbox_id = sent.outbox_id`

// SendOutbox takes up to limit of the oldest rows that nobody else is sending,
// calls send with them, deletes those that send returns and reports how many
// they were. send may return rows and an error; SendOutbox then returns both
// too. A crash between send and commit sends the rows again: at least once.
func (s *Store) SendOutbox(ctx context.Context, limit int, send func(context.Context, []OutboxRow) (sent []OutboxRow, err error)) (n int, err error) {
	var sendErr error
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		n, sendErr = 0, nil
		q := s.queries.WithTx(tx)
		rows, err := q.TakeOutbox(ctx, count32(limit))
		if err != nil {
			return fmt.Errorf("take outbox rows: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		taken := make([]OutboxRow, len(rows))
		for i, row := range rows {
			taken[i] = OutboxRow{
				ID: row.OutboxID, RaceID: row.RaceID, RecordID: row.RecordID, Revision: int(row.Revision),
				TraceParent: row.Traceparent.String, TraceLink: row.Tracelink.String,
			}
		}
		var sent []OutboxRow
		if sent, sendErr = send(ctx, taken); len(sent) == 0 {
			return nil
		}
		ids := make([]int64, len(sent))
		for i, row := range sent {
			ids[i] = row.ID
		}
		if err := execFor(ctx, tx, deleteOutbox, ids); err != nil {
			return fmt.Errorf("delete outbox rows: %w", err)
		}
		n = len(sent)
		return nil
	})
	if err != nil {
		return 0, errors.Join(err, sendErr)
	}
	return n, sendErr
}

// OutboxDepth returns how many rows wait to be sent and how long the oldest has
// waited.
func (s *Store) OutboxDepth(ctx context.Context) (rows int, oldest time.Duration, err error) {
	createdAt, err := s.queries.OldestOutbox(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read oldest outbox row: %w", err)
	}
	count, err := s.queries.CountOutbox(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("count outbox rows: %w", err)
	}
	return int(count), s.now().Sub(createdAt), nil
}
