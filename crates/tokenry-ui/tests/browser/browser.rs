//! Chromium and its driver, one pair per test; both are killed on drop.

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

/// Without a sandbox, which does not work as root, and without background requests of the browser.
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

/// How long the driver may take to close the browser; after that both are killed.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

/// How often the driver is started until it has a port: it draws one, and ends if another process takes it meanwhile.
const STARTS: u8 = 5;

/// A running browser.
pub(crate) struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser; `None` if it is not installed, which is an error on a build server.
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
        let (process, port) = (0..STARTS).find_map(|_| start_driver(&driver)).expect("a driver with a port");
        let mut browser = Self { runtime: Runtime::new().unwrap(), driver: None, process, _profile: profile };
        let address = format!("http://127.0.0.1:{port}");
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
        // A confirmation of leaving stays open until the test answers it.
        capabilities.set("unhandledPromptBehavior", "ignore")?;
        Ok(capabilities)
    }

    /// The driver.
    pub(crate) fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    /// Waits for a command of the driver.
    #[track_caller]
    pub(crate) fn run<T>(&self, command: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime.block_on(command).unwrap()
    }

    /// The same, returning the error of the driver.
    pub(crate) fn attempt<T>(&self, command: impl Future<Output = WebDriverResult<T>>) -> Option<T> {
        self.runtime.block_on(command).ok()
    }

    /// The console messages since the last call.
    pub(crate) fn log(&self) -> Vec<BrowserLogEntry> {
        self.run(self.driver().browser_log())
    }
}

/// A driver and its port; `None` if it ends without one.
fn start_driver(program: &Path) -> Option<(Child, u16)> {
    let mut process = Command::new(program)
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
    let Some(port) = port else {
        let _ = process.kill();
        let _ = process.wait();
        return None;
    };
    // Drained continuously, so that the driver never waits for its pipe.
    thread::spawn(move || lines.for_each(drop));
    Some((process, port))
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let quit = async { timeout(QUIT_LIMIT, driver.clone().quit()).await };
            // Forgotten, because its drop would retry for two minutes.
            if self.runtime.block_on(quit).is_err() {
                let _ = driver.leak();
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        end_leftovers(self._profile.path());
    }
}

/// Kills the remaining processes of a browser that its driver could not close: only those with this profile.
fn end_leftovers(profile: &Path) {
    // On other systems only the driver can close the browser.
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let id = process.file_name();
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&*profile.to_string_lossy()) {
            let _ = Command::new("kill").arg("-KILL").arg(id).stderr(Stdio::null()).status();
        }
    }
}

/// The folder of screenshots and of axe-core: `target/ui`.
pub(crate) fn output_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("ui");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether a missing program is an error.
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

/// The log as text for failure messages.
pub(crate) fn shown(log: &[BrowserLogEntry]) -> String {
    log.iter().fold(String::new(), |mut text, entry| {
        let _ = writeln!(text, "{entry:?}");
        text
    })
}
