//! The MCP server of `crates/tokenry-actix/examples/mcp_server.rs`, called by the official SDKs and by mcp-remote.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
};

use actix_web::{dev::ServerHandle, rt::System};
use tempfile::TempDir;
use tokenry_actix::{
    clock,
    tokenry::{NewToken, NewUser, RequestContext, Settings, Tokenry, unrestricted},
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::packages;

#[path = "../../../tokenry-actix/examples/mcp_server.rs"]
#[allow(dead_code, reason = "the test has its own main")]
mod mcp_server;

/// The server in a thread of this process; stopped on drop.
struct NotesServer {
    tokenry: Tokenry,
    url: String,
    handle: ServerHandle,
}

impl NotesServer {
    fn start(db: &TestDatabase) -> Self {
        let tokenry = Tokenry::new(db.store().clone(), Settings::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (sender, receiver) = mpsc::channel();
        let served = tokenry.clone();
        std::thread::spawn(move || {
            System::new().block_on(async move {
                let server = mcp_server::serve(listener, served).unwrap();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { tokenry, url, handle: receiver.recv().unwrap() }
    }

    /// A token of alice; revoked if `is_revoked`.
    fn token(&self, scope: &str, is_revoked: bool) -> String {
        let operator = RequestContext::new(unrestricted::operator(), clock::now());
        let alice = self.tokenry.find_or_create_user(&operator, "alice", Some(NewUser::default())).unwrap();
        let new = NewToken::new("notes").with_scopes(vec![scope.to_owned()]);
        let issued = self.tokenry.issue_token(&operator, alice.id, new).unwrap();
        if is_revoked {
            self.tokenry.revoke_token(&operator, issued.token.id, None).unwrap();
        }
        issued.secret.reveal_once().to_string()
    }
}

impl Drop for NotesServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// A program of `clients/` that lists the tools and calls one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Python,
    TypeScript,
    /// The SDK for TypeScript, which starts mcp-remote.
    Remote,
}

impl Client {
    /// Everything that the client shows; `None` without its packages. `node` is the folder of its copy for Node.
    fn call(self, url: &str, tool: &str, token: &str, node: Option<&Path>) -> Option<String> {
        let home = TempDir::new().unwrap();
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(packages::python()?);
                command.arg(packages::sources().join("python/mcp_sdk.py"));
                command
            }
            Self::TypeScript | Self::Remote => {
                let mut command = Command::new("node");
                command.arg(node?.join("mcp-sdk.js"));
                command
            }
        };
        command.args([url, tool]).args((self == Self::Remote).then_some("remote"));
        command.env_remove("TOKEN").envs((!token.is_empty()).then_some(("TOKEN", token)));
        let output = command
            .env("HOME", home.path())
            .env("MCP_REMOTE_CONFIG_DIR", home.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&shown).into_owned())
    }
}

fn assert_clients(db: &TestDatabase) {
    let server = NotesServer::start(db);
    let node = packages::node_copy(&["mcp-sdk.js"]);
    let (reader, writer) = (server.token("notes:read", false), server.token("notes:write", false));
    let (other, revoked) = (server.token("other:read", false), server.token("notes:read", true));
    for client in [Client::Python, Client::TypeScript, Client::Remote] {
        // mcp-remote does not show why a token is rejected, only what the server says when it wants to register.
        let rejected = |reason: &'static str| match client {
            Client::Remote => "put a live one into the header Authorization",
            Client::Python | Client::TypeScript => reason,
        };
        for (token, tool, expected) in [
            (&writer, "add_note", "result: Notes: "),
            (&writer, "read_notes", "result: alice: hello"),
            (&reader, "read_notes", "result: alice: hello"),
            (&reader, "add_note", "result: The credential lacks a scope; needed: notes:write."),
            (&other, "read_notes", "result: The credential lacks a scope; needed: notes:read."),
            (&revoked, "read_notes", rejected("The token was revoked.")),
            (&"pat_nonsense".to_owned(), "read_notes", rejected("The token is not valid.")),
            (&String::new(), "read_notes", rejected("Send a token: Authorization: Bearer <token>.")),
        ] {
            // Only without its packages, which is an error on a build server.
            let node = node.as_ref().map(TempDir::path);
            let Some(shown) = client.call(&server.url, tool, token, node) else { break };
            assert!(shown.contains(expected), "{client:?} {tool}: {expected}\n{shown}");
            let is_admitted = expected.starts_with("result: ");
            assert_eq!(shown.contains("read_notes add_note\n"), is_admitted, "{client:?} {shown}");
            assert!(
                token.is_empty() || !shown.contains(token.as_str()),
                "{client:?} shows the token: {shown}"
            );
        }
    }
}

each_backend!(clients_of_mcp_call_tools_and_say_why_a_token_is_rejected, |db| {
    assert_clients(db);
});
