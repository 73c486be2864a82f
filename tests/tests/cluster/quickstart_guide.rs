//! APISIX's guide to client mTLS, its commands as printed there but for the key header and the ports.

use cluster_tests::h2_client::H2Client;
use cluster_tests::node::{ADMIN_KEY, Node};
use cluster_tests::pki::Identity;
use cluster_tests::process::{Said, run};
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::wait::{SOON, eventually};

const CERTIFICATES: &str = r#"
openssl genrsa -out ca.key 2048
openssl req -new -sha256 -key ca.key -out ca.csr -subj "/CN=ROOTCA"
cat > ca.ext <<EXT
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
EXT
openssl x509 -req -days 36500 -sha256 -extfile ca.ext -signkey ca.key -in ca.csr -out ca.crt

openssl genrsa -out server.key 2048
openssl req -new -sha256 -key server.key -out server.csr -subj "/CN=test.com"
cat > server.ext <<EXT
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
EXT
openssl x509 -req -days 36500 -sha256 -extfile server.ext -CA ca.crt -CAkey ca.key -CAserial ca.srl -CAcreateserial \
  -in server.csr -out server.crt

openssl genrsa -out client.key 2048
openssl req -new -sha256 -key client.key -out client.csr -subj "/CN=CLIENT"
cat > client.ext <<EXT
basicConstraints=CA:FALSE
extendedKeyUsage=clientAuth
EXT
openssl x509 -req -days 36500 -sha256 -extfile client.ext -CA ca.crt -CAkey ca.key -CAserial ca.srl -CAcreateserial \
  -in client.csr -out client.crt
"#;

const OBJECTS: &str = r#"
curl -i "http://$admin/apisix/admin/routes" -X PUT -H "X-API-KEY: $key" -d '
{
  "id": "quickstart-client-ip",
  "uri": "/ip",
  "upstream": {
    "type": "roundrobin",
    "nodes": {
      "'"$node"'": 1
    }
  }
}'

server_cert=$(cat server.crt)
server_key=$(cat server.key)
ca_cert=$(cat ca.crt)
curl -i "http://$admin/apisix/admin/ssls" -X PUT -H "X-API-KEY: $key" -d '
{
  "id": "quickstart-mtls-client-ssl",
  // Annotate 1: the name that the server certificate is for
  "sni": "test.com",
  "cert": "'"${server_cert}"'",
  "key": "'"${server_key}"'",
  // Annotate 2
  "client": {
    "ca": "'"${ca_cert}"'"
  }
}'
"#;

async fn follow_the_guide(node: &Node, target: &str) -> Said {
    let script = format!(
        "cd {dir}\nadmin={admin}\nkey={ADMIN_KEY}\nnode={target}\n{CERTIFICATES}{OBJECTS}",
        dir = node.launch.dir().display(),
        admin = node.admin
    );
    let said = run("bash", ["-ec", &script]).await;
    assert_eq!(said.code, 0, "{}", said.text());
    assert_eq!(
        said.stdout.matches("HTTP/1.1 201").count(),
        2,
        "{}",
        said.text()
    );
    said
}

async fn curl(node: &Node, with_certificate: bool) -> Said {
    let port = node.https.port();
    let resolve = format!("test.com:{port}:127.0.0.1");
    let url = format!("https://test.com:{port}/ip");
    let at = |name: &str| node.launch.dir().join(name).display().to_string();
    let mut args = vec![
        "-ikv".to_owned(),
        "--max-time".into(),
        "20".into(),
        "--resolve".into(),
        resolve,
        url,
    ];
    if with_certificate {
        args.extend([
            "--cert".into(),
            at("client.crt"),
            "--key".into(),
            at("client.key"),
        ]);
    }
    run("curl", args).await
}

#[tokio::test]
async fn the_guides_commands_end_in_http_2_over_tls_1_3_with_the_certificate_and_in_alert_116_without()
 {
    let node = Node::start().await;
    let target = Target::echo().await;
    follow_the_guide(&node, &format!("localhost:{}", target.port())).await;

    let said = eventually("the guide's request is answered", SOON, || async {
        let said = curl(&node, true).await;
        if said.stdout.contains("HTTP/2 200") {
            Ok(said)
        } else {
            Err(said.text())
        }
    })
    .await;
    assert!(
        said.stderr.contains("SSL connection using TLSv1.3"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("Request CERT (13)"), "{}", said.stderr);

    let said = curl(&node, false).await;
    assert_eq!(said.code, 56, "{}", said.text());
    assert!(
        said.stderr.contains("certificate required"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("628"),
        "alert 116 as curl prints it, fatal << 8 | 116: {}",
        said.stderr
    );

    let read = |name: &str| std::fs::read_to_string(node.launch.dir().join(name)).unwrap();
    let identity = Identity {
        cert: read("client.crt"),
        chain: read("client.crt"),
        key: read("client.key"),
    };
    let client = H2Client::connect(&TlsClient::new("test.com").identity(&identity), node.https)
        .await
        .unwrap();
    assert_eq!(
        client.settings.get(&3),
        Some(&128),
        "MAX_CONCURRENT_STREAMS"
    );
}

#[tokio::test]
async fn the_guides_objects_are_stored_under_the_ids_in_their_bodies() {
    let node = Node::start().await;
    follow_the_guide(&node, "httpbin.org:80").await;
    let route = node
        .admin("GET", "routes/quickstart-client-ip", "")
        .await
        .json();
    assert_eq!(route["key"], "/apisix/routes/quickstart-client-ip");
    assert_eq!(route["value"]["upstream"]["nodes"]["httpbin.org:80"], 1);
    let ssl = node
        .admin("GET", "ssls/quickstart-mtls-client-ssl", "")
        .await
        .json();
    let cert = ssl["value"]["cert"].as_str().unwrap();
    assert!(
        cert.starts_with("-----BEGIN CERTIFICATE-----\n"),
        "newlines of the PEM were kept: {cert}"
    );
}
