DROP TABLE instance;
DROP TABLE audit_events;
DROP TABLE token_usage;
DROP TABLE retired_secrets;
DROP TABLE personal_access_tokens;
DROP TABLE users;
