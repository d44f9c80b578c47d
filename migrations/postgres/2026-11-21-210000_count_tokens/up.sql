-- How many tokens each user has, kept by the database itself, so that cascades and foreign SQL count too and a page of a
-- list costs the same however long the list is. Without a foreign key: a user's row goes with their last token, and is
-- never locked before their tokens are.
CREATE TABLE token_counts (
    user_id uuid NOT NULL PRIMARY KEY,
    tokens bigint NOT NULL
);

-- One statement may touch tokens of many users. Their counts are locked in the order of their ids and only the head of the
-- audit chain after them, so that nobody waits crosswise.
CREATE FUNCTION count_new_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO token_counts AS kept (user_id, tokens)
    SELECT user_id, count(*) FROM made GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET tokens = kept.tokens + excluded.tokens;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_removed_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM token_counts WHERE user_id IN (SELECT user_id FROM removed) ORDER BY user_id FOR UPDATE;
    UPDATE token_counts AS kept SET tokens = kept.tokens - gone.tokens
    FROM (SELECT user_id, count(*) AS tokens FROM removed GROUP BY user_id) AS gone
    WHERE kept.user_id = gone.user_id;
    DELETE FROM token_counts WHERE user_id IN (SELECT user_id FROM removed) AND tokens = 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_token_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM token_counts;
    RETURN NULL;
END
$$;

CREATE FUNCTION refuse_token_of_another_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a token never changes its owner';
END
$$;

CREATE TRIGGER count_new_tokens AFTER INSERT ON personal_access_tokens
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION count_new_tokens();
CREATE TRIGGER count_removed_tokens AFTER DELETE ON personal_access_tokens
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_removed_tokens();
CREATE TRIGGER forget_token_counts AFTER TRUNCATE ON personal_access_tokens
FOR EACH STATEMENT EXECUTE FUNCTION forget_token_counts();
CREATE TRIGGER refuse_token_of_another_user BEFORE UPDATE OF user_id ON personal_access_tokens
FOR EACH ROW WHEN (NEW.user_id <> OLD.user_id) EXECUTE FUNCTION refuse_token_of_another_user();

-- After the triggers, which keep other writers waiting until all of this is done.
INSERT INTO token_counts (user_id, tokens)
SELECT user_id, count(*) FROM personal_access_tokens GROUP BY user_id;
