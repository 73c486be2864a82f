//! One try on one target: a connection from the pool or a new one, the exchange, and what a failure means.

use std::rc::Rc;
use std::time::Instant;

use control::snapshot::Plan;

use super::returning::{Counted, Home, Returning};
use super::way::Way;
use crate::body::Body;
use crate::fault::{Fault, FaultCode};
use crate::hop::{Request, Response, TargetFacts, Tunnel, TunnelStream};
use crate::http1::client::{self, Answer, Broken, BrokenBy, Connection, Message, Pace, Rest};
use crate::processor::endpoint::Target;
use crate::processor::health::Sign;
use crate::processor::pool::{Facts, Leg};
use crate::processor::{Processor, h2, host};

/// A try without an answer.
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// The body, if it can be sent again.
    pub(super) body: Option<Body>,
    /// The target may have acted on the request.
    pub(super) sent: bool,
    /// An idempotent request may be sent again.
    pub(super) idempotent_retry: bool,
    /// A kept connection had died.
    pub(super) stale: bool,
}

impl Failed {
    /// Before anything was sent.
    const fn unsent(fault: Fault, body: Body) -> Self {
        Self {
            fault,
            body: Some(body),
            sent: false,
            idempotent_retry: true,
            stale: false,
        }
    }

    /// Whatever the target.
    const fn for_good(fault: Fault) -> Self {
        Self {
            fault,
            body: None,
            sent: false,
            idempotent_retry: false,
            stale: false,
        }
    }

    /// What this says about the target's health; nothing if it is not the target's doing.
    pub(super) const fn sign(&self) -> Option<Sign> {
        match self.fault.code {
            _ if self.stale => None,
            FaultCode::GatewayTimeout => Some(Sign::TimedOut),
            FaultCode::TargetUnreachable
            | FaultCode::UnexpectedEOFAtTarget
            | FaultCode::SslHandshakeFailed => Some(Sign::Broken),
            _ => None,
        }
    }

    /// Label of the retry this leads to.
    pub(super) const fn reason(&self) -> &'static str {
        match self.fault.code {
            _ if self.stale => "stale_connection",
            FaultCode::GatewayTimeout => "timeout",
            FaultCode::TargetUnreachable => "connect",
            FaultCode::SslHandshakeFailed => "tls",
            FaultCode::ConfigMissingMaterial => "config",
            _ => "closed",
        }
    }
}

/// One try's circumstances.
pub(super) struct Attempt<'a> {
    pub(super) processor: &'a Processor,
    pub(super) plan: &'a Plan,
    pub(super) target: &'a Rc<Target>,
    pub(super) request: &'a Request,
    /// Use no kept connection.
    pub(super) fresh: bool,
}

impl Attempt<'_> {
    /// Sends the request with `body`; `facts` tells how far it came.
    pub(super) async fn run(
        &self,
        body: Body,
        facts: &mut TargetFacts,
    ) -> Result<Response, Failed> {
        let host = host::host_for(
            &self.plan.upstream,
            &self.target.node,
            &self.request.head.headers,
        );
        let way = match Way::to(
            self.processor,
            self.request,
            &self.plan.upstream,
            self.target,
            &host,
        ) {
            Ok(way) => way,
            Err(fault) => return Err(Failed::for_good(fault)),
        };
        if self.plan.upstream.scheme().is_h2() {
            return Box::pin(self.over_h2(&way, &host, body, facts)).await;
        }
        let in_flight = self.target.enter();
        let shelf = way.shelf(self.processor);
        let kept = if self.fresh { None } else { shelf.take() };
        let reused = kept.is_some();
        let leg = match kept {
            Some(leg) => leg,
            // Boxed: the usual request finds a connection and need not carry room for dialling one.
            None => match Box::pin(way.dial(self.processor, self.plan.timeouts.connect)).await {
                Ok((dialled, known)) => Leg {
                    connection: Box::new(Connection::new(dialled.stream)),
                    facts: known,
                },
                Err(fault) => return Err(Failed::unsent(fault, body)),
            },
        };
        note_connection(facts, &leg.facts, reused);
        let message = Message {
            method: &self.request.head.method,
            target: self.request_target(),
            host: &host,
            headers: &self.request.head.headers,
            upgrade: self.request.upgrade.as_ref(),
            expects_continue: self.request.expects_continue,
        };
        let begun = Instant::now();
        let answer = client::exchange(leg.connection, &message, body, self.pace()).await;
        let answer = answer.map_err(|broken| self.explain(*broken, reused, &leg.facts))?;
        self.target.note_latency(begun.elapsed());
        leg.facts.unproven.take();
        let home = Home {
            shelf,
            facts: leg.facts,
            bounds: self.plan.upstream.keepalive(),
            _in_flight: in_flight,
        };
        Ok(respond(answer, home))
    }

    async fn over_h2(
        &self,
        way: &Way<'_>,
        host: &[u8],
        body: Body,
        facts: &mut TargetFacts,
    ) -> Result<Response, Failed> {
        let in_flight = self.target.enter();
        let shelf = way.shelf(self.processor);
        let bounds = self.plan.upstream.keepalive();
        shelf.use_with(bounds);
        let dial = async || {
            let (dialled, known) = way.dial(self.processor, self.plan.timeouts.connect).await?;
            h2::Line::open(dialled, known).await
        };
        let (ticket, reused) = match shelf.lines.ticket(bounds, dial).await {
            Ok(found) => found,
            Err(fault) => return Err(Failed::unsent(fault, body)),
        };
        note_connection(facts, &ticket.line().facts, reused);
        let message = h2::Message {
            method: &self.request.head.method,
            target: self.request_target(),
            host,
            headers: &self.request.head.headers,
            tls: self.plan.upstream.scheme().is_tls(),
        };
        let begun = Instant::now();
        let (head, streaming) = h2::exchange(ticket, &message, body, self.pace())
            .await
            .map_err(|broken| self.explain_h2(*broken))?;
        self.target.note_latency(begun.elapsed());
        let body = Body::Stream(Box::pin(Counted::new(streaming, in_flight, shelf)));
        Ok(Response {
            head,
            body,
            tunnel: None,
            target: TargetFacts::default(),
        })
    }

    fn request_target(&self) -> &str {
        self.request
            .head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
    }

    fn pace(&self) -> Pace {
        let timeouts = self.plan.timeouts;
        Pace {
            send: timeouts.send,
            read: timeouts.read,
            trailer_bytes: self.processor.shared.trailer_bytes,
        }
    }

    /// What a broken exchange means for the client, the target's health and another try.
    fn explain(&self, broken: Broken, reused: bool, facts: &Facts) -> Failed {
        if let (BrokenBy::Closed(error), Some(unproven), false) =
            (&broken.by, facts.unproven.take(), broken.proven)
            && let Some(late) = unproven.late(error)
        {
            return Failed {
                fault: late.fault,
                body: broken.body,
                sent: broken.sent && !late.unread,
                idempotent_retry: true,
                stale: false,
            };
        }
        let detail = format!("{}: {}", self.target.name, broken.by);
        let (code, again) = match &broken.by {
            BrokenBy::Closed(_) => (FaultCode::UnexpectedEOFAtTarget, !broken.heard),
            BrokenBy::SendTimedOut | BrokenBy::ReadTimedOut => {
                (FaultCode::GatewayTimeout, !broken.heard)
            }
            BrokenBy::BadAnswer(_) => (FaultCode::BadTargetAnswer, false),
            BrokenBy::RequestBody(_) => {
                return Failed::for_good(Fault::router(FaultCode::BadRequest, detail));
            }
        };
        let stale = reused && !broken.heard && matches!(broken.by, BrokenBy::Closed(_));
        let body = broken.body;
        Failed {
            fault: Fault::target(code, detail),
            body,
            sent: broken.sent,
            idempotent_retry: again,
            stale,
        }
    }

    fn explain_h2(&self, broken: h2::Broken) -> Failed {
        if let Some(late) = broken.late {
            return Failed {
                fault: late.fault,
                body: broken.body,
                sent: !broken.unprocessed,
                idempotent_retry: true,
                stale: false,
            };
        }
        let detail = format!("{}: {}", self.target.name, broken.by);
        let code = match broken.by {
            h2::BrokenBy::RequestBody(_) => {
                return Failed::for_good(Fault::router(FaultCode::BadRequest, detail));
            }
            h2::BrokenBy::Unsendable(_) => {
                let fault = Fault::router(FaultCode::BadRequest, detail);
                return Failed {
                    fault,
                    body: None,
                    sent: false,
                    idempotent_retry: false,
                    stale: false,
                };
            }
            h2::BrokenBy::SendTimedOut | h2::BrokenBy::ReadTimedOut => FaultCode::GatewayTimeout,
            h2::BrokenBy::BadAnswer => FaultCode::BadTargetAnswer,
            h2::BrokenBy::Protocol(_) if broken.mad => FaultCode::BadTargetAnswer,
            h2::BrokenBy::Protocol(_) => FaultCode::UnexpectedEOFAtTarget,
        };
        Failed {
            fault: Fault::target(code, detail),
            body: broken.body,
            sent: !broken.unprocessed,
            idempotent_retry: !broken.mad,
            // The same target on another connection: a GOAWAY says nothing about its health.
            stale: broken.unprocessed,
        }
    }
}

fn note_connection(facts: &mut TargetFacts, known: &Facts, reused: bool) {
    facts.address = Some(known.address);
    facts.tls.clone_from(&known.tls);
    facts.reused = reused;
}

/// Makes the hop's answer; the connection goes home now or at the body's end.
fn respond(answer: Answer, home: Home) -> Response {
    let (body, tunnel) = match answer.rest {
        Rest::Whole(body, connection) => {
            if let Some(connection) = connection {
                home.take_back(connection);
            }
            (body, None)
        }
        Rest::Partly(download) => (Body::Stream(Box::pin(Returning::new(download, home))), None),
        Rest::Upgraded(stream, early) => (
            Body::Empty,
            Some(Tunnel {
                stream: TunnelStream::Left(stream),
                early,
            }),
        ),
    };
    Response {
        head: answer.head,
        body,
        tunnel,
        target: TargetFacts::default(),
    }
}
