//! `tokenry user …`

use serde_json::{Value, json};
use tokenry_service::{NewUser, PageSize, User, UserChanges, UserError};

use super::Session;
use crate::{
    cli::{AddArgs, UserCommand},
    output::{Console, Failure, View},
};

/// Does what was asked for with users.
pub(crate) fn run(command: UserCommand, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let Session { tokenry, call } = session;
    match command {
        UserCommand::Add(args) => add(args, session, console),
        UserCommand::List => {
            let mut users: Vec<User> = Vec::new();
            let mut cursor = None;
            loop {
                let page = tokenry.list_users(call, None, PageSize::default(), cursor.as_deref())?;
                users.extend(page.users);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            console.answer(&rows(&users, json!({"data": users.iter().map(to_json).collect::<Vec<_>>()})))
        }
        UserCommand::Disable { subject } => {
            let user = session.user(subject.as_str())?;
            show(&tokenry.update_user(call, user.id, UserChanges::disabled(true))?, console)?;
            console.note("every token of this user is refused from now on");
            Ok(())
        }
        UserCommand::Enable { subject } => {
            let user = session.user(subject.as_str())?;
            show(&tokenry.update_user(call, user.id, UserChanges::disabled(false))?, console)
        }
    }
}

fn add(args: AddArgs, Session { tokenry, call }: &Session, console: &mut Console) -> Result<(), Failure> {
    let subject = args.subject.as_str();
    let new =
        NewUser { name: args.name.map(|name| name.to_string()), role: Some(args.role), disabled: false };
    match tokenry.create_user(call, subject, new) {
        Err(UserError::SubjectTaken) => {
            Err(Failure::failed("conflict", format!("there is a user {subject} already")).status(409))
        }
        made => show(&made?, console),
    }
}

fn show(user: &User, console: &mut Console) -> Result<(), Failure> {
    console.outcome(&rows(std::slice::from_ref(user), to_json(user)))
}

fn rows(users: &[User], json: Value) -> View {
    let row = |user: &User| {
        vec![
            user.subject.to_string(),
            user.name.to_string(),
            user.role.to_string(),
            if user.is_disabled() { "disabled" } else { "enabled" }.to_owned(),
            user.created_at.to_string(),
        ]
    };
    let names = users.iter().map(|user| user.subject.to_string()).collect();
    View::list(&["SUBJECT", "NAME", "ROLE", "STATE", "CREATED"], users.iter().map(row).collect(), names, json)
}

fn to_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "subject": user.subject.as_str(),
        "name": user.name.as_str(),
        "role": user.role.as_str(),
        "disabled": user.is_disabled(),
        "created_at": user.created_at.to_string(),
        "updated_at": user.updated_at.to_string(),
    })
}
