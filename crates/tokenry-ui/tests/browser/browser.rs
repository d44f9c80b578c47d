//! Chromium with its driver, each test with its own; both end with this value, whatever happens.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use actix_web::rt::{Runtime, time::timeout};
use tempfile::TempDir;
use thirtyfour::{
    BrowserLogEntry, CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel,
    WebDriver, error::WebDriverResult,
};

/// As root there is no sandbox; nothing but the page may be loaded, so nothing else is asked for.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--lang=en-US",
    "--accept-lang=en-US",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--window-size=1280,900",
];

/// How long the driver may take to end the browser; after that both are ended by force.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

/// A running browser.
pub(crate) struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts it; nothing if it is not installed, except on a build server.
    pub(crate) fn start() -> Option<Self> {
        let program = find(&["chromium", "chromium-browser", "google-chrome"]);
        let (Some(program), Some(driver)) = (program, find(&["chromedriver"])) else {
            assert!(!is_ci(), "Chromium or ChromeDriver is missing, and on a build server that is a failure");
            eprintln!(
                "SKIPPED: no Chromium or no ChromeDriver (cargo xtask test installs them where it may)"
            );
            return None;
        };
        let profile = TempDir::new().unwrap();
        let mut process = Command::new(driver)
            .args(["--port=0", "--log-level=WARNING"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        // Read on, so that the driver never waits for its pipe.
        thread::spawn(move || lines.for_each(drop));
        let mut browser = Self { runtime: Runtime::new().unwrap(), driver: None, process, _profile: profile };
        let address = format!("http://127.0.0.1:{}", port.expect("a port of the driver"));
        let capabilities = browser.capabilities(&program).unwrap();
        browser.driver = Some(browser.runtime.block_on(WebDriver::new(address, capabilities)).unwrap());
        Some(browser)
    }

    fn capabilities(&self, program: &Path) -> WebDriverResult<thirtyfour::ChromeCapabilities> {
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(program.to_str().unwrap())?;
        for flag in FLAGS {
            capabilities.add_arg(flag)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", self._profile.path().display()))?;
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        // A dialog that asks whether to leave stays until the test answers it.
        capabilities.set("unhandledPromptBehavior", "ignore")?;
        Ok(capabilities)
    }

    /// The driver, for what `run` waits for.
    pub(crate) fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    /// Waits for a command of the driver.
    #[track_caller]
    pub(crate) fn run<T>(&self, command: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime.block_on(command).unwrap()
    }

    /// The same, where a refusal means something.
    pub(crate) fn attempt<T>(&self, command: impl Future<Output = WebDriverResult<T>>) -> Option<T> {
        self.runtime.block_on(command).ok()
    }

    /// What the browser complained of since this was asked last.
    pub(crate) fn log(&self) -> Vec<BrowserLogEntry> {
        self.run(self.driver().browser_log())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let quit = async { timeout(QUIT_LIMIT, driver.clone().quit()).await };
            // Marked as left behind, or it would try again for two minutes.
            if self.runtime.block_on(quit).is_err() {
                let _ = driver.leak();
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        end_leftovers(self._profile.path());
    }
}

/// Ends what is left of a browser whose driver could not: only processes that name this very profile.
fn end_leftovers(profile: &Path) {
    // Elsewhere than on Linux the driver has to see to it.
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let id = process.file_name();
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&*profile.to_string_lossy()) {
            let _ = Command::new("kill").arg("-KILL").arg(id).stderr(Stdio::null()).status();
        }
    }
}

/// Where the tests leave pictures and find axe-core: `target/ui`.
pub(crate) fn output_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("ui");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether what is missing is a failure.
pub(crate) fn is_ci() -> bool {
    variable("CI").is_some_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
}

fn variable(name: &str) -> Option<String> {
    env::vars().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The log as text, for a failure.
pub(crate) fn shown(log: &[BrowserLogEntry]) -> String {
    log.iter().fold(String::new(), |mut text, entry| {
        let _ = writeln!(text, "{entry:?}");
        text
    })
}
