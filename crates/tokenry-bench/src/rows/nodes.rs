//! Several nodes on one PostgreSQL: their throughput together, and what one costs at rest.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::guarded::tokens;
use crate::{
    bench::Bench,
    client::{Pace, Stream, run_for},
    compare::CONNECTIONS,
    database::Database,
    figure::{Figure, Outcome, median},
    postgres::Postgres,
    server::Server,
    traffic::Requests,
};

/// The number of nodes.
pub(super) const NODES: usize = 3;
/// How long a node is left alone before it counts as idle.
const REST: Duration = Duration::from_secs(3);
/// How long an idle node is observed.
const OBSERVED: Duration = Duration::from_secs(20);

/// Requests per second of three nodes ÷ those of one, by the same load on the same cores.
pub(super) fn together(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let database = bench.shared(std::slice::from_ref(&small))?;
    let Some(postgres) = Postgres::of(&database)? else { return Ok(only_postgres()) };
    let guards = guards(bench, &database)?;
    let (alone, all) = (guards.get(..1).context("no node")?, &guards[..]);
    let mut requests = tokens(&small);
    for side in [alone, all] {
        sample(side, &postgres, &mut requests, bench.sizes.phase / 2)?;
    }
    let (mut one, mut three, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.sizes.rounds {
        let order = if round % 2 == 0 { [alone, all] } else { [all, alone] };
        for side in order {
            let (rate, share) = sample(side, &postgres, &mut requests, bench.sizes.phase)?;
            if side.len() > 1 {
                three.push(rate);
                shares.push(share);
            } else {
                one.push(rate);
            }
        }
    }
    let rounds = three.iter().zip(&one).map(|(three, one)| three / one).collect();
    let share = median(&shares) * 100.0;
    let detail = format!(
        "{NODES} nodes {:.0}/s together, one {:.0}/s; PostgreSQL {share:.2} % of the processor time of nodes and database",
        median(&three),
        median(&one)
    );
    let mut figure = Figure::ratio(rounds, detail);
    figure.others.insert("postgres_cpu_percent", share);
    Ok(Outcome::Measured(figure))
}

/// What a node costs that nobody asks: per cent of a core, and statements of its feed.
pub(super) fn idle(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let database = bench.own(std::slice::from_ref(&small))?;
    let Some(postgres) = Postgres::of(&database)? else { return Ok(only_postgres()) };
    let guard = bench.guard(&database, &[])?;
    let mut requests = tokens(&small);
    run_for(Stream::saturated(guard.address, CONNECTIONS, &mut requests), bench.sizes.phase / 2)?;
    let (mut rounds, mut statements) = (Vec::new(), Vec::new());
    for _ in 0..bench.sizes.rounds {
        std::thread::sleep(REST);
        let observed = if bench.sizes.phase > Duration::from_secs(1) { OBSERVED } else { bench.sizes.phase };
        let (cpu, committed) = (cpu(std::slice::from_ref(&guard))?, postgres.transactions()?);
        let begun = Instant::now();
        std::thread::sleep(observed);
        let took = begun.elapsed().as_secs_f64();
        // Asking for the number is a transaction itself.
        let committed = (postgres.transactions()? - committed - 1).max(0);
        rounds.push((self::cpu(std::slice::from_ref(&guard))? - cpu) * 100.0 / took);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        statements.push(committed as f64 / took);
    }
    let statements = median(&statements);
    let detail = format!("{statements:.1} transactions/s in the database, vacuum and statistics included");
    let mut figure = Figure::value(rounds, "% of a core", detail);
    figure.others.insert("transactions_per_second", statements);
    Ok(Outcome::Measured(figure))
}

/// The guarded route on several nodes, without a usage log: another row measures what that costs.
pub(super) fn guards(bench: &Bench, database: &Database) -> Result<Vec<Server>> {
    (0..NODES).map(|_| bench.guard(database, &["--usage", "off"])).collect()
}

pub(super) fn only_postgres() -> Outcome {
    Outcome::NotAvailable("nodes share a PostgreSQL".to_owned())
}

/// Requests per second of the nodes, and PostgreSQL's share of the processor time.
fn sample(
    nodes: &[Server],
    postgres: &Postgres,
    requests: &mut dyn Requests,
    time: Duration,
) -> Result<(f64, f64)> {
    let before = (cpu(nodes)?, postgres.cpu()?);
    let to = nodes.iter().map(|node| node.address).collect();
    let stream = Stream { to, from: None, connections: CONNECTIONS, pace: Pace::Saturated, requests };
    let responses = run_for(stream, time)?;
    let (ours, theirs) = (cpu(nodes)? - before.0, postgres.cpu()? - before.1);
    ensure!(ours > 0.0, "the nodes used no processor time");
    Ok((responses.per_second(), theirs / (ours + theirs)))
}

/// Processor time of these nodes in seconds.
fn cpu(nodes: &[Server]) -> Result<f64> {
    nodes.iter().map(|node| Ok(node.cpu().context("no processor time")?.as_secs_f64())).sum()
}
