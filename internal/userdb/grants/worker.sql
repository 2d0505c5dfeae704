-- The worker alone moves points and sends mails. Of accounts it sees the ID, the
-- total, the address and what may be sent there: no names, no birth dates, no
-- passwords. It alone makes the tokens of links, which only the mails say.
GRANT SELECT (user_id, total_point, email, email_pending, email_problem, email_problem_at, email_confirmed_at, email_pending_at,
        language, suspended_at, erased_at, notices_paused_until),
    UPDATE (total_point, updated_at, email_pending, email_problem, email_problem_at) ON user TO {account};
GRANT SELECT, INSERT, UPDATE (address, state, attempts, provider_id, updated_at, reason, fault) ON mail TO {account};
GRANT SELECT, INSERT, UPDATE ON noticed TO {account};
GRANT SELECT, INSERT, UPDATE, DELETE ON notice_sender TO {account};
GRANT SELECT ON notice_choice TO {account};
GRANT SELECT, INSERT ON unsubscriber TO {account};
GRANT INSERT ON link_token TO {account};
GRANT SELECT, INSERT, UPDATE ON credit TO {account};
GRANT SELECT, INSERT ON point TO {account};
GRANT SELECT ON goose_db_version TO {account};
