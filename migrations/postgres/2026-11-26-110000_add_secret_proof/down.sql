DROP TRIGGER forget_secret_proof ON retired_secrets;
DROP TRIGGER forget_secret_proof ON personal_access_tokens;
DROP FUNCTION forget_secret_proof();
ALTER TABLE retired_secrets DROP COLUMN secret_proof;
ALTER TABLE personal_access_tokens DROP COLUMN secret_proof;
