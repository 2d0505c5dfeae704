package userdb

import (
	"context"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// Export returns everything that is kept here about an account, by table.
func (s *Store) Export(ctx context.Context, userID string) (map[string][]map[string]any, error) {
	return mysql.RowsAbout(ctx, s.db, []string{"user_id"}, userID)
}
