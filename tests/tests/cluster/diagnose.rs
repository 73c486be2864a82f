//! `sallyport diagnose` against real servers of many shapes: openssl, nginx, rustls, and peers that are no TLS servers at all.
//! Each is told by its cause, and by the exit code.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use cluster_tests::answer::Answer;
use cluster_tests::etcd::free_port;
use cluster_tests::http1;
use cluster_tests::nginx::Nginx;
use cluster_tests::node::{Node, binary};
use cluster_tests::pki::{Authority, Identity, Leaf};
use cluster_tests::process::{Process, Said, run};
use cluster_tests::target::Target;
use cluster_tests::tls_server::{RawTarget, server_config};
use cluster_tests::wait::{SOON, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

const NAME: &str = "backend.test";

/// Certificates and a place for their files.
struct Stage {
    ca: Authority,
    dir: TempDir,
}

/// What the program found.
struct Found {
    said: Said,
    report: Value,
}

impl Stage {
    fn new() -> Self {
        let ca = Authority::root("ca");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.crt"), &ca.cert).unwrap();
        Self { ca, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn server(&self) -> Identity {
        self.ca.server(&[NAME])
    }

    /// RSA, which the old cipher suites need.
    fn rsa(&self) -> Identity {
        self.ca
            .leaf(NAME)
            .names(&[NAME])
            .for_servers()
            .rsa()
            .issue()
    }

    /// Our client certificate; the flags that show it.
    fn client(&self, identity: &Identity) -> [String; 4] {
        identity.write(self.dir.path(), "client");
        [
            "--client-cert".to_owned(),
            self.path("client.crt"),
            "--client-key".to_owned(),
            self.path("client.key"),
        ]
    }

    /// Probes with the CA and the name that all servers here have.
    async fn diagnose(&self, target: &str) -> Found {
        self.diagnose_with(target, &["--sni", NAME]).await
    }

    async fn diagnose_with<S: AsRef<str>>(&self, target: &str, more: &[S]) -> Found {
        let ca = self.path("ca.crt");
        let mut args = vec!["diagnose", target, "--json", "--ca", &ca];
        args.extend(more.iter().map(AsRef::as_ref));
        let said = run(binary().to_str().unwrap(), args).await;
        let report = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("no JSON: {error}: {}", said.text()));
        Found { said, report }
    }

    /// An `openssl s_server` with this certificate.
    async fn openssl(&self, identity: &Identity, args: &[&str]) -> Openssl {
        identity.write(self.dir.path(), "server");
        let port = free_port();
        let mut command = Command::new("openssl");
        command
            .args(["s_server", "-quiet", "-no_ign_eof", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["-cert", &self.path("server.crt")])
            .args(["-cert_chain", &self.path("server.crt")])
            .args(["-key", &self.path("server.key")])
            .args(args);
        let process = Process::start(command);
        eventually("openssl listens", SOON, || async {
            let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
        Openssl {
            _process: process,
            node: format!("127.0.0.1:{port}"),
        }
    }
}

struct Openssl {
    _process: Process,
    node: String,
}

impl Found {
    fn findings(&self) -> &Vec<Value> {
        self.report["findings"].as_array().unwrap()
    }

    fn finding(&self, cause: &str) -> &Value {
        let found = self.findings().iter().find(|f| f["cause"] == cause);
        found.unwrap_or_else(|| panic!("no {cause} in {:#}", self.report))
    }

    /// The exit code, and the first finding: the worst.
    #[track_caller]
    fn assert(&self, exit: i32, cause: &str) -> &Value {
        assert_eq!(self.said.code, exit, "{:#}", self.report);
        assert_eq!(self.report["exit"], exit);
        let first = self.findings().first();
        let first = first.unwrap_or_else(|| panic!("no finding in {:#}", self.report));
        assert_eq!(first["cause"], cause, "{:#}", self.report);
        for field in ["severity", "confidence", "detail", "fix", "owner"] {
            assert!(first[field].as_str().is_some_and(|text| !text.is_empty()));
        }
        first
    }

    fn result(&self, name: &str, tried: &str) -> &str {
        let steps = self.report["steps"].as_array().unwrap();
        let step = steps
            .iter()
            .find(|s| s["name"] == name && s["tried"] == tried);
        let step = step.unwrap_or_else(|| panic!("no {name} {tried} in {:#}", self.report));
        step["result"].as_str().unwrap()
    }
}

fn detail(finding: &Value) -> &str {
    finding["detail"].as_str().unwrap()
}

#[tokio::test]
async fn a_good_server_is_ok() {
    let stage = Stage::new();
    let target = Target::start_tls(server_config(&stage.server(), None), Answer::echo).await;
    let found = stage.diagnose(&target.node()).await;
    assert_eq!(found.said.code, 0, "{:#}", found.report);
    assert_eq!(found.report["verdict"], "ok");
    assert_eq!(found.report["addresses"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(found.result("versions", "TLSv1.3 alone"), "ok");
    assert_eq!(found.result("versions", "TLSv1.2 alone"), "ok");
    assert_eq!(found.result("versions", "TLSv1.0 alone"), "refused");
    assert_eq!(found.result("resumption", "TLSv1.3 session"), "ok");
    assert!(
        found.said.stderr.is_empty(),
        "no progress without a terminal"
    );
    assert!(target.received().is_empty(), "no request over TLS");
    let table = run(
        binary().to_str().unwrap(),
        [
            "diagnose",
            &target.node(),
            "--ca",
            &stage.path("ca.crt"),
            "--sni",
            NAME,
        ],
    )
    .await;
    assert_eq!(table.code, 0, "{}", table.text());
    assert!(
        table.stdout.contains("Nothing to complain of."),
        "{}",
        table.stdout
    );
}

#[tokio::test]
async fn each_fault_of_the_servers_certificate_is_found() {
    let stage = Stage::new();
    let ca = &stage.ca;
    let leaf = || ca.leaf(NAME).names(&[NAME]);
    let mut incomplete = ca.intermediate("issuing").server(&[NAME]);
    incomplete.chain.clone_from(&incomplete.cert);
    let cases = [
        (
            leaf().for_servers().expired().issue(),
            "server_cert_expired",
        ),
        (
            leaf().for_servers().future().issue(),
            "server_cert_not_yet_valid",
        ),
        (leaf().for_clients().issue(), "server_cert_wrong_purpose"),
        (
            ca.server(&["elsewhere.test"]),
            "server_cert_hostname_mismatch",
        ),
        (
            ca.leaf(NAME).for_servers().issue(),
            "server_cert_hostname_mismatch",
        ),
        (incomplete, "server_cert_chain_incomplete"),
        (
            Leaf::self_signed(NAME, false).names(&[NAME]).issue(),
            "server_cert_self_signed",
        ),
        (
            Authority::root("other")
                .intermediate("below")
                .server(&[NAME]),
            "server_cert_untrusted_ca",
        ),
    ];
    for (identity, cause) in cases {
        let target = Target::start_tls(server_config(&identity, None), Answer::echo).await;
        stage.diagnose(&target.node()).await.assert(2, cause);
    }
}

#[tokio::test]
async fn several_faults_are_found_at_once() {
    let stage = Stage::new();
    let other = Authority::root("other");
    let bad = other
        .leaf("x")
        .names(&["x.test"])
        .for_clients()
        .expired()
        .issue();
    let target = Target::start_tls(server_config(&bad, None), Answer::echo).await;
    let found = stage.diagnose(&target.node()).await;
    for cause in [
        "server_cert_expired",
        "server_cert_hostname_mismatch",
        "server_cert_wrong_purpose",
        "server_cert_untrusted_ca",
    ] {
        assert_eq!(found.finding(cause)["severity"], "failing");
    }
}

#[tokio::test]
async fn a_chain_out_of_order_is_a_warning() {
    let stage = Stage::new();
    let inner = stage.ca.intermediate("outer").intermediate("inner");
    let mut identity = inner.server(&[NAME]);
    let pem: Vec<&str> = identity
        .chain
        .split_inclusive("-----END CERTIFICATE-----\n")
        .collect();
    assert_eq!(pem.len(), 3);
    identity.chain = format!("{}{}{}", pem[0], pem[2], pem[1]);
    let target = Target::start_tls(server_config(&identity, None), Answer::echo).await;
    let found = stage.diagnose(&target.node()).await;
    found.assert(1, "server_cert_chain_disordered");
    assert!(detail(found.finding("server_cert_chain_disordered")).contains("1, 3, 2"));
}

#[tokio::test]
async fn versions_that_are_too_old() {
    let stage = Stage::new();
    let old = ["-tls1", "-cipher", "ALL:@SECLEVEL=0"];
    let server = stage.openssl(&stage.rsa(), &old).await;
    let found = stage.diagnose(&server.node).await;
    let finding = found.assert(2, "protocol_version_mismatch");
    assert_eq!(finding["confidence"], "certain");
    assert!(detail(finding).contains("TLSv1.0 only"), "{finding}");
    assert_eq!(found.result("versions", "TLSv1.0 alone"), "ok");
}

#[tokio::test]
async fn an_old_version_beside_new_ones_is_a_warning() {
    let stage = Stage::new();
    let server = stage
        .openssl(&stage.rsa(), &["-cipher", "ALL:@SECLEVEL=0"])
        .await;
    let found = stage.diagnose(&server.node).await;
    assert_eq!(found.said.code, 1, "{:#}", found.report);
    let finding = found.finding("old_version_enabled");
    assert!(detail(finding).contains("TLSv1.0, TLSv1.1"), "{finding}");
}

#[tokio::test]
async fn ciphers_groups_and_signatures_that_are_not_ours() {
    let stage = Stage::new();
    for (args, cause, says) in [
        (
            &["-tls1_2", "-cipher", "AES128-SHA"][..],
            "no_shared_cipher",
            "static RSA",
        ),
        (
            &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
            "no_shared_cipher",
            "DHE",
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
            "no_shared_cipher",
            "AES-CBC",
        ),
        (&["-groups", "P-521"], "no_shared_group", "secp521r1"),
        (
            &["-tls1_2", "-groups", "P-521"],
            "no_shared_group",
            "secp521r1",
        ),
        (
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE+AESGCM:@SECLEVEL=0",
                "-sigalgs",
                "RSA+SHA1",
            ],
            "no_shared_signature_scheme",
            "SHA-1 only",
        ),
    ] {
        let server = stage.openssl(&stage.rsa(), args).await;
        let found = stage.diagnose(&server.node).await;
        let finding = found.assert(2, cause);
        assert_eq!(finding["confidence"], "certain", "{finding}");
        assert!(detail(finding).contains(says), "{finding}");
    }
}

#[tokio::test]
async fn a_server_that_needs_a_name() {
    let stage = Stage::new();
    let other = stage.ca.server(&["default.test"]);
    stage.server().write(stage.dir.path(), "named");
    let (cert, key) = (stage.path("named.crt"), stage.path("named.key"));
    let args = ["-servername", NAME, "-cert2", &cert, "-key2", &key];
    let server = stage.openssl(&other, &args).await;
    let node = server.node.replace("127.0.0.1", "localhost");
    // With the name it is right, and needs the name.
    let found = stage.diagnose(&node).await;
    let finding = found.assert(0, "sni_missing");
    assert_eq!(finding["severity"], "info");
    // Without, its certificate is another one.
    let found = stage.diagnose_with(&node, &["--sni", "off"]).await;
    assert_eq!(found.said.code, 2);
    found.finding("server_cert_hostname_mismatch");
    // A server that refuses the name.
    let args = [&args[..], &["-servername_fatal"]].concat();
    let strict = stage.openssl(&other, &args).await;
    let found = stage
        .diagnose_with(&strict.node, &["--sni", "nobody.test"])
        .await;
    found.assert(2, "sni_unknown");
}

#[tokio::test]
async fn a_server_that_refuses_hellos_without_a_name() {
    let stage = Stage::new();
    let server = nginx_that_rejects(&stage).await;
    let node = server.node.replace("127.0.0.1", "localhost");
    let found = stage.diagnose_with(&node, &["--sni", "off"]).await;
    let finding = found.assert(2, "sni_missing");
    assert_eq!(finding["owner"], "gateway");
    let found = stage.diagnose_with(&node, &["--sni", "localhost"]).await;
    assert_eq!(found.said.code, 0, "{:#}", found.report);
}

/// nginx with one named server and a default that rejects handshakes.
async fn nginx_that_rejects(stage: &Stage) -> Openssl {
    let identity = stage.ca.server(&["localhost"]);
    identity.write(stage.dir.path(), "nginx");
    let (dir, port) = (stage.dir.path().display(), free_port());
    let conf = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log stderr info; events {{}}\n\
         http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;\n\
         uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
         server {{ listen 127.0.0.1:{port} ssl default_server; ssl_reject_handshake on; }}\n\
         server {{ listen 127.0.0.1:{port} ssl; server_name localhost; ssl_certificate {dir}/nginx.crt;\n\
         ssl_certificate_key {dir}/nginx.key; location / {{ return 200 ok; }} }} }}\n"
    );
    let file = Path::new(&stage.path("nginx.conf")).to_owned();
    std::fs::write(&file, conf).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(stage.dir.path()).arg("-c").arg(&file);
    let process = Process::start(command);
    eventually("nginx listens", SOON, || async {
        let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        connected.map(drop).map_err(|error| error.to_string())
    })
    .await;
    Openssl {
        _process: process,
        node: format!("127.0.0.1:{port}"),
    }
}

#[tokio::test]
async fn client_certificates_that_are_demanded() {
    let stage = Stage::new();
    let ca = stage.path("ca.crt");
    let named = ["--sni".to_owned(), NAME.to_owned()];
    for version in ["-tls1_2", "-tls1_3"] {
        let args = [
            "-Verify",
            "3",
            "-verify_return_error",
            "-CAfile",
            &ca,
            version,
        ];
        let server = stage.openssl(&stage.server(), &args).await;
        let found = stage.diagnose(&server.node).await;
        let finding = found.assert(2, "client_cert_missing");
        assert_eq!(finding["owner"], "gateway");
        assert!(
            detail(finding).contains("CN=ca"),
            "the CA it takes: {finding}"
        );
        for (identity, cause) in [
            (
                stage.ca.leaf("app").for_clients().expired().issue(),
                "client_cert_expired",
            ),
            (
                stage.ca.leaf("app").for_clients().future().issue(),
                "client_cert_not_yet_valid",
            ),
            (
                stage.ca.leaf("app").for_servers().issue(),
                "client_cert_wrong_purpose",
            ),
            (
                Authority::root("stranger").client("app"),
                "client_cert_untrusted_ca",
            ),
        ] {
            let args = [&named[..], &stage.client(&identity)].concat();
            let found = stage.diagnose_with(&server.node, &args).await;
            found.assert(2, cause);
        }
        let args = [&named[..], &stage.client(&stage.ca.client("app"))].concat();
        let found = stage.diagnose_with(&server.node, &args).await;
        assert_eq!(found.said.code, 0, "{version}: {:#}", found.report);
    }
}

#[tokio::test]
async fn nginx_asks_for_a_certificate_and_refuses_over_http_only() {
    let stage = Stage::new();
    let server = Nginx {
        identity: &stage.server(),
        clients: Some(&stage.ca),
        protocols: "TLSv1.2 TLSv1.3",
    }
    .start()
    .await;
    let found = stage.diagnose(&server.node()).await;
    let finding = found.assert(0, "client_certificate_optional");
    assert!(
        finding["fix"].as_str().unwrap().contains("400"),
        "{finding}"
    );
    assert_eq!(
        found.result("plaintext", "GET / HTTP/1.0 in the clear"),
        "refused"
    );
    let args = [
        &["--sni".to_owned(), NAME.to_owned()][..],
        &stage.client(&stage.ca.client("app")),
    ]
    .concat();
    let found = stage.diagnose_with(&server.node(), &args).await;
    assert_eq!(found.said.code, 0, "{:#}", found.report);
}

#[tokio::test]
async fn application_protocols() {
    let stage = Stage::new();
    let mut config = server_config(&stage.server(), None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let target = Target::start_tls(config, Answer::echo).await;
    let found = stage.diagnose(&target.node()).await;
    found.assert(2, "no_shared_alpn");
    assert_eq!(found.result("alpn", "h2"), "ok");
}

#[tokio::test]
async fn services_that_do_not_speak_tls() {
    let stage = Stage::new();
    let http = Target::echo().await;
    let found = stage.diagnose(&http.node()).await;
    found.assert(2, "peer_not_tls");
    for (banner, says) in [
        (&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], "SSH"),
        (b"220 mail.test ESMTP\r\n", "code 220"),
    ] {
        let server = Scripted::greeting(banner).await;
        let found = stage.diagnose(&server.node()).await;
        let finding = found.assert(2, "peer_not_tls");
        assert!(detail(finding).contains(says), "{finding}");
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_who_answers() {
    let stage = Stage::new();
    let closed = format!("127.0.0.1:{}", free_port());
    let found = stage.diagnose(&closed).await;
    found.assert(3, "tcp_connect_failed");
    assert_eq!(found.report["verdict"], "unreachable");
    let found = stage.diagnose("no-such-host.invalid:443").await;
    found.assert(3, "tcp_connect_failed");
    let silent = RawTarget::start(None).await;
    let args = ["--sni", NAME, "--timeout", "300ms"];
    let found = stage.diagnose_with(&silent.node(), &args).await;
    found.assert(2, "handshake_timeout");
    let closing = RawTarget::start(Some(b"")).await;
    let found = stage.diagnose(&closing.node()).await;
    found.assert(2, "peer_closed_during_handshake");
}

#[tokio::test]
async fn servers_that_differ_behind_one_address() {
    let stage = Stage::new();
    let one = Target::start_tls(server_config(&stage.server(), None), Answer::echo).await;
    let two = Target::start_tls(server_config(&stage.server(), None), Answer::echo).await;
    let both = Scripted::alternating(one.address(), two.address()).await;
    let found = stage.diagnose(&both.node()).await;
    let finding = found.assert(1, "answers_differ");
    assert!(
        detail(finding).contains("2 different certificates"),
        "{finding}"
    );
}

#[tokio::test]
async fn a_device_that_loses_large_hellos() {
    let stage = Stage::new();
    let target = Target::start_tls(server_config(&stage.server(), None), Answer::echo).await;
    let device = Scripted::losing_large_hellos(target.address()).await;
    let args = ["--sni", NAME, "--timeout", "1s"];
    let found = stage.diagnose_with(&device.node(), &args).await;
    let finding = found.assert(2, "handshake_timeout");
    assert!(detail(finding).contains("small hellos"), "{finding}");
}

#[tokio::test]
async fn what_is_asked_wrongly() {
    let stage = Stage::new();
    let ca = stage.path("ca.crt");
    for args in [
        &["diagnose"][..],
        &["diagnose", "example.test"],
        &["diagnose", "example.test:443", "--ca", "/no/such/file"],
        &["diagnose", "example.test:443", "--client-cert", &ca],
        &["diagnose", "example.test:443", "--timeout", "3"],
        &[
            "diagnose",
            "example.test:443",
            "--client-cert",
            &ca,
            "--client-key",
            &ca,
        ],
    ] {
        let said = run(binary().to_str().unwrap(), args).await;
        assert_eq!(said.code, 2, "{args:?}: {}", said.text());
        assert!(said.stdout.is_empty(), "{args:?}: {}", said.stdout);
        assert_eq!(said.stderr.lines().count(), 1, "{args:?}: {}", said.stderr);
    }
}

/// A server that does something with each connection.
struct Scripted {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Scripted {
    async fn start<F: Future<Output = ()> + Send + 'static>(
        each: impl Fn(TcpStream, usize) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(each(stream, number));
                number += 1;
            }
        });
        Self { address, accepting }
    }

    /// Greets at once and waits.
    async fn greeting(banner: &'static [u8]) -> Self {
        Self::start(move |mut stream, _| async move {
            let _ = stream.write_all(banner).await;
            let _ = stream.read(&mut [0; 1024]).await;
        })
        .await
    }

    /// Relays to one server and the other by turns.
    async fn alternating(one: SocketAddr, two: SocketAddr) -> Self {
        Self::start(move |mut client, number| async move {
            let to = if number % 2 == 0 { one } else { two };
            if let Ok(mut server) = TcpStream::connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        })
        .await
    }

    /// Relays, unless the first record is longer than a TCP segment.
    async fn losing_large_hellos(to: SocketAddr) -> Self {
        Self::start(move |mut client, _| async move {
            let mut header = [0; 5];
            while client
                .peek(&mut header)
                .await
                .is_ok_and(|count| (1..5).contains(&count))
            {
                tokio::task::yield_now().await;
            }
            let length = u16::from_be_bytes([header[3], header[4]]);
            if header[0] == 22 && length > 1400 {
                let _ = tokio::time::timeout(Duration::from_secs(60), async {
                    while client
                        .read(&mut [0; 4096])
                        .await
                        .is_ok_and(|count| count > 0)
                    {}
                })
                .await;
            } else if let Ok(mut server) = TcpStream::connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        })
        .await
    }

    fn node(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[tokio::test]
async fn a_doubtful_failure_of_a_target_is_looked_into_and_its_record_confirmed() {
    let stage = Stage::new();
    let old = ["-tls1_2", "-cipher", "AES128-SHA"];
    let server = stage.openssl(&stage.rsa(), &old).await;
    let node = Node::start().await;
    let upstream = json!({
        "type": "roundrobin", "scheme": "https", "pass_host": "rewrite", "upstream_host": NAME,
        "nodes": { &server.node: 1 }, "tls": { "verify": false }
    });
    node.put("routes/1", &json!({ "uri": "/*", "upstream": upstream }))
        .await;
    let answer = http1::get(node.http, NAME, "/").await.unwrap();
    // All that was seen is an alert 40 to our hello.
    assert_eq!(answer.status(), 503, "{}", answer.text());
    let reason = &answer.json()["fault"]["detail"]["reason"];
    assert_eq!(reason, "no_shared_cipher");
    let record = eventually(
        "the record is a probe's",
        Duration::from_secs(60),
        || async {
            let page = http1::get(node.metrics, "x", "/v1/tls/failures?hop=southbound").await;
            let page = page.map_err(|error| error.to_string())?.json();
            let record = page["list"][0].clone();
            if record["cause_source"] == "probe" {
                Ok(Some(record))
            } else {
                Err(page.to_string())
            }
        },
    )
    .await
    .unwrap();
    assert_eq!(record["cause"], "no_shared_cipher", "{record}");
    assert_eq!(record["confidence"], "certain", "{record}");
    let revised = [("from", "no_shared_cipher"), ("to", "no_shared_cipher")];
    let metrics = node.metrics().await;
    // Surer of the same cause: nothing was corrected.
    assert_eq!(metrics.value("tls_diagnosis_revised_total", &revised), 0.0);
    // The same target fails once more: it was just looked into.
    let again = http1::get(node.http, NAME, "/").await.unwrap();
    assert_eq!(again.status(), 503);
    let page = http1::get(node.metrics, "x", "/v1/tls/failures?limit=1").await;
    assert_eq!(page.unwrap().json()["list"][0]["cause_source"], "passive");
}
