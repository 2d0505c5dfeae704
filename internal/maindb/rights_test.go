package maindb_test

import (
	"testing"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
)

const everything = "select, insert, update, delete"

func TestRights(t *testing.T) {
	t.Parallel()
	mysqltest.TestRights(t, maindb.Migrations(), maindb.Grants(), mysqltest.Rights{
		"race":                     {mysql.API: everything, mysql.Worker: "select, update (status, updated_at)"},
		"participant":              {mysql.API: everything, mysql.Worker: "select, insert, update"},
		"organizer":                {mysql.API: "select, insert, update"},
		"claim":                    {mysql.API: everything, mysql.Worker: "select (claim_id, state)"},
		"official_record":          {mysql.API: "select, insert, update", mysql.Worker: "select, update"},
		"official_record_revision": {mysql.API: "select, insert", mysql.Worker: "select, insert"},
		"official_record_split":    {mysql.API: "select, insert"},
		"outbox":                   {mysql.API: "select, insert, delete", mysql.Worker: "select, insert"},
		"unofficial_record":        {mysql.API: everything},
		"idempotency_key":          {mysql.API: everything},
		"standings":                {mysql.API: "select", mysql.Worker: "select, insert, update (body, body_kind, body_base)"},
		"standings_mark":           {mysql.API: "select", mysql.Worker: "select, insert, update"},
		"publication":              {mysql.API: "select, insert, delete, update (despite_disputes)", mysql.Worker: "select, update (published_at)"},
		"operator_action":          {mysql.API: "select, insert, update (state_after, finished_at)", mysql.Worker: "select, insert"},
		"audit_position":           {mysql.Worker: "select, insert, update"},
		"unmatched_revision":       {mysql.API: "select, delete", mysql.Worker: "select, insert, update"},
		"change_log":               {mysql.API: "select, insert", mysql.Worker: "select, insert"},
		"change_text":              {mysql.API: "select, insert, delete", mysql.Worker: "select, insert"},
		"change_unsealed":          {mysql.API: "select, insert", mysql.Worker: "select, insert, delete"},
		"change_seal":              {mysql.API: "select", mysql.Worker: "select, insert"},
		"change_chain":             {mysql.API: "select", mysql.Worker: "select, update (position, hash)"},
		"change_reader":            {mysql.API: "select, insert, update (position)", mysql.Worker: "select, insert, update (position)"},
		"race_import": {mysql.API: "select, insert, delete, update (status, reason, imported_by, imported_at, outcome, kept_until, " +
			"undone_by, undone_at, undo_reason)"},
		"import_content":   {mysql.API: "select, insert, delete"},
		"import_mapping":   {mysql.API: everything},
		"race_staff":       {mysql.API: "select, insert, delete", mysql.Worker: "select (race_id, user_id, role)"},
		"notice_event":     {mysql.API: "select", mysql.Worker: "select, insert, delete, update (subjects, happened_at, gathers_until, started_at, finished_at, from_version, to_version)"},
		"staff_invitation": {mysql.API: "select, insert, delete, update (login_hash, user_id, declined_at, accepted_at)"},
		"api_key":          {mysql.API: "select, insert, delete, update (secret_hash, prefix, last_used_at, revoked_at)"},
		"dispute": {
			mysql.API:    "select, insert, update (state, wrong, right_would_be, closed_at, closed_by, answer, answered_revision)",
			mysql.Worker: "select (dispute_id, race_id, state)",
		},
		"entry":            {mysql.API: everything, mysql.Worker: "select, update (seq, state, offer_no, offer_expires_at, changed_at)"},
		"entry_pool":       {mysql.API: everything, mysql.Worker: "select, update (taken, offered, waiting, registered, next_seq, next_bib, version)"},
		"entry_departure":  {mysql.API: "select, insert, delete", mysql.Worker: "select, insert"},
		"offer_outbox":     {mysql.API: "select, insert, delete", mysql.Worker: "select, insert"},
		"offer_wake":       {mysql.API: everything},
		"entry_transfer":   {mysql.API: "select, insert, delete, update (runner_id, giver_hash, state, reason, changed_at)"},
		"draw":             {mysql.API: "select, insert, delete", mysql.Worker: "select, update (drawn_at, list_hash)"},
		"draw_number":      {mysql.API: "select, insert, delete", mysql.Worker: "select, update (pool, place, result)"},
		"draw_outbox":      {mysql.API: everything, mysql.Worker: "select, insert, update"},
		"entry_admission":  {mysql.API: "select, insert, delete"},
		"entry_deferral":   {mysql.API: "select, insert, delete"},
		"account_mark":     {mysql.API: "select, insert, update"},
		"series":           {mysql.API: everything, mysql.Worker: "select"},
		"series_race":      {mysql.API: everything, mysql.Worker: "select"},
		"series_standings": {mysql.API: "select", mysql.Worker: "select, insert, update (body)"},
		"series_mark":      {mysql.Worker: "select, insert, update"},
		"webhook":          {mysql.API: everything, mysql.Worker: "select, update (failing_since, last_failed_at, off_at, off_reason, rest_until, sender, sender_until, wake_at)"},
		"webhook_secret":   {mysql.API: "insert, delete, select (expires_at, secret_no, webhook_id), update (expires_at)", mysql.Worker: "select"},
		"webhook_delivery": {mysql.API: "select, delete, update (state, attempts, due_at)", mysql.Worker: "select, insert, delete, update (state, attempts, due_at, attempted_at, outcome)"},
		"post":             {mysql.API: everything, mysql.Worker: "select, update (revision, state, updated_at, published_at)"},
		"post_outbox":      {mysql.API: everything, mysql.Worker: "select, insert, update"},
		"post_comment":     {mysql.API: "select, insert, delete, update (text, state, hidden_reason, edited_at)"},
		"comment_report":   {mysql.API: "select, insert, delete, update (closed_at)"},
		"goose_db_version": {mysql.API: "select", mysql.Worker: "select"},

		"race_task":         {mysql.API: everything, mysql.Worker: "select, update (told_at, next_at)"},
		"race_task_watcher": {mysql.API: "select, insert, delete", mysql.Worker: "select"},
		"task_outbox":       {mysql.API: everything, mysql.Worker: "select, insert, update (created_at)"},
		"calendar_feed":     {mysql.API: "select, insert, delete"},
	})
}
