-- The API writes accounts and sessions, and reads the ledger. Of the ledger it
-- may only clear what points were computed from, which is about the person, when
-- a runner leaves. (MariaDB wants UPDATE on every column that an INSERT with ON
-- DUPLICATE KEY UPDATE names, not only on those that it updates.)
GRANT SELECT,
    INSERT (user_id, login_id, password_hash, user_type, name, phone, birth_date, sex, email_pending, email_pending_at, language, created_at, updated_at),
    UPDATE (user_id, login_id, password_hash, user_type, name, phone, birth_date, sex, created_at, updated_at, erased_at,
        suspended_at, suspended_by, suspend_reason, tokens_ended_at, email, email_pending, email_problem,
        email_problem_at, email_confirmed_at, email_pending_at, language, hide_name, hide_age, notices_paused_until)
    ON user TO {account};
GRANT SELECT, INSERT, UPDATE (used_at, revoked_at), DELETE ON refresh_token TO {account};
GRANT SELECT, INSERT, UPDATE (last_used_at, expires_at, ended_at, by_passkey), DELETE ON session TO {account};
GRANT SELECT, INSERT, UPDATE (sign_count, flags, last_used_at), DELETE ON passkey TO {account};
GRANT SELECT, INSERT, DELETE ON ceremony TO {account};
GRANT SELECT, INSERT, UPDATE (started_at, state, reason, fault, resends, resent_at, updated_at), DELETE ON mail TO {account};
GRANT SELECT, INSERT, UPDATE (used_at), DELETE ON account_link TO {account};
GRANT SELECT, DELETE ON link_token TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON notice_choice TO {account};
GRANT SELECT, DELETE ON unsubscriber TO {account};
GRANT SELECT, DELETE ON noticed TO {account};
GRANT SELECT, INSERT, DELETE ON recovery_request TO {account};
GRANT SELECT, UPDATE (parts) ON credit TO {account};
GRANT SELECT, UPDATE (parts) ON point TO {account};
GRANT SELECT, INSERT, DELETE ON change_outbox TO {account};
GRANT SELECT ON goose_db_version TO {account};
