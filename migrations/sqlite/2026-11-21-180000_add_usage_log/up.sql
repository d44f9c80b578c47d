-- Nothing was written into the table that the first migration made. A row counts the uses of one combination that began
-- in one span of time; `minute` is the start of the span and `seq` is 0. Where every use has a row of its own, `minute` is
-- its instant and `seq` tells it from others of the same millisecond.
DROP TABLE token_usage;
CREATE TABLE token_usage (
    token_id BLOB NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    minute INTEGER NOT NULL,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    status INTEGER NOT NULL,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    -- In the order in which a token's uses are listed. The rows lie in it, so that their texts are stored once.
    PRIMARY KEY (token_id, minute, method, route, status, ip, user_agent, seq)
) STRICT, WITHOUT ROWID;
-- For the cleanup.
CREATE INDEX token_usage_by_time ON token_usage (minute);
