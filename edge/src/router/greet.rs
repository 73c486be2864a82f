//! How a TLS connection begins: hello, policy, handshake, all within one deadline. What fails is answered with the alert that
//! is right for it, and noted with what was seen.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use control::object::Ssl;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Router;
use super::client::Secure;
use super::policy::{self, Policy};
use crate::alert::evidence::{Refusal, Side};
use crate::alert::finding::Context;
use crate::alert::{Alert, Evidence, Failure, Hop};
use crate::handshake::transcript;
use crate::tls::hello::{self, Hello, HelloError, NoHello};
use crate::tls::{self, Stream};

const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\
    content-length: 67\r\n\r\n{\"error_msg\":\"400 The plain HTTP request was sent to HTTPS port\"}\r\n";

/// A handshake that failed, and the object that answers for the name.
struct Refused {
    evidence: Box<Evidence>,
    ssl: Option<Arc<str>>,
}

impl From<Box<Evidence>> for Refused {
    fn from(evidence: Box<Evidence>) -> Self {
        Self {
            evidence,
            ssl: None,
        }
    }
}

/// Begins a connection; `None` if it came to nothing. Counts it either way.
pub(super) async fn run(
    router: &Rc<Router>,
    tcp: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
) -> Option<(Stream, Secure)> {
    let started = Instant::now();
    match handshake(router, tcp, started).await {
        Ok((stream, secure)) => {
            let facts = &secure.facts;
            router.shared.metrics.handshake_ok(
                Hop::Northbound,
                facts.version,
                facts.resumed,
                secure.ssl.client().is_some(),
                started.elapsed(),
            );
            Some((stream, secure))
        }
        Err(Refused { mut evidence, ssl }) => {
            evidence.elapsed = started.elapsed();
            let sni = evidence.hello.as_ref().and_then(|hello| hello.sni.as_ref());
            let context = Context {
                peer: Some(peer),
                local: Some(local),
                sni: sni.map(|name| name.clone().into_string()),
                ssl,
                revision: router.shared.snapshot.load().revision(),
                ..Context::default()
            };
            router.shared.failures.note(context, Failure::of(*evidence));
            None
        }
    }
}

/// Reads the hello, finds the policy, shakes hands; all of it within one deadline.
async fn handshake(
    router: &Rc<Router>,
    mut tcp: TcpStream,
    started: Instant,
) -> Result<(Stream, Secure), Refused> {
    let deadline = tokio::time::Instant::from_std(started + router.limits.handshake);
    let hello = match hello::read(&mut tcp, deadline).await {
        Ok(hello) => hello,
        Err(error) => return Err(turn_away(tcp, &error).await.into()),
    };
    let (ssl, name) = match answers(router, &hello) {
        Ok(found) => found,
        Err(refused) => {
            tls::refuse(tcp, Alert::UNRECOGNIZED_NAME).await;
            return Err(refused);
        }
    };
    // One permit for the costly part only: a client that sends nothing must not hold it.
    let _permit = router.shared.gate.handshake().await;
    match router.shared.tls.accept(tcp, hello, &ssl, deadline).await {
        Ok((stream, facts)) => Ok((stream, Secure::new(facts, ssl, name))),
        Err(evidence) => Err(Refused {
            evidence,
            ssl: Some(Arc::clone(ssl.id())),
        }),
    }
}

/// The object that answers for a hello, and the name it was found by.
fn answers(router: &Router, hello: &Hello) -> Result<(Arc<Ssl>, String), Refused> {
    let fallback = router.shared.fallback_sni.as_deref();
    let sni = hello.facts.sni.as_deref();
    let snapshot = router.shared.snapshot.load();
    let (refusal, ssl) = match policy::of_handshake(&snapshot, sni, fallback) {
        Policy::Open(ssl) => return Ok((ssl, sni.or(fallback).unwrap_or_default().to_owned())),
        Policy::Closed(id) => (Refusal::MissingMaterial, Some(id)),
        Policy::Refused(refusal) => (refusal, None),
    };
    let asked = sni.map_or("no server name".to_owned(), |name| {
        format!("server name {name}")
    });
    let alert = Alert::UNRECOGNIZED_NAME;
    let mut evidence = Evidence::new(Hop::Northbound, Side::Server)
        .refused(refusal, Some(alert))
        .because(format!("{asked}, revision {}", snapshot.revision()));
    evidence.received = transcript::read(&hello.raw).messages;
    evidence.bytes = (hello.raw.len() as u64, alert.fatal_record().len() as u64);
    evidence.hello = Some(hello.facts.clone());
    Err(Refused {
        evidence: Box::new(evidence),
        ssl,
    })
}

/// Answers bytes that are no acceptable ClientHello.
async fn turn_away(mut tcp: TcpStream, error: &NoHello) -> Box<Evidence> {
    let mut evidence = error.evidence();
    if matches!(error.why, HelloError::PlainHttp) {
        if tcp.write_all(PLAIN_HTTP).await.is_ok() {
            evidence.bytes.1 = PLAIN_HTTP.len() as u64;
        }
        tls::dismiss(tcp);
    } else if let Some(alert) = error.why.alert() {
        tls::refuse(tcp, alert).await;
    }
    evidence
}
