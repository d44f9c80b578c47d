-- How many tokens each user has, kept by the database itself, so that cascades and foreign SQL count too and a page of a
-- list costs the same however long the list is. Without a foreign key: a user's row goes with their last token.
CREATE TABLE token_counts (
    user_id BLOB NOT NULL PRIMARY KEY,
    tokens INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_new_token AFTER INSERT ON personal_access_tokens
BEGIN
    INSERT INTO token_counts (user_id, tokens) VALUES (NEW.user_id, 1)
    ON CONFLICT (user_id) DO UPDATE SET tokens = tokens + 1;
END;

CREATE TRIGGER count_removed_token AFTER DELETE ON personal_access_tokens
BEGIN
    UPDATE token_counts SET tokens = tokens - 1 WHERE user_id = OLD.user_id;
    DELETE FROM token_counts WHERE user_id = OLD.user_id AND tokens = 0;
END;

CREATE TRIGGER refuse_token_of_another_user BEFORE UPDATE OF user_id ON personal_access_tokens
WHEN NEW.user_id <> OLD.user_id
BEGIN
    SELECT RAISE(ABORT, 'a token never changes its owner');
END;

INSERT INTO token_counts (user_id, tokens)
SELECT user_id, count(*) FROM personal_access_tokens GROUP BY user_id;
