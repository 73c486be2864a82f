//! TLS sessions across routers: a ticket of one resumes at the other, where the keyring lets them share keys and the policy
//! is still the same.

use cluster_tests::answer::Answer;
use cluster_tests::cluster::{Cluster, Plan, TOGETHER};
use cluster_tests::etcd::Etcd;
use cluster_tests::objects::{mtls, route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::{Dialer, TlsClient};
use cluster_tests::wait::{eventually, same};

async fn stage(plan: impl FnOnce(Plan) -> Plan) -> (Etcd, Cluster, Target, Authority) {
    let etcd = Etcd::start().await;
    let cluster = plan(Plan::new(&etcd.store(), 2, 1)).start().await;
    let target = Target::start(|_| Answer::ok("fine")).await;
    let ca = Authority::root("clients");
    cluster.put("routes/1", &route(&target.node())).await;
    cluster
        .put(
            "ssls/plain",
            &ssl("plain.test", &ca.server(&["plain.test"])),
        )
        .await;
    cluster
        .put(
            "ssls/mtls",
            &mtls("mtls.test", &ca.server(&["mtls.test"]), &ca),
        )
        .await;
    (etcd, cluster, target, ca)
}

/// One GET at a router must be answered; whether its session was resumed.
async fn resumed(cluster: &Cluster, router: usize, dialer: &Dialer) -> bool {
    let router = &cluster.routers[router];
    let (reply, resumed) = dialer
        .get_and_kind(router.https, "/")
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", router.process.tail()));
    assert_eq!(reply.status(), 200, "{}", reply.text());
    resumed
}

fn clients(ca: &Authority) -> [TlsClient; 4] {
    let known = TlsClient::new("mtls.test").identity(&ca.client("CLIENT"));
    [
        TlsClient::new("plain.test").tls12(),
        TlsClient::new("plain.test").tls13(),
        known.clone().tls12(),
        known.tls13(),
    ]
}

#[tokio::test]
async fn a_session_of_one_router_resumes_at_another_until_its_policy_changes() {
    let (etcd, cluster, _target, ca) = stage(|plan| plan).await;
    // The very first keys reach the second router a moment after its start.
    let probe = TlsClient::new("plain.test");
    eventually("both routers have the cluster's keys", TOGETHER, || async {
        let dialer = probe.dialer();
        resumed(&cluster, 0, &dialer).await;
        same(resumed(&cluster, 1, &dialer).await, &true)
    })
    .await;
    for client in clients(&ca) {
        let dialer = client.dialer();
        assert!(!resumed(&cluster, 0, &dialer).await, "{client:?}");
        assert!(
            resumed(&cluster, 1, &dialer).await,
            "from r1 at r2: {client:?}"
        );
        assert!(
            resumed(&cluster, 0, &dialer).await,
            "from r2 at r1: {client:?}"
        );
    }
    let stored = etcd
        .ctl(&["get", "--prefix", "/apisix-tickets"])
        .await
        .stdout;
    assert!(
        stored.contains("/apisix-tickets"),
        "the keys are in the store: {stored}"
    );
    let other = Authority::root("other clients");
    let dialers = [clients(&ca)[2].dialer(), clients(&ca)[3].dialer()];
    for dialer in &dialers {
        assert!(!resumed(&cluster, 0, dialer).await);
    }
    let object = mtls("mtls.test", &ca.server(&["mtls.test"]), &other);
    cluster.put("ssls/mtls", &object).await;
    for dialer in &dialers {
        let refusal = dialer
            .get(cluster.routers[1].https, "/")
            .await
            .map(|reply| reply.status())
            .unwrap_err();
        assert_eq!(
            refusal.alert,
            Some(48),
            "the ticket no longer vouches: {refusal}"
        );
    }
}

#[tokio::test]
async fn routers_without_a_keyring_resume_their_own_sessions_only() {
    let (etcd, cluster, _target, ca) = stage(Plan::without_keyring).await;
    for client in clients(&ca) {
        let dialer = client.dialer();
        assert!(!resumed(&cluster, 0, &dialer).await, "{client:?}");
        assert!(resumed(&cluster, 0, &dialer).await, "{client:?}");
        assert!(!resumed(&cluster, 1, &dialer).await, "{client:?}");
    }
    let stored = etcd
        .ctl(&["get", "--prefix", "/apisix-tickets"])
        .await
        .stdout;
    assert_eq!(stored.trim(), "", "no key is stored unsealed");
}
