//! A person at a browser, who waits for each step.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::By;

use crate::browser::{self, Browser};

/// The timeout of every step.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Person(Browser);

impl Person {
    /// `None` without a browser.
    pub(crate) fn start() -> Option<Self> {
        Browser::start().map(Self)
    }

    pub(crate) fn open(&self, url: &str) {
        self.0.run(self.0.driver().goto(url));
    }

    /// The result of a script.
    #[track_caller]
    pub(crate) fn eval(&self, script: &str) -> Value {
        let ran = self.0.driver().execute(script, Vec::new());
        self.0.attempt(async { Ok(ran.await?.json().clone()) }).unwrap_or_default()
    }

    /// Waits until this expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) {
        let started = Instant::now();
        while self.eval(&format!("return Boolean({expression})")) != json!(true) {
            let seen = self.eval("return location.href + '\\n' + document.body.innerText");
            assert!(
                started.elapsed() < LIMIT,
                "never: {expression}\n{seen}\n{}",
                browser::shown(&self.0.log())
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a visible element contains this text.
    #[track_caller]
    pub(crate) fn read(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.wait(&format!(
            "[...document.querySelectorAll({css})].some(e => e.checkVisibility() && e.innerText.includes({text}))"
        ));
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.wait(&format!("document.querySelector({})?.checkVisibility()", json!(css)));
        let element = self.0.run(self.0.driver().find(By::Css(css)));
        self.0.run(element.click());
    }

    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        self.wait(&format!("document.querySelector({})?.checkVisibility()", json!(css)));
        let element = self.0.run(self.0.driver().find(By::Css(css)));
        self.0.run(element.send_keys(text));
    }

    pub(crate) fn back(&self) {
        self.0.run(self.0.driver().back());
    }

    /// Name and value of all cookies of the current origin, also those that scripts cannot read.
    pub(crate) fn cookies(&self) -> Vec<(String, String)> {
        let cookies = self.0.run(self.0.driver().get_all_cookies());
        cookies.into_iter().map(|cookie| (cookie.name, cookie.value)).collect()
    }

    /// The severe messages of the console.
    pub(crate) fn complaints(&self) -> String {
        let log = self.0.log();
        log.iter()
            .filter(|entry| format!("{entry:?}").contains("Content Security Policy"))
            .map(|entry| format!("{entry:?}"))
            .collect()
    }
}
