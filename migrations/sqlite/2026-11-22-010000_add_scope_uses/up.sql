-- When each scope of a token was last asked for. What is not here was granted and never used since.
CREATE TABLE token_scope_uses (
    token_id BLOB NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, scope)
) STRICT, WITHOUT ROWID;
