//! The server name: not sent, unknown, or another one than the request's host.

use std::net::IpAddr;

use super::Said;
use super::scene::Scene;
use super::words;
use crate::alert::Hop;

pub(super) fn missing(scene: &Scene<'_>) -> Said {
    match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => between_nodes(scene),
        (_, true) => Said {
            detail: format!("{} sent no server name (SNI), and no --fallback-sni says which certificate it gets.", scene.the_peer()),
            fix: "Let the client send the name: call the host name and not an address (openssl s_client: -servername NAME; Java: \
                  jsse.enableSNIExtension must not be false). For clients that cannot, start Sallyport with --fallback-sni NAME."
                .to_owned(),
        },
        (_, false) => {
            let expected = scene.evidence.own.verify_name.as_deref();
            let why = match expected.map(str::parse::<IpAddr>) {
                Some(Ok(address)) => format!("the Host for it is the address {address}, and addresses are never sent"),
                _ => format!("{} is \"off\", or the Host is an address", scene.upstream("tls.sni")),
            };
            Said {
                detail: format!("{} refused a hello without a server name {}. None was sent: {why}.", scene.the_peer(), scene.how()),
                fix: format!("Set {} to the target's host name.", scene.upstream("tls.sni")),
            }
        }
    }
}

pub(super) fn unknown(scene: &Scene<'_>) -> Said {
    let name = scene.sni().unwrap_or_else(|| "that it was sent".to_owned());
    match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => between_nodes(scene),
        (_, true) => Said {
            detail: format!(
                "{} asked for the name {name}, and no ssl object has it.",
                scene.the_peer()
            ),
            fix: format!(
                "If {name} is to be served, add it to the field snis of an ssl object with a certificate for it (a wildcard *.example.com covers \
                 one label). Else correct the host name in the client, or the DNS entry that leads it here."
            ),
        },
        (_, false) => Said {
            detail: format!(
                "{} serves nothing for the name {name} that we sent: it refused the hello {}.",
                scene.the_peer(),
                scene.how()
            ),
            fix: format!(
                "Set {} to a name that the target serves, or let its owner add {name}. Without that field the name is the Host that the target gets \
                 (pass_host and upstream_host of the same object).",
                scene.upstream("tls.sni")
            ),
        },
    }
}

pub(super) fn host_mismatch(scene: &Scene<'_>) -> Said {
    let name = scene.sni().unwrap_or_else(|| "another name".to_owned());
    Said {
        detail: format!(
            "{} opened its connection for {name} and then asked for a Host whose ssl object wants other client certificates{}; it got 421.",
            scene.the_peer(),
            scene.error()
        ),
        fix: "Let the client open a connection of its own, with that host as server name, for each such host. HTTP/2 clients share connections \
              between hosts that one certificate covers: serve them different certificates."
            .to_owned(),
    }
}

fn between_nodes(scene: &Scene<'_>) -> Said {
    Said {
        detail: format!(
            "{} and this node disagree about a server name{}, which nodes do not need: it is not a node of this cluster.",
            scene.the_peer(),
            scene.error()
        ),
        fix: format!(
            "See what {} is, and let only routers reach the --hop port.",
            words::name(&scene.peer())
        ),
    }
}
