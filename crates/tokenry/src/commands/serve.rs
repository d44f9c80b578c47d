//! `tokenry serve`

mod cleaner;
mod clock_watch;
mod core_dump;
mod shutdown;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
};

use actix_web::{
    App, HttpServer, dev, dev::Service as _, middleware::from_fn, rt::System, web::ServiceConfig,
};
use tokenry_actix::{
    FailureLimit, HttpSettings, ManagementQuota, ProxySignIn, TrustedProxies, clock, configure, fallback,
    outer_middleware, server,
};
use tokenry_service::{
    Caller, DatabaseUrl, JwtVerifier, RequestContext, RoleRights, SettingsOutline, Tokenry, UnixMillis,
};

use self::{clock_watch::ClockWatch, shutdown::Shutdown};
use super::{start, token::view};
use crate::{
    jwks_refresher::{JwksRefresher, KeySource, Refresher},
    log::{self, Sink},
    no_thread,
    output::{CliError, Console},
    settings::{RateSettings, Server, Settings},
};

/// The name of the file that holds the first token.
const BOOTSTRAP_FILE: &str = "tokenry-bootstrap-token";

/// Answers requests until the process is told to stop.
pub(crate) fn run(mut settings: Settings, sink: &Sink, console: &mut Console) -> Result<(), CliError> {
    let shutdown = Shutdown::listen(sink.queue().cloned()).map_err(no_thread)?;
    core_dump::forbid();
    let (url, listen, workers) = (settings.database_url.clone(), settings.listen, settings.server.workers);
    let http = http_settings(settings.rates, &settings.server, settings.proxy_sign_in.take());
    let has_page = settings.server.ui && cfg!(feature = "ui");
    let sources = std::mem::take(&mut settings.key_sources);
    let feed = feed(&mut settings.service, sources);
    let outline = SettingsOutline::of(&settings.service);
    let tokenry = start(settings)?;
    if let Some(output) = sink.queue() {
        let output = output.clone();
        tokenry.add_check("log", move |_| log::judge(&output));
    }
    if let Some((feed, verifier)) = &feed {
        feed.begin(verifier, tokenry.store().workers()).map_err(no_thread)?;
    }
    tell_of_missing_rights(&tokenry)?;
    compare(&tokenry, &outline)?;
    bootstrap(&tokenry, &url, console)?;
    let _clock = ClockWatch::start(&tokenry).map_err(no_thread)?;
    let _cleaner = cleaner::start(tokenry.clone()).map_err(no_thread)?;
    let failed = |error: io::Error| {
        CliError::failed("service_unavailable", format!("cannot listen on {listen}: {error}"))
            .status(503)
            .next("choose another with --listen")
    };
    let system = System::new();
    let served = system.block_on(async {
        let (server, addresses) = bind(tokenry.clone(), listen, http, workers, has_page, shutdown.clone())?;
        shutdown.begin_serving(server.handle(), tokenry.clone());
        for address in addresses.into_iter().filter(|_| has_page) {
            console.note(&format!("page: {}", page_url(address)));
        }
        server.await
    });
    // Its end would wait for requests that a database keeps.
    std::mem::forget(system);
    shutdown.finish(&tokenry);
    served.map_err(failed)
}

/// Tells what requests will fail of; what needs none of it is answered.
fn tell_of_missing_rights(tokenry: &Tokenry) -> Result<(), CliError> {
    match tokenry.store().role_rights()? {
        Some(RoleRights { role, missing, .. }) if !missing.is_empty() => {
            let missing = missing.join(", ");
            tracing::error!(%role, %missing, "the role of the database lacks rights: grant what `tokenry migrate grants` prints");
        }
        _ => {}
    }
    Ok(())
}

/// Warns of what was made under other settings and means nothing now.
///
/// # Errors
/// If every live token would be refused for its prefix: whoever started this meant another database or file.
fn compare(tokenry: &Tokenry, outline: &SettingsOutline) -> Result<(), CliError> {
    let report = tokenry.check_settings(&RequestContext::new(Caller::operator(), clock::now()), outline)?;
    if report.refuses_all() {
        return Err(CliError::unfitting(&report));
    }
    for told in report.sentences() {
        tracing::warn!(told, "these settings do not fit what is stored");
    }
    Ok(())
}

/// Has the keys of the issuers kept fresh for as long as the result lives, from when it is begun.
fn feed(
    service: &mut tokenry_service::Settings,
    sources: Vec<KeySource>,
) -> Option<(Arc<JwksRefresher>, Arc<JwtVerifier>)> {
    let sign_in = service.sign_in.as_mut().filter(|_| !sources.is_empty())?;
    let feed = Arc::new(JwksRefresher::new(sources));
    sign_in.key_refresh = Some(Arc::new(Refresher(Arc::downgrade(&feed))));
    Some((feed, sign_in.verifier.clone()))
}

/// What every worker decides alike; the limits count together.
fn http_settings(rates: RateSettings, server: &Server, proxy_sign_in: Option<ProxySignIn>) -> HttpSettings {
    HttpSettings {
        trusted_proxies: TrustedProxies::new(server.trusted_proxies.clone()),
        failures: rates.failures_per_minute.map(FailureLimit::new),
        proxy_sign_in,
        management: rates.management_per_minute.map(ManagementQuota::new),
    }
}

/// Where people on this machine find the page of a server that listens there.
fn page_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}/")
}

/// Puts the page beside the API, in a build that has one.
fn page(app: &mut ServiceConfig, has_page: bool) {
    #[cfg(feature = "ui")]
    if has_page {
        tokenry_ui::configure(app);
    }
    #[cfg(not(feature = "ui"))]
    let _ = (app, has_page);
}

/// A server that listens already, and answers once it is awaited, with its addresses.
fn bind(
    tokenry: Tokenry,
    listen: SocketAddr,
    api: HttpSettings,
    workers: Option<NonZero<usize>>,
    has_page: bool,
    shutdown: Shutdown,
) -> io::Result<(dev::Server, Vec<SocketAddr>)> {
    let mut http = HttpServer::new(move || {
        App::new()
            .configure(configure(tokenry.clone(), api.clone()))
            .configure(|app| page(app, has_page))
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
    // They are told to the shutdown instead.
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

/// On the first start: makes the first token, keeps it in a file that only its owner can read, and prints it once.
fn bootstrap(tokenry: &Tokenry, url: &DatabaseUrl, console: &mut Console) -> Result<(), CliError> {
    let now = clock::now();
    let path = bootstrap_file(url);
    let Some(issued) = tokenry.bootstrap(now)? else { return tell_of_lost(tokenry, &path, console, now) };
    let secret = issued.secret.reveal_once();
    let view = view::one(&(issued.token, issued.owner), tokenry, now);
    let kept = keep(&path, &secret);
    // One of the two is enough; with neither, nobody would ever know the token.
    match (console.secret(&secret, view), kept) {
        (_, Ok(())) => console.note(&format!("this token is also in {}, for 24 hours", path.display())),
        (Ok(()), Err(error)) => {
            tracing::warn!(path = %path.display(), %error, "the first token could not be kept")
        }
        (Err(failure), Err(_)) => return Err(failure),
    }
    Ok(())
}

/// An earlier start may have been killed between making the first token and keeping it. While that token would work, nobody
/// has used it, and its file is not there, the operator is told the way in that access to the database gives anyway:
/// nothing is made again, so that neither a second node nor whoever can remove a file gets a token.
fn tell_of_lost(
    tokenry: &Tokenry,
    path: &Path,
    console: &mut Console,
    now: UnixMillis,
) -> Result<(), CliError> {
    if !path.exists() && tokenry.is_first_token_unused(now)? {
        console.note(&format!(
            "the first token was made by an earlier start, was never used, and is not in {}; if nobody has it, make \
             another: tokenry token create --user admin --name first --scope '*' --expires 1d",
            path.display()
        ));
    }
    Ok(())
}

/// Beside the SQLite file; for PostgreSQL in the working directory.
fn bootstrap_file(url: &DatabaseUrl) -> PathBuf {
    url.sqlite_path().map_or(PathBuf::from(BOOTSTRAP_FILE), |path| path.with_file_name(BOOTSTRAP_FILE))
}

/// SECURITY: made anew, readable by its owner alone from the first moment; neither an older file's mode nor a link that
/// someone put there is used.
fn keep(path: &Path, secret: &str) -> io::Result<()> {
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
    fn the_first_token_is_kept_beside_the_database() {
        for (url, path) in [
            ("sqlite://tokenry.db", "tokenry-bootstrap-token"),
            ("sqlite:///var/lib/t.db", "/var/lib/tokenry-bootstrap-token"),
            ("postgres://localhost/t", "tokenry-bootstrap-token"),
        ] {
            assert_eq!(bootstrap_file(&url.parse().unwrap()), PathBuf::from(path));
        }
    }

    #[test]
    fn the_page_is_told_at_an_address_that_can_be_opened() {
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
    fn a_file_or_link_that_was_there_before_is_replaced() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("token"), folder.path().join("elsewhere"));
        symlink(&elsewhere, &path).unwrap();
        for _ in 0..2 {
            keep(&path, "pat_x").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "pat_x\n");
            assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        }
        assert!(!elsewhere.exists());
    }
}
