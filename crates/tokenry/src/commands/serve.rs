//! `tokenry serve`

mod cleaner;
mod clock_watch;
mod core_dump;
mod keys;
mod provider_refresh;
mod shutdown;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZero,
    path::{Path, PathBuf},
};

use actix_web::{
    App, HttpServer, dev,
    dev::Service as _,
    middleware::from_fn,
    rt::{self, System},
    web::ServiceConfig,
};
use tokenry_actix::{
    FailureLimit, HttpSettings, ManagementQuota, Metrics, TrustedProxies, clock, configure, fallback,
    outer_middleware, server,
};
use tokenry_service::{
    DatabaseUrl, RequestContext, RoleRights, SettingsOutline, Tokenry, UnixMillis, unrestricted,
};

use self::{clock_watch::ClockWatch, keys::FetchedKeys, shutdown::Shutdown};
use super::{start, token::view};
use crate::{
    log::{self, Sink},
    no_thread,
    output::{CliError, Console},
    settings::{JournalSetting, Language, Settings},
};

/// The name of the file that holds the first token.
const BOOTSTRAP_FILE: &str = "tokenry-bootstrap-token";

/// Serves requests until a signal stops the process.
pub(crate) fn run(mut settings: Settings, sink: &Sink, console: &mut Console) -> Result<(), CliError> {
    let shutdown = Shutdown::listen(sink.queue().cloned()).map_err(no_thread)?;
    core_dump::forbid();
    let (url, listen, workers) = (settings.database_url.clone(), settings.listen, settings.server.workers);
    let (metrics, metrics_listen) = (Metrics::default(), settings.metrics_listen);
    let http = http_settings(&mut settings, metrics.clone());
    let page = page_settings(&settings);
    let has_page = page.is_some();
    let has_bootstrap = settings.bootstrap;
    let (keys, github_reports) = FetchedKeys::of(&mut settings);
    let http = http.with_github_reports(github_reports);
    let outline = SettingsOutline::of(&settings.service);
    settings.service = settings.service.with_journal(journal(&settings.server.journal, &url));
    let tokenry = start(settings)?;
    if let Some(output) = sink.queue() {
        let (checked, counted) = (output.clone(), output.clone());
        tokenry.add_check("log", move |_| log::finding(&checked));
        metrics
            .add_counter("log_lines_lost", "Log lines that could not be written", move || counted.losses().0);
    }
    keys.begin(tokenry.store().workers()).map_err(no_thread)?;
    log_missing_rights(&tokenry)?;
    log_replication(&tokenry);
    check_stored_rows(&tokenry, &outline)?;
    if has_bootstrap {
        bootstrap(&tokenry, &url, console)?;
    }
    let _clock = ClockWatch::start(&tokenry).map_err(no_thread)?;
    let _cleaner = cleaner::start(tokenry.clone()).map_err(no_thread)?;
    let _providers = provider_refresh::start(&tokenry).map_err(no_thread)?;
    let system = System::new();
    let served = system.block_on(async {
        if let Some(address) = metrics_listen {
            let server = bind_metrics(tokenry.clone(), &metrics, address);
            let server = server.map_err(|error| cannot_listen(address, &error, "[metrics] listen"))?;
            rt::spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the listener for metrics ended");
                }
            });
        }
        let bound = bind(tokenry.clone(), listen, http, workers, page, shutdown.clone());
        let (server, addresses) = bound.map_err(|error| cannot_listen(listen, &error, "--listen"))?;
        shutdown.begin_serving(server.handle(), tokenry.clone());
        for address in addresses.into_iter().filter(|_| has_page) {
            console.note(&format!("page: {}", page_url(address)));
        }
        server.await.map_err(|error| cannot_listen(listen, &error, "--listen"))
    });
    // Dropping the system would wait for requests that hang on the database.
    std::mem::forget(system);
    shutdown.finish(&tokenry);
    served
}

/// The file in which this node keeps what was taken away; none on SQLite, which loses no committed change.
fn journal(setting: &JournalSetting, url: &DatabaseUrl) -> Option<PathBuf> {
    if url.sqlite_path().is_some() {
        return None;
    }
    match setting {
        JournalSetting::Off => None,
        JournalSetting::File(path) => Some(path.clone()),
        // systemd separates several directories by colons.
        JournalSetting::Auto => {
            #[allow(clippy::disallowed_methods, reason = "no setting of Tokenry, but what systemd tells")]
            let folders = std::env::var_os("STATE_DIRECTORY")?;
            std::env::split_paths(&folders)
                .next()
                .filter(|first| first.is_absolute())
                .map(|first| first.join("journal"))
        }
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error, setting: &str) -> CliError {
    CliError::failed("service_unavailable", format!("cannot listen on {address}: {error}"))
        .status(503)
        .next(format!("choose another address with {setting}"))
}

/// Logs missing rights of the database role. Requests that do not need them still work.
fn log_missing_rights(tokenry: &Tokenry) -> Result<(), CliError> {
    match tokenry.store().role_rights()? {
        Some(RoleRights { role, missing, .. }) if !missing.is_empty() => {
            let missing = missing.join(", ");
            tracing::error!(%role, %missing, "the database role lacks rights: run the output of `tokenry migrate grants`");
        }
        _ => {}
    }
    Ok(())
}

/// Warns if a failover of the database loses answered changes.
fn log_replication(tokenry: &Tokenry) {
    let found = tokenry.store().replication().ok().flatten();
    if let Some(warning) = found.and_then(|found| found.warning()) {
        tracing::warn!("{warning}");
    }
}

/// Warns about stored rows that are invalid under these settings.
///
/// # Errors
/// If every live token would be refused for its prefix, which suggests the wrong database or settings file.
fn check_stored_rows(tokenry: &Tokenry, outline: &SettingsOutline) -> Result<(), CliError> {
    let report =
        tokenry.check_settings(&RequestContext::new(unrestricted::operator(), clock::now()), outline)?;
    if report.rejects_all() {
        return Err(CliError::settings_mismatch(&report));
    }
    for finding in report.sentences() {
        tracing::warn!(finding, "stored rows do not match these settings");
    }
    Ok(())
}

/// The settings of all workers, which share the counters of the limits.
fn http_settings(settings: &mut Settings, metrics: Metrics) -> HttpSettings {
    HttpSettings::default()
        .with_trusted_proxies(TrustedProxies::new(settings.server.trusted_proxies.clone()))
        .with_failure_limit(settings.rates.failures_per_minute.map(FailureLimit::new))
        .with_metrics(metrics)
        .with_proxy_sign_in(settings.proxy_sign_in.take())
        .with_management_quota(settings.rates.management_per_minute.map(ManagementQuota::new))
        .with_tokens_api(settings.tokens_api.clone())
        .with_identity_headers(settings.identity_headers.clone())
        .with_credentials(settings.credentials.clone())
        .with_protected_resource(settings.protected_resource.clone())
        .with_bearer_over_session(settings.bearer_over_session)
}

/// The URL of the page for a browser on this machine.
fn page_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}/")
}

#[cfg(feature = "ui")]
type PageSettings = tokenry_ui::PageSettings;
/// A build without the page has no settings of it.
#[cfg(not(feature = "ui"))]
type PageSettings = std::convert::Infallible;

/// The settings of the page, if it is served.
#[cfg(feature = "ui")]
fn page_settings(settings: &Settings) -> Option<PageSettings> {
    let language = match settings.language {
        Language::Browser => None,
        Language::Fixed(language) => Some(language),
    };
    settings.server.ui.then(|| PageSettings { tokens_api: settings.tokens_api.clone(), language })
}

#[cfg(not(feature = "ui"))]
fn page_settings(settings: &Settings) -> Option<PageSettings> {
    let _ = settings.language;
    None
}

/// Adds the page to the app, in a build that contains it.
fn add_page(app: &mut ServiceConfig, page: Option<&PageSettings>) {
    #[cfg(feature = "ui")]
    if let Some(page) = page {
        tokenry_ui::configure_with(page.clone())(app);
    }
    #[cfg(not(feature = "ui"))]
    let _ = (app, page);
}

/// A server that already listens, with its addresses; it answers once it is awaited.
fn bind(
    tokenry: Tokenry,
    listen: SocketAddr,
    api: HttpSettings,
    workers: Option<NonZero<usize>>,
    page: Option<PageSettings>,
    shutdown: Shutdown,
) -> io::Result<(dev::Server, Vec<SocketAddr>)> {
    let mut http = HttpServer::new(move || {
        App::new()
            .configure(configure(tokenry.clone(), api.clone()))
            .configure(|app| add_page(app, page.as_ref()))
            .default_service(fallback::not_found())
            .wrap(from_fn(outer_middleware))
            .wrap_fn({
                let shutdown = shutdown.clone();
                move |req, app| {
                    let (answer, shutdown) = (app.call(req), shutdown.clone());
                    async move { answer.await.map(|answer| shutdown.close_connection(answer)) }
                }
            })
    })
    .client_request_timeout(server::HEAD_TIMEOUT)
    .keep_alive(server::KEEP_ALIVE)
    .client_disconnect_timeout(server::DISCONNECT_TIMEOUT)
    .shutdown_timeout(server::SHUTDOWN_SECONDS)
    .tcp_nodelay(true);
    // `Shutdown` handles signals instead.
    #[cfg(unix)]
    {
        http = http.disable_signals();
    }
    if let Some(workers) = workers {
        http = http.workers(workers.get());
    }
    let http = http.bind(listen)?;
    for address in http.addrs() {
        tracing::info!(%address, "listening");
    }
    let addresses = http.addrs();
    Ok((http.run(), addresses))
}

/// A server for the monitoring system. It ends with the process, so that a shutdown can be observed.
fn bind_metrics(tokenry: Tokenry, metrics: &Metrics, address: SocketAddr) -> io::Result<dev::Server> {
    let metrics = metrics.clone();
    let http = HttpServer::new(move || {
        App::new()
            .configure(metrics.listener(tokenry.clone()))
            .default_service(fallback::not_found())
            .wrap(from_fn(outer_middleware))
    })
    .client_request_timeout(server::HEAD_TIMEOUT)
    .keep_alive(server::KEEP_ALIVE)
    .disable_signals()
    .workers(1)
    // Clients without credentials cannot use up the file descriptors of the process.
    .max_connections(64)
    .bind(address)?;
    for address in http.addrs() {
        tracing::info!(%address, "listening for metrics");
    }
    Ok(http.run())
}

/// On the first start, creates the first token, stores it in a file that only its owner can read, and prints it once.
fn bootstrap(tokenry: &Tokenry, url: &DatabaseUrl, console: &mut Console) -> Result<(), CliError> {
    let now = clock::now();
    let path = bootstrap_file(url);
    let Some(issued) = tokenry.bootstrap(now)? else { return note_lost_token(tokenry, &path, console, now) };
    let secret = issued.secret.reveal_once();
    let view = view::one(&(issued.token, issued.owner), tokenry, now);
    let stored = write_secret(&path, &secret);
    // Output or file is enough; if both fail, the token would be lost.
    match (console.secret(&secret, view), stored) {
        (_, Ok(())) => {
            console.note(&format!("this token is also in {} and is valid for 24 hours", path.display()))
        }
        (Ok(()), Err(error)) => {
            tracing::warn!(path = %path.display(), %error, "cannot store the first token")
        }
        (Err(failure), Err(_)) => return Err(failure),
    }
    Ok(())
}

/// Prints how to create another token if the first one may be lost: it is valid and unused, and its file is missing,
/// because an earlier start may have been killed before it stored the token. The command requires access to the
/// database. No token is created here, so that neither a second node nor anyone who can delete a file obtains one.
fn note_lost_token(
    tokenry: &Tokenry,
    path: &Path,
    console: &mut Console,
    now: UnixMillis,
) -> Result<(), CliError> {
    if !path.exists() && tokenry.is_first_token_unused(now)? {
        console.note(&format!(
            "the first token was created by an earlier start, was never used and is not in {}; if it is lost, create \
            another: tokenry token create --user admin --name first --scope '*' --expires 1d",
            path.display()
        ));
    }
    Ok(())
}

/// Next to the SQLite file; for PostgreSQL in the working directory.
fn bootstrap_file(url: &DatabaseUrl) -> PathBuf {
    url.sqlite_path().map_or(PathBuf::from(BOOTSTRAP_FILE), |path| path.with_file_name(BOOTSTRAP_FILE))
}

/// SECURITY: always creates a new file that only its owner can read from the start; an existing file or link is removed
/// first, so that neither its mode nor its target is used.
fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_is_stored_next_to_the_database() {
        for (url, path) in [
            ("sqlite://tokenry.db", "tokenry-bootstrap-token"),
            ("sqlite:///var/lib/t.db", "/var/lib/tokenry-bootstrap-token"),
            ("postgres://localhost/t", "tokenry-bootstrap-token"),
        ] {
            assert_eq!(bootstrap_file(&url.parse().unwrap()), PathBuf::from(path));
        }
    }

    #[test]
    fn only_a_node_on_postgresql_has_a_journal() {
        let file = JournalSetting::File(PathBuf::from("/var/lib/tokenry/journal"));
        let postgres = "postgres://localhost/t".parse().unwrap();
        assert_eq!(journal(&file, &postgres), Some(PathBuf::from("/var/lib/tokenry/journal")));
        assert_eq!(journal(&JournalSetting::Off, &postgres), None);
        assert_eq!(journal(&file, &"sqlite:///var/lib/t.db".parse().unwrap()), None);
    }

    #[test]
    fn the_printed_page_url_can_be_opened_in_a_browser() {
        for (address, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0:80", "http://127.0.0.1:80/"),
            ("[::]:8080", "http://[::1]:8080/"),
            ("10.0.0.7:8080", "http://10.0.0.7:8080/"),
        ] {
            assert_eq!(page_url(address.parse().unwrap()), url);
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_existing_file_or_link_is_replaced() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("token"), folder.path().join("elsewhere"));
        symlink(&elsewhere, &path).unwrap();
        for _ in 0..2 {
            write_secret(&path, "pat_x").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "pat_x\n");
            assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        }
        assert!(!elsewhere.exists());
    }
}
