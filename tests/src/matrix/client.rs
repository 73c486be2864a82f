//! A real client of any stack, once: it connects, shakes hands, asks for `/` and reads the answer to its end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::run::Peers;
use super::rustls_peer;
use super::zoo::Pair;
use super::{Stack, Version};

/// How long a client program may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client is to do.
#[derive(Clone, Debug)]
pub struct Dial {
    /// With which stack.
    pub stack: Stack,
    /// The one version it offers.
    pub version: Version,
    /// Name to send.
    pub sni: Option<String>,
    /// Host of the request.
    pub host: String,
    /// Verify the server: chain and, if one is sent, name.
    pub check: bool,
    /// The CA to verify with.
    pub trust: PathBuf,
    /// What to show if asked.
    pub identity: Option<Pair>,
    /// ALPN protocols, by comma.
    pub alpn: Option<String>,
    /// What else: arguments of a program; `name=value` for ours; what begins with `:` goes to the priorities of GnuTLS.
    pub more: Vec<String>,
}

/// What became of it, in the client's own words.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// The error, or the status line.
    pub words: String,
}

impl Dial {
    /// A client that asks for `name`, verifies, and shows nothing.
    pub fn new(stack: Stack, version: Version, name: &str, trust: &Path) -> Self {
        Self {
            stack,
            version,
            sni: Some(name.to_owned()),
            host: name.to_owned(),
            check: true,
            trust: trust.to_owned(),
            identity: None,
            alpn: None,
            more: Vec::new(),
        }
    }

    /// Does it.
    pub async fn run(&self, peers: &Peers, port: u16) -> Said {
        match self.stack {
            Stack::OpenSsl => self.tool("openssl", self.openssl(port)).await,
            Stack::Curl => self.tool("curl", self.curl(port)).await,
            Stack::GnuTls => self.tool("gnutls-cli", self.gnutls(port)).await,
            Stack::Rustls => rustls_peer::dial(self, port).await,
            Stack::Python | Stack::Go | Stack::Java => self.driven(peers, port).await,
            Stack::Nginx => panic!("nginx is no client here"),
        }
    }

    fn openssl(&self, port: u16) -> Vec<String> {
        let mut args = words(&["s_client", "-connect", &format!("127.0.0.1:{port}")]);
        args.push(self.version.openssl_flag().to_owned());
        if self.version.is_old() {
            args.extend(words(&["-cipher", "DEFAULT@SECLEVEL=0"]));
        }
        match &self.sni {
            Some(name) => args.extend(words(&["-servername", name])),
            None => args.push("-noservername".to_owned()),
        }
        if self.check {
            args.extend(words(&[
                "-verify_return_error",
                "-CAfile",
                &text(&self.trust),
            ]));
            if let Some(name) = &self.sni {
                args.extend(words(&["-verify_hostname", name]));
            }
        }
        if let Some(pair) = &self.identity {
            args.extend(words(&[
                "-cert",
                &text(&pair.leaf),
                "-key",
                &text(&pair.key),
            ]));
            if let Some(above) = &pair.above {
                args.extend(words(&["-cert_chain", &text(above)]));
            }
        }
        if let Some(alpn) = &self.alpn {
            args.extend(words(&["-alpn", alpn]));
        }
        args.extend(self.more.iter().cloned());
        args
    }

    fn curl(&self, port: u16) -> Vec<String> {
        let version = self.version.number();
        let mut args = words(&["-sS", "--http1.1", "--tls-max", version]);
        args.push(format!("--tlsv{version}"));
        if self.version.is_old() {
            args.extend(words(&["--ciphers", "DEFAULT@SECLEVEL=0"]));
        }
        if self.check {
            args.extend(words(&["--cacert", &text(&self.trust)]));
        } else {
            args.push("-k".to_owned());
        }
        if let Some(pair) = &self.identity {
            args.extend(words(&[
                "--cert",
                &text(&pair.cert),
                "--key",
                &text(&pair.key),
            ]));
        }
        args.extend(words(&["-H", &format!("Host: {}", self.host)]));
        args.extend(words(&["-o", "/dev/null", "-w", "HTTP/1.1 %{http_code}"]));
        args.extend(self.more.iter().cloned());
        // An address in the place of the name makes curl send none.
        match &self.sni {
            Some(name) => {
                args.extend(words(&["--resolve", &format!("{name}:{port}:127.0.0.1")]));
                args.push(format!("https://{name}:{port}/"));
            }
            None => args.push(format!("https://127.0.0.1:{port}/")),
        }
        args
    }

    fn gnutls(&self, port: u16) -> Vec<String> {
        let more = self
            .more
            .iter()
            .filter(|word| word.starts_with(':'))
            .map(String::as_str)
            .collect::<String>();
        let mut args = words(&["127.0.0.1", "--port", &port.to_string()]);
        let version = self.version.number();
        args.push(format!(
            "--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}{more}"
        ));
        match &self.sni {
            Some(name) => args.extend([
                format!("--sni-hostname={name}"),
                format!("--verify-hostname={name}"),
            ]),
            None => args.push("--disable-sni".to_owned()),
        }
        if self.check {
            args.push(format!("--x509cafile={}", text(&self.trust)));
        } else {
            args.push("--insecure".to_owned());
        }
        if let Some(pair) = &self.identity {
            args.push(format!("--x509certfile={}", text(&pair.cert)));
            args.push(format!("--x509keyfile={}", text(&pair.key)));
        }
        if let Some(alpn) = &self.alpn {
            args.push(format!("--alpn={alpn}"));
        }
        args.extend(self.more.iter().filter(|w| !w.starts_with(':')).cloned());
        args
    }

    async fn driven(&self, peers: &Peers, port: u16) -> Said {
        let mut fields = vec![
            ("address", format!("127.0.0.1:{port}")),
            ("host", self.host.clone()),
            ("min", self.version.number().to_owned()),
            ("max", self.version.number().to_owned()),
        ];
        if let Some(name) = &self.sni {
            fields.push(("sni", name.clone()));
        }
        if self.check {
            fields.push(("trust", text(&self.trust)));
            fields.push(("check", "yes".to_owned()));
        }
        if let Some(pair) = &self.identity {
            fields.push(("cert", text(&pair.cert)));
            fields.push(("key", text(&pair.key)));
        }
        if let Some(alpn) = &self.alpn {
            fields.push(("alpn", alpn.clone()));
        }
        if self.version.is_old() && self.stack == Stack::Python {
            fields.push(("ciphers", "DEFAULT@SECLEVEL=0".to_owned()));
        }
        let more = self.more.iter().filter_map(|word| word.split_once('='));
        fields.extend(more.map(|(name, value)| (name, value.to_owned())));
        let told = peers
            .driver(self.stack)
            .order("client", &fields)
            .await
            .next()
            .await;
        Said {
            status: status(&told.text),
            words: told.text,
        }
    }

    /// Runs a program. Its input stays open: some take its end for their own.
    async fn tool(&self, program: &str, args: Vec<String>) -> Said {
        let mut command = Command::new(program);
        command
            .args(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut input = child.stdin.take().expect("stdin is piped");
        if program != "curl" {
            let host = &self.host;
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            // A program that was refused does not read it.
            drop(input.write_all(request.as_bytes()).await);
            drop(input.flush().await);
        }
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("{command:?} did not end in {PATIENCE:?}"))
            .expect("output can be read");
        drop(input);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        Said {
            status: status(&out),
            words: telling(&format!("{err}\n{out}")),
        }
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The status in the first status line.
fn status(text: &str) -> Option<u16> {
    let at = text.find("HTTP/1.")?;
    let status = text[at..].split_whitespace().nth(1)?.parse().ok()?;
    (status > 0).then_some(status)
}

/// The lines that say why, of all that a program says.
fn telling(text: &str) -> String {
    const WORDS: [&str; 7] = [
        "verify error:",
        "SSL alert",
        "error:",
        "curl: (",
        "*** Fatal",
        "*** PKI",
        "*** Received",
    ];
    let lines = text
        .lines()
        .filter(|line| WORDS.iter().any(|word| line.contains(word)))
        .map(|line| match line.split_once(":error:") {
            // Without the thread's number before it, and the place in the source after it.
            Some((_, rest)) => rest.split(":../").next().unwrap_or(rest).trim(),
            None => line.trim(),
        })
        .collect::<Vec<_>>();
    lines.join("; ")
}
