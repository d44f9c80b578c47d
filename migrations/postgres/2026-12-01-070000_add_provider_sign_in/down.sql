-- A program without providers cannot check these sessions.
DELETE FROM sessions WHERE provider IS NOT NULL;
ALTER TABLE sessions DROP COLUMN provider;
DROP TABLE used_sign_ins;
