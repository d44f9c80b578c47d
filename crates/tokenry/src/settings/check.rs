//! Converts the values of all sources to settings and checks rules between keys.

use std::{net::SocketAddr, num::NonZero, ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use tokenry_actix::{ProxySignIn, ProxySignInError, TokensApi};
use tokenry_service::{
    Catalog, HashSettings, IpList, Lifetime, Limits, OidcProvider, OidcSettings, Policy, PublicUrl,
    SessionSettings, StoreSettings, UsageSettings,
};

use super::{
    Log, RateSettings, Server, Settings, api, catalog, convert, environment, github_keys,
    issuers::{self, Issuers},
    key, pepper,
    problem::SettingSource,
    providers,
    section::Roots,
    source::Sources,
    value,
};
use crate::http_client::HttpClient;

const POOL_WAIT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const SESSION_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(300)..=Duration::from_secs(30 * 24 * 3600);
const MAX_STALENESS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const LEASE: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);
const MAX_ROW_AGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const CACHE_MIB: RangeInclusive<u64> = 1..=1024 * 1024;

/// Converts all sources to settings. Every part is read before the first early return, so that all faults are found.
pub(super) fn settings(from: &mut Sources, directory: &Path) -> Option<Settings> {
    let listen = from.text(&key::LISTEN, value::listen);
    let metrics_listen = metrics_listen(from);
    let url = from.text(&key::DATABASE_URL, convert::database_url);
    let pool_wait = from.text(&key::POOL_WAIT, |text| value::duration(text, POOL_WAIT));
    let prefix = from.text(&key::PREFIX, convert::prefix);
    let former_prefixes = from.list(&key::FORMER_PREFIXES, convert::prefixes);
    let hash = hash(from, directory);
    let slow_hash = from.text(&key::SLOW_HASH, convert::slow_hash);
    let policy = policy(from);
    let usage = usage(from);
    let trusted_proxies = from.list(&key::TRUSTED_PROXIES, value::networks);
    let max_staleness = from.text(&key::MAX_STALENESS, |text| value::duration(text, MAX_STALENESS));
    let lease = from.text(&key::LEASE, |text| value::duration(text, LEASE));
    let cache = from.text(&key::CACHE, |text| value::mebibytes(text, CACHE_MIB));
    let max_row_age = from.text(&key::MAX_ROW_AGE, |text| value::duration(text, MAX_ROW_AGE));
    let journal = from.text(&key::JOURNAL, |text| value::journal(text, directory));
    let session = session(from);
    let proxy_sign_in = proxy_sign_in(from, trusted_proxies.as_ref());
    let requested = from.find(&key::LOG_FILTER).1 == SettingSource::Variable(environment::LOG.to_owned());
    let filter = from.text(&key::LOG_FILTER, value::log_filter);
    let format = from.text(&key::LOG_FORMAT, value::log_format);
    let ui = from.switch(&key::UI);
    let github_keys = github_keys::read(from, directory);
    let Structured { catalog, issuers, providers, tokens_api } = structured(from, directory);
    let oidc = oidc(from, providers);
    let identity_headers = api::identity_headers(from);
    let credentials = api::credentials(from);
    let protected_resource = api::protected_resource(from);
    let language = from.text(&key::LANGUAGE, value::language);
    let bootstrap = from.switch(&key::BOOTSTRAP);
    let bearer_over_session = from.switch(&key::BEARER_PRECEDENCE);
    let workers = from.integer(&key::WORKERS)?;
    let issuers = issuers?;
    Some(Settings {
        listen: listen?,
        metrics_listen: metrics_listen?,
        database_url: url?,
        store: StoreSettings::default()
            .with_pool_size(from.integer(&key::POOL_SIZE)?)
            .with_pool_wait(pool_wait?)
            .with_lease(lease?)
            .with_max_row_age(max_row_age?),
        service: tokenry_service::Settings::default()
            .with_prefix(prefix?)
            .with_former_prefixes(former_prefixes?)
            .with_hash(hash?)
            .with_slow_hash(slow_hash?)
            .with_rehash_imported(from.switch(&key::REHASH_IMPORTED)?)
            .with_policy(policy?)
            .with_catalog(catalog?)
            .with_retention(convert::days(from.integer(&key::DEAD_TOKENS_DAYS)?))
            .with_cache(cache?)
            .with_max_staleness(max_staleness?)
            .with_monotonic(tokenry_service::Monotonic::system())
            .with_usage(usage?)
            .with_session(session?)
            .with_sign_in(issuers.sign_in)
            .with_oidc(oidc?),
        key_sources: issuers.key_sources,
        github_keys: github_keys?,
        proxy_sign_in: proxy_sign_in?,
        tokens_api: tokens_api?,
        identity_headers: identity_headers?,
        credentials: credentials?,
        protected_resource: protected_resource?,
        bearer_over_session: bearer_over_session?,
        language: language?,
        bootstrap: bootstrap?,
        rates: RateSettings {
            failures_per_minute: NonZero::new(from.integer(&key::FAILURES_PER_MINUTE)?),
            management_per_minute: NonZero::new(from.integer(&key::MANAGEMENT_PER_MINUTE)?),
        },
        server: Server {
            trusted_proxies: trusted_proxies?,
            workers: NonZero::new(usize::try_from(workers).ok()?),
            ui: ui?,
            journal: journal?,
        },
        log: Log { filter: filter?, requested, format: format? },
        foreign_variables: std::mem::take(&mut from.foreign),
        warnings: std::mem::take(&mut from.warnings),
    })
}

/// The listener for metrics, with a warning if other machines can reach it: it asks for no credential.
fn metrics_listen(from: &mut Sources) -> Option<Option<SocketAddr>> {
    let listen = from.text(&key::METRICS_LISTEN, value::optional_listen)?;
    if listen.is_some_and(|address| !address.ip().to_canonical().is_loopback()) {
        let what = "serves metrics without authentication beyond this machine; restrict the address to the monitoring \
                    system, or leave it empty and read GET /metrics with a token that holds admin:read";
        from.warn_value(&key::METRICS_LISTEN, what);
    }
    Some(listen)
}

/// Reads the structured settings of the files. The catalog comes first, because issuers name its roles.
fn structured(from: &mut Sources, directory: &Path) -> Structured {
    let files = std::mem::take(&mut from.structured);
    let mut roots = Roots::of(&files);
    let catalog = catalog::read(roots.with("catalog"), &mut from.problems, &mut from.warnings);
    let issuers = issuers::read(roots.with("issuers"), catalog.as_ref(), directory, &mut from.problems);
    let mappings = issuers.as_ref().and_then(|issuers| issuers.sign_in.as_ref());
    let providers = providers::read(
        roots.with("providers"),
        catalog.as_ref(),
        mappings.map_or(&[], |sign_in| sign_in.issuers.as_slice()),
        directory,
        &mut from.problems,
    );
    let fields = roots.with(key::FIELDS);
    let names = fields.pairs(key::FIELDS, |name| Ok(name.to_owned()));
    let is_read = fields.has_read(key::FIELDS);
    let tokens_api = api::tokens(from, is_read.then_some(names), fields);
    from.problems.extend(roots.into_problems());
    Structured { catalog, issuers, providers, tokens_api }
}

/// The structured settings.
struct Structured {
    catalog: Option<Catalog>,
    issuers: Option<Issuers>,
    providers: Option<Vec<OidcProvider>>,
    tokens_api: Option<TokensApi>,
}

/// Sign-in at OpenID providers, which send browsers back to the public URL.
fn oidc(from: &mut Sources, providers: Option<Vec<OidcProvider>>) -> Option<Option<OidcSettings>> {
    let public_url = from.text(&key::PUBLIC_URL, |text| match text {
        "" => Ok(None),
        text => text.parse::<PublicUrl>().map(Some).map_err(|error| error.to_string()),
    })?;
    match (providers?, public_url) {
        (providers, _) if providers.is_empty() => Some(None),
        (providers, Some(public_url)) => {
            let transport = Arc::new(HttpClient::new());
            Some(Some(OidcSettings::new(public_url, providers, transport)))
        }
        (_, None) => {
            let what = "is required by [[providers]]: the URL at which browsers reach this server, such as \
                        https://tokens.example.com";
            from.refuse_value(&key::PUBLIC_URL, what);
            None
        }
    }
}

fn hash(from: &mut Sources, directory: &Path) -> Option<HashSettings> {
    let given = from.text(&key::PEPPER, pepper::parse);
    let listed = from.list(&key::PEPPER_FILES, |files| pepper::read(files, directory));
    let scheme = from.text(&key::HASH, convert::scheme);
    let (cost, (given, listed)) = (from.integer(&key::BCRYPT_COST)?, (given?, listed?));
    if !given.is_empty() && !listed.is_empty() {
        from.refuse_value(&key::PEPPER, "is set together with pepper_files; keep one of them");
        return None;
    }
    let peppers = if given.is_empty() { listed } else { given };
    convert::hash(scheme?, cost, peppers).map_err(|what| from.refuse_value(&key::HASH, &what)).ok()
}

fn usage(from: &mut Sources) -> Option<UsageSettings> {
    let bucket = from.text(&key::USAGE_BUCKET, convert::bucket);
    Some(
        UsageSettings::default()
            .with_is_enabled(from.switch(&key::USAGE_ENABLED)?)
            .with_bucket(bucket?)
            .with_retention(convert::days(from.integer(&key::USAGE_DAYS)?)),
    )
}

fn session(from: &mut Sources) -> Option<SessionSettings> {
    let lifetime = from.text(&key::SESSION_LIFETIME, |text| convert::lifetime(text, SESSION_LIFETIME));
    let idle = from.text(&key::SESSION_IDLE, convert::idle);
    Some(SessionSettings::default().with_lifetime(lifetime?).with_idle(idle?))
}

/// Sign-in through a trusted proxy; disabled without a header.
fn proxy_sign_in(from: &mut Sources, trusted: Option<&IpList>) -> Option<Option<ProxySignIn>> {
    let header = from.text(&key::PROXY_USER_HEADER, |text| Ok(text.to_owned()))?;
    let prefix = from.text(&key::PROXY_SUBJECT_PREFIX, |text| Ok(text.to_owned()))?;
    let creates_users = from.switch(&key::PROXY_CREATES_USERS)?;
    if header.is_empty() {
        return Some(None);
    }
    // An empty list trusts no proxy; an operator who meant "all" gets an error instead of an open sign-in.
    if trusted.is_some_and(IpList::is_empty) {
        from.refuse_value(
            &key::PROXY_USER_HEADER,
            "requires the addresses of the proxies in server.trusted_proxies",
        );
        return None;
    }
    match ProxySignIn::new(&header, &prefix, creates_users) {
        Ok(proxy) => Some(Some(proxy)),
        Err(error) => {
            let is_prefix = error == ProxySignInError::Prefix;
            let key = if is_prefix { &key::PROXY_SUBJECT_PREFIX } else { &key::PROXY_USER_HEADER };
            from.refuse_value(key, &error.to_string());
            None
        }
    }
}

fn policy(from: &mut Sources) -> Option<Policy> {
    let limits = Limits::default()
        .with_max_live_tokens(convert::limit(from.integer(&key::MAX_LIVE_TOKENS)?))
        .with_creations_per_hour(convert::limit(from.integer(&key::CREATIONS_PER_HOUR)?));
    let days = (from.integer(&key::DEFAULT_DAYS)?, from.integer(&key::MAX_DAYS)?);
    let policy = convert::policy(limits, days.0, days.1, from.switch(&key::ALLOW_NEVER)?);
    let policy = policy.map_err(|what| from.refuse_value(&key::DEFAULT_DAYS, &what)).ok();
    let on_reuse = from.text(&key::ON_REUSE, convert::reuse);
    let idle_lifetime = convert::days(from.integer(&key::IDLE_DAYS)?);
    let max_grace = Lifetime::seconds(from.integer(&key::MAX_GRACE_SECONDS)?);
    Some(policy?.with_idle_lifetime(idle_lifetime).with_max_grace(max_grace).with_on_reuse(on_reuse?))
}
