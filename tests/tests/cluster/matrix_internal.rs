//! The hop between router and processor: strangers at a processor, and processors that a router refuses or that refuse it.

use std::path::Path;
use std::time::Duration;

use cluster_tests::etcd::Etcd;
use cluster_tests::matrix::quic::{ALPN, FakeProcessor, dial};
use cluster_tests::matrix::table::{Besides, Key, Row, judge};
use cluster_tests::matrix::want::{Want, want};
use cluster_tests::node::{Launch, Node};
use cluster_tests::pki::{Authority, Identity, Leaf};
use cluster_tests::wait::eventually;
use serde_json::json;

/// Deadline for a router to try what is announced, back-off included.
const TRIED: Duration = Duration::from_secs(30);

/// What is wrong with a node's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Good,
    Expired,
    NotYetValid,
    OtherCa,
    /// Of another cluster whose hop CA bears the same name.
    OtherCaOfTheName,
    SelfSigned,
    /// For the other side of TLS only.
    WrongSide,
    /// For both sides, with the other node's role.
    WrongRole,
    /// With no role at all.
    NoRole,
}

/// The hop's CA, and two that are not it.
struct Hop {
    ca: Authority,
    stranger: Authority,
    namesake: Authority,
}

impl Hop {
    fn new() -> Self {
        Self {
            ca: Authority::root("Hop CA"),
            stranger: Authority::root("Stranger Root"),
            namesake: Authority::root("Hop CA"),
        }
    }

    /// A node's certificate with this fault.
    fn node(&self, role: &str, fault: Fault) -> Identity {
        let leaf = match fault {
            Fault::OtherCa => self.stranger.leaf("x1"),
            Fault::OtherCaOfTheName => self.namesake.leaf("x1"),
            Fault::SelfSigned => Leaf::self_signed("x1", true),
            _ => self.ca.leaf("x1"),
        };
        let other = if role == "router" {
            "processor"
        } else {
            "router"
        };
        let leaf = leaf.names(&["x1"]);
        let leaf = match fault {
            Fault::NoRole => leaf.uris(&["sallyport:node:x1"]),
            Fault::WrongRole => leaf.uris(&[&format!("sallyport:role:{other}")]),
            _ => leaf.uris(&[&format!("sallyport:role:{role}"), "sallyport:node:x1"]),
        };
        let leaf = match (fault, role) {
            (Fault::WrongSide, "router") => leaf.for_servers(),
            (Fault::WrongSide, _) => leaf.for_clients(),
            _ => leaf.for_servers().for_clients(),
        };
        match fault {
            Fault::Expired => leaf.expired().issue(),
            Fault::NotYetValid => leaf.future().issue(),
            _ => leaf.issue(),
        }
    }

    async fn start(&self, role: &str, store: &str) -> Node {
        let launch = Launch::new()
            .store(store)
            .flag("--role", role)
            .flag("--node-id", &format!("{role}-1"))
            .flag("--access-log", "off");
        let dir = launch.dir().join("hop");
        write(&dir, &self.ca, &self.node(role, Fault::Good));
        let launch = launch.flag("--hop-tls", &dir.display().to_string());
        match role {
            "processor" => launch.flag("--hop", "127.0.0.1:0").start().await,
            _ => launch.start().await,
        }
    }
}

fn write(dir: &Path, ca: &Authority, identity: &Identity) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("ca.crt"), &ca.cert).unwrap();
    std::fs::write(dir.join("node.crt"), &identity.chain).unwrap();
    let key = dir.join("node.key");
    std::fs::write(&key, &identity.key).unwrap();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn row(case: String, peer: &str, want: Want, address: String, said: String) -> Row {
    let mut want = want.owner("gateway");
    want.answer = None;
    Row {
        case,
        peer: format!("{peer} 1.3"),
        hop: "internal",
        expect: want.into(),
        key: Key::Peer(address),
        said,
        passed: Vec::new(),
        reply: None,
    }
}

const FAULTS: [Fault; 8] = [
    Fault::Expired,
    Fault::NotYetValid,
    Fault::OtherCa,
    Fault::OtherCaOfTheName,
    Fault::SelfSigned,
    Fault::WrongSide,
    Fault::WrongRole,
    Fault::NoRole,
];

/// What the verifying side says of the other's certificate.
fn judged(fault: Fault, client: bool) -> Want {
    let of = |of_client, of_server, alert| {
        let (cause, phase) = if client {
            (of_client, "client_cert")
        } else {
            (of_server, "server_cert")
        };
        want(cause).sent(alert).phase(phase)
    };
    match fault {
        Fault::Good => panic!("nothing to say"),
        Fault::Expired => of("client_cert_expired", "server_cert_expired", 45),
        Fault::NotYetValid => of("client_cert_not_yet_valid", "server_cert_not_yet_valid", 42),
        Fault::OtherCa => of("client_cert_untrusted_ca", "server_cert_untrusted_ca", 48).high(),
        Fault::OtherCaOfTheName => of("client_cert_untrusted_ca", "server_cert_untrusted_ca", 48),
        Fault::SelfSigned => of("client_cert_untrusted_ca", "server_cert_self_signed", 48),
        Fault::WrongSide | Fault::WrongRole | Fault::NoRole => {
            of("client_cert_wrong_purpose", "server_cert_wrong_purpose", 43)
        }
    }
}

#[tokio::test]
async fn matrix_internal_strangers_at_a_processor() {
    let etcd = Etcd::start().await;
    let hop = Hop::new();
    let processor = hop.start("processor", &etcd.store()).await;
    let address = processor.hop.expect("it has the role");
    let mut rows = Vec::new();
    let (own, said) = dial(address, None, ALPN).await;
    let missing = want("client_cert_missing").sent(116).phase("client_cert");
    let case = "router without a certificate".to_owned();
    rows.push(row(case, "quinn", missing, own.to_string(), said));
    for fault in FAULTS {
        let (own, said) = dial(address, Some(&hop.node("router", fault)), ALPN).await;
        let case = format!("router's certificate {fault:?}");
        rows.push(row(
            case,
            "quinn",
            judged(fault, true),
            own.to_string(),
            said,
        ));
    }
    let good = hop.node("router", Fault::Good);
    let (own, said) = dial(address, Some(&good), "h3").await;
    let alpn = want("no_shared_alpn").sent(120);
    let case = "another protocol than the hop's".to_owned();
    rows.push(row(case, "quinn", alpn, own.to_string(), said));
    let title = "Internal: strangers at a processor";
    judge(title, &processor, &rows, Besides::Nothing).await;
}

#[tokio::test]
async fn matrix_internal_processors_that_a_router_refuses() {
    let etcd = Etcd::start().await;
    let hop = Hop::new();
    let router = hop.start("router", &etcd.store()).await;
    let mut fakes = Vec::new();
    for fault in FAULTS {
        let fake = FakeProcessor::start(&hop.node("processor", fault), None, ALPN);
        let case = format!("processor's certificate {fault:?}");
        fakes.push((case, fake, judged(fault, false)));
    }
    let good = hop.node("processor", Fault::Good);
    let refusing = FakeProcessor::start(&good, Some(&hop.stranger), ALPN);
    let refused = want("client_cert_untrusted_ca").received(48).high();
    let case = "processor that trusts another CA".to_owned();
    fakes.push((case, refusing, refused));
    let speaks = FakeProcessor::start(&good, None, "h3");
    let alpn = want("no_shared_alpn").received(120);
    let case = "processor that speaks another protocol".to_owned();
    fakes.push((case, speaks, alpn));
    for (number, (_, fake, _)) in fakes.iter().enumerate() {
        let id = format!("fake-{number}");
        let entry = json!({
            "id": id, "roles": ["processor"], "version": "0.1.0", "started": "2026-01-01T00:00:00Z",
            "addresses": {"hop": fake.address().to_string()}, "applied_revision": 1, "rejected": [],
        });
        etcd.put_json(&format!("/apisix-nodes/{id}"), &entry).await;
    }
    eventually("the router has tried them all", TRIED, || async {
        let path = "/v1/tls/failures?limit=1000";
        let reply = cluster_tests::http1::get(router.metrics, "localhost", path).await;
        let text = reply.map(|reply| reply.text()).unwrap_or_default();
        let missing = fakes
            .iter()
            .filter(|(_, fake, _)| !text.contains(&fake.address().to_string()))
            .count();
        if missing == 0 {
            Ok(())
        } else {
            Err(format!("{missing} to go: {}", router.process.tail()))
        }
    })
    .await;
    let rows = fakes
        .iter()
        .map(|(case, fake, want)| {
            let address = fake.address().to_string();
            row(case.clone(), "quinn", want.clone(), address, String::new())
        })
        .collect::<Vec<_>>();
    let title = "Internal: processors that a router refuses, or that refuse it";
    judge(title, &router, &rows, Besides::Repeats).await;
}
