//! Stores behind locks, and values that are not in the store in the clear: etcd with TLS or passwords, `$env://`, keyrings.

use cluster_tests::etcd::Etcd;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::json;

async fn serves_through(etcd: &Etcd, node: &Node) {
    let target = Target::echo().await;
    etcd.put_json("/apisix/routes/1", &route(&target.node()))
        .await;
    eventually("the route serves", SOON, || async {
        let reply = http1::get(node.http, "x", "/")
            .await
            .map_err(|error| error.to_string())?;
        same(reply.status(), &200)
    })
    .await;
}

#[tokio::test]
async fn etcd_is_spoken_to_over_tls_with_a_client_certificate() {
    let etcd = Etcd::start_tls(&Authority::root("etcd ca")).await;
    let launch = Launch::new()
        .store(&etcd.store())
        .flag("--etcd-ca", &etcd.file("ca.crt"));
    let launch = launch
        .flag("--etcd-cert", &etcd.file("client.crt"))
        .flag("--etcd-key", &etcd.file("client.key"));
    serves_through(&etcd, &launch.start().await).await;
}

#[tokio::test]
async fn an_etcd_whose_certificate_is_not_of_the_given_ca_is_not_believed() {
    let etcd = Etcd::start_tls(&Authority::root("etcd ca")).await;
    let launch = Launch::new();
    let other = launch.dir().join("other.crt");
    std::fs::write(&other, Authority::root("other").cert).unwrap();
    let launch = launch
        .store(&etcd.store())
        .flag("--etcd-ca", &other.display().to_string());
    let launch = launch
        .flag("--etcd-cert", &etcd.file("client.crt"))
        .flag("--etcd-key", &etcd.file("client.key"));
    let node = launch.start_unready().await;
    let reply = http1::get(node.metrics, "localhost", "/status/ready")
        .await
        .unwrap();
    assert_eq!(reply.status(), 503, "{}", reply.text());
}

#[tokio::test]
async fn etcd_is_spoken_to_with_a_user_and_a_password() {
    let mut etcd = Etcd::start().await;
    let file = etcd.demand_password("pass word:1").await;
    let launch = Launch::new()
        .store(&etcd.store())
        .flag("--etcd-user", "root")
        .flag("--etcd-password-file", &file);
    serves_through(&etcd, &launch.start().await).await;
}

#[tokio::test]
async fn certificates_and_keys_are_taken_from_the_environment() {
    let identity = Authority::root("ca").server(&["test.com"]);
    let launch = Launch::new().env("TEST_CERT", &identity.cert);
    let node = launch
        .env("TEST_PAIR", &json!({"key": identity.key}).to_string())
        .start()
        .await;
    let target = Target::echo().await;
    node.put("routes/1", &route(&target.node())).await;
    node.put(
        "ssls/1",
        &json!({"sni": "test.com", "cert": "$env://TEST_CERT", "key": "$ENV://TEST_PAIR/key"}),
    )
    .await;
    assert_eq!(
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
    let stored = node.admin("GET", "ssls/1", "").await.json();
    assert_eq!(
        stored["value"]["cert"], "$env://TEST_CERT",
        "the reference is stored, not what it leads to"
    );
}

#[tokio::test]
async fn a_reference_that_leads_nowhere_closes_its_names() {
    let node = Node::start().await;
    let object =
        json!({"sni": "test.com", "cert": "$env://NO_SUCH_THING", "key": "$env://NO_SUCH_THING"});
    let reply = node.admin("PUT", "ssls/1", &object.to_string()).await;
    assert!(
        matches!(reply.status(), 200 | 201 | 400),
        "{}",
        reply.text()
    );
    assert_eq!(
        TlsClient::new("test.com").refused(node.https).await,
        Some(112)
    );
}

#[tokio::test]
async fn with_a_keyring_private_keys_are_sealed_in_etcd_and_apisixs_sealed_ones_are_read() {
    let etcd = Etcd::start().await;
    let launch = Launch::new();
    let file = launch.dir().join("keyring");
    std::fs::write(&file, "qeddd145sfvddff3\nedd1c9f0985e76a2\n").unwrap();
    let node = launch
        .store(&etcd.store())
        .flag("--keyring-file", &file.display().to_string())
        .start()
        .await;
    let target = Target::echo().await;
    let identity = Authority::root("ca").server(&["test.com"]);
    node.put("routes/1", &route(&target.node())).await;
    node.put("ssls/1", &ssl("test.com", &identity)).await;
    let stored = etcd.ctl(&["get", "/apisix/ssls/1"]).await.stdout;
    assert!(!stored.contains("PRIVATE KEY"), "{stored}");
    assert_eq!(
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
    // As APISIX seals: AES-128-CBC, key and IV the same sixteen bytes, base64.
    let script = "printf %s \"$1\" | openssl enc -aes-128-cbc -K \"$2\" -iv \"$2\" -base64 -A";
    let hex = "edd1c9f0985e76a2"
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let sealed =
        cluster_tests::process::run("bash", ["-c", script, "seal", &identity.key, &hex]).await;
    assert_eq!(sealed.code, 0, "{}", sealed.text());
    let mut object = ssl("sealed.com", &identity);
    object["key"] = json!(sealed.stdout.trim());
    etcd.put_json("/apisix/ssls/2", &object).await;
    eventually("APISIX's sealed key serves", SOON, || async {
        let reply = TlsClient::new("sealed.com")
            .get(node.https, "/")
            .await
            .map_err(|refusal| refusal.to_string())?;
        same(reply.status(), &200)
    })
    .await;
}
