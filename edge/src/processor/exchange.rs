//! One request from plan to answer, with its retries: the processor's line on a page.

mod attempt;
mod returning;
mod way;

use std::sync::Arc;
use std::time::Instant;

use control::object::Upstream;
use http::Method;

use self::attempt::{Attempt, Failed};
use super::endpoint::Target;
use super::health::Sign;
use super::{Processor, hash};
use crate::body::Body;
use crate::fault::{Fault, FaultCode};
use crate::hop::{Failure, Request, Response, TargetFacts};

/// Serves one request (see [`Processor::run`]).
pub(super) async fn run(
    processor: &Processor,
    mut request: Request,
) -> Result<Response, Box<Failure>> {
    let mut facts = TargetFacts::default();
    let body = std::mem::take(&mut request.body);
    match serve(processor, &request, body, &mut facts).await {
        Ok(mut response) => {
            response.target = facts;
            Ok(response)
        }
        Err(fault) => Err(Box::new(Failure {
            fault,
            target: facts,
        })),
    }
}

async fn serve(
    processor: &Processor,
    request: &Request,
    mut body: Body,
    facts: &mut TargetFacts,
) -> Result<Response, Fault> {
    let plan = request.snapshot.plan(&request.route);
    let plan = plan.map_err(|missing| Fault::of_missing(&missing))?;
    let upstream = &plan.upstream;
    facts.upstream = Some(upstream.key().clone());
    let endpoint = processor.endpoints.of(upstream);
    let mut tries = Tries::new(upstream, request.started);
    loop {
        let key = || hash::key(upstream.balance(), request);
        let index = tries
            .same
            .take()
            .or_else(|| endpoint.pick(&tries.tried, &key));
        let Some(index) = index else {
            return Err(tries.exhausted(upstream));
        };
        let target = &endpoint.targets[index];
        facts.target = Some(target.name.clone());
        let attempt = Attempt {
            processor,
            plan: &plan,
            target,
            request,
            fresh: tries.fresh,
        };
        match attempt.run(body, facts).await {
            Ok(response) => {
                let status = response.head.status.as_u16();
                note(processor, upstream, target, Sign::Status(status));
                facts.statuses.push(status);
                return Ok(response);
            }
            Err(failed) => {
                if let Some(sign) = failed.sign() {
                    note(processor, upstream, target, sign);
                }
                let reason = failed.reason();
                body = tries.again(index, failed, &request.head.method, facts)?;
                processor.shared.metrics.retry(upstream.key(), reason);
            }
        }
    }
}

/// What was tried, and whether there may be more.
struct Tries {
    tried: Vec<usize>,
    left: u32,
    until: Option<Instant>,
    /// Go back to this node: its pooled connection had died.
    same: Option<usize>,
    /// Use no pooled connection any more.
    fresh: bool,
    last: Option<Fault>,
}

impl Tries {
    fn new(upstream: &Arc<Upstream>, started: Instant) -> Self {
        let others = u32::try_from(upstream.nodes().len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        Self {
            tried: Vec::new(),
            left: upstream.retries().unwrap_or(others),
            until: upstream
                .retry_timeout()
                .filter(|t| !t.is_zero())
                .map(|t| started + t),
            same: None,
            fresh: false,
            last: None,
        }
    }

    /// Nothing is left to try: the last fault, or that there never was a node.
    fn exhausted(self, upstream: &Upstream) -> Fault {
        self.last.unwrap_or_else(|| {
            Fault::processor(
                FaultCode::NoActiveTargets,
                format!("{} has no node to use", upstream.key()),
            )
        })
    }

    /// The body for another try, if one is safe and allowed; else the fault to answer with.
    fn again(
        &mut self,
        index: usize,
        failed: Failed,
        method: &Method,
        facts: &mut TargetFacts,
    ) -> Result<Body, Fault> {
        // Nothing of the request can have been acted on, or acting twice is as good as once (RFC 9110 9.2.2).
        let safe = !failed.sent || (failed.idempotent_retry && is_idempotent(method));
        let Some(body) = failed.body.filter(|_| safe) else {
            facts.statuses.push(failed.fault.code.status().as_u16());
            return Err(failed.fault);
        };
        if failed.stale && !self.fresh {
            // A kept connection that the target closed meanwhile says nothing about the target: not a retry.
            self.fresh = true;
            self.same = Some(index);
            return Ok(body);
        }
        facts.statuses.push(failed.fault.code.status().as_u16());
        let in_time = self.until.is_none_or(|until| Instant::now() < until);
        if self.left == 0 || !in_time {
            return Err(failed.fault);
        }
        self.left -= 1;
        self.tried.push(index);
        self.last = Some(failed.fault);
        facts.retries += 1;
        Ok(body)
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

/// Passive health: an exchange as a sign.
fn note(processor: &Processor, upstream: &Upstream, target: &Target, sign: Sign) {
    let passive = upstream.checks().and_then(|checks| checks.passive.as_ref());
    if let (Some(judge), Some(health)) = (passive, &target.health)
        && let Some(healthy) = health.note(sign, judge.into())
    {
        tracing::info!(upstream = %upstream.key(), target = %target.name, healthy, "traffic changed a target's health");
        processor
            .shared
            .metrics
            .target_health(upstream.key(), &target.name, healthy);
    }
}
