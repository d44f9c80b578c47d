DROP TABLE token_scope_uses;
