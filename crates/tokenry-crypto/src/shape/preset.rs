//! The shapes of the tokens of well-known systems, with their default settings.

/// The name of each system and the shape of its tokens.
const PRESETS: &[(&str, &str)] = &[
    // `plainTextToken` of Laravel Sanctum: the row's id, `|`, 40 random characters, and since version 4 a checksum. The
    // hash covers what follows the `|`.
    ("sanctum", "lookup=before:| hashed=secret length=42-120 alphabet=base64url"),
    // django-rest-knox 5: 32 bytes as hexadecimal digits, the first 15 are the column `token_key`.
    ("knox", "lookup=first:15 hashed=whole length=64 alphabet=hex"),
    // djangorestframework-api-key: 8 characters, `.`, 32 characters.
    ("drf-api-key", "lookup=before:. hashed=whole length=41 alphabet=alphanumeric"),
    // Gitea and Forgejo: 20 bytes as hexadecimal digits, the last 8 are the column `token_last_eight`.
    ("gitea", "lookup=last:8 hashed=whole length=40 alphabet=hex"),
    // The API keys of better-auth: 64 letters.
    ("better-auth", "lookup=sha256 hashed=whole length=64 alphabet=base64url"),
];

/// The shape of this system.
pub(super) fn find(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
}

/// The systems.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}
