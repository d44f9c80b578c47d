//! Keeps secrets out of search texts.

use std::borrow::Cow;

use tokenry_crypto::Prefixes;

/// SECURITY: a whole token that is pasted into a search is found by its ends, and reaches neither the database nor what the
/// database logs of its queries.
pub(crate) fn without_secret<'t>(prefixes: &Prefixes, search: &'t str) -> Cow<'t, str> {
    match prefixes.shown(search) {
        Some((public_id, suffix)) => format!("{public_id}\u{2026}{suffix}").into(),
        None => search.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_is_left_of_a_search() {
        let prefix = Prefixes::default();
        let whole = format!("pat_Q7mZ0aKd93Xb{}aB3x", "s".repeat(45));
        for search in
            [whole.clone(), format!("Bearer {whole}"), whole[..40].to_owned(), format!("{whole}sss")]
        {
            let left = without_secret(&prefix, &search);
            assert!(left.starts_with("pat_Q7mZ0aKd93Xb\u{2026}") && !left.contains("ss"), "{left}");
        }
        assert_eq!(without_secret(&prefix, "pat_Q7mZ0aKd93Xb"), "pat_Q7mZ0aKd93Xb");
    }
}
