DROP TRIGGER refuse_token_of_another_user;
DROP TRIGGER count_removed_token;
DROP TRIGGER count_new_token;
DROP TABLE token_counts;
