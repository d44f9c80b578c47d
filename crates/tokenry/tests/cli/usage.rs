//! The usage log of real servers that are stopped or killed.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{folder::Folder, server::Server};

/// A folder with a token that may verify others, and one that is verified.
struct Site {
    folder: Folder,
    url: String,
    asking: String,
    asked: String,
    id: String,
}

impl Site {
    fn new(db: &TestDatabase) -> Self {
        let folder = Folder::new();
        let mut site = Self {
            folder,
            url: db.url().to_owned(),
            asking: String::new(),
            asked: String::new(),
            id: String::new(),
        };
        let create = "token create --user alice --quiet";
        site.run("user add alice");
        site.run("user add root --role admin");
        site.asking = site.run("token create --user root --quiet --name asking --scope introspect");
        site.asked = site.run(&format!("{create} --name asked --scope a:read"));
        site.id = site.run("token list --search asked --output name");
        site
    }

    fn run(&self, line: &str) -> String {
        let mut command = self.folder.tokenry();
        command.env("TOKENRY_DATABASE_URL", &self.url).args(line.split_whitespace());
        let assert = command.assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8").trim().to_owned()
    }

    fn server(&self) -> Server {
        Server::with(&self.folder, &[("TOKENRY_DATABASE_URL", &self.url), ("TOKENRY_USAGE__BUCKET", "1h")])
    }

    /// Verifies `times` that the token may read.
    fn ask(&self, server: &Server, times: u32) {
        let body =
            json!({"token": self.asked, "method": "GET", "resource": "a", "ip": "192.0.2.9"}).to_string();
        for _ in 0..times {
            let (status, verdict) = server.send("POST", "/api/v1/verify", &self.asking, &body);
            assert_eq!((status, &verdict["valid"]), (200, &Value::Bool(true)));
        }
    }

    fn total(&self) -> u64 {
        self.usage()["total_count"].as_u64().expect("a number")
    }

    fn usage(&self) -> Value {
        serde_json::from_str(&self.run(&format!("token usage {} --output json", self.id))).expect("JSON")
    }
}

fn signal(server: &Server, name: &str) {
    let id = server.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill").success());
}

each_backend!(a_stopped_server_loses_no_use, |db| {
    let site = Site::new(db);
    let servers = [site.server(), site.server()];
    for server in &servers {
        site.ask(server, 30);
    }
    for mut server in servers {
        signal(&server, "TERM");
        server.wait();
    }
    assert_eq!(site.total(), 60);
    let usage = site.usage();
    assert_eq!((&usage["data"][0]["route"], &usage["data"][0]["ip"]), (&json!("a"), &json!("192.0.2.9")));
    let shown = site.run(&format!("token usage {}", site.id));
    assert!(shown.starts_with("MINUTE") && shown.contains("192.0.2.9"), "{shown}");
    assert_eq!(site.run(&format!("token usage {} --to 2026-01-01 --output name", site.id)), "");
});

#[allow(clippy::disallowed_methods, reason = "it is about how long something takes")]
fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20), "the condition was not met in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

each_backend!(a_killed_server_loses_no_use_that_is_older_than_the_interval, |db| {
    let site = Site::new(db);
    let mut server = site.server();
    site.ask(&server, 20);
    // Written in the background, without a request for it.
    wait_for(|| site.total() == 20);
    site.ask(&server, 5);
    signal(&server, "KILL");
    server.wait();
    let left = site.total();
    assert!((20..=25).contains(&left), "{left}");
    let again = site.server();
    site.ask(&again, 1);
    wait_for(|| site.total() == left + 1);
});
