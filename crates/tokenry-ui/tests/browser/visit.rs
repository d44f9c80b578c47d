//! User actions and observations. Every step waits until it is possible, within a timeout.

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

/// The timeout of every step, generous for slow machines.
const LIMIT: Duration = Duration::from_secs(20);

/// The interval between polls of the page.
const PAUSE: Duration = Duration::from_millis(25);

/// Counts violations of the content security policy, starting before the first script of each page.
const COUNT_VIOLATIONS: &str = "window.violations = []; \
    addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI));";

/// A selector in which `@name` stands for `[data-test="name"]`.
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

/// A user of the page. In selectors `@name` stands for `[data-test="name"]`.
pub(crate) struct Visit {
    pub(crate) browser: Browser,
    pub(crate) site: Site,
}

impl Visit {
    /// A browser and a server without a limit on tokens; `None` without a browser.
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

    /// Signs in through the form and waits for the list of tokens.
    #[track_caller]
    pub(crate) fn sign_in(&self, token: &str) {
        self.open("sign-in");
        self.present(token);
        self.wait("!location.pathname.endsWith('/sign-in') && document.querySelector('main.tokens .head')");
    }

    /// Enters a token in the sign-in form and submits it.
    #[track_caller]
    pub(crate) fn present(&self, token: &str) {
        self.fill("@token", token);
        self.click("@sign-in");
    }

    /// Opens a page by name, relative to the mount path.
    pub(crate) fn open(&self, page: &str) {
        self.browser.run(self.browser.driver().goto(self.site.url(page)));
    }

    /// The result of a script, which is not subject to the page's policy.
    #[track_caller]
    pub(crate) fn eval(&self, script: &str, arguments: &[Value]) -> Value {
        let ran = self.browser.driver().execute(script, arguments.to_vec());
        self.browser.run(async { Ok(ran.await?.json().clone()) })
    }

    /// Whether this expression is true now; false while the page is being left.
    pub(crate) fn holds(&self, expression: &str) -> bool {
        let ran = self.browser.driver().execute(format!("return Boolean({expression})"), Vec::new());
        self.browser.attempt(async { Ok(ran.await?.json() == &Value::Bool(true)) }).unwrap_or_default()
    }

    /// Waits until this expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) {
        self.until(expression, || self.holds(expression).then_some(()));
    }

    /// Waits until a value is available.
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

    /// Details of the page for failure messages.
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

    /// Waits for the first visible element.
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

    /// Waits until no matching element is visible.
    #[track_caller]
    pub(crate) fn see_no(&self, css: &str) {
        let css = json!(self::css(css));
        self.wait(&format!("[...document.querySelectorAll({css})].every(e => !e.checkVisibility())"));
    }

    /// Waits until a matching element is visible and contains this text.
    #[track_caller]
    pub(crate) fn read(&self, css: &str, text: &str) {
        let (css, text) = (json!(self::css(css)), json!(text));
        self.wait(&format!(
            "[...document.querySelectorAll({css})].some(e => e.checkVisibility() && e.innerText.includes({text}))"
        ));
    }

    /// The text of the first visible element.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let element = self.see(css);
        self.browser.run(element.text())
    }

    /// Waits until there are `count` matching elements, visible or not.
    #[track_caller]
    pub(crate) fn counts(&self, css: &str, number: usize) {
        self.wait(&format!("document.querySelectorAll({}).length === {number}", json!(self::css(css))));
    }

    /// The texts of all visible elements.
    pub(crate) fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)";
        let texts = self.eval(script, &[json!(self::css(css))]);
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// The number of matching elements, visible or not.
    pub(crate) fn count(&self, css: &str) -> usize {
        self.browser.run(self.browser.driver().find_all(By::Css(self::css(css)))).len()
    }

    /// Clicks like a mouse: only visible and unobstructed elements.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.until(&format!("a click on {css}"), || {
            let element = self.see(css);
            self.browser.attempt(element.click())
        });
    }

    /// Selects an option by its value.
    #[track_caller]
    pub(crate) fn choose(&self, css: &str, value: &str) {
        self.click(&format!("{css} option[value=\"{value}\"]"));
    }

    /// Waits until the element has the focus.
    #[track_caller]
    pub(crate) fn focused(&self, css: &str) {
        self.wait(&format!("document.activeElement?.matches({})", json!(self::css(css))));
    }

    /// Whether the element has the focus now.
    pub(crate) fn is_focused(&self, css: &str) -> bool {
        self.holds(&format!("document.activeElement?.matches({})", json!(self::css(css))))
    }

    /// Waits until no request is pending and all animations have ended.
    #[track_caller]
    pub(crate) fn settle(&self) {
        self.wait("document.readyState === 'complete' && document.getAnimations().every(a => a.playState !== 'running')");
        let quiet = "return new Promise(done => { let count = -1; (function look() {
            const now = performance.getEntriesByType('resource').length;
            if (now === count) requestAnimationFrame(() => done(true)); else { count = now; setTimeout(look, 60); }
        })() })";
        self.eval(quiet, &[]);
    }

    /// Replaces the content of a field by typing.
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

    /// Presses keys in the focused element.
    pub(crate) fn press(&self, keys: impl Into<String>) {
        let keys: String = keys.into();
        self.browser.run(async {
            let actions = self.browser.driver().action_chain();
            actions.send_keys(keys).perform().await
        });
    }

    /// Presses a named key.
    pub(crate) fn key(&self, key: Key) {
        self.press(char::from(key).to_string());
    }

    /// Presses Ctrl with a letter in the focused field.
    pub(crate) fn control(&self, letter: &str) {
        let driver = self.browser.driver();
        self.browser.run(async { driver.active_element().await?.send_keys(Key::Control + letter).await });
    }

    /// Sends a command of the DevTools protocol.
    #[track_caller]
    pub(crate) fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.browser.run(self.browser.driver().cdp().send_raw(command, parameters))
    }

    /// Whether leaving the page now would require confirmation.
    pub(crate) fn is_guarded(&self) -> bool {
        self.holds(
            "(() => { const e = new Event('beforeunload', { cancelable: true }); dispatchEvent(e); return e.defaultPrevented })()",
        )
    }

    /// Grants pages access to the clipboard.
    pub(crate) fn allow_clipboard(&self) {
        let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.cdp("Browser.grantPermissions", permissions);
    }

    /// The content of the clipboard.
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

    /// Sets the theme of the system: `light` or `dark`.
    pub(crate) fn theme(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.cdp("Emulation.setEmulatedMedia", features);
    }

    /// Saves a screenshot in `target/ui`.
    pub(crate) fn picture(&self, name: &str) {
        let path = browser::output_folder().join(format!("{name}.png"));
        self.browser.run(self.browser.driver().screenshot(&path));
    }

    /// Violations of the policy on this page, and related messages of the browser.
    pub(crate) fn violations(&self) -> Vec<String> {
        let counted = self.eval("return window.violations", &[]);
        let counted = counted.as_array().unwrap().iter().map(Value::to_string);
        let messages = self.browser.log().into_iter().map(|entry| format!("{entry:?}"));
        counted.chain(messages.filter(|line| line.contains("Content Security Policy"))).collect()
    }
}
