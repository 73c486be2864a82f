//! What the handshakes that succeeded tell about those that failed at the same server: what it agreed on with others, and
//! whether they sent a name. A single refusal says much less.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use super::conversation::{Conversation, Outcome};
use super::evidence::versions;
use crate::alert::Cause;
use crate::alert::rules::{Confidence, Verdict};
use crate::handshake::names;

/// Of each sort, so many are told of.
const MOST_TOLD: usize = 5;

/// What a server agreed on.
#[derive(Default)]
struct Agreed {
    versions: BTreeSet<u16>,
    suites: BTreeSet<u16>,
    groups: BTreeSet<u16>,
    /// A hello without a name succeeded.
    nameless: bool,
}

/// See the module.
pub(super) struct Servers {
    agreed: HashMap<SocketAddr, Agreed>,
}

impl Servers {
    pub(super) fn of(conversations: &[Conversation]) -> Self {
        let mut agreed: HashMap<SocketAddr, Agreed> = HashMap::new();
        for one in conversations {
            let evidence = &one.evidence;
            if let (Outcome::Ok, Some(chosen)) = (one.outcome, &evidence.server_hello) {
                let server = agreed.entry(one.server).or_default();
                server.versions.insert(chosen.version);
                server.suites.insert(chosen.cipher_suite);
                server.groups.extend(chosen.group);
                server.nameless |= evidence.hello.as_ref().is_some_and(|h| h.sni.is_none());
            }
        }
        Self { agreed }
    }

    /// A better verdict and why, for a refusal of the hello that could mean several things.
    pub(super) fn contrast(&self, one: &Conversation) -> Option<(Verdict, String)> {
        let Outcome::Failed(verdict) = one.outcome else {
            return None;
        };
        let evidence = &one.evidence;
        let refused = evidence.server_hello.is_none() && verdict.confidence < Confidence::High;
        let (hello, agreed) = (evidence.hello.as_ref()?, self.agreed.get(&one.server)?);
        if !refused {
            return None;
        }
        let lacks = |list: &BTreeSet<u16>, offered: &[u16]| {
            !list.is_empty() && !list.iter().any(|number| offered.contains(number))
        };
        let told = |list: &BTreeSet<u16>, name: fn(u16) -> String| {
            let names: Vec<String> = list.iter().take(MOST_TOLD).map(|n| name(*n)).collect();
            names.join(", ")
        };
        let (cause, why) = if lacks(&agreed.versions, &versions(hello)) {
            let versions = told(&agreed.versions, names::version);
            (
                Cause::ProtocolVersionMismatch,
                format!(
                    "with other clients this server agreed on {versions}, which this one does not offer"
                ),
            )
        } else if lacks(&agreed.suites, &hello.cipher_suites) {
            let suites = told(&agreed.suites, names::suite);
            (
                Cause::NoSharedCipher,
                format!(
                    "with other clients this server agreed on {suites}, which this one does not offer"
                ),
            )
        } else if hello.sni.is_none() && !agreed.nameless {
            (
                Cause::SniMissing,
                "all clients that succeeded at this server sent a server name".to_owned(),
            )
        } else if !hello.groups.is_empty() && lacks(&agreed.groups, &hello.groups) {
            let groups = told(&agreed.groups, names::group);
            (
                Cause::NoSharedGroup,
                format!(
                    "with other clients this server agreed on {groups}, which this one does not offer"
                ),
            )
        } else {
            return None;
        };
        let confidence = Confidence::High;
        Some((Verdict { cause, confidence }, why))
    }
}
