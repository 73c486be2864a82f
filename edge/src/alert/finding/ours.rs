//! What is wrong on our side or cannot be told: missing material, keys that do not fit, faults of our own, the unknown.

use super::Said;
use super::scene::Scene;
use super::words;
use crate::alert::Hop;
use crate::handshake::names;

pub(super) fn key_mismatch(scene: &Scene<'_>) -> Said {
    if scene.refused() {
        return Said {
            detail: format!(
                "{} showed the {} but signed with another key{}.",
                scene.the_peer(),
                scene.certificate(false),
                scene.error()
            ),
            fix: format!(
                "Configure certificate and private key of the {} as a pair: the two public keys must be equal.",
                scene.kind()
            ),
        };
    }
    Said {
        detail: format!(
            "{} could not check our signature {}; we showed the {}.",
            scene.the_peer(),
            scene.how(),
            scene.certificate(true)
        ),
        fix: format!(
            "Check that certificate and key belong together ({}): the two public keys must be equal. If they do, something between changes \
             the handshake.",
            scene.own_place()
        ),
    }
}

pub(super) fn missing_material(scene: &Scene<'_>) -> Said {
    let error = scene.error();
    match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => Said {
            detail: format!("This node has no usable certificate for the hop{error}."),
            fix: "Put ca.crt, node.crt and node.key into the directory of --hop-tls (sallyport pki node makes them).".to_owned(),
        },
        (_, true) => {
            let name = scene.sni().unwrap_or_else(|| "the name".to_owned());
            Said {
                detail: format!("{} asked for {name}, whose ssl object ({}) is refused or has no usable certificate{error}.", scene.the_peer(), scene.ssl()),
                fix: format!(
                    "See why it is refused (`sallyport status`, GET /v1/rejections) and put it again with a good certificate and key. {name} stays closed \
                     until then: no other object takes its place."
                ),
            }
        }
        (_, false) => Said {
            detail: format!("The configuration lacks what a handshake with {} needs{error}.", scene.peer()),
            fix: format!(
                "See that the ssl object of {} is there, is of type client and has a usable certificate and key.",
                scene.upstream("tls.client_cert_id")
            ),
        },
    }
}

pub(super) fn internal(scene: &Scene<'_>) -> Said {
    Said {
        detail: format!("This node could not do its part of the handshake with {}{}.", scene.peer(), scene.error()),
        fix: "This is a fault of Sallyport or of the machine under it: report it with this record and the node's log around that time.".to_owned(),
    }
}

pub(super) fn unknown(scene: &Scene<'_>) -> Said {
    let last = scene
        .evidence
        .received
        .last()
        .map(|message| names::message(message.kind));
    let after = last.map_or_else(
        || "before any message of its".to_owned(),
        |name| format!("after its {name}"),
    );
    Said {
        detail: format!(
            "The handshake with {} ended {} in phase {}, {after}{}. Several causes explain that.",
            scene.peer(),
            scene.how(),
            scene.evidence.phase.as_str(),
            scene.error()
        ),
        fix: match (scene.hop(), scene.serves()) {
            (Hop::Internal, _) => "Compare the records of both nodes at that time; then their logs.".to_owned(),
            (_, true) => "Ask for the client's own error text (`sallyport explain` reads it), and see the evidence of this record.".to_owned(),
            (_, false) => format!(
                "Run `sallyport diagnose{}`: it tries versions, suites, names and certificates one by one. Then see the target's log.",
                scene.context.target.as_deref().and_then(words::shell).map_or_else(String::new, |target| format!(" {target}"))
            ),
        },
    }
}
