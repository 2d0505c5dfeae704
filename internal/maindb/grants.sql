GRANT SELECT, INSERT, UPDATE, DELETE ON race TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON participant TO {account};
GRANT SELECT, INSERT, UPDATE ON official_record TO {account};
GRANT SELECT, INSERT ON official_record_revision TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON unofficial_record TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO {account};
GRANT SELECT ON goose_db_version TO {account};
