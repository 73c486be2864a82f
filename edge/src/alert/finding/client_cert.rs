//! A client's certificate: missing, or at fault. Northbound it is the client application's, southbound our own; between nodes
//! it is a router's.

use super::Said;
use super::fault::{self, Fault};
use super::scene::{MOST_NAMES, Scene, certificate};

use super::words;
use crate::alert::evidence::{Phase, Shown};
use crate::alert::rules::{Gap, gap_of_ours, gap_of_peer};
use crate::alert::{CertFault, Hop};

pub(super) fn missing(scene: &Scene<'_>) -> Said {
    match (scene.hop(), scene.is_ours(true)) {
        (Hop::Internal, _) => Said {
            detail: format!("{} has shown no node certificate, or wants one of ours and got none.", scene.the_peer()),
            fix: "Give each node ca.crt, node.crt and node.key in the directory of --hop-tls (sallyport pki node makes them). Anything else that calls the \
                  --hop port is a stranger."
                .to_owned(),
        },
        (_, false) => clients_missing(scene),
        (_, true) => ours_missing(scene),
    }
}

fn clients_missing(scene: &Scene<'_>) -> Said {
    let late = if scene.evidence.phase == Phase::PostHandshake {
        "; the request was answered 400"
    } else {
        ""
    };
    Said {
        detail: format!(
            "{} sent no client certificate, and {} requires one issued by {}{late}.",
            scene.the_peer(),
            scene.ssl(),
            scene.trusted()
        ),
        fix: format!(
            "Give the client a certificate of such a CA with its intermediates and key (curl --cert and --key, nginx proxy_ssl_certificate, Java key store, \
             Apigee ClientAuthEnabled with KeyStore and KeyAlias). A client that has one and sends none (Java, Go, browsers) found no CA of the list that \
             issued it: complete its chain, or add the CA to {} field client.ca. Paths that need none: client.skip_mtls_uri_regex.",
            scene.ssl()
        ),
    }
}

fn ours_missing(scene: &Scene<'_>) -> Said {
    let wanted = scene.wanted().map_or_else(String::new, |names| {
        format!(" It takes certificates issued by: {names}.")
    });
    let have = scene.leaf(true);
    let detail = match have.filter(|_| scene.evidence.own.shown == Shown::Nothing) {
        Some(leaf) => format!(
            "{} asks for a client certificate and our {} does not fit what it asks for, so none was shown.{wanted}",
            scene.the_peer(),
            certificate(leaf)
        ),
        None => format!(
            "{} demands a client certificate and none is configured for it; it ended the handshake {}.{wanted}",
            scene.the_peer(),
            scene.how()
        ),
    };
    let of = if wanted.is_empty() {
        "of a CA that the target trusts"
    } else {
        "issued by one of these CAs"
    };
    Said {
        detail,
        fix: format!(
            "Set {} and tls.client_key to a certificate {of}, with its intermediates; or tls.client_cert_id to an ssl object of type client.",
            scene.upstream("tls.client_cert")
        ),
    }
}

pub(super) fn expired(scene: &Scene<'_>) -> Said {
    fault::of_fault(scene, true, Fault::Expired)
}

pub(super) fn not_yet_valid(scene: &Scene<'_>) -> Said {
    fault::of_fault(scene, true, Fault::NotYetValid)
}

pub(super) fn wrong_purpose(scene: &Scene<'_>) -> Said {
    fault::of_fault(scene, true, Fault::WrongPurpose)
}

pub(super) fn revoked(scene: &Scene<'_>) -> Said {
    fault::of_fault(scene, true, Fault::Revoked)
}

pub(super) fn rejected(scene: &Scene<'_>) -> Said {
    fault::of_fault(scene, true, Fault::Rejected)
}

pub(super) fn incomplete(scene: &Scene<'_>) -> Said {
    fault::of_fault(scene, true, Fault::Incomplete)
}

pub(super) fn untrusted(scene: &Scene<'_>) -> Said {
    match (scene.hop(), scene.is_ours(true)) {
        (Hop::Internal, _) => fault::other_cluster(scene, true),
        (_, false) => clients_untrusted(scene),
        (_, true) => ours_untrusted(scene),
    }
}

fn clients_untrusted(scene: &Scene<'_>) -> Said {
    let (peer, cert, trusted) = (scene.the_peer(), scene.certificate(false), scene.trusted());
    let issuer = scene
        .leaf(false)
        .map_or_else(|| "its CA".to_owned(), |leaf| leaf.issuer().to_owned());
    let place = scene.trust_place();
    match (scene.fault(), gap_of_peer(scene.evidence)) {
        (Some(CertFault::TooDeep), _) => Said {
            detail: format!(
                "{peer} showed the {cert} with a chain of {} certificates: longer than {} field client.depth allows.",
                scene.chain(false).len(),
                scene.ssl()
            ),
            fix: format!("Raise {} field client.depth, or trust an intermediate nearer to the leaf in client.ca.", scene.ssl()),
        },
        (Some(CertFault::NotAnIssuer), _) => Said {
            detail: format!("{peer} showed the {cert}; a certificate of its chain may not issue it (basic constraints or key usage)."),
            fix: "Have the certificate issued by a CA whose own certificate is one (CA:TRUE, keyCertSign).".to_owned(),
        },
        (Some(fault @ (CertFault::TooLarge | CertFault::Malformed(_))), _) => Said {
            detail: format!("{peer} showed a certificate chain that cannot be judged: {}.", words::plain(&fault.to_string(), 300)),
            fix: "Have the client's certificate issued anew (RSA with SHA-256 or ECDSA), and send the leaf and its intermediates only.".to_owned(),
        },
        (_, Gap::SelfSignedLeaf) => Said {
            detail: format!("{peer} showed the self-signed {cert}, which is not signed by {trusted}."),
            fix: format!("Give the client a certificate of such a CA. If this very certificate is to be trusted, add it to {place}."),
        },
        (_, Gap::NameTaken) => Said {
            detail: format!("{peer} showed the {cert}: {issuer} is trusted by name, but another key of that name signed it."),
            fix: format!("If that CA has a new key, add its new certificate to {place} beside the old one. Else the certificate is from somewhere else."),
        },
        _ => Said {
            detail: format!("{peer} showed the {cert}, which is not signed by {trusted}."),
            fix: format!("Give the client a certificate of such a CA. If {issuer} is to be trusted, add its CA certificate to {place}."),
        },
    }
}

fn ours_untrusted(scene: &Scene<'_>) -> Said {
    let wanted = scene.wanted();
    let takes = wanted.as_ref().map_or_else(String::new, |names| {
        format!(" It takes certificates issued by: {names}.")
    });
    let what = match gap_of_ours(scene.evidence) {
        Gap::SelfSignedLeaf => "self-signed ",
        _ => "",
    };
    let issuer = scene.leaf(true).map_or_else(
        || "its issuer".to_owned(),
        |leaf| words::list([leaf.issuer()], MOST_NAMES),
    );
    Said {
        detail: format!(
            "{} does not trust our {what}{}: it refused it {}.{takes}",
            scene.the_peer(),
            scene.certificate(true),
            scene.how()
        ),
        fix: format!(
            "Show a certificate of a CA that the target trusts ({}), or have its owner add {issuer} to the CAs it takes clients from (nginx \
             ssl_client_certificate, Java trust store, Apigee TrustStore).",
            scene.own_place()
        ),
    }
}
