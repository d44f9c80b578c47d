-- The shapes of tokens that other systems issued; the text says how such a token is recognized and looked up.
CREATE TABLE token_shapes (
    shape TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Runs of an import. The tokens of an unfinished run are stored as inactive; its last change activates them all.
CREATE TABLE imports (
    id BLOB NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    digest BLOB NOT NULL,
    begun_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE UNIQUE INDEX imports_unfinished ON imports (source) WHERE finished_at IS NULL;

-- Which row of which system became which token. Without a foreign key: a row outlives its token, so that a repeated
-- import does not bring back a token that was deleted here.
CREATE TABLE imported_tokens (
    source TEXT NOT NULL,
    source_id TEXT NOT NULL,
    token_id BLOB NOT NULL,
    import_id BLOB NOT NULL,
    is_active INTEGER NOT NULL,
    PRIMARY KEY (source, source_id)
) STRICT, WITHOUT ROWID;

-- The first characters of an imported token, as far as they are known; NULL where the public id begins the token.
ALTER TABLE personal_access_tokens ADD COLUMN shown_prefix TEXT;
