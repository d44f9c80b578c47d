//! `cargo xtask chaos`: revocations while a real cluster breaks.
//!
//! Clients verify on every node and revoke all the time. A revocation counts from the moment at which its answer was
//! read; a verification that is sent after that moment and succeeds is a late acceptance.

mod change;
mod client;
mod cluster;
mod folder;
mod guard;
mod ledger;
mod load;
mod node;
mod observations;
mod ports;
mod process;
mod processes;
mod programs;
mod proxy;
mod random;
mod report;
mod scenario;
mod stage;
mod timestamp;
mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::cluster::Cluster;
use self::folder::Folder;
use self::guard::Guard;
use self::node::NodeProgram;
use self::observations::Figures;
use self::programs::Programs;
use self::report::Outcome;
use self::scenario::{SCENARIOS, Scenario};
use self::stage::Stage;
use crate::flags::ChaosFlags;
use crate::{metadata, step};

pub(crate) fn run(flags: &ChaosFlags) -> Result<ExitCode> {
    if flags.list {
        SCENARIOS.iter().for_each(|scenario| println!("{:<22} {}", scenario.name, scenario.about));
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let chosen = chosen(&flags.scenario)?;
    let programs = Programs::obtain(!flags.no_install)?;
    let path = tempfile::Builder::new().prefix("tokenry-chaos-").tempdir_in("/tmp")?.keep();
    let guard = Guard::start(&path)?;
    let folder = Folder::of(&path)?;
    let binary = flags.binary.clone().map_or_else(default_binary, Ok)?;
    let program =
        NodeProgram::copy(&binary, &folder, &programs.faketime, Duration::from_millis(flags.lease))?;
    let lease =
        program.lease.map_or("without leases".to_owned(), |lease| format!("with leases of {lease:?}"));
    println!("{}, {} {lease}, in {}", programs.versions()?, binary.display(), path.display());
    let seed = flags.seed.unwrap_or_else(timestamp::seed);
    let outcomes = play_all(&chosen, flags.rounds, seed, &programs, &program, &folder)?;
    print!("\n{}", report::table(&outcomes));
    let is_good = outcomes.iter().all(Outcome::is_good);
    println!(
        "xtask chaos: {} in {}",
        if is_good { "passed" } else { "FAILED" },
        step::seconds(started.elapsed())
    );
    if is_good || flags.keep {
        guard.finish(flags.keep)?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let unknown = names.iter().find(|name| !SCENARIOS.iter().any(|scenario| scenario.name == **name));
    if let Some(name) = unknown {
        bail!("there is no scenario {name:?}; fix: cargo xtask chaos --list");
    }
    let is_chosen = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(is_chosen).collect())
}

fn default_binary() -> Result<PathBuf> {
    Ok(metadata::target_directory()?.join("debug/tokenry"))
}

/// Plays the scenarios on one cluster; one that ends with an error leaves a new cluster to the next.
fn play_all(
    scenarios: &[&'static Scenario],
    rounds: Option<u32>,
    seed: u64,
    programs: &Programs,
    program: &NodeProgram,
    folder: &Folder,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let mut cluster = None;
    for (number, scenario) in scenarios.iter().enumerate() {
        let rounds = rounds.unwrap_or(scenario.rounds);
        let mut running = match cluster.take().filter(|running: &Cluster| running.api() == scenario.api) {
            Some(running) => running,
            None => {
                println!("{} starting a cluster", timestamp::now());
                Cluster::start(programs, &folder.create(&format!("cluster-{}", number + 1))?, scenario.api)
                    .context("the cluster does not start")?
            }
        };
        let (figures, result) = play(scenario, (rounds, seed), &mut running, program, folder);
        let mut outcome = Outcome { scenario: scenario.name, figures };
        match result {
            Ok(()) => cluster = Some(running),
            Err(error) => {
                println!("{} {}: FAILURE: {error:#}", timestamp::now(), scenario.name);
                outcome.figures.failures.push(format!("{error:#}"));
            }
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Plays one scenario, and returns what was seen also when it ends with an error.
fn play(
    scenario: &Scenario,
    (rounds, seed): (u32, u64),
    cluster: &mut Cluster,
    program: &NodeProgram,
    folder: &Folder,
) -> (Figures, Result<()>) {
    let stage = cluster
        .set_replication(scenario.replication)
        .and_then(|()| cluster.wait_until_healthy())
        .and_then(|()| Stage::open(scenario.name, scenario.nodes, program, cluster, folder, seed));
    let mut stage = match stage {
        Ok(stage) => stage,
        Err(error) => return (Figures::default(), Err(error)),
    };
    let result = (1..=rounds).try_for_each(|round| {
        stage.begin_round(round)?;
        (scenario.play)(&mut stage, round)?;
        stage.end_round()
    });
    (stage.figures(), result)
}

/// The guard of a folder; see its module.
pub(crate) fn guard(folder: &Path) -> Result<ExitCode> {
    guard::run(folder)
}
