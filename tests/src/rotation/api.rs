//! The API server through `kubectl proxy`: its answers are told from the start-up of a program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::Value;
use tokio::time::Instant;

/// A running `kubectl proxy`; it ends with this value.
pub struct Api {
    process: Child,
    http: Client,
    base: String,
}

impl Api {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When `kubectl` does not say where it listens.
    pub fn start() -> Result<Self> {
        let mut process = Command::new("kubectl")
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().context("where it listens")?;
        Ok(Self {
            process,
            http: Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()?,
            base: format!("http://{address}"),
        })
    }

    /// Reads a path.
    ///
    /// # Errors
    /// When the API server does not answer 200.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// What `kubectl patch --type merge` sends; when the answer was there.
    ///
    /// # Errors
    /// When the patch is refused.
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<Instant> {
        let request = self
            .http
            .patch(format!("{}{path}", self.base))
            .header("content-type", "application/merge-patch+json");
        let answer = request.body(patch.to_string()).send().await?;
        let at = Instant::now();
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(at)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
