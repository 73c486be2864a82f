//! Sessions: resumed under the policy that made them, and of no use anywhere else or after a change.

use cluster_tests::node::Node;
use cluster_tests::objects::{mtls, route, ssl};
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::target::Target;
use cluster_tests::tls_client::{Dialer, TlsClient};
use serde_json::json;

struct Stage {
    node: Node,
    target: Target,
    ca: Authority,
    client: Identity,
}

async fn stage() -> Stage {
    let node = Node::start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    node.put("ssls/plain", &ssl("plain.com", &ca.server(&["plain.com"])))
        .await;
    node.put(
        "ssls/mtls",
        &mtls("mtls.com", &ca.server(&["mtls.com"]), &ca),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let client = ca.client("CLIENT");
    Stage {
        node,
        target,
        ca,
        client,
    }
}

/// The same settings for TLS 1.2 and 1.3.
fn both(client: &TlsClient) -> [Dialer; 2] {
    [
        client.clone().tls12().dialer(),
        client.clone().tls13().dialer(),
    ]
}

impl Stage {
    /// A GET must be answered; says whether its session was resumed.
    async fn resumed(&self, dialer: &Dialer) -> bool {
        let (reply, resumed) = dialer
            .get_and_kind(self.node.https, "/")
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(reply.status(), 200, "{}", reply.text());
        resumed
    }

    async fn refused(&self, dialer: &Dialer) -> Option<u8> {
        let seen = self.target.received().len();
        let alert = match dialer.get(self.node.https, "/").await {
            Ok(reply) => panic!("answered: {} {}", reply.status(), reply.text()),
            Err(refusal) => refusal.alert,
        };
        assert_eq!(
            self.target.received().len(),
            seen,
            "nothing reached the target"
        );
        alert
    }
}

#[tokio::test]
async fn the_same_policy_resumes_its_sessions() {
    let stage = stage().await;
    for dialer in both(&TlsClient::new("plain.com")) {
        assert!(!stage.resumed(&dialer).await);
        assert!(stage.resumed(&dialer).await, "without client certificates");
    }
    for dialer in both(&TlsClient::new("mtls.com").identity(&stage.client)) {
        assert!(!stage.resumed(&dialer).await);
        assert!(stage.resumed(&dialer).await, "with a client certificate");
    }
    let last = stage.target.received().pop().unwrap();
    assert!(
        last.message.header("client-cert").is_some(),
        "a resumed session still knows its certificate"
    );
}

#[tokio::test]
async fn a_ticket_of_a_name_without_mtls_opens_no_name_with_it() {
    let stage = stage().await;
    for dialer in both(&TlsClient::new("plain.com")) {
        assert!(!stage.resumed(&dialer).await);
        let alert = stage.refused(&dialer.asking_for("mtls.com")).await;
        assert!(matches!(alert, Some(116 | 40)), "{alert:?}");
    }
}

#[tokio::test]
async fn a_ticket_vouched_for_by_one_authority_is_worth_nothing_under_another() {
    let stage = stage().await;
    let other = Authority::root("other");
    stage
        .node
        .put(
            "ssls/other",
            &mtls("other.com", &stage.ca.server(&["other.com"]), &other),
        )
        .await;
    for dialer in both(&TlsClient::new("mtls.com").identity(&stage.client)) {
        assert!(!stage.resumed(&dialer).await);
        assert_eq!(
            stage.refused(&dialer.asking_for("other.com")).await,
            Some(48)
        );
    }
}

#[tokio::test]
async fn a_ticket_crosses_no_depth_and_no_mode() {
    let stage = stage().await;
    let deep = stage.ca.intermediate("one").client("DEEP");
    let mut shallow = mtls("shallow.com", &stage.ca.server(&["shallow.com"]), &stage.ca);
    shallow["client"]["depth"] = json!(0);
    stage.node.put("ssls/shallow", &shallow).await;
    let mut lenient = mtls("lenient.com", &stage.ca.server(&["lenient.com"]), &stage.ca);
    lenient["client"]["auth_failure"] = json!("http_400");
    stage.node.put("ssls/lenient", &lenient).await;
    for dialer in both(&TlsClient::new("mtls.com").identity(&deep)) {
        assert!(!stage.resumed(&dialer).await);
        assert_eq!(
            stage.refused(&dialer.asking_for("shallow.com")).await,
            Some(48)
        );
    }
    for dialer in both(&TlsClient::new("lenient.com")) {
        assert_eq!(
            dialer.get(stage.node.https, "/").await.unwrap().status(),
            400
        );
        let alert = stage.refused(&dialer.asking_for("mtls.com")).await;
        assert!(matches!(alert, Some(116 | 40)), "{alert:?}");
    }
}

#[tokio::test]
async fn no_ticket_outlives_a_change_of_the_client_ca() {
    let stage = stage().await;
    let dialers = both(&TlsClient::new("mtls.com").identity(&stage.client));
    for dialer in &dialers {
        assert!(!stage.resumed(dialer).await);
    }
    let other = Authority::root("other");
    stage
        .node
        .put(
            "ssls/mtls",
            &mtls("mtls.com", &stage.ca.server(&["mtls.com"]), &other),
        )
        .await;
    for dialer in &dialers {
        assert_eq!(stage.refused(dialer).await, Some(48));
    }
}

#[tokio::test]
async fn no_ticket_outlives_mtls_being_turned_on() {
    let stage = stage().await;
    let dialers = both(&TlsClient::new("plain.com"));
    for dialer in &dialers {
        assert!(!stage.resumed(dialer).await);
    }
    stage
        .node
        .put(
            "ssls/plain",
            &mtls("plain.com", &stage.ca.server(&["plain.com"]), &stage.ca),
        )
        .await;
    for dialer in &dialers {
        let alert = stage.refused(dialer).await;
        assert!(matches!(alert, Some(116 | 40)), "{alert:?}");
    }
}

#[tokio::test]
async fn no_ticket_outlives_a_change_of_its_object() {
    let stage = stage().await;
    let dialers = both(&TlsClient::new("mtls.com").identity(&stage.client));
    for dialer in &dialers {
        assert!(!stage.resumed(dialer).await);
    }
    stage
        .node
        .put(
            "ssls/mtls",
            &mtls("mtls.com", &stage.ca.server(&["mtls.com"]), &stage.ca),
        )
        .await;
    for dialer in &dialers {
        assert!(
            !stage.resumed(dialer).await,
            "a new certificate: a full handshake"
        );
        assert!(
            stage.resumed(dialer).await,
            "and from then on resumed again"
        );
    }
}

#[tokio::test]
async fn a_change_of_another_object_ends_no_session() {
    let stage = stage().await;
    let dialers = both(&TlsClient::new("mtls.com").identity(&stage.client));
    for dialer in &dialers {
        assert!(!stage.resumed(dialer).await);
    }
    stage
        .node
        .put(
            "ssls/plain",
            &ssl("plain.com", &stage.ca.server(&["plain.com"])),
        )
        .await;
    stage
        .node
        .put("routes/2", &route(&stage.target.node()))
        .await;
    for dialer in &dialers {
        assert!(stage.resumed(dialer).await);
    }
}

#[tokio::test]
async fn resumptions_are_counted_as_such() {
    let stage = stage().await;
    for dialer in both(&TlsClient::new("plain.com")) {
        stage.resumed(&dialer).await;
        stage.resumed(&dialer).await;
    }
    let metrics = stage.node.metrics().await;
    let samples = metrics.matching(
        "tls_handshakes_total",
        &[("hop", "northbound"), ("result", "ok")],
    );
    let labels = samples
        .iter()
        .map(|sample| sample.labels["resumed"].clone())
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(labels.len(), 2, "resumed and not: {labels:?}");
}
