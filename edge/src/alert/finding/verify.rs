//! A shell command that shows the fault to whoever wants to see it: openssl with the real host, port and name. What came
//! from the network is quoted, or left out if quoting cannot make it harmless.

use super::owner::{Party, belongs_to};
use super::scene::Scene;
use super::words::shell;
use crate::alert::{Cause, Hop};

/// What to print of a certificate.
const PRINT: &str =
    "openssl x509 -noout -subject -issuer -serial -dates -ext subjectAltName,extendedKeyUsage";

pub(super) fn command(scene: &Scene<'_>, cause: Cause) -> Option<String> {
    match cause {
        Cause::ProbeNoData | Cause::SniHostMismatch | Cause::InternalError => None,
        _ if scene.hop() == Hop::Internal => Some(between_nodes(cause)),
        Cause::ConfigMissingMaterial => Some("sallyport status".to_owned()),
        Cause::TcpConnectFailed | Cause::PeerNotTls if !scene.serves() => {
            let server = server(scene)?;
            Some(format!("curl -sv --max-time 5 http://{server}/"))
        }
        // What the plain request gets there: the answer that names the mistake.
        Cause::PlaintextToTlsPort if scene.serves() => {
            let server = server(scene)?;
            Some(format!("curl -sv --max-time 5 http://{server}/"))
        }
        _ => by_certificate(scene, cause),
    }
}

fn by_certificate(scene: &Scene<'_>, cause: Cause) -> Option<String> {
    let clients = belongs_to(cause) == Some(Party::Client);
    match (clients, scene.serves()) {
        // What it is to do instead: with a certificate the handshake succeeds.
        (true, true) if cause == Cause::ClientCertMissing => Some(format!(
            "{} -cert client.crt -key client.key </dev/null",
            connect(scene)?
        )),
        // Its file is where the client is.
        (true, true) => Some(of_client_file(cause)),
        (true, false) if cause == Cause::ClientCertMissing => Some(format!(
            "{} </dev/null 2>&1 | grep -A 20 'Acceptable client'",
            connect(scene)?
        )),
        (true, false) => Some(format!(
            "{} -cert client.crt -key client.key </dev/null",
            connect(scene)?
        )),
        (false, _) => Some(at_the_server(scene, cause)?),
    }
}

fn of_client_file(cause: Cause) -> String {
    match cause {
        Cause::ClientCertUntrustedCa | Cause::ClientCertChainIncomplete => {
            "openssl verify -purpose sslclient -CAfile client-ca.crt -untrusted client.crt client.crt".to_owned()
        }
        _ => "openssl x509 -in client.crt -noout -subject -issuer -serial -dates -ext extendedKeyUsage".to_owned(),
    }
}

fn at_the_server(scene: &Scene<'_>, cause: Cause) -> Option<String> {
    let connect = connect(scene)?;
    Some(match cause {
        Cause::ProtocolVersionMismatch => {
            format!("{connect} -tls1_2 </dev/null; {connect} -tls1_3 </dev/null")
        }
        Cause::NoSharedCipher => format!("{connect} -tls1_2 -cipher ECDHE+AESGCM </dev/null"),
        Cause::NoSharedGroup => format!("{connect} -groups X25519:P-256 </dev/null"),
        Cause::NoSharedAlpn => format!("{connect} -alpn h2,http/1.1 </dev/null"),
        Cause::SniMissing => format!(
            "openssl s_client -connect {} -noservername </dev/null",
            server(scene)?
        ),
        Cause::ServerCertExpired
        | Cause::ServerCertNotYetValid
        | Cause::ServerCertHostnameMismatch
        | Cause::ServerCertWrongPurpose
        | Cause::ServerCertRevoked
        | Cause::ServerCertSelfSigned => format!("{connect} </dev/null 2>/dev/null | {PRINT}"),
        Cause::ServerCertChainIncomplete
        | Cause::ServerCertChainDisordered
        | Cause::ServerCertUntrustedCa => {
            format!("{connect} -showcerts </dev/null")
        }
        _ => format!("{connect} </dev/null"),
    })
}

/// Both ends have their files in the same places.
fn between_nodes(cause: Cause) -> String {
    match cause {
        Cause::KeyCertMismatch => "openssl x509 -in node.crt -noout -pubkey; openssl pkey -in node.key -pubout".to_owned(),
        _ => "openssl verify -CAfile ca.crt node.crt; openssl x509 -in node.crt -noout -subject -issuer -dates -ext subjectAltName,extendedKeyUsage"
            .to_owned(),
    }
}

/// `openssl s_client -connect api.test:443 -servername api.test`.
fn connect(scene: &Scene<'_>) -> Option<String> {
    let server = server(scene)?;
    let sni = scene.sni().as_deref().and_then(shell);
    let name = sni.map_or_else(
        || "-noservername".to_owned(),
        |name| format!("-servername {name}"),
    );
    Some(format!("openssl s_client -connect {server} {name}"))
}

/// Host and port of the one that serves: the target, or we.
fn server(scene: &Scene<'_>) -> Option<String> {
    if scene.serves() {
        return scene
            .context
            .local
            .and_then(|local| shell(&local.to_string()));
    }
    let target = scene.context.target.as_deref().and_then(shell);
    target.or_else(|| scene.context.peer.and_then(|peer| shell(&peer.to_string())))
}
