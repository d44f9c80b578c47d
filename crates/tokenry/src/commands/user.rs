//! `tokenry user …`

mod end;
mod view;

use tokenry_service::{NewUser, PageSize, User, UserChanges, UserError};

use super::Session;
use crate::{
    cli::{AddArgs, UpdateUserArgs, UserCommand},
    output::{Console, Failure},
};

/// Does what was asked for with users.
pub(crate) fn run(command: UserCommand, session: &Session, console: &mut Console) -> Result<(), Failure> {
    match command {
        UserCommand::Add(args) => add(args, session, console),
        UserCommand::List { search } => list(search.as_deref(), session, console),
        UserCommand::Show { subject } => {
            let user = session.user(subject.as_str())?;
            let allowance = session.tokenry.allowance(&session.call, &user)?;
            console.answer(&view::one(&user, &allowance))
        }
        UserCommand::Update(args) => update(args, session, console),
        UserCommand::Disable { subject } => {
            change(subject.as_str(), UserChanges::disabled(true), session, console)?;
            console.note("every token of this user is refused from now on");
            Ok(())
        }
        UserCommand::Enable { subject } => {
            change(subject.as_str(), UserChanges::disabled(false), session, console)
        }
        UserCommand::RevokeTokens(args) => end::revoke_tokens(args, session, console),
        UserCommand::Delete(args) => end::delete(&args, session, console),
    }
}

fn add(args: AddArgs, Session { tokenry, call }: &Session, console: &mut Console) -> Result<(), Failure> {
    let subject = args.subject.as_str();
    let new = NewUser { name: args.name.map(|name| name.to_string()), role: args.role, disabled: false };
    let made = tokenry.create_user(call, subject, new).map_err(|error| taken(error, subject))?;
    console.outcome(&view::changed(&made))
}

fn list(
    search: Option<&str>,
    Session { tokenry, call }: &Session,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut users: Vec<User> = Vec::new();
    let mut cursor = None;
    loop {
        let page = tokenry.list_users(call, search, PageSize::default(), cursor.as_deref())?;
        users.extend(page.users);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return console.answer(&view::all(&users));
        }
    }
}

fn update(args: UpdateUserArgs, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let changes = UserChanges {
        subject: args.new_subject.map(|subject| subject.to_string()),
        name: args.name.map(|name| name.to_string()),
        role: args.role,
        disabled: None,
    };
    change(args.subject.as_str(), changes, session, console)
}

fn change(
    subject: &str,
    changes: UserChanges,
    session: &Session,
    console: &mut Console,
) -> Result<(), Failure> {
    let user = session.user(subject)?;
    let new_subject = changes.subject.clone().unwrap_or_default();
    let changed = session.tokenry.update_user(&session.call, user.id, changes);
    console.outcome(&view::changed(&changed.map_err(|error| taken(error, &new_subject))?))
}

/// Names the subject that another user has already.
fn taken(error: UserError, subject: &str) -> Failure {
    match error {
        UserError::SubjectTaken => {
            Failure::failed("conflict", format!("there is a user {subject} already")).status(409)
        }
        error => error.into(),
    }
}
