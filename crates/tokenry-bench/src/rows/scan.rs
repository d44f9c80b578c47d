//! Search of files for leaked tokens.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    process::Stdio,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    bench::Bench,
    figure::{Figure, Outcome},
    population::Population,
    random::Random,
    server::tokenry,
};

/// The files of the tree; half of the bytes are in the first.
const FILES: u64 = 100;
/// Lines between two tokens, and between two texts that only look like one.
const TOKEN_EVERY: u64 = 10_000;
const TYPO_EVERY: u64 = 50;

/// Searches a tree of source-like files, with tokens and many texts that only the checksum tells from tokens.
pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let folder = bench.folder.join("scanned");
    let tokens = write_tree(&folder, bench.sizes.scanned)?;
    let mut rounds = Vec::new();
    for _ in 0..bench.sizes.rounds {
        // No database is read.
        let mut command = tokenry(&bench.tokenry, "sqlite://missing.db", &bench.folder);
        command.arg("scan").arg(&folder).args(["--output", "json"]).stdin(Stdio::null());
        let begun = Instant::now();
        let output = command.output().context("cannot start the scan")?;
        rounds.push(begun.elapsed().as_secs_f64());
        let report: Value = serde_json::from_slice(&output.stdout).context("the scan printed no JSON")?;
        let found = report.get("data").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(u64::try_from(found)? == tokens, "{found} of {tokens} tokens were found");
    }
    fs::remove_dir_all(&folder)?;
    let detail = format!("{} bytes in {FILES} files, {tokens} tokens found", bench.sizes.scanned);
    Ok(Outcome::Measured(Figure::value(rounds, "s", detail)))
}

/// Writes the files and returns the number of tokens in them.
fn write_tree(folder: &Path, bytes: u64) -> Result<u64> {
    fs::create_dir_all(folder)?;
    let population = Population::live("scanned", 1000);
    let mut random = Random::new(1);
    let (mut tokens, mut lines) = (0, 0);
    for number in 0..FILES {
        let mut file = BufWriter::new(File::create(folder.join(format!("{number}.py")))?);
        let mut left = if number == 0 { bytes / 2 } else { bytes / 2 / (FILES - 1) };
        while left > 0 {
            lines += 1;
            let token = population.text(random.below(population.count));
            let line = if lines % TOKEN_EVERY == 1 {
                tokens += 1;
                format!("    token = '{token}'\n")
            } else if lines % TYPO_EVERY == 0 {
                format!("    # not {}{}\n", token.split_at(token.len() - 2).0, "zz")
            } else {
                format!("    pattern_{} = compat_{:x}(path, data[{}])\n", lines, random.next(), lines % 7)
            };
            file.write_all(line.as_bytes())?;
            left = left.saturating_sub(u64::try_from(line.len())?);
        }
        file.flush()?;
    }
    Ok(tokens)
}
