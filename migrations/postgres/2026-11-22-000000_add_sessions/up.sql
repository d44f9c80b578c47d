-- Sign-ins of browsers. Of the cookie's secret there is a digest alone. A session that was begun with a token remembers
-- the public id of then, so that it ends with a rotation.
CREATE TABLE sessions (
    id uuid NOT NULL PRIMARY KEY,
    secret_digest bytea NOT NULL UNIQUE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential text COLLATE "C" NOT NULL,
    token_id uuid REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    token_lookup text COLLATE "C",
    ceiling text COLLATE "C",
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ip text COLLATE "C",
    user_agent text COLLATE "C",
    CHECK ((credential = 'pat') = (token_id IS NOT NULL)),
    CHECK ((token_id IS NULL) = (token_lookup IS NULL))
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_token ON sessions (token_id);
