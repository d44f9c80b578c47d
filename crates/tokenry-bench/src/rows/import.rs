//! Import of tokens of other systems: rows per second, whether the tokens verify afterwards, and what others wait.

mod kinds;

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tokenry_service::{
    HashSettings, NewToken, Pepper, Rejection, RequestContext, Scheme, Settings, Tokenry, VerifyError,
    unrestricted,
};

use self::kinds::{KEY, KINDS, Kind};
use crate::{
    bench::Bench,
    database::{Database, current_time},
    figure::{Figure, Outcome},
    latency::millis,
    population::Population,
    server::tokenry,
};

/// Tokens of each scheme that are presented afterwards.
const SAMPLE: u64 = 100;
/// The pause between two changes of another process.
const PAUSE: Duration = Duration::from_millis(2);

/// Imports rows of each scheme, and presents some tokens of each with the right and with a wrong secret.
pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let count = bench.sizes.imported;
    let own = Population::live("own", count);
    let database = bench.own(std::slice::from_ref(&own))?;
    let step = (count / SAMPLE).max(1);
    let (mut rates, mut parts) = (Vec::new(), Vec::new());
    for kind in &KINDS {
        let path = write_rows(bench, kind, step)?;
        let begun = Instant::now();
        let status = import(bench, &database, kind, &path).status().context("cannot start the import")?;
        let took = begun.elapsed().as_secs_f64();
        ensure!(status.success(), "the import of {} failed: {status}", kind.name);
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = count as f64 / took;
        rates.push(rate);
        parts.push(format!("{} {rate:.0}", kind.name));
    }
    let service = service(&database)?;
    let now = current_time()?;
    for kind in &KINDS {
        for number in (0..count).step_by(usize::try_from(step)?) {
            let text = (kind.token)(number);
            let verified = service.verify_blocking(text.as_bytes(), now, None);
            verified.with_context(|| format!("an imported token of {} does not verify", kind.name))?;
            let rejected = service.verify_blocking(wrong(&text).as_bytes(), now, None);
            let is_unknown = matches!(rejected, Err(VerifyError::Rejected(Rejection::Unknown)));
            ensure!(is_unknown, "a wrong secret of {} was not rejected as unknown", kind.name);
        }
    }
    for number in own.sample(SAMPLE) {
        let verified = service.verify_blocking(own.text(number).as_bytes(), now, None);
        verified.context("a token of Tokenry itself does not verify beside imported ones")?;
    }
    let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let detail = format!(
        "{count} rows of each scheme beside {count} tokens of Tokenry itself, rows/s: {}; {SAMPLE} tokens of each \
         verified, and as many wrong secrets rejected",
        parts.join(", ")
    );
    Ok(Outcome::Measured(Figure::value(vec![slowest], "rows/s", detail)))
}

/// How long changes and verifications of another process wait while tokens of the same owner are imported.
pub(super) fn wait(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let database = bench.own(std::slice::from_ref(&small))?;
    let [kind, ..] = &KINDS;
    let path = write_rows(bench, kind, bench.sizes.imported)?;
    let service = service(&database)?;
    let operator = || Ok::<_, anyhow::Error>(RequestContext::new(unrestricted::operator(), current_time()?));
    let owner =
        service.find_or_create_user(&operator()?, "import-0", Some(tokenry_service::NewUser::default()))?;
    let mut process = import(bench, &database, kind, &path).spawn().context("cannot start the import")?;
    let (mut created, mut verified, mut creations) = (Duration::ZERO, Duration::ZERO, 0_u64);
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        let begun = Instant::now();
        let issued = service.issue_token(&operator()?, owner.id, NewToken::new("meanwhile"));
        created = created.max(begun.elapsed());
        issued.context("a token was not created during the import")?;
        creations += 1;
        let text = small.text(creations % small.count);
        let begun = Instant::now();
        let accepted = service.verify_blocking(text.as_bytes(), current_time()?, None);
        verified = verified.max(begun.elapsed());
        accepted.context("a token was rejected during the import")?;
        std::thread::sleep(PAUSE);
    };
    ensure!(status.success(), "the import failed: {status}");
    let (created, verified) = (millis(created), millis(verified));
    let detail = format!(
        "{} rows imported; the longest of {creations} creations for an owner of imported tokens took {created:.0} ms, \
         the longest verification {verified:.1} ms",
        bench.sizes.imported
    );
    Ok(Outcome::Measured(Figure::value(vec![created], "ms", detail)))
}

/// Writes the rows of one kind. A slow hash is genuine in each `step`th row only.
fn write_rows(bench: &Bench, kind: &Kind, step: u64) -> Result<PathBuf> {
    let path = bench.folder.join("import.jsonl");
    let mut file = BufWriter::new(File::create(&path)?);
    for number in 0..bench.sizes.imported {
        let token = (kind.token)(number);
        let mut row = (kind.hash)(&token, number % step == 0)?;
        let fields = row.as_object_mut().context("no object")?;
        fields.insert("id".to_owned(), number.into());
        fields.insert("owner".to_owned(), format!("import-{}", number % 100).into());
        fields.insert("name".to_owned(), format!("token {number}").into());
        fields.insert("scopes".to_owned(), json!(["projects:read"]));
        writeln!(file, "{row}")?;
    }
    file.into_inner()?.sync_all()?;
    Ok(path)
}

/// The command that imports these rows.
fn import(bench: &Bench, database: &Database, kind: &Kind, path: &std::path::Path) -> Command {
    let mut command = tokenry(&bench.tokenry, &database.url, &bench.folder);
    command.env("TOKENRY_TOKEN__PEPPER", format!("old:{}", STANDARD.encode(KEY)));
    let source = kind.name.replace('|', "-");
    command.arg("import").arg(path).args(["--source", &source, "--shape", kind.shape]);
    command.args(["--create-users", "--quiet"]).stdin(Stdio::null());
    command
}

fn service(database: &Database) -> Result<Tokenry> {
    let peppers = vec![Pepper::new("old", KEY.to_vec())?];
    let hash = HashSettings::new(Scheme::Sha256).with_peppers(peppers);
    let policy = tokenry_service::Policy::default().with_limits(tokenry_service::Limits::unlimited());
    Ok(Tokenry::new(database.store()?, Settings::default().with_hash(hash).with_policy(policy))?)
}

/// The same token with another character in the middle, where no kind has its lookup key.
fn wrong(text: &str) -> String {
    let (front, back) = text.split_at(text.len() / 2);
    let other = if back.starts_with('0') { '1' } else { '0' };
    front.chars().chain([other]).chain(back.chars().skip(1)).collect()
}
