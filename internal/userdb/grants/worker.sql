-- The worker alone moves points. Of accounts it sees the ID and the total: no
-- names, no birth dates, no passwords.
GRANT SELECT (user_id, total_point), UPDATE (total_point, updated_at) ON user TO {account};
GRANT SELECT, INSERT, UPDATE ON credit TO {account};
GRANT SELECT, INSERT ON point TO {account};
GRANT SELECT ON goose_db_version TO {account};
