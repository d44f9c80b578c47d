//! No sequence of create, update, rotate and role change gives a token more than its creator and its owner have.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::at;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use tokenry_service::{
    Activation, Actor, Catalog, EventKind, Expiry, HashSettings, Lifetime, Limits, NewToken, Policy,
    RequestContext, ReusePolicy, Role, Rotation, Scheme, Scope, Settings, Token, TokenChanges, TokenId,
    Tokenry, UnixMillis, User, UserChanges, VerifiedToken,
    catalog::{Definition, RoleDefinition},
    unrestricted,
};
use tokenry_store::audit;
use tokenry_testkit::{TestDatabase, each_backend};

/// The number of sequences on each database, and of threads that run them.
const SEQUENCES: u32 = 10_000;
const THREADS: u32 = 4;

/// The scopes that are probed after every step: every kind of scope, inside and outside of every limit.
const PROBES: [&str; 9] = [
    "*",
    "introspect",
    "a:read",
    "a:write",
    "a:admin",
    "b:write",
    "admin:write",
    "tokens:read",
    "tokens:write",
];
const ROLES: [&str; 3] = ["guest", "member", "owner"];
const ADDRESSES: [&[&str]; 3] = [&[], &["10.0.0.0/8"], &["10.1.0.0/16", "192.0.2.0/24"]];

#[derive(Debug, Clone)]
enum By {
    Operator,
    Person(usize),
    /// One of the tokens created so far.
    Token(prop::sample::Index),
}

#[derive(Debug, Clone)]
enum Step {
    Create {
        by: By,
        owner: usize,
        scopes: Vec<usize>,
        days: Option<u32>,
        ips: Option<usize>,
    },
    Update {
        by: By,
        token: prop::sample::Index,
        scopes: Option<Vec<usize>>,
        days: Option<u32>,
        ips: Option<usize>,
        switch: Option<bool>,
    },
    Rotate {
        by: By,
        token: prop::sample::Index,
        grace: u32,
        days: Option<u32>,
    },
    Role {
        user: usize,
        role: usize,
    },
    Disable {
        user: usize,
        disabled: bool,
    },
    WaitLong {
        days: u32,
    },
    Wait {
        seconds: u32,
    },
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![1 => Just(By::Operator), 3 => (0..2_usize).prop_map(By::Person), 5 => any::<prop::sample::Index>().prop_map(By::Token)]
}

fn scopes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..PROBES.len(), 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let days = || prop::option::of(1..60_u32);
    let ips = || prop::option::of(0..ADDRESSES.len());
    prop_oneof![
        4 => (by(), 0..2_usize, scopes(), days(), ips())
            .prop_map(|(by, owner, scopes, days, ips)| Step::Create { by, owner, scopes, days, ips }),
        4 => (by(), any::<prop::sample::Index>(), prop::option::of(scopes()), days(), ips(), any::<Option<bool>>())
            .prop_map(|(by, token, scopes, days, ips, switch)| Step::Update { by, token, scopes, days, ips, switch }),
        3 => (by(), any::<prop::sample::Index>(), 0..7200_u32, days())
            .prop_map(|(by, token, grace, days)| Step::Rotate { by, token, grace, days }),
        1 => (0..2_usize, 0..ROLES.len()).prop_map(|(user, role)| Step::Role { user, role }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(user, disabled)| Step::Disable { user, disabled }),
        1 => (1..100_000_u32).prop_map(|seconds| Step::Wait { seconds }),
        1 => (1..40_u32).prop_map(|days| Step::WaitLong { days }),
    ]
}

/// A token and all secrets it ever had; the last is the current one.
struct TrackedToken {
    id: TokenId,
    texts: Vec<String>,
}

struct World<'t> {
    tokenry: &'t Tokenry,
    users: Vec<User>,
    tokens: Vec<TrackedToken>,
    now: UnixMillis,
}

impl World<'_> {
    fn context(&self, by: &By) -> Option<RequestContext> {
        let caller = match by {
            By::Operator => unrestricted::operator(),
            By::Person(user) => self.tokenry.caller_for_user(self.user(*user))?,
            By::Token(index) => self.verified(index.get(&self.tokens).texts.last()?)?.into(),
        };
        Some(RequestContext::new(caller, self.now))
    }

    fn user(&self, index: usize) -> User {
        let id = self.users[index].id;
        self.tokenry.find_user(&RequestContext::new(unrestricted::operator(), self.now), id).unwrap()
    }

    fn row(&self, id: TokenId) -> Token {
        self.tokenry.find_token(&RequestContext::new(unrestricted::operator(), self.now), id).unwrap().0
    }

    /// From an address that every allow-list contains.
    fn verified(&self, text: &str) -> Option<VerifiedToken> {
        let source = Some("10.1.2.3".parse().unwrap());
        self.tokenry.verify_blocking(text.as_bytes(), self.now, source).ok()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Create { by, owner, scopes, days, ips } => self.create(by, *owner, scopes, *days, *ips),
            Step::Update { by, token, scopes, days, ips, switch } => {
                let changes = TokenChanges::default()
                    .with_scopes(scopes.as_ref().map(|scopes| texts(scopes)))
                    .with_expiry(days.map(|days| Expiry::In(Lifetime::days(days))))
                    .with_allowed_ips(ips.map(addresses))
                    .with_switch(switch.map(|on| if on { Activation::Active } else { Activation::Inactive }));
                self.update(by, token, changes);
            }
            Step::Rotate { by, token, grace, days } => self.rotate(by, token, *grace, *days),
            Step::Role { user, role } => {
                let role: Role = ROLES[*role].parse().unwrap();
                self.change(*user, UserChanges::default().with_role(role));
            }
            Step::Disable { user, disabled } => {
                self.change(*user, UserChanges::default().with_disabled(*disabled))
            }
            Step::WaitLong { days } => self.now = self.now.checked_add(Lifetime::days(*days)).unwrap(),
            Step::Wait { seconds } => self.now = self.now.checked_add(Lifetime::seconds(*seconds)).unwrap(),
        }
        self.now = self.now.checked_add(Lifetime::seconds(1)).unwrap();
    }

    fn change(&self, user: usize, changes: UserChanges) {
        let context = RequestContext::new(unrestricted::operator(), self.now);
        self.tokenry.update_user(&context, self.users[user].id, changes).unwrap();
    }

    fn create(&mut self, by: &By, owner: usize, scopes: &[usize], days: Option<u32>, ips: Option<usize>) {
        // A rejected caller creates nothing.
        let Some(context) = self.context(by) else { return };
        let new = NewToken::new("t")
            .with_scopes(texts(scopes))
            .with_expiry(days.map_or(Expiry::Never, |days| Expiry::In(Lifetime::days(days))))
            .with_allowed_ips(ips.map(addresses));
        // A rejection is always safe; the end of the test asserts that not everything is rejected.
        let Ok(issued) = self.tokenry.issue_token(&context, self.users[owner].id, new) else { return };
        let text = issued.secret.reveal_once().to_string();
        self.tokens.push(TrackedToken { id: issued.token.id, texts: vec![text.clone()] });
        if let Some(maker) = context.caller.verified() {
            self.is_within(&issued.token, &self.verified(&text).unwrap(), maker);
        }
    }

    fn settled(&self, id: TokenId) -> Token {
        settled(self.row(id))
    }

    fn update(&self, by: &By, token: &prop::sample::Index, changes: TokenChanges) {
        // A rejected caller changes nothing.
        let (Some(context), false) = (self.context(by), self.tokens.is_empty()) else { return };
        let id = token.get(&self.tokens).id;
        let before = self.row(id);
        match self.tokenry.update_token(&context, id, changes) {
            Err(_) => assert_eq!(self.settled(id), settled(before), "a rejected change changed something"),
            Ok((after, _)) if context.caller.token().is_some() => self.is_not_wider(&after, &before),
            Ok(_) => {}
        }
    }

    fn rotate(&mut self, by: &By, token: &prop::sample::Index, grace: u32, days: Option<u32>) {
        // A rejected caller changes nothing.
        let (Some(context), false) = (self.context(by), self.tokens.is_empty()) else { return };
        let index = token.index(self.tokens.len());
        let id = self.tokens[index].id;
        let before = self.row(id);
        let rotation = Rotation::default()
            .with_grace(Lifetime::seconds(grace))
            .with_expiry(days.map(|days| Expiry::In(Lifetime::days(days))));
        let Ok(issued) = self.tokenry.rotate_token(&context, id, rotation) else {
            assert_eq!(self.settled(id), settled(before), "a rejected rotation changed something");
            return;
        };
        let text = issued.secret.reveal_once().to_string();
        let expected = Token {
            public_id: issued.token.public_id.clone(),
            suffix: issued.token.suffix.clone(),
            secret_at: self.now,
            updated_at: self.now,
            version: before.version + 1,
            expires_at: issued.token.expires_at,
            ..before.clone()
        };
        assert_eq!(self.row(id), expected, "a rotation changed more than the secret");
        self.tokens[index].texts.push(text.clone());
        if let Some(maker) = context.caller.verified() {
            self.is_not_wider(&issued.token, &before);
            let policy = self.tokenry.policy();
            let (end, bound) = (policy.effective_expiry(&issued.token), policy.effective_expiry(&before));
            assert!(
                bound.is_none_or(|bound| end.is_some_and(|end| end <= bound)),
                "a new secret has a later expiry"
            );
            if let (true, Some(verified)) = (maker.token().id != id, self.verified(&text)) {
                self.is_within(&issued.token, &verified, maker);
            }
        }
    }

    /// A token whose secret another token received by rotation.
    fn is_within(&self, made: &Token, verified: &VerifiedToken, maker: &VerifiedToken) {
        for probe in probes() {
            assert!(!verified.grants(&probe) || maker.grants(&probe), "{probe} beyond {made:?}");
        }
        let policy = self.tokenry.policy();
        let (end, bound) = (policy.effective_expiry(made), policy.effective_expiry(maker.token()));
        assert!(bound.is_none_or(|bound| end.is_some_and(|end| end <= bound)), "expires after its creator");
        assert!(
            made.allowed_ips.is_subset_of(&maker.token().allowed_ips),
            "allowed from more addresses than its creator"
        );
    }

    /// A token that was updated by a token.
    fn is_not_wider(&self, after: &Token, before: &Token) {
        let catalog = self.tokenry.catalog();
        for probe in probes() {
            let (then, now) =
                (catalog.includes(&before.scopes, &probe), catalog.includes(&after.scopes, &probe));
            assert!(!now || then, "{probe} was added");
        }
        assert!(before.expires_at.is_none_or(|bound| after.expires_at.is_some_and(|end| end <= bound)));
        assert!(after.allowed_ips.is_subset_of(&before.allowed_ips));
    }

    /// Asserts the invariants after every step, for every secret ever issued.
    fn check(&self) {
        let users: Vec<User> = (0..self.users.len()).map(|index| self.user(index)).collect();
        let catalog = self.tokenry.catalog();
        for tracked in &self.tokens {
            let mut live = 0;
            for (age, text) in tracked.texts.iter().rev().enumerate() {
                let Some(verified) = self.verified(text) else { continue };
                live += 1;
                assert!(age < 2, "a secret was accepted after two rotations");
                let owner = users.iter().find(|user| user.id == verified.owner().id).unwrap();
                assert!(!owner.is_disabled());
                let ceiling = catalog.user_permissions(&owner.role);
                for probe in probes() {
                    let granted = verified.grants(&probe);
                    let allowed =
                        ceiling.grants(&probe) && catalog.includes(&verified.token().scopes, &probe);
                    assert!(!granted || allowed, "{probe} beyond {}", owner.role);
                }
                assert!(!verified.grants(&"admin:write".parse().unwrap()), "denied to every token");
            }
            assert!(live <= 2);
        }
    }
}

fn probes() -> impl Iterator<Item = Scope> {
    PROBES.iter().map(|text| text.parse().unwrap())
}

fn texts(indexes: &[usize]) -> Vec<String> {
    indexes.iter().map(|index| PROBES[*index].to_owned()).collect()
}

fn addresses(index: usize) -> Vec<String> {
    ADDRESSES[index].iter().map(ToString::to_string).collect()
}

fn service(db: &TestDatabase) -> Tokenry {
    let role = |name: &str, scopes: &[&str]| {
        RoleDefinition::new(name.to_owned(), scopes.iter().map(ToString::to_string).collect())
    };
    let definition = Definition::default()
        .with_roles(vec![
            role("guest", &["a:read", "tokens:write"]),
            role("member", &["a:write", "b:write", "tokens:write"]),
            role("owner", &["*"]),
        ])
        .with_denied_scopes(vec!["admin:write".to_owned()]);
    let settings = Settings::default()
        .with_hash(HashSettings::new(Scheme::Sha256).with_bcrypt_cost(4))
        .with_policy(
            Policy::default()
                .with_limits(Limits::unlimited())
                .with_allow_never(true)
                .with_max_lifetime(Some(Lifetime::days(60)))
                .with_max_grace(Lifetime::seconds(3600))
                .with_on_reuse(ReusePolicy::Record),
        )
        .with_catalog(Catalog::define(&definition).unwrap());
    Tokenry::new(db.store().clone(), settings).unwrap()
}

/// Runs one sequence with its own users.
fn run(db: &TestDatabase, tokenry: &Tokenry, number: u64, steps: &[Step]) {
    let users: Vec<User> = (0..2)
        .map(|index| {
            let mut user = tokenry_testkit::user(&format!("u{number}-{index}"));
            user.role = ROLES[1 + index].parse().unwrap();
            user
        })
        .collect();
    let rows = users.clone();
    db.store()
        .write(move |tx| rows.iter().try_for_each(|user| tokenry_store::user::insert(tx, user)))
        .unwrap();
    let mut world = World { tokenry, users, tokens: Vec::new(), now: at(0) };
    // Initial tokens, so that no sequence is empty.
    world.create(&By::Person(1), 1, &[0], None, None);
    world.create(&By::Person(0), 0, &[3, 8], Some(30), Some(1));
    assert_eq!(world.tokens.len(), 2);
    for step in steps {
        world.take(step);
        world.check();
    }
}

each_backend!(no_sequence_of_changes_widens_a_token_beyond_its_creator_and_its_owner, |db| {
    let tokenry = Arc::new(service(db));
    let numbers = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tokenry, numbers) = (tokenry.clone(), &numbers);
            scope.spawn(move || {
                let config = Config {
                    cases: SEQUENCES / THREADS,
                    failure_persistence: None,
                    max_shrink_iters: 500,
                    ..Config::default()
                };
                let seed = [u8::try_from(thread).unwrap(); 32];
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
                let mut runner = TestRunner::new_with_rng(config, rng);
                let steps = prop::collection::vec(step(), 1..8);
                let outcome = runner.run(&steps, |steps| {
                    let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    run(db, &tokenry, number, &steps);
                    Ok(())
                });
                match outcome {
                    Ok(()) => {}
                    Err(TestError::Fail(why, steps)) => panic!("{why}: {steps:#?}"),
                    Err(error) => panic!("{error}"),
                }
            });
        }
    });
    assert!(numbers.into_inner() >= u64::from(SEQUENCES));
    // Rejected steps end early, so assert that tokens did create, update and rotate tokens.
    for kind in [EventKind::TokenCreated, EventKind::TokenUpdated, EventKind::TokenRotated] {
        let filter = audit::AuditFilter::default().kind(kind);
        let entries = db.store().read(|tx| audit::search(tx, &filter, None, 1000)).unwrap();
        let by_tokens = entries.iter().filter(|entry| matches!(entry.event.actor, Actor::Token(_))).count();
        assert!(by_tokens >= 10, "{kind:?}: {by_tokens}");
    }
});

/// The token without its recorded expiry, which is written asynchronously.
fn settled(token: Token) -> Token {
    Token { expiry_noted_at: None, ..token }
}
