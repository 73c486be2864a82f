//! TLS to targets: our certificates, verification of theirs, names, pools that keep identities apart.

use cluster_tests::answer::Answer;
use cluster_tests::http1::{self, Message};
use cluster_tests::nginx::{Nginx, NginxTarget};
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::https_route;
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::target::Target;
use cluster_tests::tls_server::{server_config, server_config_for};
use rustls::version;
use serde_json::{Value, json};

pub(super) struct Stage {
    pub(super) node: Node,
    pub(super) ca: Authority,
    pub(super) server: Identity,
    pub(super) client: Identity,
}

pub(super) async fn stage_with(launch: Launch) -> Stage {
    let node = launch.start().await;
    let ca = Authority::root("target ca");
    let (server, client) = (ca.server(&["backend.test"]), ca.client("GATEWAY"));
    Stage {
        node,
        ca,
        server,
        client,
    }
}

pub(super) async fn stage() -> Stage {
    stage_with(Launch::new()).await
}

impl Stage {
    pub(super) async fn nginx(&self, protocols: &str) -> NginxTarget {
        Nginx {
            identity: &self.server,
            clients: Some(&self.ca),
            protocols,
        }
        .start()
        .await
    }

    /// Routes everything to `node` with these `tls` settings and gives the answer to one GET.
    pub(super) async fn get(&self, node: &str, tls: &Value) -> Message {
        self.node
            .put("routes/1", &https_route(node, "backend.test", tls))
            .await;
        http1::get(self.node.http, "client.test", "/")
            .await
            .unwrap()
    }

    pub(super) fn inline(&self) -> Value {
        json!({"client_cert": self.client.chain, "client_key": self.client.key, "ca_certs": [self.ca.cert]})
    }
}

pub(super) fn assert_fault(reply: &Message, status: u16, code: &str, reason: &str) {
    let got = (reply.status(), reply.fault_code(), reply.reason());
    assert_eq!(
        got,
        (status, code.to_owned(), reason.to_owned()),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("x-fault-code"), Some(code));
}

#[tokio::test]
async fn an_nginx_that_demands_a_certificate_gets_the_inline_one_and_is_verified() {
    let stage = stage().await;
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let nginx = stage.nginx(protocols).await;
        let reply = stage.get(&nginx.node(), &stage.inline()).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        for line in [
            "subject=CN=GATEWAY",
            "verify=SUCCESS",
            "sni=backend.test",
            &format!("protocol={protocols}"),
        ] {
            assert!(reply.text().contains(line), "{line}: {}", reply.text());
        }
        let reply = stage
            .get(&nginx.node(), &json!({"ca_certs": [stage.ca.cert]}))
            .await;
        assert_eq!(
            reply.status(),
            400,
            "nginx itself says that there was no certificate: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn an_ssl_object_of_type_client_serves_as_certificate_and_follows_its_changes() {
    let stage = stage().await;
    let nginx = stage.nginx("TLSv1.2 TLSv1.3").await;
    let tls = json!({"client_cert_id": "gate", "ca_certs": [stage.ca.cert]});
    let object = |identity: &Identity| json!({"type": "client", "cert": identity.chain, "key": identity.key});
    stage.node.put("ssls/gate", &object(&stage.client)).await;
    let reply = stage.get(&nginx.node(), &tls).await;
    assert!(
        reply.text().contains("subject=CN=GATEWAY"),
        "{}",
        reply.text()
    );
    stage
        .node
        .put("ssls/gate", &object(&stage.ca.client("RENEWED")))
        .await;
    let reply = http1::get(stage.node.http, "client.test", "/")
        .await
        .unwrap();
    assert!(
        reply.text().contains("subject=CN=RENEWED"),
        "no pooled connection of the old one: {}",
        reply.text()
    );
    stage.node.delete("ssls/gate").await;
    stage
        .node
        .put(
            "routes/2",
            &json!({"uri": "/unrelated", "upstream": {"nodes": {nginx.node(): 1}}}),
        )
        .await;
    let reply = http1::get(stage.node.http, "client.test", "/")
        .await
        .unwrap();
    assert_fault(
        &reply,
        503,
        "ConfigMissingMaterial",
        "config_missing_material",
    );
    let mut server = object(&stage.server);
    server["type"] = json!("server");
    server["sni"] = json!("backend.test");
    stage.node.put("ssls/gate", &server).await;
    let reply = http1::get(stage.node.http, "client.test", "/")
        .await
        .unwrap();
    assert_fault(
        &reply,
        503,
        "ConfigMissingMaterial",
        "config_missing_material",
    );
}

#[tokio::test]
async fn verification_is_on_unless_an_object_says_no() {
    let stage = stage().await;
    let target = Target::start_tls(server_config(&stage.server, None), Answer::echo).await;
    let reply = stage.get(&target.node(), &json!({})).await;
    assert_fault(
        &reply,
        503,
        "SslHandshakeFailed",
        "server_cert_untrusted_ca",
    );
    let reply = stage.get(&target.node(), &json!({"verify": true})).await;
    assert_fault(
        &reply,
        503,
        "SslHandshakeFailed",
        "server_cert_untrusted_ca",
    );
    assert_eq!(
        stage
            .get(&target.node(), &json!({"verify": false}))
            .await
            .status(),
        200
    );
    assert_eq!(
        stage
            .get(&target.node(), &json!({"ca_certs": [stage.ca.cert]}))
            .await
            .status(),
        200
    );
    let other = Authority::root("other");
    let reply = stage
        .get(&target.node(), &json!({"ca_certs": [other.cert]}))
        .await;
    assert_fault(
        &reply,
        503,
        "SslHandshakeFailed",
        "server_cert_untrusted_ca",
    );
    assert_eq!(
        target.received().len(),
        2,
        "a refused target gets no request"
    );
}

#[tokio::test]
async fn with_upstream_verify_apisix_verification_is_off_unless_an_object_says_yes() {
    let stage = stage_with(Launch::new().flag("--upstream-verify", "apisix")).await;
    let target = Target::start_tls(server_config(&stage.server, None), Answer::echo).await;
    assert_eq!(stage.get(&target.node(), &json!({})).await.status(), 200);
    let reply = stage.get(&target.node(), &json!({"verify": true})).await;
    assert_fault(
        &reply,
        503,
        "SslHandshakeFailed",
        "server_cert_untrusted_ca",
    );
}

#[tokio::test]
async fn the_name_sent_and_verified_is_the_host_unless_sni_says_otherwise() {
    let stage = stage().await;
    let internal = stage.ca.server(&["internal.test"]);
    let target = Target::start_tls(server_config(&internal, None), Answer::echo).await;
    let ca_certs = json!([stage.ca.cert]);
    let reply = stage
        .get(&target.node(), &json!({"ca_certs": ca_certs}))
        .await;
    assert_fault(
        &reply,
        503,
        "SslHandshakeFailed",
        "server_cert_hostname_mismatch",
    );
    let reply = stage
        .get(
            &target.node(),
            &json!({"ca_certs": ca_certs, "sni": "internal.test"}),
        )
        .await;
    assert_eq!(
        (reply.status(), reply.json()["sni"].as_str()),
        (200, Some("internal.test")),
        "{}",
        reply.text()
    );
    let backend = Target::start_tls(server_config(&stage.server, None), Answer::echo).await;
    let reply = stage
        .get(
            &backend.node(),
            &json!({"ca_certs": ca_certs, "sni": "off"}),
        )
        .await;
    assert_eq!(
        (reply.status(), reply.json()["sni"].is_null()),
        (200, true),
        "{}",
        reply.text()
    );
    let reply = stage
        .get(&target.node(), &json!({"ca_certs": ca_certs, "sni": "off"}))
        .await;
    assert_fault(
        &reply,
        503,
        "SslHandshakeFailed",
        "server_cert_hostname_mismatch",
    );
}

#[tokio::test]
async fn an_address_as_host_is_verified_as_an_address_and_sends_no_name() {
    let stage = stage().await;
    let identity = stage.ca.server(&["127.0.0.1"]);
    let target = Target::start_tls(server_config(&identity, None), Answer::echo).await;
    let upstream = json!({
        "scheme": "https", "nodes": {target.node(): 1}, "pass_host": "node", "tls": {"ca_certs": [stage.ca.cert]},
    });
    stage
        .node
        .put("routes/1", &json!({"uri": "/*", "upstream": upstream}))
        .await;
    let reply = http1::get(stage.node.http, "client.test", "/")
        .await
        .unwrap();
    assert_eq!(
        (reply.status(), reply.json()["sni"].is_null()),
        (200, true),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn pooled_connections_are_kept_and_never_shared_between_identities_or_names() {
    // One thread: one pool.
    let stage = stage_with(Launch::new().flag("--threads", "1")).await;
    let both = stage
        .ca
        .leaf("both")
        .names(&["a.test", "b.test"])
        .for_servers()
        .issue();
    let target = Target::start_tls(server_config(&both, Some(&stage.ca)), Answer::echo).await;
    let route = |path: &str, host: &str, identity: &Identity| {
        let tls = json!({"client_cert": identity.chain, "client_key": identity.key, "ca_certs": [stage.ca.cert]});
        let mut route = https_route(&target.node(), host, &tls);
        route["uri"] = json!(path);
        route
    };
    let (alice, bob) = (stage.ca.client("ALICE"), stage.ca.client("BOB"));
    let cases = [
        ("/1", "a.test", &alice),
        ("/2", "a.test", &bob),
        ("/3", "b.test", &alice),
        ("/4", "b.test", &bob),
    ];
    for (path, host, identity) in cases {
        stage
            .node
            .put(
                &format!("routes/{}", &path[1..]),
                &route(path, host, identity),
            )
            .await;
    }
    let mut wire = http1::open(stage.node.http).await;
    for _ in 0..5 {
        for (path, host, identity) in cases {
            wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
                .await
                .unwrap();
            let seen = wire.reply().await.unwrap().json();
            let common_name = cluster_tests::tls_client::common_name(&identity.chain_der()[0]);
            assert_eq!(
                (seen["client"].as_str(), seen["sni"].as_str()),
                (common_name.as_deref(), Some(host)),
                "{path}"
            );
        }
    }
    assert_eq!(
        target.connections(),
        4,
        "one kept connection for each identity and name"
    );
}

#[tokio::test]
async fn only_what_protocols_and_ciphers_name_is_offered_to_the_target() {
    let stage = stage().await;
    let config = server_config_for(&stage.server, None, &[&version::TLS13]);
    let target = Target::start_tls(config, Answer::echo).await;
    let tls = |protocols: &[&str]| json!({"ca_certs": [stage.ca.cert], "protocols": protocols});
    assert_eq!(
        stage.get(&target.node(), &tls(&["TLSv1.3"])).await.status(),
        200
    );
    let reply = stage.get(&target.node(), &tls(&["TLSv1.2"])).await;
    assert_eq!(
        (reply.status(), reply.fault_code().as_str()),
        (503, "SslHandshakeFailed"),
        "{}",
        reply.text()
    );
    let nginx = stage.nginx("TLSv1.2").await;
    let mut tls = stage.inline();
    tls["ciphers"] = json!(["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]);
    assert_eq!(stage.get(&nginx.node(), &tls).await.status(), 200);
}
