//! Items are named with the field's terms, not with words that this project once made up for them.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{TokenStream, TokenTree};

use super::Failure;
use super::tree::{Text, Tree};

/// Names that no item may have, and what to call it. Words with an ordinary meaning elsewhere are not listed.
const TERMS: &[(&str, &str)] = &[
    ("Allowance", "LimitStatus"),
    ("CALM", "MIN_FORCED_INTERVAL"),
    ("Call", "RequestContext"),
    ("Ceiling", "RolePermissions"),
    ("Cleaned", "CleanupReport"),
    ("Combination", "UsageKey"),
    ("Draft", "ValidatedRequest"),
    ("Effective", "EffectivePermissions"),
    ("Ends", "ObservedExpiries"),
    ("Former", "SubjectTombstone"),
    ("Fresh", "GeneratedSecret"),
    ("Gate", "Semaphore"),
    ("HELD", "MAX_HOLD"),
    ("HashPool", "WorkerPool"),
    ("Horizon", "ExpiryCutoffs"),
    ("KeyFeed", "JwksRefresher"),
    ("Left", "FlushOutcome"),
    ("Link", "AuditEntry"),
    ("Linker", "ChainHasher"),
    ("Lookup", "PublicId"),
    ("MOST", "MAX"),
    ("Managing", "ApiCaller"),
    ("Origin", "ClientInfo"),
    ("PATIENCE", "STALL_TICKS"),
    ("Pin", "SharedLockHolder"),
    ("Place", "Location"),
    ("Reuse", "ReusePolicy"),
    ("Signature", "AuditContext"),
    ("SigningIn", "SignInCaller"),
    ("Stripes", "Sharded"),
    ("Switch", "Activation"),
    ("Tally", "UsageCount"),
    ("Then", "Sequential"),
    ("Told", "ForbiddenRecorded"),
    ("Unit", "Transaction"),
    ("Use", "UsageEvent"),
    ("WayClosed", "MethodDisabled"),
    ("can_pass_on", "can_delegate"),
    ("covering", "least_sufficient"),
    ("drain", "delete_in_batches"),
    ("dress", "finalize"),
    ("end_of", "effective_expiry"),
    ("enter", "try_acquire"),
    ("hears", "receives"),
    ("hold", "acquire"),
    ("hurry", "request_refresh"),
    ("is_over", "is_expired"),
    ("is_part", "is_restricted"),
    ("journey", "round_trip"),
    ("judge", "finding"),
    ("made_by", "created_cutoff"),
    ("named_by_proxy", "sign_in_via_proxy"),
    ("own_place", "thread_index"),
    ("peek", "get"),
    ("places", "slots"),
    ("possessed", "identify_token"),
    ("put_back", "requeue"),
    ("refusals", "rejections"),
    ("refuse", "reject"),
    ("revive", "restart"),
    ("rich", "structured"),
    ("shell", "outer_middleware"),
    ("takes_jwts", "jwt_enabled"),
    ("tell", "record"),
    ("tells", "records"),
    ("told", "recorded"),
    ("untold", "unreported"),
    ("used_by", "idle_cutoff"),
    ("vouch", "caller_for_user"),
    ("ways", "sign_in_methods"),
    ("withheld", "denied"),
];

/// What begins an item.
const ITEMS: &[&str] = &["struct", "enum", "trait", "fn", "mod", "const", "static", "type", "union"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let failures = tree.sources.iter().map(failures).collect::<Result<Vec<_>>>()?;
    Ok(failures.into_iter().flatten().collect())
}

fn failures(source: &Text) -> Result<Vec<Failure>> {
    let tokens = TokenStream::from_str(&source.content).map_err(|err| anyhow!("{}: {err}", source.path))?;
    let mut names = Vec::new();
    item_names(tokens, &mut names);
    let failure = |name: &String| {
        let (_, term) = TERMS.iter().find(|(word, _)| word == name)?;
        Some(Failure::new(&source.path, format!("has an item called `{name}`"), format!("call it `{term}`")))
    };
    Ok(names.iter().filter_map(failure).collect())
}

/// Adds the names of all items, those within functions and macros included.
fn item_names(tokens: TokenStream, names: &mut Vec<String>) {
    let mut is_item = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                item_names(group.stream(), names);
                is_item = false;
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let begins = ITEMS.contains(&word.as_str());
                if is_item && !begins {
                    names.push(word);
                }
                is_item = begins;
            }
            _ => is_item = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_the_terms_of_the_field() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn every_word_is_found_in_every_kind_of_item() {
        for (word, _) in TERMS {
            for before in ["pub struct ", "const fn ", "mod ", "impl A { fn ", "macro_rules! a { () => { fn "]
            {
                let after = " }".repeat(before.matches('{').count());
                assert_eq!(count(&format!("{before}{word}{after}")), 1, "{before}{word}");
            }
        }
    }

    #[test]
    fn other_names_and_texts_are_not_found() {
        assert_eq!(count("struct HorizonLine; fn f(horizon: u8) { g(\"Horizon\") } // fn revive"), 0);
        assert_eq!(count("use std::pin::Pin; fn f() -> Pin<u8> { a.drain().peek() }"), 0);
    }

    fn count(content: &str) -> usize {
        failures(&Text { path: "a.rs".to_owned(), content: content.to_owned() }).unwrap().len()
    }
}
