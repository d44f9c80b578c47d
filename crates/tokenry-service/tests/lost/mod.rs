//! A database that goes back to an earlier state, and what its nodes decide then.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "no test file uses all of it")]

use std::collections::BTreeMap;

use tokenry_service::{Rejection, Tokenry, VerifiedToken, VerifyError};
use tokenry_testkit::TestDatabase;

use crate::common::{at, operator};

/// Copies every table into the schema `name`, as a backup or a standby that lags behind has it.
pub(crate) fn save(db: &TestDatabase, name: &str) {
    db.run(&format!(
        "CREATE SCHEMA {name}; DO $$ DECLARE t text; BEGIN \
         FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'nodes' LOOP \
         EXECUTE format('CREATE TABLE {name}.%I AS TABLE public.%I', t, t); END LOOP; END $$"
    ));
}

/// Makes every table what it was when it was saved. No notification tells of it.
pub(crate) fn lose(db: &TestDatabase, name: &str) {
    db.run(&format!(
        "SET session_replication_role = replica; DO $$ DECLARE t text; BEGIN \
         FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'nodes' LOOP \
         EXECUTE format('DELETE FROM public.%I', t); \
         EXECUTE format('INSERT INTO public.%I SELECT * FROM {name}.%I', t, t); END LOOP; END $$"
    ));
}

/// What the node decides; a node that has no lease for a moment has no answer.
pub(crate) fn decide(node: &Tokenry, text: &str, ip: Option<&str>) -> Result<VerifiedToken, Rejection> {
    let ip = ip.map(|ip| ip.parse().unwrap());
    let mut answers = std::iter::repeat_with(|| node.verify_blocking(text.as_bytes(), at(200), ip));
    answers
        .by_ref()
        .take(20)
        .find_map(|answer| match answer {
            Ok(verified) => Some(Ok(verified)),
            Err(VerifyError::Rejected(rejection)) => Some(Err(rejection)),
            Err(_) => None,
        })
        .unwrap()
}

pub(crate) fn rejection(node: &Tokenry, text: &str) -> Option<Rejection> {
    decide(node, text, None).err()
}

/// How often each kind of event applied something again.
pub(crate) fn reapplied(db: &TestDatabase) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for kind in
        db.texts("SELECT kind FROM audit_events WHERE jsonb_exists(detail, 'reapplied') AND actor = 'system'")
    {
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

pub(crate) fn assert_chain_is_intact(node: &Tokenry) {
    assert_eq!(node.check_audit_log(&operator(30)).unwrap().broken, None);
}
