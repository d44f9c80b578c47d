//! The Diesel definitions of the tables; a test compares them with both migrated databases.

diesel::table! {
    use crate::sql_types::{Id, Instant};
    use diesel::sql_types::{Nullable, Text};

    users (id) {
        id -> Id,
        subject -> Text,
        name -> Text,
        role -> Text,
        disabled_at -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
        tokens_revoked_at -> Nullable<Instant>,
        claims_at -> Nullable<Instant>,
        claims_after -> Nullable<Instant>,
    }
}

diesel::table! {
    use crate::sql_types::{Document, Id, Instant};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    personal_access_tokens (id) {
        id -> Id,
        user_id -> Id,
        #[sql_name = "lookup"]
        public_id -> Text,
        suffix -> Text,
        secret_hash -> Text,
        secret_check -> Nullable<Binary>,
        name -> Text,
        description -> Nullable<Text>,
        scopes -> Document,
        inactive_at -> Nullable<Instant>,
        not_before -> Nullable<Instant>,
        expires_at -> Nullable<Instant>,
        last_used_at -> Nullable<Instant>,
        last_used_ip -> Nullable<Text>,
        allowed_ips -> Document,
        metadata -> Document,
        version -> BigInt,
        created_at -> Instant,
        created_by -> Text,
        updated_at -> Instant,
        revoked_at -> Nullable<Instant>,
        revoked_by -> Nullable<Text>,
        revoked_reason -> Nullable<Text>,
        secret_at -> Instant,
        expiry_noted_at -> Nullable<Instant>,
        secret_proof -> Nullable<Binary>,
        shown_prefix -> Nullable<Text>,
    }
}

// Maintained by triggers.
diesel::table! {
    use crate::sql_types::Id;
    use diesel::sql_types::BigInt;

    token_counts (user_id) {
        user_id -> Id,
        tokens -> BigInt,
    }
}

diesel::table! {
    use crate::sql_types::{Id, Instant};
    use diesel::sql_types::{Binary, Nullable, Text};

    retired_secrets (public_id) {
        #[sql_name = "lookup"]
        public_id -> Text,
        token_id -> Id,
        secret_hash -> Text,
        secret_check -> Nullable<Binary>,
        retired_at -> Instant,
        valid_until -> Instant,
        idempotency_key -> Nullable<Text>,
        reused_at -> Nullable<Instant>,
        ended_at -> Nullable<Instant>,
        secret_proof -> Nullable<Binary>,
    }
}

diesel::table! {
    use crate::sql_types::{Id, Instant};
    use diesel::sql_types::{BigInt, Integer, Text};

    token_usage (token_id, minute, method, route, status, ip, user_agent, seq) {
        token_id -> Id,
        minute -> Instant,
        method -> Text,
        route -> Text,
        status -> Integer,
        ip -> Text,
        user_agent -> Text,
        seq -> BigInt,
        count -> BigInt,
        first_at -> Instant,
        last_at -> Instant,
    }
}

diesel::table! {
    use crate::sql_types::{Id, Instant};
    use diesel::sql_types::Text;

    token_scope_uses (token_id, scope) {
        token_id -> Id,
        scope -> Text,
        last_used_at -> Instant,
    }
}

diesel::table! {
    use crate::sql_types::{Document, Id, Instant};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    audit_events (seq) {
        seq -> BigInt,
        at -> Instant,
        kind -> Text,
        actor -> Text,
        user_id -> Nullable<Id>,
        token_id -> Nullable<Id>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
        detail -> Document,
        prev_hash -> Binary,
        hash -> Binary,
    }
}

diesel::table! {
    use crate::sql_types::Instant;
    use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};

    instance (id) {
        id -> Integer,
        bootstrapped_at -> Nullable<Instant>,
        hash_key_check -> Nullable<Text>,
        cursor_key -> Nullable<Binary>,
        chain_seq -> BigInt,
        chain_head -> Binary,
        change_seq -> BigInt,
    }
}

diesel::table! {
    use crate::sql_types::Instant;
    use diesel::sql_types::{Bool, Text};

    former_subjects (subject) {
        subject -> Text,
        gone_at -> Instant,
        was_disabled -> Bool,
    }
}

diesel::table! {
    use crate::sql_types::{Id, Instant};
    use diesel::sql_types::{Binary, Nullable, Text};

    sessions (id) {
        id -> Id,
        secret_digest -> Binary,
        user_id -> Id,
        credential -> Text,
        token_id -> Nullable<Id>,
        #[sql_name = "token_lookup"]
        token_public_id -> Nullable<Text>,
        #[sql_name = "ceiling"]
        max_role -> Nullable<Text>,
        created_at -> Instant,
        seen_at -> Instant,
        expires_at -> Instant,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        provider -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::sql_types::Instant;
    use diesel::sql_types::Binary;

    used_sign_ins (digest) {
        digest -> Binary,
        used_at -> Instant,
    }
}

diesel::table! {
    use crate::sql_types::Instant;
    use diesel::sql_types::Text;

    token_shapes (shape) {
        shape -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use crate::sql_types::{Id, Instant};
    use diesel::sql_types::{Binary, Nullable, Text};

    imports (id) {
        id -> Id,
        source -> Text,
        digest -> Binary,
        begun_at -> Instant,
        finished_at -> Nullable<Instant>,
        applied_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use crate::sql_types::Id;
    use diesel::sql_types::{Bool, Text};

    imported_tokens (source, source_id) {
        source -> Text,
        source_id -> Text,
        token_id -> Id,
        import_id -> Id,
        is_active -> Bool,
    }
}

diesel::joinable!(personal_access_tokens -> users (user_id));
diesel::joinable!(retired_secrets -> personal_access_tokens (token_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    personal_access_tokens,
    retired_secrets,
    imported_tokens,
    imports
);
