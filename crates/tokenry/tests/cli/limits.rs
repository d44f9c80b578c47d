//! Limits that guard data, with two processes on one database.

use serde_json::Value;
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{folder::Folder, server::Server};

/// Two servers on one database, and a token of alice with full access.
struct Nodes {
    folder: Folder,
    variables: Vec<(&'static str, String)>,
    servers: Vec<Server>,
    token: String,
}

impl Nodes {
    fn new(db: &TestDatabase, limits: &[(&'static str, &str)]) -> Self {
        let folder = Folder::new();
        let mut variables: Vec<_> = limits.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        variables.push(("TOKENRY_DATABASE_URL", db.url().to_owned()));
        variables.push(("TOKENRY_LIMITS__MANAGEMENT_PER_MINUTE", "0".to_owned()));
        let run = |arguments: &[&str]| {
            let mut command = folder.tokenry();
            command.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
            let assert = command.args(arguments).assert().success();
            String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8").trim().to_owned()
        };
        run(&["user", "add", "alice"]);
        let token =
            run(&["token", "create", "--user", "alice", "--name", "first", "--scope", "*", "--quiet"]);
        let mut nodes = Self { folder, variables, servers: Vec::new(), token };
        nodes.restart();
        nodes
    }

    /// Stops all servers and starts them again.
    fn restart(&mut self) {
        self.servers.clear();
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.servers = (0..2).map(|_| Server::with(&self.folder, &variables)).collect();
    }

    /// The answers to the same request, sent `times` in parallel to both servers.
    fn at_once(&self, times: usize, path: &str, body: &str) -> Vec<(u16, Value)> {
        std::thread::scope(|scope| {
            let ask = |number: usize| self.servers[number % 2].send("POST", path, &self.token, body);
            let threads: Vec<_> = (0..times).map(|number| scope.spawn(move || ask(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
        })
    }

    fn create_at_once(&self, times: usize, refused: u16) -> usize {
        let answers = self.at_once(times, "/api/v1/tokens", r#"{"name": "t"}"#);
        assert!(answers.iter().all(|(status, _)| [201, refused].contains(status)), "{answers:?}");
        answers.iter().filter(|(status, _)| *status == 201).count()
    }
}

each_backend!(the_limit_of_live_tokens_is_exact_over_processes_and_restarts, |db| {
    let mut nodes = Nodes::new(db, &[("TOKENRY_LIMITS__CREATIONS_PER_HOUR", "0")]);
    assert_eq!(nodes.create_at_once(60, 409), 9, "with the first there are ten");
    nodes.restart();
    assert_eq!(nodes.create_at_once(20, 409), 0);
    let list = nodes.servers[0].send("GET", "/api/v1/tokens", &nodes.token, "").1;
    let ids = list["data"].as_array().expect("a list").iter().filter(|token| token["name"] == "t");
    let ids: Vec<_> = ids.filter_map(|token| token["id"].as_str()).take(3).collect();
    for id in ids {
        assert_eq!(nodes.servers[1].send("DELETE", &format!("/api/v1/tokens/{id}"), &nodes.token, "").0, 204);
    }
    assert_eq!(nodes.create_at_once(30, 409), 3, "only live tokens count");
});

each_backend!(the_limit_of_creations_is_exact_over_processes_and_restarts, |db| {
    let mut nodes = Nodes::new(db, &[("TOKENRY_LIMITS__MAX_LIVE_TOKENS", "0")]);
    assert_eq!(nodes.create_at_once(40, 429), 4, "with the first there are five");
    nodes.restart();
    let (status, problem) = nodes.servers[0].send("POST", "/api/v1/tokens", &nodes.token, r#"{"name": "t"}"#);
    assert_eq!((status, problem["code"].as_str()), (429, Some("rate_limited")));
    let me = nodes.servers[1].send("GET", "/api/v1/me", &nodes.token, "").1;
    assert_eq!(me["limits"]["creations_left"], 0);
});

each_backend!(
    of_fifty_rotations_over_two_processes_one_succeeds_and_its_secret_is_the_one_that_works,
    |db| {
        let nodes = Nodes::new(db, &[]);
        let created = nodes.servers[0].send("POST", "/api/v1/tokens", &nodes.token, r#"{"name": "t"}"#).1;
        let path = format!("/api/v1/tokens/{}/rotate", created["id"].as_str().expect("an id"));
        let answers = nodes.at_once(50, &path, "");
        assert!(answers.iter().all(|(status, _)| [200, 409].contains(status)), "{answers:?}");
        let secrets: Vec<_> = answers.iter().filter_map(|(_, body)| body["token"].as_str()).collect();
        assert_eq!(secrets.len(), 1);
        for server in &nodes.servers {
            assert_eq!(server.send("GET", "/api/v1/token", secrets[0], "").0, 200);
            let old = created["token"].as_str().expect("the old secret");
            assert_eq!(server.send("GET", "/api/v1/token", old, "").0, 401);
        }
    }
);
