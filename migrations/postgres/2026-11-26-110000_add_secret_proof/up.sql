-- What proves a token against its stored hash without the slow hash: 32 bytes, kept when a secret is made or when its slow
-- hash has matched once; null until then, and always for fast hashes. `secret_check` is only read from now on: it refuses
-- wrong secrets of rows that have no proof yet.
ALTER TABLE personal_access_tokens ADD COLUMN secret_proof bytea;
ALTER TABLE retired_secrets ADD COLUMN secret_proof bytea;

-- A proof is of one hash text. Whoever replaces the hash without knowing of proofs (an older program on the same database,
-- foreign SQL) takes the proof away, so that the new secret is not refused for the sake of the old one.
CREATE FUNCTION forget_secret_proof() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.secret_proof := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER forget_secret_proof BEFORE UPDATE OF secret_hash ON personal_access_tokens
FOR EACH ROW WHEN (
    NEW.secret_hash <> OLD.secret_hash AND NEW.secret_proof IS NOT DISTINCT FROM OLD.secret_proof
) EXECUTE FUNCTION forget_secret_proof();
CREATE TRIGGER forget_secret_proof BEFORE UPDATE OF secret_hash ON retired_secrets
FOR EACH ROW WHEN (
    NEW.secret_hash <> OLD.secret_hash AND NEW.secret_proof IS NOT DISTINCT FROM OLD.secret_proof
) EXECUTE FUNCTION forget_secret_proof();
