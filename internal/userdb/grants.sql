GRANT SELECT, INSERT, UPDATE ON user TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_token TO {account};
GRANT SELECT, INSERT, UPDATE ON credit TO {account};
GRANT SELECT, INSERT, UPDATE (parts) ON point TO {account};
GRANT SELECT ON goose_db_version TO {account};
