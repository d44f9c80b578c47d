DROP TABLE token_usage;
CREATE TABLE token_usage (
    token_id uuid NOT NULL REFERENCES personal_access_tokens (id) ON DELETE CASCADE,
    minute timestamptz NOT NULL,
    method text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    status integer NOT NULL,
    ip text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (token_id, minute, method, route, status, ip, user_agent)
);
