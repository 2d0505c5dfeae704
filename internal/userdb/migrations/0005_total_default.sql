-- +goose Up
-- A new account has no points. The API creates accounts but may not write the column.
ALTER TABLE user ALTER COLUMN total_point SET DEFAULT 0;

-- +goose Down
ALTER TABLE user ALTER COLUMN total_point DROP DEFAULT;
