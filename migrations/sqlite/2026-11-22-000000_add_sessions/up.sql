-- Sign-ins of browsers. Of the cookie's secret there is a digest alone. A session that was begun with a token remembers
-- the public id of then, so that it ends with a rotation.
CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL UNIQUE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential TEXT NOT NULL,
    token_id BLOB REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    token_lookup TEXT,
    ceiling TEXT,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ip TEXT,
    user_agent TEXT,
    CHECK ((credential = 'pat') = (token_id IS NOT NULL)),
    CHECK ((token_id IS NULL) = (token_lookup IS NULL))
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_token ON sessions (token_id);
