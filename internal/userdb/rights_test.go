package userdb_test

import (
	"testing"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TestRights: only the worker moves points, and of personal data it sees only addresses.
func TestRights(t *testing.T) {
	t.Parallel()
	mysqltest.TestRights(t, userdb.Migrations(), userdb.Grants(), mysqltest.Rights{
		"user": {
			mysql.API: `select,
				insert (user_id, login_id, password_hash, user_type, name, phone, birth_date, sex, email_pending, email_pending_at, language, created_at, updated_at),
				update (user_id, login_id, password_hash, user_type, name, phone, birth_date, sex, created_at, updated_at, erased_at,
				suspended_at, suspended_by, suspend_reason, tokens_ended_at, email, email_pending, email_problem, email_problem_at, email_confirmed_at, email_pending_at, language, hide_name, hide_age, notices_paused_until)`,
			mysql.Worker: `select (user_id, total_point, email, email_pending, email_problem, email_problem_at, email_confirmed_at, email_pending_at,
				language, suspended_at, erased_at, notices_paused_until),
				update (total_point, updated_at, email_pending, email_problem, email_problem_at)`,
		},
		"refresh_token":    {mysql.API: "select, insert, update (used_at, revoked_at), delete"},
		"session":          {mysql.API: "select, insert, update (last_used_at, expires_at, ended_at, by_passkey), delete"},
		"passkey":          {mysql.API: "select, insert, update (sign_count, flags, last_used_at), delete"},
		"ceremony":         {mysql.API: "select, insert, delete"},
		"mail":             {mysql.API: "select, insert, update (started_at, state, reason, fault, resends, resent_at, updated_at), delete", mysql.Worker: "select, insert, update (address, state, attempts, provider_id, updated_at, reason, fault)"},
		"account_link":     {mysql.API: "select, insert, update (used_at), delete"},
		"link_token":       {mysql.API: "select, delete", mysql.Worker: "insert"},
		"notice_choice":    {mysql.API: "select, insert, update, delete", mysql.Worker: "select"},
		"unsubscriber":     {mysql.API: "select, delete", mysql.Worker: "select, insert"},
		"notice_sender":    {mysql.Worker: "select, insert, update, delete"},
		"noticed":          {mysql.API: "select, delete", mysql.Worker: "select, insert, update"},
		"recovery_request": {mysql.API: "select, insert, delete"},
		"credit":           {mysql.API: "select, update (parts)", mysql.Worker: "select, insert, update"},
		"point":            {mysql.API: "select, update (parts)", mysql.Worker: "select, insert"},
		"change_outbox":    {mysql.API: "select, insert, delete"},
		"goose_db_version": {mysql.API: "select", mysql.Worker: "select"},
	})
}
