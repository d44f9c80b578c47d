//! Personal access tokens for any service: the binary that serves and administers them.

mod cli;
mod commands;
mod http_client;
mod jwks_refresher;
mod log;
mod output;
mod settings;

use std::{io, path::Path, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use crate::{
    cli::{Cli, Command, MigrateCommand, PolicyCommand},
    commands::CommandContext,
    log::{LogOutput, Sink},
    output::{CliError, Console},
    settings::{Environment, Flags, Log, Settings},
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage_error(&error),
    };
    let mut console = Console::of_process(&cli.global);
    match run(cli, &mut console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => console.fail(&failure),
    }
}

fn run(cli: Cli, console: &mut Console) -> Result<(), CliError> {
    // Commands that need no settings also work with invalid ones.
    match &cli.command {
        Command::Completions { shell } => return commands::completions::run(*shell, console),
        Command::Openapi if cli.global.config.is_none() && cli.global.profile.is_none() => {
            return console.text(tokenry_actix::openapi());
        }
        Command::Profile(command) => return commands::profile::run(command.clone(), console),
        Command::Init(args) => {
            return commands::profile::init(args, cli.global.profile.as_deref(), console);
        }
        Command::Migrate(MigrateCommand::Grants(args)) => {
            return commands::migrate::print_grants(args, console);
        }
        _ => {}
    }
    let environment = Environment::of_process();
    let flags = cli.flags();
    let settings = match Settings::load(flags.clone(), &environment, Path::new("")) {
        Err(problems) if matches!(cli.command, Command::Doctor) => {
            return commands::doctor::run(Err(problems), console);
        }
        loaded => loaded.map_err(|problems| CliError::configuration(&problems))?,
    };
    let sink = start_log(&settings.log, &cli, !environment.forbids_color())?;
    if let Some(output) = sink.queue() {
        console.use_nonblocking(output.clone()).map_err(no_thread)?;
    }
    if matches!(cli.command, Command::Serve(_)) && !settings.foreign_variables.is_empty() {
        let names = settings.foreign_variables.join(" ");
        tracing::warn!(%names, "ignored environment variables of a Kubernetes Service or a linked container");
    }
    if matches!(cli.command, Command::Serve(_)) {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
    }
    match cli.command {
        Command::Serve(_) => commands::serve::run(settings, &sink, console),
        Command::Token(command) => commands::token::run(command, &CommandContext::open(settings)?, console),
        Command::User(command) => commands::user::run(command, &CommandContext::open(settings)?, console),
        Command::Audit(command) => commands::audit::run(command, &CommandContext::open(settings)?, console),
        Command::Import(args) => commands::import::run(args, &CommandContext::open(settings)?, console),
        Command::Export(args) => commands::export::run(&args, &CommandContext::open(settings)?, console),
        Command::Policy(PolicyCommand::Check { proposed }) => {
            let flags = Flags { config: Some(proposed), ..flags };
            let proposed = Settings::load(flags, &environment, Path::new(""))
                .map_err(|problems| CliError::configuration(&problems))?;
            let context = CommandContext::open_unmigrated(settings)?;
            commands::policy::check(&proposed.service, &context, console)
        }
        Command::Cleanup { accept_clock } => {
            commands::cleanup::run(accept_clock, &CommandContext::open(settings)?, console)
        }
        Command::Doctor => commands::doctor::run(Ok(settings), console),
        Command::Check(args) => commands::check::run(&args, &settings, console),
        Command::Verify(args) => {
            commands::presented::verify(&args, &CommandContext::open_unmigrated(settings)?, console)
        }
        Command::Inspect(args) => {
            commands::presented::inspect(&args, &CommandContext::open_unmigrated(settings)?, console)
        }
        Command::Revoke(args) => {
            commands::presented::revoke(args, &CommandContext::open_unmigrated(settings)?, console)
        }
        Command::Scan(args) => commands::scan::run(&args, settings, console),
        Command::Patterns(args) => commands::patterns::run(&args, &settings, cli.global.output, console),
        Command::Nodes => {
            commands::nodes::run(&commands::open(&settings.database_url, settings.store)?, console)
        }
        Command::Migrate(command) => {
            let store = commands::open(&settings.database_url, settings.store)?;
            commands::migrate::run(command, &store, console)
        }
        Command::Openapi => console.text(&tokenry_actix::openapi_of(&settings.tokens_api)),
        Command::Completions { .. } | Command::Profile(_) | Command::Init(_) => Ok(()),
    }
}

/// Starts the log on standard error. Commands other than `serve` log only warnings unless `TOKENRY_LOG` is set.
fn start_log(log: &Log, cli: &Cli, colors: bool) -> Result<Sink, CliError> {
    let serves = matches!(cli.command, Command::Serve(_));
    let filter = match log.filter.as_str() {
        filter if serves || log.requested => filter,
        _ if cli.global.quiet => "error",
        _ => "warn",
    };
    let sink = if serves { Sink::Queued(LogOutput::start().map_err(no_thread)?) } else { Sink::Direct };
    log::start(log, filter, colors, &sink);
    Ok(sink)
}

/// The error of a command that cannot start a thread.
pub(crate) fn no_thread(error: io::Error) -> CliError {
    CliError::failed("service_unavailable", format!("cannot start a thread: {error}")).status(503)
}

/// Prints help, the version, or the error of the command line.
fn print_usage_error(error: &clap::Error) -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let json = arguments.iter().any(|argument| argument == "--output=json")
        || arguments.windows(2).any(|pair| pair == ["--output", "json"]);
    if json && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let failure = CliError::usage(first.strip_prefix("error: ").unwrap_or(first));
        return Console::for_usage().fail(&failure);
    }
    // Nothing can be reported on a closed stream.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
