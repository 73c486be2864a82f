//! Real clients at Sallyport's door whose handshakes fail for a certificate: theirs, which Sallyport refuses, and ours,
//! which they refuse. Every stack, TLS 1.2 and 1.3.

use std::sync::Arc;

use cluster_tests::matrix::client::{Dial, Said};
use cluster_tests::matrix::relay::Relay;
use cluster_tests::matrix::run::{Peers, side_by_side};
use cluster_tests::matrix::table::{Besides, Key, Reply, Row, judge};
use cluster_tests::matrix::want::{Expect, Want, want};
use cluster_tests::matrix::zoo::{DOMAIN, Fault};
use cluster_tests::matrix::{Stack, Version};
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, ssl};
use cluster_tests::target::Target;
use serde_json::{Value, json};

/// A node with a route, and the peers.
pub(super) struct Stage {
    pub(super) node: Arc<Node>,
    pub(super) peers: Arc<Peers>,
    _target: Target,
}

/// A name under the domain of the good certificates.
pub(super) fn host(label: &str) -> String {
    format!("{label}.{DOMAIN}")
}

impl Stage {
    pub(super) async fn new(launch: Launch) -> Self {
        let (node, peers, target) = tokio::join!(launch.start(), Peers::start(), Target::echo());
        node.put("routes/all", &route(&target.node())).await;
        Self {
            node: Arc::new(node),
            peers,
            _target: target,
        }
    }

    /// An object for `label`: a server certificate with this fault, and what else is to be in it.
    pub(super) async fn serve(&self, label: &str, fault: Fault, more: &Value) {
        let mut object = ssl(&host(label), &self.peers.zoo.server(fault).identity);
        let fields = more.as_object().expect("an object").clone();
        object.as_object_mut().expect("an object").extend(fields);
        self.node.put(&format!("ssls/{label}"), &object).await;
    }

    /// An object that demands client certificates of the good root.
    pub(super) async fn serve_mtls(&self, label: &str, more: &Value) {
        let mut client = json!({"ca": self.peers.zoo.root()});
        let fields = more.as_object().expect("an object").clone();
        client.as_object_mut().expect("an object").extend(fields);
        self.serve(label, Fault::Good, &json!({"client": client}))
            .await;
    }

    /// A verifying client that asks for `label`.
    pub(super) fn dial(&self, stack: Stack, version: Version, label: &str) -> Dial {
        Dial::new(stack, version, &host(label), &self.peers.zoo.trust())
    }

    /// Runs all cases whose stack is installed.
    pub(super) async fn run(&self, cases: Vec<Case>) -> Vec<Row> {
        let here = cases
            .into_iter()
            .filter(|case| self.peers.has(case.dial.stack));
        let jobs = here.map(|case| case.run(Arc::clone(&self.node), Arc::clone(&self.peers)));
        side_by_side(jobs.collect()).await
    }
}

/// A client and what is to be on record of it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) dial: Dial,
    pub(super) expect: Expect,
    /// To the plain listener.
    pub(super) plain: bool,
}

impl Case {
    pub(super) fn new(name: impl Into<String>, dial: Dial, expect: impl Into<Expect>) -> Self {
        Self {
            name: name.into(),
            dial,
            expect: expect.into(),
            plain: false,
        }
    }

    async fn run(self, node: Arc<Node>, peers: Arc<Peers>) -> Row {
        let relay = Relay::to(if self.plain { node.http } else { node.https }).await;
        let said = self.dial.run(&peers, relay.port()).await;
        let Dial { stack, version, .. } = self.dial;
        row(self.name, stack.name(), version, self.expect, said, &relay)
    }
}

/// A case that went through a relay.
pub(super) fn row(
    case: String,
    peer: &str,
    version: Version,
    expect: Expect,
    said: Said,
    relay: &Relay,
) -> Row {
    Row {
        case,
        peer: format!("{peer} {}", version.number()),
        hop: "northbound",
        expect,
        key: Key::Source(relay.source()),
        said: said.words,
        passed: relay.alerts(),
        reply: said.status.map(|status| Reply {
            status,
            code: String::new(),
            reason: String::new(),
        }),
    }
}

/// Whether a stack shows a certificate whose issuer the server does not name among its CAs (RFC 8446, 4.2.4, lets it).
/// Go and Java do not, unless they are told to; their server then misses a certificate.
const fn shows_any(stack: Stack) -> bool {
    !matches!(stack, Stack::Go | Stack::Java)
}

const WITHHELD: &str =
    "the stack shows no certificate whose issuer is not among the CAs that we name";

/// No certificate came.
fn missing(version: Version) -> Want {
    let want = want("client_cert_missing")
        .owner("client")
        .phase("client_cert");
    match version {
        Version::V13 => want.sent(116),
        _ => want.sent(116).sent(40),
    }
}

/// What is to be said of a client's certificate.
fn client_fault(fault: Fault, stack: Stack, version: Version) -> Want {
    let of = |cause| want(cause).owner("client").phase("client_cert");
    match fault {
        Fault::OtherCa
        | Fault::OtherCaLeafAlone
        | Fault::SelfSigned
        | Fault::Incomplete
        | Fault::IncompleteUnnamed
            if !shows_any(stack) =>
        {
            missing(version).because(WITHHELD)
        }
        Fault::Expired => of("client_cert_expired").sent(45),
        Fault::NotYetValid => of("client_cert_not_yet_valid").sent(42),
        Fault::OtherCa => of("client_cert_untrusted_ca").high().sent(48),
        Fault::SelfSigned => of("client_cert_untrusted_ca").sent(48),
        Fault::OtherCaLeafAlone | Fault::IncompleteUnnamed => of("client_cert_untrusted_ca")
            .or("client_cert_chain_incomplete")
            .medium()
            .sent(48)
            .because("whether the unknown issuer is a root or an intermediate cannot be seen"),
        Fault::Incomplete => of("client_cert_chain_incomplete").high().sent(48),
        Fault::WrongPurpose => of("client_cert_wrong_purpose").sent(43),
        _ => panic!("no fault of a client's certificate: {fault:?}"),
    }
}

const CLIENT_FAULTS: [Fault; 8] = [
    Fault::Expired,
    Fault::NotYetValid,
    Fault::OtherCa,
    Fault::OtherCaLeafAlone,
    Fault::SelfSigned,
    Fault::Incomplete,
    Fault::IncompleteUnnamed,
    Fault::WrongPurpose,
];

#[tokio::test]
async fn matrix_northbound_client_certificates() {
    let stage = Stage::new(Launch::new()).await;
    stage.serve_mtls("mtls", &json!({})).await;
    stage
        .serve_mtls("mtls-400", &json!({"auth_failure": "http_400"}))
        .await;
    let zoo = &stage.peers.zoo;
    let mut cases = Vec::new();
    for stack in Stack::CLIENTS {
        for version in Version::BOTH {
            let dial = stage.dial(stack, version, "mtls");
            cases.push(Case::new(
                "client without a certificate",
                dial.clone(),
                missing(version),
            ));
            for fault in CLIENT_FAULTS {
                let mut dial = dial.clone();
                dial.identity = Some(zoo.client(fault));
                let name = format!("client certificate {}", fault.name());
                cases.push(Case::new(name, dial, client_fault(fault, stack, version)));
            }
            let dial = stage.dial(stack, version, "mtls-400");
            let over_http = |want: Want| {
                let mut want = want.phase("post_handshake").answer(400, "");
                want.alerts.clear();
                want
            };
            cases.push(Case::new(
                "client without a certificate, http_400",
                dial.clone(),
                over_http(missing(version)),
            ));
            for fault in [Fault::Expired, Fault::OtherCa] {
                let mut dial = dial.clone();
                dial.identity = Some(zoo.client(fault));
                let name = format!("client certificate {}, http_400", fault.name());
                let want = over_http(client_fault(fault, stack, version));
                cases.push(Case::new(name, dial, want));
            }
        }
    }
    for version in Version::BOTH {
        for fault in [Fault::OtherCa, Fault::SelfSigned, Fault::Incomplete] {
            let mut dial = stage.dial(Stack::Go, version, "mtls");
            dial.identity = Some(zoo.client(fault));
            dial.more.push("insist=yes".to_owned());
            let name = format!("client certificate {}, shown all the same", fault.name());
            // As of a stack that shows what it has.
            cases.push(Case::new(
                name,
                dial,
                client_fault(fault, Stack::OpenSsl, version),
            ));
        }
    }
    let rows = stage.run(cases).await;
    judge(
        "Northbound: certificates of clients",
        &stage.node,
        &rows,
        Besides::Nothing,
    )
    .await;
}

/// The alert with which a stack refuses a server's certificate, as measured (OpenSSL 3.0, Go 1.19, OpenJDK 17, GnuTLS 3.7,
/// rustls 0.23), and what is to be said of ours.
fn server_fault(fault: Fault, stack: Stack, version: Version) -> Expect {
    let of = |cause| want(cause).owner("gateway").phase("server_cert").high();
    let openssl = matches!(stack, Stack::OpenSsl | Stack::Curl | Stack::Python);
    let alert = match (stack, fault) {
        (Stack::Go | Stack::GnuTls, _) => 42,
        // In TLS 1.3 the JDK has one alert for all of them.
        (Stack::Java, Fault::Expired) if version == Version::V12 => 45,
        (Stack::Java, Fault::NotYetValid) if version == Version::V12 => 42,
        (Stack::Java, _) => 46,
        (_, Fault::Expired) => 45,
        (Stack::Rustls, Fault::NotYetValid) => 45,
        (_, Fault::NotYetValid | Fault::WrongName | Fault::CommonNameOnly) => 42,
        (_, Fault::WrongPurpose) => 43,
        (Stack::Rustls, Fault::SelfSigned) => 46,
        _ => 48,
    };
    match fault {
        Fault::Good | Fault::Disordered | Fault::Revoked => Expect::Nothing(
            Some(200),
            "all of them build the path in whatever order the chain is",
        ),
        Fault::WrongName if stack == Stack::Curl => Expect::Nothing(
            None,
            "curl judges the name after the handshake and closes: to the server it succeeded",
        ),
        Fault::CommonNameOnly if !matches!(stack, Stack::Go | Stack::Rustls) => Expect::Nothing(
            Some(200),
            "the stack takes the common name where there is no SAN",
        ),
        Fault::Expired => of("server_cert_expired").received(alert).into(),
        Fault::NotYetValid => of("server_cert_not_yet_valid").received(alert).into(),
        Fault::OtherCa if openssl || stack == Stack::Rustls => want("server_cert_untrusted_ca")
            .owner("gateway")
            .owner("client")
            .phase("server_cert")
            .high()
            .received(alert)
            .because("our chain is whole: the client lacks its root")
            .into(),
        Fault::OtherCa => want("server_cert_untrusted_ca")
            .or("server_cert_rejected_by_peer")
            .owner("gateway")
            .owner("client")
            .phase("server_cert")
            .low()
            .received(alert)
            .because("the alert hides the reason, and our certificate and chain are in order")
            .into(),
        Fault::SelfSigned => of("server_cert_self_signed").received(alert).into(),
        Fault::Incomplete => of("server_cert_chain_incomplete").received(alert).into(),
        Fault::WrongName => of("server_cert_hostname_mismatch").received(alert).into(),
        Fault::CommonNameOnly => of("server_cert_hostname_mismatch").received(alert).into(),
        Fault::WrongPurpose => of("server_cert_wrong_purpose").received(alert).into(),
        Fault::OtherCaLeafAlone | Fault::IncompleteUnnamed => of("server_cert_chain_incomplete")
            .or("server_cert_untrusted_ca")
            .or("server_cert_rejected_by_peer")
            .owner("client")
            .low()
            .received(alert)
            .because("whether the issuer is an intermediate or a root that the client lacks cannot be seen")
            .into(),
    }
}

const SERVER_FAULTS: [Fault; 12] = [
    Fault::Good,
    Fault::Expired,
    Fault::NotYetValid,
    Fault::OtherCa,
    Fault::OtherCaLeafAlone,
    Fault::SelfSigned,
    Fault::Incomplete,
    Fault::IncompleteUnnamed,
    Fault::Disordered,
    Fault::WrongPurpose,
    Fault::WrongName,
    Fault::CommonNameOnly,
];

#[tokio::test]
async fn matrix_northbound_our_certificates() {
    let stage = Stage::new(Launch::new()).await;
    let mut cases = Vec::new();
    for fault in SERVER_FAULTS {
        stage.serve(fault.name(), fault, &json!({})).await;
        for stack in Stack::CLIENTS {
            for version in Version::BOTH {
                let dial = stage.dial(stack, version, fault.name());
                let name = format!("our certificate {}", fault.name());
                cases.push(Case::new(name, dial, server_fault(fault, stack, version)));
            }
        }
    }
    cases.extend(revoked(&stage).await);
    let rows = stage.run(cases).await;
    judge(
        "Northbound: our own certificates",
        &stage.node,
        &rows,
        Besides::Nothing,
    )
    .await;
}

/// Our certificate is revoked, and the client asks the list of its issuer.
async fn revoked(stage: &Stage) -> Vec<Case> {
    stage.serve("revoked", Fault::Revoked, &json!({})).await;
    let list = stage.peers.zoo.revoked().display().to_string();
    let mut cases = Vec::new();
    for version in Version::BOTH {
        for (stack, more) in [
            (
                Stack::OpenSsl,
                vec!["-crl_check".to_owned(), "-CRL".to_owned(), list.clone()],
            ),
            (Stack::Python, vec![format!("crl={list}")]),
        ] {
            let mut dial = stage.dial(stack, version, "revoked");
            dial.more = more;
            let expect = want("server_cert_revoked")
                .owner("gateway")
                .phase("server_cert")
                .high()
                .received(44);
            cases.push(Case::new("our certificate revoked", dial, expect));
        }
    }
    cases
}
