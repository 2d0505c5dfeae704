-- +goose Up
-- The trace in which a revision was made, as a W3C traceparent. The credit is part of the
-- trace in traceparent, or has a trace of its own that links to the one in tracelink. Both
-- are NULL without tracing; older programs ignore them.
ALTER TABLE outbox
    ADD COLUMN traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN tracelink VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL;

-- +goose Down
ALTER TABLE outbox DROP COLUMN tracelink, DROP COLUMN traceparent;
