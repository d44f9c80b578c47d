-- A run that is finished activates all its tokens by `finished_at` alone. Then `inactive_at` of each is cleared in short
-- transactions, and after the last of them this is set.
ALTER TABLE imports ADD COLUMN applied_at INTEGER;
-- Runs that finished before cleared all of them at once.
UPDATE imports SET applied_at = finished_at;
CREATE UNIQUE INDEX imported_tokens_by_token ON imported_tokens (token_id);
