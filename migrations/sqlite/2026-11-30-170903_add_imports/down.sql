-- A program without shapes cannot verify these tokens. Their public ids begin with `~`.
DELETE FROM retired_secrets WHERE substr(lookup, 1, 1) = '~';
DELETE FROM personal_access_tokens WHERE substr(lookup, 1, 1) = '~';
ALTER TABLE personal_access_tokens DROP COLUMN shown_prefix;
DROP TABLE imported_tokens;
DROP TABLE imports;
DROP TABLE token_shapes;
