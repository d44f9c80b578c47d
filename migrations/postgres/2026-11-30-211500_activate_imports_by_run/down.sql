-- The program before this migration reads `inactive_at` only.
UPDATE personal_access_tokens SET inactive_at = NULL
WHERE inactive_at IS NOT NULL AND version = 1 AND id IN (
    SELECT imported_tokens.token_id FROM imported_tokens
    INNER JOIN imports ON imports.id = imported_tokens.import_id
    WHERE imported_tokens.is_active AND imports.finished_at IS NOT NULL AND imports.applied_at IS NULL
);
DROP INDEX imported_tokens_by_token;
ALTER TABLE imports DROP COLUMN applied_at;
