//! What a person does with the page, and what they see. Everything waits until it can be done, within a limit.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thirtyfour::{By, Key, WebElement};

use crate::{
    browser::{self, Browser},
    site::Site,
};

/// How long anything may take. Far above what is seen: two busy cores are slow.
const LIMIT: Duration = Duration::from_secs(20);

/// Between two looks at the page.
const PAUSE: Duration = Duration::from_millis(25);

/// Counts breaches of the content security policy from before the first script of each page.
const COUNT_VIOLATIONS: &str = "window.violations = []; \
    addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI));";

/// A selector in which `@name` stands for what has `data-test="name"`.
fn css(selector: &str) -> String {
    let mut parts = selector.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| {
        let end =
            part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(part.len());
        let (name, after) = part.split_at(end);
        format!("{before}[data-test=\"{name}\"]{after}")
    })
}

/// A person at the page. In selectors `@name` stands for what has `data-test="name"`.
pub(crate) struct Visit {
    pub(crate) browser: Browser,
    pub(crate) site: Site,
}

impl Visit {
    /// A browser and a server with no limit on tokens; nothing if there is no browser.
    pub(crate) fn start() -> Option<Self> {
        Self::of(Site::start)
    }

    /// The same with another server.
    pub(crate) fn of(site: impl FnOnce() -> Site) -> Option<Self> {
        let browser = Browser::start()?;
        let visit = Self { browser, site: site() };
        visit.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": COUNT_VIOLATIONS }));
        Some(visit)
    }

    /// Signs in as people do, and waits for the list of tokens.
    #[track_caller]
    pub(crate) fn sign_in(&self, token: &str) {
        self.open("sign-in");
        self.present(token);
        self.wait("!location.pathname.endsWith('/sign-in') && document.querySelector('main.tokens .head')");
    }

    /// Types a token into the form of the sign-in and sends it.
    #[track_caller]
    pub(crate) fn present(&self, token: &str) {
        self.fill("@token", token);
        self.click("@sign-in");
    }

    /// Goes to a page by its name, relative to where everything is mounted.
    pub(crate) fn open(&self, page: &str) {
        self.browser.run(self.browser.driver().goto(self.site.url(page)));
    }

    /// What a script returns. It runs beside the page's own and is not bound by the page's policy.
    #[track_caller]
    pub(crate) fn eval(&self, script: &str, arguments: &[Value]) -> Value {
        let ran = self.browser.driver().execute(script, arguments.to_vec());
        self.browser.run(async { Ok(ran.await?.json().clone()) })
    }

    /// Whether this expression holds now; a page that is just being left holds nothing.
    pub(crate) fn holds(&self, expression: &str) -> bool {
        let ran = self.browser.driver().execute(format!("return Boolean({expression})"), Vec::new());
        self.browser.attempt(async { Ok(ran.await?.json() == &Value::Bool(true)) }).unwrap_or_default()
    }

    /// Waits until this expression of the page holds.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) {
        self.until(expression, || self.holds(expression).then_some(()));
    }

    /// Waits for something to be there.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(started.elapsed() < LIMIT, "never came: {what}\n{}", self.account());
            std::thread::sleep(PAUSE);
        }
    }

    /// What there is to know about a page on which a test failed.
    fn account(&self) -> String {
        let folder = browser::output_folder().join("failed");
        let picture = folder
            .join(format!("{}.png", std::thread::current().name().unwrap_or("test").replace("::", "-")));
        let _ = fs::create_dir_all(folder);
        self.browser.attempt(self.browser.driver().screenshot(&picture));
        let seen = self
            .browser
            .driver()
            .execute("return location.pathname + '\\n' + document.body.innerText", Vec::new());
        let seen =
            self.browser.attempt(async { Ok(seen.await?.json().as_str().unwrap_or_default().to_owned()) });
        let log = self.browser.attempt(self.browser.driver().browser_log()).unwrap_or_default();
        format!("{}\n{}\npicture: {}", seen.unwrap_or_default(), browser::shown(&log), picture.display())
    }

    /// The first element that is seen, once there is one.
    #[track_caller]
    pub(crate) fn see(&self, css: &str) -> WebElement {
        let selector = self::css(css);
        self.until(css, || {
            let driver = self.browser.driver();
            self.browser.attempt(async {
                for element in driver.find_all(By::Css(selector.as_str())).await? {
                    if element.is_displayed().await? {
                        return Ok(Some(element));
                    }
                }
                Ok(None)
            })?
        })
    }

    /// Waits until nothing of this is seen.
    #[track_caller]
    pub(crate) fn see_no(&self, css: &str) {
        let css = json!(self::css(css));
        self.wait(&format!("[...document.querySelectorAll({css})].every(e => !e.checkVisibility())"));
    }

    /// Waits until this is seen and has this text in it.
    #[track_caller]
    pub(crate) fn read(&self, css: &str, text: &str) {
        let (css, text) = (json!(self::css(css)), json!(text));
        self.wait(&format!(
            "[...document.querySelectorAll({css})].some(e => e.checkVisibility() && e.innerText.includes({text}))"
        ));
    }

    /// The text of the first element that is seen.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let element = self.see(css);
        self.browser.run(element.text())
    }

    /// Waits until there are so many, seen or not.
    #[track_caller]
    pub(crate) fn counts(&self, css: &str, number: usize) {
        self.wait(&format!("document.querySelectorAll({}).length === {number}", json!(self::css(css))));
    }

    /// The texts of all that are seen.
    pub(crate) fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)";
        let texts = self.eval(script, &[json!(self::css(css))]);
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// How many there are, seen or not.
    pub(crate) fn count(&self, css: &str) -> usize {
        self.browser.run(self.browser.driver().find_all(By::Css(self::css(css)))).len()
    }

    /// Clicks as a mouse does: only what is seen, and nothing that lies under something else.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.until(&format!("a click on {css}"), || {
            let element = self.see(css);
            self.browser.attempt(element.click())
        });
    }

    /// Chooses an entry of a list by its value.
    #[track_caller]
    pub(crate) fn choose(&self, css: &str, value: &str) {
        self.click(&format!("{css} option[value=\"{value}\"]"));
    }

    /// Waits until the focus is there.
    #[track_caller]
    pub(crate) fn focused(&self, css: &str) {
        self.wait(&format!("document.activeElement?.matches({})", json!(self::css(css))));
    }

    /// Whether the focus is there now.
    pub(crate) fn is_focused(&self, css: &str) -> bool {
        self.holds(&format!("document.activeElement?.matches({})", json!(self::css(css))))
    }

    /// Waits until nothing is asked for any more and everything that moves has come to rest.
    #[track_caller]
    pub(crate) fn settle(&self) {
        self.wait("document.readyState === 'complete' && document.getAnimations().every(a => a.playState !== 'running')");
        let quiet = "return new Promise(done => { let count = -1; (function look() {
            const now = performance.getEntriesByType('resource').length;
            if (now === count) requestAnimationFrame(() => done(true)); else { count = now; setTimeout(look, 60); }
        })() })";
        self.eval(quiet, &[]);
    }

    /// Replaces what a field holds, key by key.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let field = self.see(css);
        self.browser.run(async {
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// The value of a field.
    #[track_caller]
    pub(crate) fn value(&self, css: &str) -> String {
        let field = self.see(css);
        self.browser.run(field.value()).unwrap_or_default()
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn press(&self, keys: impl Into<String>) {
        let keys: String = keys.into();
        self.browser.run(async {
            let actions = self.browser.driver().action_chain();
            actions.send_keys(keys).perform().await
        });
    }

    /// Presses one key that has no letter.
    pub(crate) fn key(&self, key: Key) {
        self.press(char::from(key).to_string());
    }

    /// Presses a letter together with Ctrl, in the field that has the focus.
    pub(crate) fn control(&self, letter: &str) {
        let driver = self.browser.driver();
        self.browser.run(async { driver.active_element().await?.send_keys(Key::Control + letter).await });
    }

    /// Sends a command of the DevTools protocol.
    #[track_caller]
    pub(crate) fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.browser.run(self.browser.driver().cdp().send_raw(command, parameters))
    }

    /// Whether the page, left now, would ask first.
    pub(crate) fn is_guarded(&self) -> bool {
        self.holds(
            "(() => { const e = new Event('beforeunload', { cancelable: true }); dispatchEvent(e); return e.defaultPrevented })()",
        )
    }

    /// Lets pages use the clipboard, as a person who is asked would.
    pub(crate) fn allow_clipboard(&self) {
        let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.cdp("Browser.grantPermissions", permissions);
    }

    /// What was copied last.
    #[track_caller]
    pub(crate) fn clipboard(&self) -> String {
        let text = self.eval("return navigator.clipboard.readText()", &[]);
        text.as_str().unwrap().to_owned()
    }

    /// Sets the size of the window in CSS pixels.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", size);
    }

    /// `light` or `dark`, as the system would say.
    pub(crate) fn theme(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.cdp("Emulation.setEmulatedMedia", features);
    }

    /// Leaves a picture in `target/ui`.
    pub(crate) fn picture(&self, name: &str) {
        let path = browser::output_folder().join(format!("{name}.png"));
        self.browser.run(self.browser.driver().screenshot(&path));
    }

    /// Breaches of the policy that this page has seen, and complaints of the browser that are about it.
    pub(crate) fn violations(&self) -> Vec<String> {
        let counted = self.eval("return window.violations", &[]);
        let counted = counted.as_array().unwrap().iter().map(Value::to_string);
        let told = self.browser.log().into_iter().map(|entry| format!("{entry:?}"));
        counted.chain(told.filter(|line| line.contains("Content Security Policy"))).collect()
    }
}
