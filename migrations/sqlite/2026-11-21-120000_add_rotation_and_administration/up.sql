-- A creation that was under way when all tokens of its owner were revoked is refused.
ALTER TABLE users ADD COLUMN tokens_revoked_at INTEGER;

-- When the claims were made that were taken over last, and since when role and subject are decided here: claims of
-- before change nothing any more.
ALTER TABLE users ADD COLUMN claims_at INTEGER;
ALTER TABLE users ADD COLUMN claims_after INTEGER;

-- When the present secret was made: what lifetimes count from. SQLite wants a default for the rows there are.
ALTER TABLE personal_access_tokens ADD COLUMN secret_at INTEGER NOT NULL DEFAULT 0;
UPDATE personal_access_tokens SET secret_at = created_at;

-- When the audit log was told that the token's time ran out.
ALTER TABLE personal_access_tokens ADD COLUMN expiry_noted_at INTEGER;

-- The digest of the request's idempotency key, and when a use after the grace was last told.
ALTER TABLE retired_secrets ADD COLUMN idempotency_key TEXT;
ALTER TABLE retired_secrets ADD COLUMN reused_at INTEGER;
CREATE UNIQUE INDEX retired_secrets_by_key ON retired_secrets (token_id, idempotency_key);

CREATE INDEX audit_events_by_time ON audit_events (at, seq);

-- Subjects whose users were removed or renamed: a JWT of before does not bring them back.
CREATE TABLE former_subjects (
    subject TEXT NOT NULL PRIMARY KEY,
    gone_at INTEGER NOT NULL,
    was_disabled INTEGER NOT NULL
) STRICT;
