-- Without the column an end that came early is told by the grace alone.
UPDATE retired_secrets SET valid_until = LEAST(valid_until, ended_at) WHERE ended_at IS NOT NULL;
ALTER TABLE retired_secrets DROP COLUMN ended_at;
