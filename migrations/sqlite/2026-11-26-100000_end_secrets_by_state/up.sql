-- Since when a retired secret is over for good. It is asked before any clock.
ALTER TABLE retired_secrets ADD COLUMN ended_at INTEGER;
-- A rotation without a grace left these, or something ended their grace before or at that moment.
UPDATE retired_secrets SET ended_at = retired_at WHERE valid_until <= retired_at;
-- Of each token only the newest can be within its grace: a rotation ends that of the one before.
UPDATE retired_secrets SET ended_at = valid_until
    WHERE ended_at IS NULL
    AND EXISTS (
        SELECT 1 FROM retired_secrets AS newer
        WHERE newer.token_id = retired_secrets.token_id AND newer.retired_at > retired_secrets.retired_at
    );
