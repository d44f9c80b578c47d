//! Keeps secrets out of search texts.

use std::borrow::Cow;

use tokenry_crypto::{Prefixes, Shape};

/// SECURITY: a full token that is pasted into a search is reduced to its public ends, so that the secret reaches
/// neither the database nor its query log. Of an imported token nothing is left, since its public parts are not known.
pub(crate) fn without_secret<'t>(prefixes: &Prefixes, shapes: &[Shape], search: &'t str) -> Cow<'t, str> {
    if let Some((public_id, suffix)) = prefixes.public_parts(search) {
        return format!("{public_id}\u{2026}{suffix}").into();
    }
    let is_token = |word: &str| shapes.iter().any(|shape| shape.fits(word.as_bytes()));
    if search.split_whitespace().any(is_token) { "\u{2026}".into() } else { search.into() }
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
            let search = without_secret(&prefix, &[], &search);
            assert!(search.starts_with("pat_Q7mZ0aKd93Xb\u{2026}") && !search.contains("ss"), "{search}");
        }
        assert_eq!(without_secret(&prefix, &[], "pat_Q7mZ0aKd93Xb"), "pat_Q7mZ0aKd93Xb");
        let shapes = ["sanctum".parse().unwrap()];
        for search in [format!("42|{}", "s".repeat(40)), format!("Bearer 42|{} ", "s".repeat(48))] {
            assert_eq!(without_secret(&prefix, &shapes, &search), "\u{2026}");
        }
        assert_eq!(without_secret(&prefix, &shapes, "42|"), "42|");
    }
}
