DROP TABLE token_usage;
CREATE TABLE token_usage (
    token_id BLOB NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    minute INTEGER NOT NULL,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    status INTEGER NOT NULL,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, minute, method, route, status, ip, user_agent)
) STRICT;
