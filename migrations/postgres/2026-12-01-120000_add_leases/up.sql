-- The number of the newest event that changed a row which a node may have in memory.
ALTER TABLE instance ADD COLUMN change_seq bigint NOT NULL DEFAULT 0;
UPDATE instance SET change_seq = chain_seq;

-- The processes that decide from memory. A change is answered once each of them has acknowledged it or is gone.
CREATE TABLE nodes (
    id uuid NOT NULL PRIMARY KEY,
    -- The node has applied every event up to this one.
    acked_seq bigint NOT NULL,
    -- The length of its lease, which waiting writers take from here, since nodes may have different settings.
    lease_ms integer NOT NULL CHECK (lease_ms BETWEEN 1 AND 60000),
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    version text NOT NULL,
    address text NOT NULL
) WITH (fillfactor = 50);

-- A program from before this migration does not say which events changed rows, so each of its events counts as one.
CREATE FUNCTION count_events_of_older_programs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_seq := NEW.chain_seq;
    RETURN NEW;
END $$;
CREATE TRIGGER instance_event_of_older_program BEFORE UPDATE ON instance FOR EACH ROW
    WHEN (OLD.chain_seq IS DISTINCT FROM NEW.chain_seq
        AND current_setting('tokenry.unit', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION count_events_of_older_programs();

-- Wakes the nodes after each change.
CREATE FUNCTION notify_of_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tokenry_change', '');
    RETURN NULL;
END $$;
CREATE TRIGGER instance_change AFTER UPDATE ON instance FOR EACH ROW
    WHEN (OLD.change_seq IS DISTINCT FROM NEW.change_seq) EXECUTE FUNCTION notify_of_change();

-- Names the rows that were changed past Tokenry, whose own units of work set `tokenry.unit`. The argument is the column
-- with the id of a token or a user; without one the nodes drop every row.
CREATE FUNCTION notify_of_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_NARGS = 0 THEN
        PERFORM pg_notify('tokenry_row', '');
    ELSE
        PERFORM pg_notify('tokenry_row', to_jsonb(OLD) ->> TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER token_row_changed AFTER UPDATE OF
    id, user_id, lookup, suffix, secret_hash, secret_check, name, description, scopes, inactive_at, not_before,
    expires_at, allowed_ips, metadata, version, created_at, created_by, updated_at, revoked_at, revoked_by,
    revoked_reason, secret_at, expiry_noted_at, secret_proof, shown_prefix
    ON personal_access_tokens FOR EACH ROW
    WHEN (current_setting('tokenry.unit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION notify_of_row('id');
CREATE TRIGGER token_row_deleted AFTER DELETE ON personal_access_tokens FOR EACH ROW
    WHEN (current_setting('tokenry.unit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION notify_of_row('id');
CREATE TRIGGER user_row_changed AFTER UPDATE OR DELETE ON users FOR EACH ROW
    WHEN (current_setting('tokenry.unit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION notify_of_row('id');
CREATE TRIGGER retired_row_changed AFTER UPDATE OR DELETE ON retired_secrets FOR EACH ROW
    WHEN (current_setting('tokenry.unit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION notify_of_row('token_id');
CREATE TRIGGER import_row_changed AFTER UPDATE OR DELETE ON imports FOR EACH ROW
    WHEN (current_setting('tokenry.unit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION notify_of_row();
CREATE TRIGGER rows_emptied_tokens AFTER TRUNCATE ON personal_access_tokens EXECUTE FUNCTION notify_of_row();
CREATE TRIGGER rows_emptied_users AFTER TRUNCATE ON users EXECUTE FUNCTION notify_of_row();
