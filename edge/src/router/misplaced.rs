//! What comes to the port for plain HTTP and is none: TLS gets the alert that every client of it understands, a PROXY header
//! 400. Both are noted, for nobody finds them in an access log.

use std::rc::Rc;

use super::Router;
use super::client::Client;
use super::connection;
use crate::alert::evidence::{Refusal, Side};
use crate::alert::finding::Context;
use crate::alert::{Alert, Evidence, Failure, Hop};
use crate::fault::{Fault, FaultCode};
use crate::handshake::{self, transcript};
use crate::http1::server::{Connection, Foreign};
use crate::tls::{self, Stream};

/// Ends a connection that began with `foreign`.
pub(super) async fn refuse(
    router: &Rc<Router>,
    client: &Rc<Client>,
    connection: Connection,
    foreign: Foreign,
) {
    let version = match foreign {
        Foreign::Tls => return refuse_tls(router, client, connection).await,
        Foreign::Proxy(version) => version,
    };
    let detail = format!("PROXY protocol {version} header on the port for plain HTTP");
    let mut evidence = Evidence::new(Hop::Northbound, Side::Server)
        .refused(Refusal::Protocol, None)
        .because(detail.as_str());
    evidence.foreign = Some(handshake::Foreign::Proxy(version));
    note(router, client, evidence);
    let fault = Fault::router(FaultCode::BadRequest, detail);
    connection::refuse(router, client, connection, fault).await;
}

async fn refuse_tls(router: &Router, client: &Client, connection: Connection) {
    let Some((Stream::Plain(tcp), early)) = connection.into_stream() else {
        return;
    };
    let alert = Alert::PROTOCOL_VERSION;
    let came = transcript::read(&early);
    let mut evidence = Evidence::new(Hop::Northbound, Side::Server)
        .refused(Refusal::TlsOnPlainPort, Some(alert))
        .because("TLS on the port for plain HTTP");
    evidence.bytes = (early.len() as u64, alert.fatal_record().len() as u64);
    evidence.received = came.messages;
    evidence.hello = came.client_hello;
    tls::refuse(tcp, alert).await;
    note(router, client, evidence);
}

fn note(router: &Router, client: &Client, evidence: Evidence) {
    let sni = evidence.hello.as_ref().and_then(|hello| hello.sni.clone());
    let context = Context {
        peer: Some(client.peer),
        local: Some(client.local),
        sni: sni.map(String::from),
        revision: router.shared.snapshot.load().revision(),
        ..Context::default()
    };
    router.shared.failures.note(context, Failure::of(evidence));
}
