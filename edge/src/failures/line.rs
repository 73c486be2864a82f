//! The line in the log about a failed handshake: the record in one structured event.

use crate::alert::Record;

/// Writes it. `suppressed` lines about the same failure were not written since the last one.
pub(super) fn write(node: &str, record: &Record, suppressed: u64) {
    let finding = record.finding();
    let (context, evidence) = (&record.context, &*record.evidence);
    let alert = record.alert();
    tracing::warn!(
        node,
        hop = evidence.hop.as_str(),
        role = evidence.side.as_str(),
        peer = context.peer.map(tracing::field::display),
        sni = context.sni,
        ssl = context.ssl.as_deref(),
        route = context.route.as_deref(),
        upstream = context.upstream.as_deref(),
        target = context.target,
        cause = record.verdict.cause.as_str(),
        confidence = record.verdict.confidence.as_str(),
        alert_number = alert.map(|(alert, _)| alert.0),
        alert = alert.map(|(alert, _)| alert.name()),
        direction = alert.map(|(_, direction)| direction.as_str()),
        phase = evidence.phase.as_str(),
        detail = finding.detail,
        fix = finding.fix,
        owner = finding.owner.as_str(),
        error = evidence.error,
        request_id = context.request,
        record = record.id,
        suppressed,
        "TLS handshake failed"
    );
}
