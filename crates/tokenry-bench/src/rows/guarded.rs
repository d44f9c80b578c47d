//! A trivial endpoint behind the middleware, relative to the same endpoint without it.

use anyhow::Result;

use crate::{
    bench::Bench,
    compare::{Side, compare},
    database::Database,
    figure::Outcome,
    population::Population,
    server::Server,
    traffic::{Repeated, get, get_with},
};

/// The message of the example for a flag that has no effect yet.
const NOT_AVAILABLE: &str = "not available in this version";

pub(super) fn strict(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let guard = bench.guard(&bench.shared(std::slice::from_ref(&small))?, &[])?;
    against_bare(bench, &guard, &small)
}

pub(super) fn stale(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let database = bench.shared(std::slice::from_ref(&small))?;
    match with_flag(bench, &database, &["--max-staleness", "1s"])? {
        Ok(guard) => against_bare(bench, &guard, &small),
        Err(why) => Ok(Outcome::NotAvailable(why)),
    }
}

/// Usage log on, relative to off: two servers on one database.
pub(super) fn usage(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let database = bench.own(std::slice::from_ref(&small))?;
    let on = match with_flag(bench, &database, &["--usage", "on"])? {
        Ok(guard) => guard,
        Err(why) => return Ok(Outcome::NotAvailable(why)),
    };
    let off = bench.guard(&database, &["--usage", "off"])?;
    let (mut ours, mut base) = (tokens(&small), tokens(&small));
    let figure = compare(
        bench,
        Side { server: &on, requests: &mut ours },
        Side { server: &off, requests: &mut base },
    )?;
    Ok(Outcome::Measured(figure))
}

/// All tokens in turn.
pub(super) fn tokens(population: &Population) -> Repeated {
    let texts = (0..population.count).map(|number| get_with("/guarded", &population.text(number)));
    Repeated::in_order(texts, 200)
}

/// The endpoint without the middleware.
pub(super) fn bare() -> Repeated {
    Repeated::in_order([get("/public")], 200)
}

fn against_bare(bench: &Bench, guard: &Server, population: &Population) -> Result<Outcome> {
    let (mut ours, mut base) = (tokens(population), bare());
    let figure = compare(
        bench,
        Side { server: guard, requests: &mut ours },
        Side { server: guard, requests: &mut base },
    )?;
    Ok(Outcome::Measured(figure))
}

/// The example with these flags, or the reason why this version does not support them.
fn with_flag(bench: &Bench, database: &Database, flags: &[&str]) -> Result<Result<Server, String>> {
    match bench.guard(database, flags) {
        Ok(guard) => Ok(Ok(guard)),
        Err(error) if error.to_string().contains(NOT_AVAILABLE) => {
            Ok(Err(format!("{} is {NOT_AVAILABLE}", flags.join(" "))))
        }
        Err(error) => Err(error),
    }
}
