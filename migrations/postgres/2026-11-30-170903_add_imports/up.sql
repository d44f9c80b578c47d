-- The shapes of tokens that other systems issued; the text says how such a token is recognized and looked up.
CREATE TABLE token_shapes (
    shape text COLLATE "C" NOT NULL PRIMARY KEY,
    created_at timestamptz NOT NULL
);

-- Runs of an import. The tokens of an unfinished run are stored as inactive; its last change activates them all.
CREATE TABLE imports (
    id uuid NOT NULL PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    begun_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE UNIQUE INDEX imports_unfinished ON imports (source) WHERE finished_at IS NULL;

-- Which row of which system became which token. Without a foreign key: a row outlives its token, so that a repeated
-- import does not bring back a token that was deleted here.
CREATE TABLE imported_tokens (
    source text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL,
    token_id uuid NOT NULL,
    import_id uuid NOT NULL,
    is_active boolean NOT NULL,
    PRIMARY KEY (source, source_id)
);

-- The first characters of an imported token, as far as they are known; NULL where the public id begins the token.
ALTER TABLE personal_access_tokens ADD COLUMN shown_prefix text COLLATE "C";
