package accounts

import (
	"context"
	"log/slog"
	"time"
)

// purgeEvery is how often expired refresh tokens are deleted. They are good for
// nothing, so it only bounds the table.
const purgeEvery = time.Hour

// Purger deletes expired refresh tokens.
type Purger interface {
	// PurgeExpired returns how many it deleted.
	PurgeExpired(ctx context.Context) (int64, error)
}

// PurgeTokens deletes expired refresh tokens now and every hour until ctx ends.
func PurgeTokens(ctx context.Context, store Purger, log *slog.Logger) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		deleted, err := store.PurgeExpired(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.WarnContext(ctx, "expired refresh tokens not deleted", "error", err)
		case deleted > 0:
			log.InfoContext(ctx, "deleted expired refresh tokens", "tokens", deleted)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
