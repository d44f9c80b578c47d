-- What proves a token against its stored hash without the slow hash: 32 bytes, kept when a secret is made or when its slow
-- hash has matched once; null until then, and always for fast hashes. `secret_check` is only read from now on: it refuses
-- wrong secrets of rows that have no proof yet.
ALTER TABLE personal_access_tokens ADD COLUMN secret_proof BLOB;
ALTER TABLE retired_secrets ADD COLUMN secret_proof BLOB;

-- A proof is of one hash text. Whoever replaces the hash without knowing of proofs (an older program on the same database,
-- foreign SQL) takes the proof away, so that the new secret is not refused for the sake of the old one.
CREATE TRIGGER forget_secret_proof AFTER UPDATE OF secret_hash ON personal_access_tokens
WHEN NEW.secret_hash <> OLD.secret_hash AND NEW.secret_proof IS OLD.secret_proof
BEGIN
    UPDATE personal_access_tokens SET secret_proof = NULL WHERE id = NEW.id;
END;
CREATE TRIGGER forget_retired_secret_proof AFTER UPDATE OF secret_hash ON retired_secrets
WHEN NEW.secret_hash <> OLD.secret_hash AND NEW.secret_proof IS OLD.secret_proof
BEGIN
    UPDATE retired_secrets SET secret_proof = NULL WHERE lookup = NEW.lookup;
END;
