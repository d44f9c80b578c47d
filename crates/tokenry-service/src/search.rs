//! Keeps secrets out of search texts.

use std::borrow::Cow;

use tokenry_crypto::Prefixes;

/// SECURITY: a full token that is pasted into a search is reduced to its public ends, so that the secret reaches
/// neither the database nor its query log.
pub(crate) fn without_secret<'t>(prefixes: &Prefixes, search: &'t str) -> Cow<'t, str> {
    match prefixes.public_parts(search) {
        Some((public_id, suffix)) => format!("{public_id}\u{2026}{suffix}").into(),
        None => search.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_contains_no_part_of_a_pasted_secret() {
        let prefix = Prefixes::default();
        let whole = format!("pat_Q7mZ0aKd93Xb{}aB3x", "s".repeat(45));
        for search in
            [whole.clone(), format!("Bearer {whole}"), whole[..40].to_owned(), format!("{whole}sss")]
        {
            let search = without_secret(&prefix, &search);
            assert!(search.starts_with("pat_Q7mZ0aKd93Xb\u{2026}") && !search.contains("ss"), "{search}");
        }
        assert_eq!(without_secret(&prefix, "pat_Q7mZ0aKd93Xb"), "pat_Q7mZ0aKd93Xb");
    }
}
