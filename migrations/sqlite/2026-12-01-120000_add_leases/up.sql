-- The number of the newest event that changed a row which a process may have in memory.
ALTER TABLE instance ADD COLUMN change_seq INTEGER NOT NULL DEFAULT 0;
UPDATE instance SET change_seq = chain_seq;

-- Names the present content of all rows that verification depends on: another random number after every change of one,
-- whoever made it by UPDATE or DELETE. A process may decide from memory while the number is the one under which it read
-- the row. It is random, so that the content of a restored database has another number than a later one.
ALTER TABLE instance ADD COLUMN row_version INTEGER NOT NULL DEFAULT 0;
UPDATE instance SET row_version = random();
CREATE TRIGGER token_row_changed AFTER UPDATE OF
    id, user_id, lookup, suffix, secret_hash, secret_check, name, description, scopes, inactive_at, not_before,
    expires_at, allowed_ips, metadata, version, created_at, created_by, updated_at, revoked_at, revoked_by,
    revoked_reason, secret_at, expiry_noted_at, secret_proof, shown_prefix
    ON personal_access_tokens
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER token_row_deleted AFTER DELETE ON personal_access_tokens
BEGIN
    UPDATE instance SET row_version = random();
END;
-- Sign-ins with a JWT only change the columns `claims_at` and `updated_at`.
CREATE TRIGGER user_row_changed AFTER UPDATE ON users
WHEN OLD.id IS NOT NEW.id OR OLD.subject IS NOT NEW.subject OR OLD.name IS NOT NEW.name OR OLD.role IS NOT NEW.role
    OR OLD.disabled_at IS NOT NEW.disabled_at OR OLD.tokens_revoked_at IS NOT NEW.tokens_revoked_at
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER user_row_deleted AFTER DELETE ON users
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER retired_row_changed AFTER UPDATE ON retired_secrets
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER retired_row_added AFTER INSERT ON retired_secrets
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER retired_row_deleted AFTER DELETE ON retired_secrets
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER import_row_changed AFTER UPDATE ON imports
BEGIN
    UPDATE instance SET row_version = random();
END;
CREATE TRIGGER import_row_deleted AFTER DELETE ON imports
BEGIN
    UPDATE instance SET row_version = random();
END;
