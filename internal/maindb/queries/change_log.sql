-- name: EraseChangeTexts :exec
-- What an account wrote, and its notes about others.
DELETE t FROM change_text t JOIN change_log c ON c.change_id = t.change_id WHERE c.account_id = ?;
