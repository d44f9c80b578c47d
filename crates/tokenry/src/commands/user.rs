//! `tokenry user …`

mod end;
mod view;

use tokenry_service::{NewUser, PageSize, User, UserChanges, UserError};

use super::CommandContext;
use crate::{
    cli::{AddArgs, UpdateUserArgs, UserCommand},
    output::{CliError, Console},
};

/// Runs a `user` command.
pub(crate) fn run(
    command: UserCommand,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    match command {
        UserCommand::Add(args) => add(args, context, console),
        UserCommand::List { search } => list(search.as_deref(), context, console),
        UserCommand::Show { subject } => {
            let user = context.user(subject.as_str())?;
            let limits = context.tokenry.limit_status(&context.request, &user)?;
            console.answer(&view::one(&user, &limits))
        }
        UserCommand::Update(args) => update(args, context, console),
        UserCommand::Disable { subject } => {
            change(subject.as_str(), UserChanges::default().with_disabled(true), context, console)?;
            console.note("all tokens of this user are now refused");
            Ok(())
        }
        UserCommand::Enable { subject } => {
            change(subject.as_str(), UserChanges::default().with_disabled(false), context, console)
        }
        UserCommand::RevokeTokens(args) => end::revoke_tokens(args, context, console),
        UserCommand::Delete(args) => end::delete(&args, context, console),
    }
}

fn add(
    args: AddArgs,
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let subject = args.subject.as_str();
    let new = NewUser::default().with_name(args.name.map(|name| name.to_string())).with_role(args.role);
    let created = tokenry.create_user(request, subject, new).map_err(|error| taken(error, subject))?;
    console.outcome(&view::changed(&created))
}

fn list(
    search: Option<&str>,
    CommandContext { tokenry, request }: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let mut users: Vec<User> = Vec::new();
    let mut cursor = None;
    loop {
        let page = tokenry.list_users(request, search, PageSize::default(), cursor.as_deref())?;
        users.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return console.answer(&view::all(&users));
        }
    }
}

fn update(args: UpdateUserArgs, context: &CommandContext, console: &mut Console) -> Result<(), CliError> {
    let changes = UserChanges::default()
        .with_subject(args.new_subject.map(|subject| subject.to_string()))
        .with_name(args.name.map(|name| name.to_string()))
        .with_role(args.role);
    change(args.subject.as_str(), changes, context, console)
}

fn change(
    subject: &str,
    changes: UserChanges,
    context: &CommandContext,
    console: &mut Console,
) -> Result<(), CliError> {
    let user = context.user(subject)?;
    let new_subject = changes.subject.clone().unwrap_or_default();
    let changed = context.tokenry.update_user(&context.request, user.id, changes);
    console.outcome(&view::changed(&changed.map_err(|error| taken(error, &new_subject))?))
}

/// Names the subject that another user already has.
fn taken(error: UserError, subject: &str) -> CliError {
    match error {
        UserError::SubjectTaken => {
            CliError::failed("conflict", format!("a user {subject} already exists")).status(409)
        }
        error => error.into(),
    }
}
