//! The command line's way to the Admin API: its address, the key, one blocking request at a time.
//! Owns the shared arguments of the subcommands that talk to a node; what is asked is theirs.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::stop::Stop;

/// Where the Admin API is and how to be let in.
#[derive(clap::Args, Clone, Debug)]
pub struct AdminArgs {
    /// URL of the Admin API (plain HTTP).
    #[arg(
        long,
        env = "SALLYPORT_ADMIN_URL",
        default_value = "http://127.0.0.1:9180",
        value_name = "URL"
    )]
    pub admin: String,
    /// File with the admin key.
    #[arg(
        long,
        env = "SALLYPORT_ADMIN_KEY_FILE",
        default_value = "./sallyport-data/admin.key",
        value_name = "PATH"
    )]
    pub key_file: PathBuf,
    /// The admin key itself; other users of this machine can see it, so prefer --key-file. Wins over it.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// A node's Admin API.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    key: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body; `null` if there was none.
    pub body: Value,
}

impl Reply {
    /// Whether the status is 2xx.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The server's own words for a refusal.
    pub fn reason(&self) -> String {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        match (
            text("error_msg")
                .or_else(|| text("message"))
                .or_else(|| self.body.as_str()),
            text("description"),
        ) {
            (Some(message), Some(more)) => format!("{message}: {more}"),
            (Some(message), None) => message.to_owned(),
            _ => format!(
                "HTTP status {}; is --admin the Admin API of a control node?",
                self.status
            ),
        }
    }
}

impl Client {
    /// Reads the key and prepares requests; does not connect yet.
    ///
    /// # Errors
    /// A URL that is not plain HTTP, or a key that cannot be had.
    pub fn new(args: &AdminArgs) -> Result<Self, Stop> {
        let base = args.admin.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            return Err(Stop::usage(format!(
                "--admin {base}: the URL must start with http:// (the Admin API has no TLS)"
            )));
        }
        let key = match &args.key {
            Some(key) => key.clone(),
            None => control::admin::keys::admin_key(&args.key_file)
                .map_err(|e| Stop::usage(format!("admin key: {e}")))?,
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A proxy from the environment would get to see the key.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            base,
            key,
        })
    }

    /// One request; `path` starts with `/`.
    ///
    /// # Errors
    /// No answer at all, or a key that is refused; any other status is in the [`Reply`].
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply, Stop> {
        let url = format!("{}{path}", self.base);
        let lost =
            |e: &dyn std::fmt::Display| Stop::failed(format!("no answer from {}: {e}", self.base));
        let request = http::Request::builder()
            .method(method)
            .uri(&url)
            .header("X-API-KEY", &self.key);
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let request = request
            .body(bytes)
            .map_err(|e| Stop::usage(format!("--admin {url}: {e}")))?;
        let mut response = self.agent.run(request).map_err(|e| lost(&e))?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .map_err(|e| lost(&e))?;
        let body = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(_) if text.trim().is_empty() => Value::Null,
            Err(_) => Value::String(text.trim().to_owned()),
        };
        let reply = Reply { status, body };
        if status == 401 {
            return Err(Stop::failed(format!(
                "{} refused the key: {}",
                self.base,
                reply.reason()
            )));
        }
        Ok(reply)
    }

    /// A GET that must succeed.
    ///
    /// # Errors
    /// As [`Self::send`], and any status but 2xx.
    pub fn get(&self, path: &str) -> Result<Value, Stop> {
        let reply = self.send("GET", path, None)?;
        if reply.is_ok() {
            Ok(reply.body)
        } else {
            Err(Stop::failed(format!("{path}: {}", reply.reason())))
        }
    }
}
