//! Sallyport as the client of real servers: their certificates that it refuses, its own that they refuse, and hellos that
//! cannot be agreed to. Every stack, TLS 1.2 and 1.3.

use std::sync::Arc;

use cluster_tests::http1;
use cluster_tests::matrix::run::{Peers, side_by_side};
use cluster_tests::matrix::server::{Offer, Server};
use cluster_tests::matrix::table::{Besides, Key, Reply, Row, judge};
use cluster_tests::matrix::want::{Expect, want};
use cluster_tests::matrix::zoo::{DOMAIN, Fault, Pair};
use cluster_tests::matrix::{Stack, Version};
use cluster_tests::node::{Launch, Node};
use serde_json::{Value, json};

/// A target and what is to be on record of it.
pub(super) struct Case {
    name: String,
    offer: Offer,
    /// `upstream.tls`; the CA of what is good is added.
    tls: Value,
    /// Host and server name.
    host: String,
    pub(super) scheme: &'static str,
    expect: Expect,
}

impl Case {
    pub(super) fn new(name: impl Into<String>, offer: Offer, expect: impl Into<Expect>) -> Self {
        Self {
            name: name.into(),
            offer,
            tls: json!({}),
            host: format!("good.{DOMAIN}"),
            scheme: "https",
            expect: expect.into(),
        }
    }

    pub(super) fn tls(mut self, tls: Value) -> Self {
        self.tls = tls;
        self
    }

    /// Starts the target, routes to it, asks once. The target is kept: its end must not be taken for its answer.
    async fn run(self, id: String, node: Arc<Node>, peers: Arc<Peers>) -> (Row, Server) {
        let mut server = self.offer.start(&peers, peers.zoo.dir()).await;
        let asked = Ask {
            id: &id,
            port: server.port(),
            tls: &self.tls,
            host: &self.host,
            scheme: self.scheme,
            root: peers.zoo.root(),
        };
        let reply = ask(&node, &asked).await;
        let versions = self.offer.versions.iter().map(|version| version.number());
        let row = Row {
            case: self.name,
            peer: format!(
                "{} {}",
                self.offer.stack.name(),
                versions.collect::<Vec<_>>().join("-")
            ),
            hop: "southbound",
            expect: self.expect,
            key: Key::Route(id),
            said: server.words(),
            passed: Vec::new(),
            reply: Some(reply),
        };
        (row, server)
    }
}

/// One request that needs a handshake with a target.
pub(super) struct Ask<'a> {
    /// Of the route to be made.
    pub(super) id: &'a str,
    pub(super) port: u16,
    /// `upstream.tls` without CAs.
    pub(super) tls: &'a Value,
    /// Host and server name.
    pub(super) host: &'a str,
    pub(super) scheme: &'a str,
    /// CA that the target is verified with, PEM.
    pub(super) root: &'a str,
}

/// Makes the route, asks once, gives what the client saw.
pub(super) async fn ask(node: &Node, asked: &Ask<'_>) -> Reply {
    let mut tls = asked.tls.clone();
    tls["ca_certs"] = json!([asked.root]);
    let target = format!("127.0.0.1:{}", asked.port);
    let upstream = json!({
        "type": "roundrobin", "scheme": asked.scheme, "nodes": {target: 1},
        "pass_host": "rewrite", "upstream_host": asked.host, "tls": tls, "retries": 0,
    });
    let path = format!("/{}", asked.id);
    let object = json!({"uri": path, "upstream": upstream});
    node.put(&format!("routes/{}", asked.id), &object).await;
    let reply = http1::get(node.http, "client.test", &path)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", asked.id));
    let (code, reason) = if reply.text().starts_with("{\"error_msg\"") {
        (reply.fault_code(), reply.reason())
    } else {
        (String::new(), String::new())
    };
    Reply {
        status: reply.status(),
        code,
        reason,
    }
}

/// Runs all cases whose stack is installed on a node of their own, and judges them.
pub(super) async fn run(title: &str, cases: Vec<Case>, peers: Arc<Peers>) {
    // What is told apart without a probe; a probe is `diagnose`'s matter.
    let node = Arc::new(Launch::new().flag("--tls-probe", "off").start().await);
    let here = cases.into_iter().filter(|case| peers.has(case.offer.stack));
    let jobs = here.enumerate().map(|(number, case)| {
        case.run(
            format!("case-{number}"),
            Arc::clone(&node),
            Arc::clone(&peers),
        )
    });
    let done = side_by_side(jobs.collect()).await;
    let (rows, servers): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    judge(title, &node, &rows, Besides::Nothing).await;
    drop(servers);
}

/// What is to be said of a target's certificate: our own verdict, whatever the stack.
fn target_fault(fault: Fault) -> Expect {
    let of = |cause| want(cause).owner("target").phase("server_cert");
    match fault {
        Fault::Good | Fault::Revoked => Expect::Nothing(Some(200), ""),
        Fault::Disordered => Expect::Nothing(
            Some(200),
            "we build the path in whatever order the chain is",
        ),
        Fault::Expired => of("server_cert_expired").sent(45).into(),
        Fault::NotYetValid => of("server_cert_not_yet_valid").sent(42).into(),
        Fault::OtherCa => of("server_cert_untrusted_ca")
            .owner("gateway")
            .high()
            .sent(48)
            .into(),
        Fault::OtherCaLeafAlone | Fault::IncompleteUnnamed => of("server_cert_untrusted_ca")
            .or("server_cert_chain_incomplete")
            .owner("gateway")
            .medium()
            .sent(48)
            .because("whether the unknown issuer is a root or an intermediate cannot be seen")
            .into(),
        Fault::SelfSigned => of("server_cert_self_signed").sent(48).into(),
        Fault::Incomplete => of("server_cert_chain_incomplete").high().sent(48).into(),
        Fault::WrongPurpose => of("server_cert_wrong_purpose").sent(43).into(),
        Fault::WrongName | Fault::CommonNameOnly => {
            of("server_cert_hostname_mismatch").sent(42).into()
        }
    }
}

const FAULTS: [Fault; 12] = [
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
async fn matrix_southbound_certificates_of_targets() {
    let peers = Peers::start().await;
    let zoo = &peers.zoo;
    let mut cases = Vec::new();
    for fault in FAULTS {
        let pair = zoo.server(fault);
        for stack in Stack::SERVERS {
            // Java's key store does not take such a chain.
            if (stack, fault) == (Stack::Java, Fault::Disordered) {
                continue;
            }
            for version in Version::BOTH {
                let offer = Offer::new(stack, &[version], pair.clone());
                let name = format!("target's certificate {}", fault.name());
                let mut case = Case::new(name, offer, target_fault(fault));
                if fault == Fault::CommonNameOnly {
                    case.host = format!("cn-only.{DOMAIN}");
                }
                cases.push(case);
            }
        }
    }
    let (good, other) = (zoo.server(Fault::Good), zoo.client(Fault::Good));
    for version in Version::BOTH {
        let offer = Offer::new(Stack::Rustls, &[version], zoo.leaf_last());
        let expect = want("server_cert_chain_disordered")
            .or("key_cert_mismatch")
            .owner("target")
            .phase("server_cert")
            .medium()
            .sent(42)
            .sent(48)
            .sent(51);
        cases.push(Case::new("target sends its leaf last", offer, expect));
        for stack in [Stack::Rustls, Stack::Go] {
            let mut offer = Offer::new(stack, &[version], good.clone());
            offer.other_key = Some(other.identity.clone());
            let expect = want("key_cert_mismatch")
                .owner("target")
                .phase("server_cert")
                .sent(51);
            cases.push(Case::new(
                "target without its certificate's key",
                offer,
                expect,
            ));
        }
    }
    let title = "Southbound: certificates of targets";
    run(title, cases, Arc::clone(&peers)).await;
}

/// The alert with which a server refuses a client's certificate, or the lack of one, as measured.
const fn refusal(fault: Option<Fault>, stack: Stack, version: Version) -> u8 {
    match (stack, fault) {
        (Stack::Go, _) => 42,
        (Stack::Rustls, None) => 116,
        (Stack::Java, None) => 42,
        (Stack::GnuTls, None) if matches!(version, Version::V12) => 50,
        (_, None) if matches!(version, Version::V13) => 116,
        (_, None) => 40,
        // GnuTLS sends 42 after it, which counts no more.
        (Stack::GnuTls, _) => 49,
        (Stack::Java, _) => 46,
        (_, Some(Fault::Expired)) => 45,
        (Stack::Rustls, Some(Fault::NotYetValid)) => 45,
        (_, Some(Fault::NotYetValid)) => 42,
        (_, Some(Fault::WrongPurpose)) => 43,
        (Stack::Rustls, Some(Fault::SelfSigned)) => 46,
        _ => 48,
    }
}

/// What is to be said when a target refuses our certificate.
fn our_fault(fault: Option<Fault>, stack: Stack, version: Version) -> Expect {
    if stack == Stack::Nginx {
        return Expect::Nothing(
            Some(400),
            "nginx finishes the handshake and answers 400 itself",
        );
    }
    if (stack, fault) == (Stack::GnuTls, Some(Fault::WrongPurpose)) {
        return Expect::Nothing(Some(200), "gnutls-serv does not ask for the purpose");
    }
    let alert = refusal(fault, stack, version);
    let of = |cause| want(cause).owner("gateway").high().received(alert);
    match fault {
        None => of("client_cert_missing").into(),
        Some(Fault::Expired) => of("client_cert_expired").into(),
        Some(Fault::NotYetValid) => of("client_cert_not_yet_valid").into(),
        Some(Fault::Incomplete) => of("client_cert_chain_incomplete").into(),
        Some(Fault::WrongPurpose) => of("client_cert_wrong_purpose").into(),
        Some(Fault::OtherCa | Fault::SelfSigned) if alert == 48 => {
            of("client_cert_untrusted_ca").into()
        }
        Some(Fault::OtherCa | Fault::SelfSigned) => of("client_cert_untrusted_ca")
            .because("the alert hides the reason, the target's list of CAs tells it")
            .into(),
        Some(other) => panic!("no fault of a client's certificate: {other:?}"),
    }
}

fn shown(pair: &Pair) -> Value {
    json!({"client_cert": pair.identity.chain, "client_key": pair.identity.key})
}

#[tokio::test]
async fn matrix_southbound_our_certificates() {
    let peers = Peers::start().await;
    let zoo = &peers.zoo;
    let server = zoo.server(Fault::Good);
    let mut cases = Vec::new();
    for stack in Stack::SERVERS {
        for version in Version::BOTH {
            let offer = || {
                let mut offer = Offer::new(stack, &[version], server.clone());
                offer.clients = Some(zoo.trust());
                offer
            };
            let expect = our_fault(None, stack, version);
            cases.push(Case::new(
                "target demands a certificate, we have none",
                offer(),
                expect,
            ));
            for fault in [
                Fault::Expired,
                Fault::NotYetValid,
                Fault::OtherCa,
                Fault::SelfSigned,
                Fault::Incomplete,
                Fault::WrongPurpose,
            ] {
                let expect = our_fault(Some(fault), stack, version);
                let name = format!("our certificate {}", fault.name());
                let case = Case::new(name, offer(), expect);
                cases.push(case.tls(shown(&zoo.client(fault))));
            }
            let expect = Expect::Nothing(Some(200), "");
            let case = Case::new("our certificate good", offer(), expect);
            cases.push(case.tls(shown(&zoo.client(Fault::Good))));
        }
    }
    let list = zoo.revoked().display().to_string();
    for version in Version::BOTH {
        for (stack, more) in [
            (
                Stack::OpenSsl,
                vec!["-crl_check".to_owned(), "-CRL".to_owned(), list.clone()],
            ),
            (Stack::Python, vec![format!("crl={list}")]),
        ] {
            let mut offer = Offer::new(stack, &[version], server.clone());
            offer.clients = Some(zoo.trust());
            offer.more = more;
            let expect = want("client_cert_revoked")
                .owner("gateway")
                .high()
                .received(44);
            let case = Case::new("our certificate revoked", offer, expect);
            cases.push(case.tls(shown(&zoo.client(Fault::Revoked))));
        }
    }
    let title = "Southbound: our own certificates";
    run(title, cases, Arc::clone(&peers)).await;
}
