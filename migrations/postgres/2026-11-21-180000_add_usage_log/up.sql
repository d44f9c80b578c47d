-- Nothing was written into the table that the first migration made. A row counts the uses of one combination that began
-- in one span of time; `minute` is the start of the span and `seq` is 0. Where every use has a row of its own, `minute` is
-- its instant and `seq` tells it from others of the same millisecond.
DROP TABLE token_usage;
CREATE TABLE token_usage (
    token_id uuid NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    minute timestamptz NOT NULL,
    method text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    status integer NOT NULL,
    ip text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    count bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    -- In the order in which a token's uses are listed.
    PRIMARY KEY (token_id, minute, method, route, status, ip, user_agent, seq)
);
-- For the cleanup.
CREATE INDEX token_usage_by_time ON token_usage (minute);
