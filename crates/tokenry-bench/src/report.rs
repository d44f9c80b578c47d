//! The reports of a run: Markdown, JSON, a chart, and the table in the documents.

mod chart;
mod docs;
mod machine;
mod markdown;

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(crate) use self::{machine::Machine, markdown::line};
use crate::figure;

/// Writes `report.json`, `report.md` and `report.svg`.
pub(crate) fn write(folder: &Path, results: &[figure::Result], machine: &Machine) -> Result<()> {
    fs::create_dir_all(folder)?;
    let rows: Vec<Value> = results.iter().map(row).collect();
    let report = json!({
        "rows": rows,
        "machine": machine.name,
        "date": machine.date,
        "commit": machine.commit,
        "is_quick": machine.is_quick,
    });
    for (name, text) in [
        ("report.json", serde_json::to_string_pretty(&report)? + "\n"),
        ("report.md", markdown::document(results, machine)),
        ("report.svg", chart::draw(results)),
    ] {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// Replaces the table between the markers of a document.
pub(crate) fn write_docs(file: &Path, results: &[figure::Result], machine: &Machine) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let table = markdown::document(results, machine);
    fs::write(file, docs::replaced(&text, &table)?).context("cannot write the document")
}

fn row(result: &figure::Result) -> Value {
    let mut row = json!({
        "id": result.id,
        "backend": result.backend.name(),
        "ratio": result.value(),
        "goal": result.goal.value(),
        "direction": result.goal.direction(),
        "met": result.is_met(),
        "detail": result.detail,
    });
    if let (Some(figure), Some(row)) = (&result.figure, row.as_object_mut()) {
        let (least, greatest) = figure.spread();
        row.insert("unit".into(), figure.unit.into());
        row.insert("rounds".into(), json!(figure.rounds));
        row.insert("spread".into(), json!([least, greatest]));
        row.insert("cpu_ratio".into(), json!(figure.cpu));
        row.insert("figures".into(), json!(figure.others));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        database::Backend,
        figure::{Figure, Goal},
    };

    fn results() -> Vec<figure::Result> {
        let result = |id, figure: Option<Figure>, goal| figure::Result {
            id,
            backend: Backend::Sqlite,
            goal,
            detail: "why".to_owned(),
            figure,
            is_failed: false,
        };
        vec![
            result("guarded", Some(Figure::ratio(vec![0.6, 0.8, 0.7], String::new())), Goal::Min(0.7)),
            result("start", Some(Figure::value(vec![120.0], "ms", String::new())), Goal::Max(100.0)),
            result("usage", None, Goal::Min(0.95)),
        ]
    }

    #[test]
    fn the_json_report_has_id_backend_ratio_goal_and_whether_it_is_met() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { name: "m".into(), date: "d".into(), commit: "c".into(), is_quick: false };
        write(folder.path(), &results(), &machine).unwrap();
        let text = fs::read_to_string(folder.path().join("report.json")).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        let row = |number: usize| {
            let row = &report["rows"][number];
            (
                row["id"].clone(),
                row["backend"].clone(),
                row["ratio"].clone(),
                row["goal"].clone(),
                row["met"].clone(),
            )
        };
        assert_eq!(row(0), (json!("guarded"), json!("sqlite"), json!(0.7), json!(0.7), json!(true)));
        assert_eq!(row(1), (json!("start"), json!("sqlite"), json!(120.0), json!(100.0), json!(false)));
        assert_eq!(row(2), (json!("usage"), json!("sqlite"), Value::Null, json!(0.95), json!(false)));
        assert_eq!(report["rows"][0]["direction"], "min");
        assert!(fs::read_to_string(folder.path().join("report.svg")).unwrap().ends_with("</svg>\n"));
    }

    #[test]
    fn the_table_names_every_row() {
        let machine = Machine { name: "m".into(), date: "d".into(), commit: "c".into(), is_quick: true };
        let text = markdown::document(&results(), &machine);
        assert!(text.contains("| `guarded` | SQLite | 0.700 (0.600–0.800) | ≥ 0.7 | yes |"), "{text}");
        assert!(text.contains("| `usage` | SQLite | – | ≥ 0.95 | not measured |"), "{text}");
        assert!(text.contains("mean nothing"), "{text}");
    }
}
