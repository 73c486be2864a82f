//! Reads what tcpdump wrote and says which TLS handshakes in it failed, and why: diagnosis for whoever can capture at a place
//! where nothing of ours runs.
//!
//! ```text
//! file (packets) ► frame (TCP segments) ► flows (connections, put together) ► conversation (who ended it, how) ► report
//! ```
//!
//! Pure but for reading the file, and bounded: the file's author is not trusted. Judges with [`crate::alert::rules`], as each
//! handshake looks from the side that did not end it. Imports `handshake` and `alert` only; `cli` prints the report.

mod conversation;
mod evidence;
mod file;
mod flows;
mod frame;
mod hidden;
mod report;
mod servers;
mod stream;
#[cfg(test)]
mod tests;
mod words;

use std::io::Read;

use conversation::{Judged, judge};
use file::Packets;
use flows::{Flow, Flows};
use frame::Frame;

pub use conversation::{Conversation, Outcome};
pub use file::CaptureError;
pub use flows::Party;
pub use report::{Counts, Exit, Finding, Report, Severity};

/// Reads a capture to its end: classic pcap or pcapng.
///
/// # Errors
/// [`CaptureError`] if it is none. One that is damaged further on gives a report of what comes before, which says so.
pub fn read(input: impl Read) -> Result<Report, CaptureError> {
    let mut packets = Packets::open(input)?;
    let mut reading = Reading::default();
    let note = loop {
        match packets.next() {
            Ok(Some(packet)) => {
                reading.now = reading.now.max(packet.at);
                reading.packet(
                    packet.at,
                    packet.cut,
                    &frame::segment(packet.link, packet.data),
                );
            }
            Ok(None) => {
                break packets
                    .ends_within()
                    .then_some("the file ends within a packet");
            }
            Err(CaptureError::Damaged(what)) => break Some(what),
            Err(error) => return Err(error),
        }
    };
    reading.finish();
    Ok(report::of(reading.conversations, reading.counts, note))
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    flows: Flows,
    done: Vec<Flow>,
    conversations: Vec<Conversation>,
    counts: Counts,
    /// The latest packet's time, nanoseconds since 1970.
    now: u64,
}

/// Conversations of each sort (good and not) that are kept with all that is known; later ones are counted.
const MOST_CONVERSATIONS: usize = 1000;

impl Reading {
    fn packet(&mut self, at: u64, cut: bool, frame: &Frame<'_>) {
        self.counts.packets += 1;
        self.counts.cut += u64::from(cut);
        match frame {
            Frame::Segment(segment) => {
                self.flows
                    .take(at, self.counts.packets, segment, &mut self.done);
                self.judge_done();
            }
            Frame::Fragment => self.counts.fragments += 1,
            Frame::UnknownLink => self.counts.unknown_link += 1,
            Frame::Other => {}
        }
    }

    fn finish(&mut self) {
        self.flows.finish(&mut self.done);
        self.judge_done();
    }

    fn judge_done(&mut self) {
        for flow in self.done.drain(..) {
            let conversation = match judge(&flow, self.now) {
                Judged::Tls(conversation) => conversation,
                Judged::NoData => {
                    self.counts.no_data += 1;
                    continue;
                }
                Judged::Other => {
                    self.counts.other += 1;
                    continue;
                }
                Judged::Nothing => continue,
            };
            let kept = match conversation.outcome {
                Outcome::Ok => &mut self.counts.ok,
                Outcome::Failed(_) => &mut self.counts.failed,
                Outcome::Unfinished => &mut self.counts.unfinished,
            };
            *kept += 1;
            if *kept <= MOST_CONVERSATIONS {
                self.conversations.push(*conversation);
            } else {
                self.counts.left_out += 1;
            }
        }
    }
}
