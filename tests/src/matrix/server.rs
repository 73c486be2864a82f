//! A real server of any stack, for one case: it answers 200 to whoever it lets in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Command;

use super::driver::Answers;
use super::run::Peers;
use super::rustls_peer::RustlsServer;
use super::zoo::Pair;
use super::{Stack, Version};
use crate::etcd::free_port;
use crate::pki::Identity;
use crate::process::Process;
use crate::wait::eventually;

/// How long a server program may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The one name a server knows.
#[derive(Clone, Debug)]
pub struct Strict {
    /// Which.
    pub name: String,
    /// The alert for any other, where the stack lets its user choose.
    pub refusal: u8,
}

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Of which stack.
    pub stack: Stack,
    /// Versions it takes, ascending.
    pub versions: Vec<Version>,
    /// Its certificate.
    pub identity: Pair,
    /// Signs with this key in the place of its own (Go and rustls).
    pub other_key: Option<Identity>,
    /// The CA whose client certificates it demands.
    pub clients: Option<PathBuf>,
    /// ALPN protocols, by comma.
    pub alpn: Option<String>,
    /// Knows one name only.
    pub strict: Option<Strict>,
    /// What else: arguments of a program; `name=value` for ours; directives of nginx; what begins with `:` goes to the
    /// priorities of GnuTLS.
    pub more: Vec<String>,
}

/// A running server.
pub struct Server {
    port: u16,
    kind: Kind,
}

enum Kind {
    Program(Process),
    Driven(Answers),
    Rustls(RustlsServer),
}

impl Offer {
    /// A server with this certificate that demands nothing.
    pub fn new(stack: Stack, versions: &[Version], identity: Pair) -> Self {
        Self {
            stack,
            versions: versions.to_vec(),
            identity,
            other_key: None,
            clients: None,
            alpn: None,
            strict: None,
            more: Vec::new(),
        }
    }

    /// Starts it; `dir` is for files of its own.
    pub async fn start(&self, peers: &Peers, dir: &Path) -> Server {
        match self.stack {
            Stack::OpenSsl => self.openssl().await,
            Stack::GnuTls => self.gnutls().await,
            Stack::Nginx => self.nginx(dir).await,
            Stack::Python | Stack::Go | Stack::Java => self.driven(peers).await,
            Stack::Rustls => {
                let server = RustlsServer::start(self).await;
                Server {
                    port: server.port(),
                    kind: Kind::Rustls(server),
                }
            }
            Stack::Curl => panic!("curl is no server"),
        }
    }

    fn is_old(&self) -> bool {
        self.versions.iter().any(|version| version.is_old())
    }

    async fn openssl(&self) -> Server {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www"]);
        command.arg("-cert").arg(&self.identity.leaf);
        command.arg("-key").arg(&self.identity.key);
        if let Some(above) = &self.identity.above {
            command.arg("-cert_chain").arg(above);
        }
        if let [version] = self.versions[..] {
            command.arg(version.openssl_flag());
        }
        if self.is_old() {
            command.args(["-cipher", "DEFAULT@SECLEVEL=0"]);
        }
        if let Some(file) = &self.clients {
            command.args(["-Verify", "5", "-verify_return_error", "-CAfile"]);
            command.arg(file);
        }
        if let Some(alpn) = &self.alpn {
            command.args(["-alpn", alpn]);
        }
        if let Some(strict) = &self.strict {
            command.args(["-servername_fatal", "-servername", &strict.name]);
            command.arg("-cert2").arg(&self.identity.leaf);
            command.arg("-key2").arg(&self.identity.key);
        }
        command.args(&self.more);
        let process = Process::start(command);
        let port = eventually("openssl s_server listens", PATIENCE, || {
            let lines = process.lines();
            async move {
                let found = lines.iter().find_map(|line| {
                    let rest = line.strip_prefix("ACCEPT ")?;
                    rest.rsplit_once(':')?.1.parse::<u16>().ok()
                });
                found.ok_or_else(|| lines.join("; "))
            }
        })
        .await;
        Server {
            port,
            kind: Kind::Program(process),
        }
    }

    async fn gnutls(&self) -> Server {
        let versions = self
            .versions
            .iter()
            .map(|version| format!(":+VERS-TLS{}", version.number()))
            .collect::<String>();
        let more = self.more.iter().filter(|word| word.starts_with(':'));
        let more = more.map(String::as_str).collect::<String>();
        let start = |port: u16| {
            let mut command = Command::new("gnutls-serv");
            command.args(["--http", "--port", &port.to_string()]);
            command.arg(format!("--priority=NORMAL:-VERS-ALL{versions}{more}"));
            command.arg("--x509certfile").arg(&self.identity.cert);
            command.arg("--x509keyfile").arg(&self.identity.key);
            if let Some(file) = &self.clients {
                command.args(["--require-client-cert", "--verify-client-cert"]);
                command.arg("--x509cafile").arg(file);
            } else {
                command.arg("--disable-client-cert");
            }
            if let Some(alpn) = &self.alpn {
                command.args(["--alpn", alpn, "--alpn-fatal"]);
            }
            if let Some(strict) = &self.strict {
                command.args(["--sni-hostname", &strict.name, "--sni-hostname-fatal"]);
            }
            Process::start(command)
        };
        on_free_port("gnutls-serv", start).await
    }

    async fn nginx(&self, dir: &Path) -> Server {
        let start = |port: u16| {
            let dir = dir.join(format!("nginx-{port}"));
            std::fs::create_dir_all(&dir).expect("temp dir");
            std::fs::write(dir.join("nginx.conf"), self.nginx_conf(&dir, port)).expect("temp dir");
            let mut command = Command::new("nginx");
            command.arg("-p").arg(&dir);
            command.arg("-c").arg(dir.join("nginx.conf"));
            Process::start(command)
        };
        on_free_port("nginx", start).await
    }

    fn nginx_conf(&self, dir: &Path, port: u16) -> String {
        let protocols = self
            .versions
            .iter()
            .map(|version| format!(" TLSv{}", version.number()).replace("v1.0", "v1"))
            .collect::<String>();
        let (cert, key) = (
            self.identity.cert.display().to_string(),
            self.identity.key.display().to_string(),
        );
        let clients = self.clients.as_ref().map_or_else(String::new, |file| {
            let file = file.display();
            format!("ssl_verify_client on; ssl_verify_depth 3; ssl_client_certificate {file};")
        });
        let old = if self.is_old() {
            "ssl_ciphers DEFAULT@SECLEVEL=0;"
        } else {
            ""
        };
        let material = format!("ssl_certificate {cert}; ssl_certificate_key {key}; {old}");
        let (listen, other) = match &self.strict {
            None => (format!("listen 127.0.0.1:{port} ssl;"), String::new()),
            Some(strict) => (
                format!("listen 127.0.0.1:{port} ssl; server_name {};", strict.name),
                format!(
                    "server {{ listen 127.0.0.1:{port} ssl default_server; ssl_reject_handshake on; }}\n"
                ),
            ),
        };
        let more = self.more.join(" ");
        let dir = dir.display();
        format!(
            "daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log stderr info;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;\n\
             fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             {other}server {{ {listen} {material} ssl_protocols{protocols}; {clients} {more}\n\
             location / {{ return 200 ok; }} }} }}\n"
        )
    }

    async fn driven(&self, peers: &Peers) -> Server {
        let text = |path: &Path| path.display().to_string();
        let (min, max) = match self.versions[..] {
            [only] => (only, only),
            [first, .., last] => (first, last),
            [] => panic!("a server needs a version"),
        };
        let mut fields = vec![
            ("min", min.number().to_owned()),
            ("max", max.number().to_owned()),
            ("cert", text(&self.identity.cert)),
            ("key", text(&self.identity.key)),
        ];
        if let Some(file) = &self.clients {
            fields.push(("trust", text(file)));
        }
        if let Some(key) = &self.other_key {
            let file = self.identity.key.with_extension("other");
            std::fs::write(&file, &key.key).expect("temp dir");
            fields.push(("other_key", text(&file)));
        }
        if let Some(alpn) = &self.alpn {
            fields.push(("alpn", alpn.clone()));
        }
        if let Some(strict) = &self.strict {
            fields.push(("strict", strict.name.clone()));
            fields.push(("refusal", strict.refusal.to_string()));
        }
        if self.is_old() && self.stack == Stack::Python {
            fields.push(("ciphers", "DEFAULT@SECLEVEL=0".to_owned()));
        }
        let more = self.more.iter().filter_map(|word| word.split_once('='));
        fields.extend(more.map(|(name, value)| (name, value.to_owned())));
        let mut answers = peers.driver(self.stack).order("server", &fields).await;
        let told = answers.next().await;
        assert_eq!(told.word, "listening", "{:?}: {}", self.stack, told.text);
        Server {
            port: told.text.parse().expect("a port"),
            kind: Kind::Driven(answers),
        }
    }
}

/// Starts a program that must be told its port, until one gets the port.
async fn on_free_port(what: &str, start: impl Fn(u16) -> Process) -> Server {
    for _ in 0..5 {
        let port = free_port();
        let mut process = start(port);
        let up = eventually(&format!("{what} listens"), PATIENCE, || {
            let ended = process.ended().is_some();
            async move {
                if ended {
                    return Ok(false);
                }
                let connected = TcpStream::connect(("127.0.0.1", port)).await;
                connected.map(|_| true).map_err(|error| error.to_string())
            }
        })
        .await;
        if up {
            return Server {
                port,
                kind: Kind::Program(process),
            };
        }
        let tail = process.tail();
        assert!(tail.contains("in use"), "{what}: {tail}");
    }
    panic!("{what} did not start in five attempts");
}

impl Server {
    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it said of its connections, in its own words.
    pub fn words(&mut self) -> String {
        match &mut self.kind {
            Kind::Program(process) => process
                .lines()
                .iter()
                .filter(|line| telling(line))
                .map(|line| line.trim().to_owned())
                .collect::<Vec<_>>()
                .join("; "),
            Kind::Driven(answers) => {
                let told = answers.so_far();
                let saw = told.into_iter().map(|told| told.text);
                saw.collect::<Vec<_>>().join("; ")
            }
            Kind::Rustls(server) => server.saw().join("; "),
        }
    }
}

fn telling(line: &str) -> bool {
    const WORDS: [&str; 6] = [
        "error:",
        "SSL alert",
        "SSL_do_handshake() failed",
        "client SSL certificate verify error",
        "client sent no required",
        "Error in handshake",
    ];
    WORDS.iter().any(|word| line.contains(word))
}
