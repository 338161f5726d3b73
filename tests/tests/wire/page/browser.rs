//! A headless Chromium, spoken to over a pipe in its DevTools protocol
//! (chromedevtools.github.io/devtools-protocol): JSON texts that a NUL ends,
//! those to it at descriptor 3, those from it at 4.

use base64::Engine as _;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// How long anything may take before the browser is ended, in seconds: more
/// than a busy machine needs.
const PATIENCE: &str = "240";
/// Most messages that are read while one is waited for.
const MESSAGES_MAX: usize = 100_000;

pub(super) struct Browser {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    /// The tab.
    session: String,
    number: u64,
    loaded: bool,
    /// What the console said, and what went wrong in a page.
    complaints: Vec<String>,
    /// Every URL that was asked for.
    requests: Vec<String>,
    /// Its home and profile.
    _folder: TempDir,
}

impl Browser {
    /// Starts it with a profile of its own. Scripts of pages do not run.
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = command(&folder).spawn().unwrap();
        let mut browser = Self {
            to: process.stdin.take(),
            from: BufReader::new(process.stdout.take().unwrap()),
            process,
            session: String::new(),
            number: 0,
            loaded: false,
            complaints: Vec::new(),
            requests: Vec::new(),
            _folder: folder,
        };
        let tab = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Network", "Log", "Runtime"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let off = json!({ "value": true });
        browser.call("Emulation.setScriptExecutionDisabled", off);
        browser
    }

    /// The width of its window, and whether people want `light` or `dark`.
    pub(super) fn look_like(&mut self, width: u32, scheme: &str) {
        let metrics = json!({
            "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Opens a page, and waits until all of it is there.
    pub(super) fn open(&mut self, url: &str) {
        self.loaded = false;
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        self.wait_for_load();
    }

    /// Clicks on what a selector finds, and waits for the page behind it.
    pub(super) fn follow(&mut self, selector: &str) {
        self.loaded = false;
        let click = format!("document.querySelector({}).click()", json!(selector));
        self.ask(&click);
        self.wait_for_load();
    }

    /// The value of an expression.
    pub(super) fn ask(&mut self, expression: &str) -> Value {
        let question = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", question);
        let failed = answer.get("exceptionDetails");
        assert!(failed.is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub(super) fn press_tab(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key =
                json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            self.call("Input.dispatchKeyEvent", key);
        }
    }

    /// The whole page, as PNG.
    pub(super) fn picture(&mut self) -> Vec<u8> {
        let how = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", how);
        let text = picture["data"].as_str().unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(text);
        png.unwrap()
    }

    /// Ends it; returns what was complained about, and which URLs were asked
    /// for.
    pub(super) fn close(mut self) -> (Vec<String>, Vec<String>) {
        self.session.clear();
        self.call("Browser.close", json!({}));
        self.process.wait().unwrap();
        let complaints = std::mem::take(&mut self.complaints);
        (complaints, std::mem::take(&mut self.requests))
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let to = self.to.as_mut().unwrap();
        to.write_all(format!("{message}\0").as_bytes()).unwrap();
        to.flush().unwrap();
        for _ in 0..MESSAGES_MAX {
            let answer = self.read();
            if answer["id"] == self.number {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
        panic!("{method} was not answered");
    }

    fn wait_for_load(&mut self) {
        for _ in 0..MESSAGES_MAX {
            if self.loaded {
                return;
            }
            self.read();
        }
        panic!("the page was not loaded");
    }

    /// The next message, whose events are noted.
    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded = true,
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap();
                self.requests.push(url.to_owned());
            }
            Some("Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown") => {
                self.complaints.push(parameters.to_string());
            }
            _ => {}
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when nobody speaks to it any more.
        drop(self.to.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Quiet, and asking nobody for anything. The shell moves the pipe to where the
/// browser looks for it.
#[expect(clippy::disallowed_methods, reason = "a program under test")]
fn command(folder: &TempDir) -> Command {
    let mut command = Command::new("timeout");
    let move_pipe = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
    command.args(["--foreground", PATIENCE, "sh", "-c", move_pipe, "sh"]);
    command.args(["chromium", "--headless", "--no-sandbox", "--disable-gpu"]);
    command.args([
        "--remote-debugging-pipe",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]);
    command.arg(format!("--user-data-dir={}", folder.path().display()));
    command.env("HOME", folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}
