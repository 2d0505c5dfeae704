-- The worker writes standings and the audit's findings. It creates neither races nor
-- results: it publishes a race, and raises the revision of a record that the ledger is
-- ahead of. It draws places, and ends offers of them, which passes the places on. It
-- alone seals the change log.
GRANT SELECT, UPDATE (status, updated_at) ON race TO {account};
GRANT SELECT, INSERT, UPDATE ON participant TO {account};
GRANT SELECT, UPDATE ON official_record TO {account};
GRANT SELECT, INSERT ON official_record_revision TO {account};
GRANT SELECT, INSERT ON outbox TO {account};
GRANT SELECT, INSERT, UPDATE (body, body_kind, body_base) ON standings TO {account};
GRANT SELECT, INSERT, UPDATE ON standings_mark TO {account};
GRANT SELECT, UPDATE (published_at) ON publication TO {account};
-- As in api.sql.
GRANT SELECT, INSERT ON operator_action TO {account};
GRANT SELECT, INSERT, UPDATE ON audit_position TO {account};
GRANT SELECT, INSERT, UPDATE ON unmatched_revision TO {account};
GRANT SELECT, INSERT ON change_log TO {account};
GRANT SELECT, INSERT ON change_text TO {account};
GRANT SELECT, INSERT, DELETE ON change_unsealed TO {account};
GRANT SELECT, INSERT ON change_seal TO {account};
GRANT SELECT, UPDATE (position, hash) ON change_chain TO {account};
GRANT SELECT, INSERT, UPDATE (position) ON change_reader TO {account};
GRANT SELECT (dispute_id, race_id, state) ON dispute TO {account};
GRANT SELECT, UPDATE (seq, state, offer_no, offer_expires_at, changed_at) ON entry TO {account};
GRANT SELECT, UPDATE (taken, offered, waiting, registered, next_seq, next_bib, version) ON entry_pool TO {account};
GRANT SELECT, INSERT ON entry_departure TO {account};
GRANT SELECT, INSERT ON offer_outbox TO {account};
GRANT SELECT, UPDATE (drawn_at, list_hash) ON draw TO {account};
GRANT SELECT, UPDATE (pool, place, result) ON draw_number TO {account};
GRANT SELECT, INSERT, UPDATE ON draw_outbox TO {account};
GRANT SELECT ON goose_db_version TO {account};
GRANT SELECT ON series TO {account};
GRANT SELECT ON series_race TO {account};
GRANT SELECT, INSERT, UPDATE (body) ON series_standings TO {account};
GRANT SELECT, INSERT, UPDATE ON series_mark TO {account};
GRANT SELECT, INSERT, UPDATE (subjects, happened_at, gathers_until, started_at, finished_at, from_version, to_version), DELETE ON notice_event TO {account};
GRANT SELECT (race_id, user_id, role) ON race_staff TO {account};
GRANT SELECT (claim_id, state) ON claim TO {account};
GRANT SELECT, UPDATE (off_reason, off_at, failing_since, last_failed_at, wake_at, rest_until, sender, sender_until) ON webhook TO {account};
GRANT SELECT ON webhook_secret TO {account};
GRANT SELECT, INSERT, UPDATE (state, attempts, due_at, attempted_at, outcome), DELETE ON webhook_delivery TO {account};
GRANT SELECT, UPDATE (revision, state, published_at, updated_at) ON post TO {account};
GRANT SELECT, INSERT, UPDATE ON post_outbox TO {account};
GRANT SELECT, UPDATE (told_at, next_at) ON race_task TO {account};
GRANT SELECT ON race_task_watcher TO {account};
GRANT SELECT, INSERT, UPDATE (created_at) ON task_outbox TO {account};
