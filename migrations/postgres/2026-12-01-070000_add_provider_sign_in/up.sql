-- The OpenID provider at which a session was begun; such a session is otherwise like one of a JWT. A session without it
-- was begun in another way.
ALTER TABLE sessions ADD COLUMN provider text COLLATE "C";

-- Sign-ins at a provider that have succeeded, so that none succeeds twice. Without a foreign key: a row outlives its
-- session.
CREATE TABLE used_sign_ins (
    digest bytea NOT NULL PRIMARY KEY,
    used_at timestamptz NOT NULL
);
