-- When each scope of a token was last asked for. What is not here was granted and never used since.
CREATE TABLE token_scope_uses (
    token_id uuid NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (token_id, scope)
);
