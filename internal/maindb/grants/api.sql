-- The API writes what people decide: races, start lists, results and their
-- revisions, and sends the outbox. Standings are the worker's: it reads them.
GRANT SELECT, INSERT, UPDATE, DELETE ON race TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON participant TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON claim TO {account};
GRANT SELECT, INSERT, UPDATE ON organizer TO {account};
GRANT SELECT, INSERT, UPDATE ON official_record TO {account};
GRANT SELECT, INSERT ON official_record_revision TO {account};
GRANT SELECT, INSERT ON official_record_split TO {account};
GRANT SELECT, INSERT, DELETE ON outbox TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON unofficial_record TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO {account};
GRANT SELECT ON standings TO {account};
GRANT SELECT ON standings_mark TO {account};
GRANT SELECT, INSERT, UPDATE (despite_disputes), DELETE ON publication TO {account};
GRANT SELECT, INSERT, UPDATE (state_after, finished_at) ON operator_action TO {account};
GRANT SELECT, DELETE ON unmatched_revision TO {account};
GRANT SELECT, INSERT ON change_log TO {account};
GRANT SELECT, INSERT, DELETE ON change_text TO {account};
GRANT SELECT, INSERT, DELETE, UPDATE (status, reason, imported_by, imported_at, outcome, kept_until, undone_by, undone_at, undo_reason)
    ON race_import TO {account};
GRANT SELECT, INSERT, DELETE ON import_content TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON import_mapping TO {account};
GRANT SELECT, INSERT, DELETE ON race_staff TO {account};
GRANT SELECT, INSERT, UPDATE (login_hash, user_id, declined_at, accepted_at), DELETE ON staff_invitation TO {account};
GRANT SELECT, INSERT, UPDATE (secret_hash, prefix, last_used_at, revoked_at), DELETE ON api_key TO {account};
GRANT SELECT, INSERT, UPDATE (state, wrong, right_would_be, closed_at, closed_by, answer, answered_revision) ON dispute TO {account};
GRANT SELECT, INSERT, UPDATE ON account_mark TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON entry TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON entry_pool TO {account};
GRANT SELECT, INSERT, DELETE ON entry_departure TO {account};
GRANT SELECT, INSERT, DELETE ON offer_outbox TO {account};
GRANT SELECT, INSERT, UPDATE (created_at), DELETE ON offer_wake TO {account};
GRANT SELECT, INSERT, UPDATE (runner_id, state, reason, changed_at), DELETE ON entry_transfer TO {account};
GRANT SELECT ON goose_db_version TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON series TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON series_race TO {account};
GRANT SELECT ON series_standings TO {account};
