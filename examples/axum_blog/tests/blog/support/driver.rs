//! A browser: Chromium without a window, driven over WebDriver.

use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What Chromium is told. It is to ask nobody for anything but the blog.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=900,1000",
];

/// Runs a test in a browser of its own.
pub(crate) async fn browse<F>(test: impl FnOnce(Client) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let driver = Driver::start();
    let profile = tempfile::tempdir().unwrap();
    let Value::Object(capabilities) = capabilities(&profile) else {
        unreachable!("they are written as an object")
    };
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&driver.url)
        .await
        .unwrap_or_else(|error| {
            panic!(
                "the browser does not start: {error}\n{}",
                install("chromium")
            )
        });
    // Whatever becomes of the test, the browser ends before its driver and its profile.
    let tested = tokio::spawn(test(client.clone())).await;
    let closed = client.close().await;
    drop(driver);
    if let Err(error) = tested {
        std::panic::resume_unwind(error.into_panic());
    }
    closed.unwrap();
}

fn capabilities(profile: &TempDir) -> Value {
    let profile = format!("--user-data-dir={}", profile.path().display());
    let mut arguments = ARGUMENTS.to_vec();
    arguments.push(&profile);
    if rustix::process::geteuid().is_root() {
        // Its sandbox is not for root.
        arguments.push("--no-sandbox");
    }
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "args": arguments },
    })
}

/// The program that drives it; it is ended when this is dropped.
#[derive(Debug)]
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    fn start() -> Self {
        let spawned = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // To end the browser with it, if it must be.
            .process_group(0)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("there is no `chromedriver`\n{}", install("chromium-driver"))
            }
            Err(error) => panic!("chromedriver does not start: {error}"),
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        // The rest is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url: format!("http://127.0.0.1:{}", port.unwrap()),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process_group(id, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn install(package: &str) -> String {
    format!(
        "This test needs Chromium: install the Debian package `{package}`, or run \
         `cargo xtask setup` as root, which does."
    )
}
