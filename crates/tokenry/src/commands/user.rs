//! `tokenry user …`

use serde_json::{Value, json};
use tokenry_service::{NewUser, User, UserError};

use super::Session;
use crate::{
    cli::{AddArgs, UserCommand},
    output::{Console, Failure, View},
};

/// How many users are read at once.
const PAGE: u16 = 200;

/// Does what was asked for with users.
pub(crate) fn run(command: UserCommand, session: &Session, console: &mut Console) -> Result<(), Failure> {
    let Session { tokenry, call } = session;
    match command {
        UserCommand::Add(args) => add(args, session, console),
        UserCommand::List => {
            let mut users: Vec<User> = Vec::new();
            loop {
                let page = tokenry.list_users(call, users.last().map(|user| user.id), PAGE)?;
                let is_last = page.len() < usize::from(PAGE);
                users.extend(page);
                if is_last {
                    break;
                }
            }
            console.answer(&rows(&users, json!({"data": users.iter().map(to_json).collect::<Vec<_>>()})))
        }
        UserCommand::Disable { subject } => {
            let user = session.user(subject.as_str())?;
            show(&tokenry.disable_user(call, user.id)?, console)?;
            console.note("every token of this user is refused from now on");
            Ok(())
        }
        UserCommand::Enable { subject } => {
            let user = session.user(subject.as_str())?;
            show(&tokenry.enable_user(call, user.id)?, console)
        }
    }
}

fn add(args: AddArgs, Session { tokenry, call }: &Session, console: &mut Console) -> Result<(), Failure> {
    let subject = args.subject.as_str();
    match tokenry.find_user(call, subject) {
        Err(UserError::NotFound) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return Err(Failure::failed("conflict", format!("there is a user {subject} already")).status(409));
        }
    }
    let new = NewUser { name: args.name.map(|name| name.to_string()), role: Some(args.role) };
    show(&tokenry.find_or_create_user(call, subject, Some(new))?, console)
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
