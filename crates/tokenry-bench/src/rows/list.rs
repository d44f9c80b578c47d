//! Latency of a page of a list of a million tokens, relative to a list of a hundred.

use anyhow::{Context, Result};

use crate::{
    bench::Bench,
    client::{Stream, run_for},
    figure::{Figure, Outcome, median},
    latency::millis,
    population::Population,
    server::{Server, exchange},
    traffic::{Repeated, get_with},
};

/// Pages that are requested before the measurement, for their cursors.
const PAGES: usize = 5;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let many = Population::live("many", bench.sizes.listed);
    let few = Population::live("few", 100);
    let server = bench.server(&bench.shared(&[many.clone(), few.clone()])?)?;
    let (mut of_many, mut of_few) = (pages(&server, &many)?, pages(&server, &few)?);
    let (mut rounds, mut ours, mut base) = (Vec::new(), Vec::new(), Vec::new());
    p99(&server, bench, &mut of_few)?;
    p99(&server, bench, &mut of_many)?;
    for _ in 0..bench.sizes.rounds {
        let (few, many) = (p99(&server, bench, &mut of_few)?, p99(&server, bench, &mut of_many)?);
        rounds.push(many / few);
        ours.push(many);
        base.push(few);
    }
    let detail = format!(
        "p99 of a page: {:.2} ms of {} tokens, {:.2} ms of {}",
        median(&ours),
        many.count,
        median(&base),
        few.count
    );
    let mut figure = Figure::ratio(rounds, detail);
    figure.others.extend([("p99_ms_many", median(&ours)), ("p99_ms_few", median(&base))]);
    Ok(Outcome::Measured(figure))
}

/// The 99th percentile of the latency in milliseconds, on one connection, so that it contains no queueing.
fn p99(server: &Server, bench: &Bench, requests: &mut Repeated) -> Result<f64> {
    let stream = Stream::saturated(server.address, 1, requests);
    Ok(millis(run_for(stream, bench.sizes.phase)?.latencies.at(0.99)))
}

/// The first pages of the list, 20 tokens each.
fn pages(server: &Server, population: &Population) -> Result<Repeated> {
    let token = population.text(0);
    let mut requests = Vec::new();
    let mut path = "/api/v1/tokens?limit=20".to_owned();
    for _ in 0..PAGES {
        let request = get_with(&path, &token);
        let answer = exchange(server.address, &request)?;
        requests.push(request);
        let (head, body) = answer.split_once("\r\n\r\n").context("a response without a body")?;
        let page: serde_json::Value = serde_json::from_str(body).with_context(|| {
            format!("the response is not a page: {}", head.lines().next().unwrap_or_default())
        })?;
        let Some(cursor) = page.get("next_cursor").and_then(|cursor| cursor.as_str()) else { break };
        path = format!("/api/v1/tokens?limit=20&cursor={cursor}");
    }
    Ok(Repeated::in_order(requests, 200))
}
