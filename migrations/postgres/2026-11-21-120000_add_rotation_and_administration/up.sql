-- A creation that was under way when all tokens of its owner were revoked is refused.
ALTER TABLE users ADD COLUMN tokens_revoked_at timestamptz;

-- When the claims were made that were taken over last, and since when role and subject are decided here: claims of
-- before change nothing any more.
ALTER TABLE users ADD COLUMN claims_at timestamptz;
ALTER TABLE users ADD COLUMN claims_after timestamptz;

-- When the present secret was made: what lifetimes count from.
ALTER TABLE personal_access_tokens ADD COLUMN secret_at timestamptz;
UPDATE personal_access_tokens SET secret_at = created_at;
ALTER TABLE personal_access_tokens ALTER COLUMN secret_at SET NOT NULL;

-- When the audit log was told that the token's time ran out.
ALTER TABLE personal_access_tokens ADD COLUMN expiry_noted_at timestamptz;

-- The digest of the request's idempotency key, and when a use after the grace was last told.
ALTER TABLE retired_secrets ADD COLUMN idempotency_key text COLLATE "C";
ALTER TABLE retired_secrets ADD COLUMN reused_at timestamptz;
CREATE UNIQUE INDEX retired_secrets_by_key ON retired_secrets (token_id, idempotency_key);

CREATE INDEX audit_events_by_time ON audit_events (at, seq);

-- Subjects whose users were removed or renamed: a JWT of before does not bring them back.
CREATE TABLE former_subjects (
    subject text COLLATE "C" NOT NULL PRIMARY KEY,
    gone_at timestamptz NOT NULL,
    was_disabled boolean NOT NULL
);
