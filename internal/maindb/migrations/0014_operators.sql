-- +goose Up
-- The actor of actions outside the API: a workflow that was reset in Temporal's Web UI or
-- on its command line. Its operator_id is empty. The
-- run that the reset began is unique, so that it is logged once.
ALTER TABLE operator_action
    ADD COLUMN actor VARCHAR(32) NOT NULL DEFAULT 'operator',
    ADD COLUMN run_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD UNIQUE KEY operator_action_by_run (run_id);

-- The records with a bib, in all races.
ALTER TABLE official_record ADD KEY official_record_by_bib_anywhere (bib_key, race_id, record_id);

-- +goose Down
ALTER TABLE official_record DROP KEY official_record_by_bib_anywhere;
ALTER TABLE operator_action DROP KEY operator_action_by_run, DROP COLUMN run_id, DROP COLUMN actor;
