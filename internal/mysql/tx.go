package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sethvargo/go-retry"
)

const (
	txRetries = 9
	txBackoff = 5 * time.Millisecond
)

// InTx runs fn in a transaction and commits it when fn returns nil. A deadlock or a
// lock wait that timed out rolls back and runs fn again, up to 10 times, so fn must
// not keep state between calls. An error of the commit itself is returned: whether
// it took effect is then unknown, so the caller's unique keys must make a
// repetition harmless.
func InTx(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	backoff := retry.WithMaxRetries(txRetries, retry.WithJitterPercent(50, retry.NewFibonacci(txBackoff)))
	return retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := once(ctx, db, fn)
		if isContention(err) {
			return retry.RetryableError(err)
		}
		return err
	})
}

func once(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(tx); err != nil {
		rollback := within(ctx, tx.Rollback)
		if rollback != nil && ctx.Err() == nil && !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rollback))
		}
		return err
	}
	if err := within(ctx, tx.Commit); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// within waits for the end of a transaction no longer than ctx: the driver would
// wait for a silent server until the connection breaks.
func within(ctx context.Context, end func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended: // both happened, and this error says more
		return err
	default:
		return ctx.Err()
	}
}
