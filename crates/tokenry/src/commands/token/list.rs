//! `tokenry token list`

use tokenry_service::{PageQuery, PageSize, ReadError, TokenFilter, TokenPage};

use super::view;
use crate::{
    cli::ListArgs,
    commands::CommandContext,
    output::{CliError, Console},
};

/// Lists tokens, with their risks if `--risk` is given.
pub(super) fn run(args: ListArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let CommandContext { tokenry, request } = context;
    let user_id = args.user.map(|subject| context.user(subject.as_str())).transpose()?.map(|user| user.id);
    let filter = TokenFilter::default()
        .with_user_id(user_id)
        .with_status(args.status)
        .with_search(args.search)
        .with_scope(args.scope)
        .with_risk(args.risk);
    let size = if args.all { PageSize::new(PageSize::MAX).unwrap_or_default() } else { args.limit };
    let page = |cursor: Option<&str>| -> Result<TokenPage, ReadError> {
        let query =
            PageQuery::default().with_sort(args.sort).with_size(size).with_cursor(cursor.map(str::to_owned));
        match args.risk {
            None => tokenry.list_tokens(request, filter.clone(), query),
            Some(_) => tokenry.inventory(request, &filter, &query),
        }
    };
    let mut listed = page(None)?;
    while args.all
        && let Some(cursor) = &listed.next_cursor
    {
        let next = page(Some(cursor))?;
        listed.items.extend(next.items);
        listed.next_cursor = next.next_cursor;
    }
    let view = match args.risk {
        None => view::page(&listed, tokenry, request.now),
        Some(_) => view::inventory(&listed, tokenry, request.now),
    };
    console.answer(&view)?;
    if listed.next_cursor.is_some() {
        console.note(&format!("showing {} of {}; use --all for the rest", listed.items.len(), listed.total));
    }
    Ok(())
}
