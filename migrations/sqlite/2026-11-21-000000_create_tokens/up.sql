-- Ids are 16-byte blobs, instants milliseconds since 1970, documents JSON text.
CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE personal_access_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    lookup TEXT NOT NULL UNIQUE,
    suffix TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    secret_check BLOB,
    name TEXT NOT NULL,
    description TEXT,
    scopes TEXT NOT NULL,
    inactive_at INTEGER,
    not_before INTEGER,
    expires_at INTEGER,
    last_used_at INTEGER,
    last_used_ip TEXT,
    allowed_ips TEXT NOT NULL,
    metadata TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_by TEXT,
    revoked_reason TEXT
) STRICT;
CREATE INDEX personal_access_tokens_by_owner ON personal_access_tokens (user_id, created_at, id);
CREATE INDEX personal_access_tokens_by_age ON personal_access_tokens (created_at, id);

CREATE TABLE retired_secrets (
    lookup TEXT NOT NULL PRIMARY KEY,
    token_id BLOB NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    secret_hash TEXT NOT NULL,
    secret_check BLOB,
    retired_at INTEGER NOT NULL,
    valid_until INTEGER NOT NULL
) STRICT;
CREATE INDEX retired_secrets_by_token ON retired_secrets (token_id);

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

-- No foreign keys: the log outlives what it tells of.
CREATE TABLE audit_events (
    seq INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    user_id BLOB,
    token_id BLOB,
    ip TEXT,
    user_agent TEXT,
    request_id TEXT,
    detail TEXT NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_events_by_user ON audit_events (user_id, seq);
CREATE INDEX audit_events_by_token ON audit_events (token_id, seq);

-- One row for the whole installation.
CREATE TABLE instance (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    bootstrapped_at INTEGER,
    hash_key_check TEXT,
    cursor_key BLOB,
    chain_seq INTEGER NOT NULL,
    chain_head BLOB NOT NULL
) STRICT;
INSERT INTO instance (id, chain_seq, chain_head) VALUES (1, 0, zeroblob(32));
