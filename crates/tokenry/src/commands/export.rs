//! `tokenry export`

use serde_json::{Map, Value, json};
use tokenry_service::{PageQuery, PageSize, Sort, Status, Token, TokenFilter, User};

use super::{CommandContext, import::FIELDS};
use crate::{
    cli::{ExportArgs, RowFormat},
    output::{CliError, Console},
};

/// The fields of an export: those of an import without the hash and what belongs to it.
const EXPORTED: usize = 14;

/// Writes one row per token, oldest first, without any secret or hash.
pub(crate) fn run(
    args: &ExportArgs,
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let size = PageSize::new(PageSize::MAX).unwrap_or_default();
    let sort: Sort = "created_at".parse().unwrap_or_default();
    let header = FIELDS.get(..EXPORTED).unwrap_or_default();
    if args.format == RowFormat::Csv {
        console.text(&csv_line(header.iter().map(|name| (*name).to_owned()))?)?;
    }
    let cutoffs = tokenry.policy().cutoffs(request.now);
    let mut cursor = None;
    loop {
        let query = PageQuery::default().with_sort(sort).with_size(size).with_cursor(cursor);
        let page = tokenry.list_tokens(request, TokenFilter::default(), query)?;
        let mut text = String::new();
        for (token, owner) in &page.items {
            let row = row(token, owner, token.status(&cutoffs));
            match args.format {
                RowFormat::Jsonl => text += &format!("{}\n", Value::Object(row)),
                RowFormat::Csv => text += &csv_line(header.iter().map(|name| cell(row.get(*name))))?,
            }
        }
        console.text(&text)?;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn row(token: &Token, owner: &User, status: Status) -> Map<String, Value> {
    let time = |at: Option<tokenry_service::UnixMillis>| at.map(|at| at.to_string());
    let is_active = token.inactive_at.is_none() && token.revoked.is_none();
    let fields = json!({
        "id": token.id.to_string(),
        "owner": owner.subject.as_str(),
        "name": token.name.as_str(),
        "description": token.description.as_ref().map(ToString::to_string),
        "scopes": token.scopes.to_texts(),
        "created_at": token.created_at.to_string(),
        "not_before": time(token.not_before),
        "expires_at": time(token.expires_at),
        "last_used_at": time(token.last_used_at),
        "active": is_active,
        "status": status.as_str(),
        "allowed_ips": token.allowed_ips.to_texts(),
        "prefix": token.first_characters(),
        "suffix": token.suffix,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The text of a cell. SECURITY: spreadsheets run a text that begins like a formula; the apostrophe prevents that.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(entries)) => entries.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Some(value) => value.to_string(),
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn csv_line(cells: impl Iterator<Item = String>) -> Result<String, CliError> {
    let failed = |error: String| CliError::failed("internal_error", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| failed(error.to_string()))?;
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_a_formula_for_a_spreadsheet_is_quoted() {
        for (text, expected) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1", "'-1"), ("a=b", "a=b"), ("", "")] {
            assert_eq!(cell(Some(&Value::from(text))), expected);
        }
        assert_eq!(
            csv_line(["a,b".to_owned(), "c\"d".to_owned()].into_iter()).ok().unwrap(),
            "\"a,b\",\"c\"\"d\"\n"
        );
    }
}
