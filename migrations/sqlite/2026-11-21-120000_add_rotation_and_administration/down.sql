DROP TABLE former_subjects;
DROP INDEX audit_events_by_time;
DROP INDEX retired_secrets_by_key;
ALTER TABLE retired_secrets DROP COLUMN reused_at;
ALTER TABLE retired_secrets DROP COLUMN idempotency_key;
ALTER TABLE personal_access_tokens DROP COLUMN expiry_noted_at;
ALTER TABLE personal_access_tokens DROP COLUMN secret_at;
ALTER TABLE users DROP COLUMN claims_after;
ALTER TABLE users DROP COLUMN tokens_revoked_at;
