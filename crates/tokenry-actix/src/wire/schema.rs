//! The schemas of texts with rules of their own. Only the OpenAPI document uses these types: the fields are strings.

use std::borrow::Cow;

use tokenry_service::{EventKind as Event, ReusePolicy, Risk as TokenRisk, SortKey, Status};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// No control character, line separator or mark of the text direction.
const ONE_LINE: &str =
    "^[^\\u0000-\\u001F\\u007F-\\u009F\\u061C\\u200E\\u200F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]+$";

/// Defines a type whose schema is a string with these rules.
macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, $rules:expr) => {
        $(#[doc = $doc])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let rules: fn(ObjectBuilder) -> ObjectBuilder = $rules;
                let text = ObjectBuilder::new().schema_type(Type::String);
                rules(text).description(Some(concat!($($doc),*).trim())).build().into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

text! {
    /// The display name of a token or a user: one line with a visible character.
    Name, |text| text.min_length(Some(1)).max_length(Some(100)).pattern(Some(ONE_LINE)).examples(["ci"])
}
text! {
    /// The id of a user in the host system: one line with a visible character.
    Subject, |text| text.min_length(Some(1)).max_length(Some(255)).pattern(Some(ONE_LINE)).examples(["alice"])
}
text! {
    /// Why a token was revoked: one line with a visible character.
    Reason, |text| text.min_length(Some(1)).max_length(Some(200)).pattern(Some(ONE_LINE)).examples(["left the team"])
}
text! {
    /// How current a node is.
    NodeState, |text| text.enum_values(Some(["current", "behind", "silent"]))
}
text! {
    /// The name of a role of the catalog.
    RoleName, |text| text.pattern(Some("^[a-z][a-z0-9_-]{0,31}$")).examples(["user", "admin"])
}
text! {
    /// A scope of the catalog: `resource:level`, `introspect`, `*` or a named scope.
    Scope, |text| text
        .max_length(Some(64))
        .pattern(Some("^(\\*|[a-z][a-z0-9_.-]*(:[a-z][a-z0-9_.-]*)?)$"))
        .examples(["projects:read"])
}
text! {
    /// The state of a token.
    TokenStatus, |text| text.enum_values(Some(Status::ALL.iter().map(|status| status.as_str())))
}
text! {
    /// The state that a change gives to a token.
    TokenActivation, |text| text.enum_values(Some(["active", "inactive"]))
}
text! {
    /// A risk of a token.
    Risk, |text| text.enum_values(Some(TokenRisk::ALL.iter().map(|risk| risk.as_str())))
}
text! {
    /// The order of a list of tokens; a leading `-` sorts in descending order.
    TokenSort, |text| text.enum_values(Some(
        SortKey::ALL.iter().flat_map(|key| [key.to_string(), format!("-{key}")])
    ))
}
text! {
    /// The kind of an event of the audit log.
    EventKind, |text| text.enum_values(Some(Event::ALL.iter().map(|kind| kind.as_str())))
}
text! {
    /// The credential of a caller: a personal access token, a JWT or a session.
    CallerCredential, |text| text.enum_values(Some(["pat", "jwt", "session"]))
}
text! {
    /// A sign-in method: a personal access token, a JWT, an OpenID provider, or the identity that a trusted proxy asserts.
    SignInMethod, |text| text.enum_values(Some(["pat", "jwt", "oidc", "proxy"]))
}
text! {
    /// The reaction to the use of a retired secret after its grace period.
    ReuseReaction, |text| text.enum_values(Some(ReusePolicy::ALL.iter().map(ToString::to_string)))
}
