-- +goose Up
-- The trace that a revision came about in, as a W3C traceparent: of traceparent
-- its credit is a part, from tracelink a trace of its own leads back to it. Both
-- are NULL when nothing is traced, and are no business of programs that do not
-- know them.
ALTER TABLE outbox
    ADD COLUMN traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN tracelink VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL;

-- +goose Down
ALTER TABLE outbox DROP COLUMN tracelink, DROP COLUMN traceparent;
