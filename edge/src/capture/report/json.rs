//! A report as JSON.

use serde_json::{Value, json};

use super::{Finding, Report};
use crate::alert::Alert;
use crate::capture::conversation::{Conversation, Outcome};
use crate::capture::evidence::texts;
use crate::capture::flows::Party;
use crate::handshake::names;

impl Report {
    /// For programs.
    pub fn json(&self) -> Value {
        let numbered = (1..).zip(&self.conversations);
        let conversations: Vec<Value> = numbered.map(|(number, one)| one.json(number)).collect();
        let findings: Vec<Value> = self.findings.iter().map(Finding::json).collect();
        let counts = &self.counts;
        json!({
            "packets": counts.packets,
            "handshakes": {"ok": counts.ok, "failed": counts.failed, "unfinished": counts.unfinished},
            "connections_without_data": counts.no_data,
            "connections_of_other_protocols": counts.other,
            "conversations": conversations,
            "findings": findings,
            "notes": self.notes,
            "exit": self.exit().code(),
        })
    }
}

impl Finding {
    fn json(&self) -> Value {
        json!({
            "severity": self.severity.as_str(),
            "cause": self.cause.as_str(),
            "confidence": self.confidence.as_str(),
            "conversations": self.conversations,
            "count": self.count,
            "detail": self.detail,
            "fix": self.fix,
            "owner": self.owner.as_str(),
            "verify": self.verify,
        })
    }
}

impl Conversation {
    fn json(&self, number: usize) -> Value {
        let evidence = &self.evidence;
        let (hello, chosen) = (evidence.hello.as_ref(), evidence.server_hello.as_ref());
        let suites = hello.map(|h| h.cipher_suites.iter().map(|s| names::suite(*s)).collect());
        let groups = hello.map(|h| h.groups.iter().map(|g| names::group(*g)).collect());
        let alert = self.alert.map(|(by, alert)| {
            json!({
                "number": alert.number,
                "name": Alert(alert.number).name(),
                "level": if alert.level == 1 { "warning" } else { "fatal" },
                "sender": by.as_str(),
            })
        });
        json!({
            "number": number,
            "time": self.time(),
            "client": self.client.to_string(),
            "server": self.server.to_string(),
            "sni": self.sni(),
            "offered": {
                "versions": self.offered(),
                "cipher_suites": suites.unwrap_or_else(Vec::new),
                "groups": groups.unwrap_or_else(Vec::new),
                "alpn": hello.map(|h| texts(&h.alpn)).unwrap_or_default(),
            },
            "version": self.version(),
            "cipher_suite": chosen.map(|c| names::suite(c.cipher_suite)),
            "outcome": match self.outcome {
                Outcome::Ok => "ok",
                Outcome::Unfinished => "unfinished",
                Outcome::Failed(_) => "failed",
            },
            "cause": self.verdict().map(|v| v.cause.as_str()),
            "confidence": self.verdict().map(|v| v.confidence.as_str()),
            "phase": self.verdict().map(|_| evidence.phase.as_str()),
            "ended_by": self.ended_by.map(Party::as_str),
            "alert": alert,
            "notes": self.notes,
        })
    }
}
