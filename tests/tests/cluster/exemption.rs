//! `skip_mtls_uri_regex`: the listed paths need no client certificate, and there is no way round for any other.

use cluster_tests::h2_client::H2Client;
use cluster_tests::node::Node;
use cluster_tests::objects::{mtls, route};
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use serde_json::json;

struct Stage {
    node: Node,
    target: Target,
    client: Identity,
}

async fn stage() -> Stage {
    let node = Node::start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    let mut object = mtls("test.com", &ca.server(&["test.com"]), &ca);
    object["client"]["skip_mtls_uri_regex"] = json!(["^/api/health$", "^/public/.*"]);
    node.put("ssls/1", &object).await;
    node.put("routes/1", &route(&target.node())).await;
    Stage {
        node,
        target,
        client: ca.client("CLIENT"),
    }
}

/// Targets that are not on the list, however they are written; `{}` is where the exempted prefix tempts a reader.
const WAYS_ROUND: &[&[u8]] = &[
    b"/admin",
    b"/",
    b"/api/health/",
    b"/api/healthz",
    b"/api/health/../../admin",
    b"/public",
    b"/PUBLIC/x",
    b"/x/public/y",
    b"/public/../admin",
    b"/public/./../admin",
    b"/public/x/../../admin",
    b"/public/..",
    b"/public/.",
    b"/public/./x",
    b"/public/%2e%2e/admin",
    b"/public/%2E%2E/admin",
    b"/public/.%2e/admin",
    b"/public/%2e./admin",
    b"/public/..%2fadmin",
    b"/public/..%2Fadmin",
    b"/public%2f..%2fadmin",
    b"/public%2fx",
    b"/%70ublic/x",
    b"/public/%252e%252e/admin",
    b"/public/..%5cadmin",
    b"/public/..\\admin",
    b"/public\\..\\admin",
    b"/public/..;/admin",
    b"/public/..;a=b/admin",
    b"/public/x;/../admin",
    b"/public;/x",
    b"/public/;/x",
    b"//public/x",
    b"/public//x",
    b"/public//../admin",
    b"/admin;/public/",
    b"/admin%3f/public/",
    b"/admin%23/public/",
    b"/public/%00",
    b"/public/%00/../admin",
    b"/public/x%00",
    b"/public/%0a",
    b"/public/%",
    b"/public/%zz",
    b"/public/%c0%ae%c0%ae/admin",
    b"/public/..%c0%afadmin",
    b"/admin?/public/",
    b"/admin?x=/public/y",
    b"/admin#/public/",
    b"public/x",
    b"*",
];

/// The same that only raw bytes can say.
const RAW_WAYS_ROUND: &[&[u8]] = &[
    b"/public/\0",
    b"/public/\0/../admin",
    b"/public/\x7f",
    b"/public/\t/x",
    b"/public/\xff",
    b"/public/ ../admin",
    b"https://test.com/admin",
    b"https://test.com/public/../admin",
    b"https://test.com/public/%2e%2e/admin",
    b"https://test.com/public/..;/admin",
    b"https://test.com//public/x",
    b"https://test.com",
    b"https://test.com?/public/x",
    b"https://test.com/public/x/../../admin",
    b"http:/public/x",
    b"//test.com/public/x",
];

#[tokio::test]
async fn listed_paths_need_no_certificate_and_others_give_400_without_and_200_with() {
    let Stage {
        node,
        target,
        client,
    } = stage().await;
    let anonymous = TlsClient::new("test.com");
    for path in [
        "/api/health",
        "/public/x",
        "/public/",
        "/public/a/b/c",
        "/public/x?q=/../y",
        "/public/x?q=%2e%2e",
    ] {
        let reply = anonymous.get(node.https, path).await.unwrap();
        assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
        assert_eq!(reply.json()["target"], path);
    }
    let seen = target.received().len();
    for version in [anonymous.clone().tls12(), anonymous.clone().tls13()] {
        let reply = version.get(node.https, "/admin").await.unwrap();
        assert_eq!(reply.status(), 400, "{}", reply.text());
    }
    assert_eq!(
        target.received().len(),
        seen,
        "nothing refused reached the target"
    );
    let reply = anonymous
        .identity(&client)
        .get(node.https, "/admin")
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn a_bad_certificate_is_as_good_as_none() {
    let Stage { node, target, .. } = stage().await;
    let stranger = Authority::root("another ca");
    for identity in [
        stranger.client("CLIENT"),
        stranger.leaf("CLIENT").for_clients().expired().issue(),
    ] {
        let client = TlsClient::new("test.com").identity(&identity);
        assert_eq!(
            client.get(node.https, "/public/x").await.unwrap().status(),
            200
        );
        assert_eq!(
            client.get(node.https, "/admin").await.unwrap().status(),
            400
        );
    }
    for received in target.received() {
        assert_eq!(
            received.message.header("client-cert"),
            None,
            "an unverified certificate is not vouched for"
        );
    }
}

/// A fragment is no part of a request target. In HTTP/1.1 it is refused; in HTTP/2 it may be cut off before anyone looks.
const FRAGMENTS: &[&[u8]] = &[
    b"/public/x?y#/../admin",
    b"/public/x#y",
    b"/admin#/public/x",
];

#[tokio::test]
async fn no_spelling_of_a_path_goes_round_the_list_over_http_1() {
    let Stage { node, target, .. } = stage().await;
    let dialer = TlsClient::new("test.com").dialer();
    for path in WAYS_ROUND.iter().chain(RAW_WAYS_ROUND).chain(FRAGMENTS) {
        let shown = String::from_utf8_lossy(path);
        let mut wire = dialer.connect(node.https).await.unwrap();
        let mut request = b"GET ".to_vec();
        request.extend_from_slice(path);
        request.extend_from_slice(b" HTTP/1.1\r\nHost: test.com\r\nConnection: close\r\n\r\n");
        wire.send(request).await.unwrap();
        let reply = wire
            .reply()
            .await
            .unwrap_or_else(|error| panic!("{shown:?}: {error}"));
        assert_eq!(reply.status(), 400, "{shown:?}: {}", reply.text());
        assert!(target.received().is_empty(), "{shown:?} reached the target");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_goes_round_the_list_over_http_2() {
    let Stage { node, target, .. } = stage().await;
    let dialer = TlsClient::new("test.com").alpn(&["h2"]).dialer();
    for path in WAYS_ROUND.iter().chain(RAW_WAYS_ROUND) {
        let shown = String::from_utf8_lossy(path);
        let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
        let outcome = client.get("test.com", path).await;
        let refused =
            outcome.status == Some(400) || outcome.reset.is_some() || outcome.gone.is_some();
        assert!(refused, "{shown:?}: {outcome:?}");
        assert!(target.received().is_empty(), "{shown:?} reached the target");
    }
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    assert_eq!(client.get("test.com", b"/public/x").await.status, Some(200));
    assert_eq!(
        client.get("test.com", b"/admin").await.status,
        Some(400),
        "on the same connection"
    );
    assert_eq!(
        client.get("test.com", b"/api/health").await.status,
        Some(200)
    );
    assert_eq!(target.received().len(), 2);
}

#[tokio::test]
async fn an_exempted_path_on_a_kept_connection_exempts_no_later_request() {
    let Stage { node, target, .. } = stage().await;
    let mut wire = TlsClient::new("test.com")
        .connect(node.https)
        .await
        .unwrap();
    let pipelined = "GET /public/1 HTTP/1.1\r\nHost: test.com\r\n\r\nGET /admin HTTP/1.1\r\nHost: test.com\r\n\r\n";
    wire.send(pipelined).await.unwrap();
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    assert_eq!(wire.reply().await.unwrap().status(), 400);
    assert_eq!(target.received().len(), 1);
}

#[tokio::test]
async fn with_http_400_every_path_without_a_certificate_gives_400() {
    let Stage {
        node,
        target,
        client,
    } = stage().await;
    let ca = Authority::root("ca 2");
    let mut object = mtls("strict.com", &ca.server(&["strict.com"]), &ca);
    object["client"]["auth_failure"] = json!("http_400");
    node.put("ssls/2", &object).await;
    let anonymous = TlsClient::new("strict.com");
    assert_eq!(
        anonymous
            .get(node.https, "/public/x")
            .await
            .unwrap()
            .status(),
        400
    );
    assert_eq!(
        anonymous
            .clone()
            .identity(&client)
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        400,
        "of another CA"
    );
    assert!(target.received().is_empty());
    let known = anonymous.identity(&ca.client("KNOWN"));
    assert_eq!(known.get(node.https, "/").await.unwrap().status(), 200);
}
