DROP TRIGGER forget_retired_secret_proof;
DROP TRIGGER forget_secret_proof;
ALTER TABLE retired_secrets DROP COLUMN secret_proof;
ALTER TABLE personal_access_tokens DROP COLUMN secret_proof;
