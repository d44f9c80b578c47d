DROP TRIGGER refuse_token_of_another_user ON personal_access_tokens;
DROP TRIGGER forget_token_counts ON personal_access_tokens;
DROP TRIGGER count_removed_tokens ON personal_access_tokens;
DROP TRIGGER count_new_tokens ON personal_access_tokens;
DROP FUNCTION refuse_token_of_another_user();
DROP FUNCTION forget_token_counts();
DROP FUNCTION count_removed_tokens();
DROP FUNCTION count_new_tokens();
DROP TABLE token_counts;
