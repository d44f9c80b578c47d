-- Texts that are compared, searched or sorted use the "C" collation, so that both databases agree byte by byte.
CREATE TABLE users (
    id uuid NOT NULL PRIMARY KEY,
    subject text COLLATE "C" NOT NULL UNIQUE,
    name text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE personal_access_tokens (
    id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    lookup text COLLATE "C" NOT NULL UNIQUE,
    suffix text COLLATE "C" NOT NULL,
    secret_hash text COLLATE "C" NOT NULL,
    secret_check bytea,
    name text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    scopes jsonb NOT NULL,
    inactive_at timestamptz,
    not_before timestamptz,
    expires_at timestamptz,
    last_used_at timestamptz,
    last_used_ip text COLLATE "C",
    allowed_ips jsonb NOT NULL,
    metadata jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_by text COLLATE "C",
    revoked_reason text COLLATE "C"
);
CREATE INDEX personal_access_tokens_by_owner ON personal_access_tokens (user_id, created_at, id);
CREATE INDEX personal_access_tokens_by_age ON personal_access_tokens (created_at, id);

CREATE TABLE retired_secrets (
    lookup text COLLATE "C" NOT NULL PRIMARY KEY,
    token_id uuid NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    secret_hash text COLLATE "C" NOT NULL,
    secret_check bytea,
    retired_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL
);
CREATE INDEX retired_secrets_by_token ON retired_secrets (token_id);

CREATE TABLE token_usage (
    token_id uuid NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    minute timestamptz NOT NULL,
    method text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    status integer NOT NULL,
    ip text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (token_id, minute, method, route, status, ip, user_agent)
);

-- No foreign keys: the log outlives what it tells of.
CREATE TABLE audit_events (
    seq bigint NOT NULL PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    user_id uuid,
    token_id uuid,
    ip text COLLATE "C",
    user_agent text COLLATE "C",
    request_id text COLLATE "C",
    detail jsonb NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX audit_events_by_user ON audit_events (user_id, seq);
CREATE INDEX audit_events_by_token ON audit_events (token_id, seq);

-- One row for the whole installation.
CREATE TABLE instance (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    bootstrapped_at timestamptz,
    hash_key_check text COLLATE "C",
    cursor_key bytea,
    chain_seq bigint NOT NULL,
    chain_head bytea NOT NULL
);
INSERT INTO instance (id, chain_seq, chain_head) VALUES (1, 0, decode(repeat('00', 32), 'hex'));
