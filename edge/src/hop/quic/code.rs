//! The error codes of streams and connections.

use quinn::VarInt;

/// Nobody wants this any more. Also what quinn says when a stream is dropped.
pub(super) const CANCELLED: VarInt = VarInt::from_u32(0);
/// The peer does not keep to the wire format.
pub(super) const PROTOCOL: VarInt = VarInt::from_u32(1);

/// Closes a connection: the node has drained. The reason is the index of the first stream it did not look at.
pub(super) const DRAINED: VarInt = VarInt::from_u32(16);
/// Closes a connection: the peer's certificate is no longer good.
pub(super) const UNTRUSTED: VarInt = VarInt::from_u32(17);

/// The reason that goes with [`DRAINED`].
pub(super) fn drained_reason(first_unseen: u64) -> [u8; 8] {
    first_unseen.to_be_bytes()
}

/// Whether the end of a connection says that its stream `index` was never looked at.
pub(super) fn never_seen(ended: Option<&quinn::ConnectionError>, index: u64) -> bool {
    let Some(quinn::ConnectionError::ApplicationClosed(close)) = ended else {
        return false;
    };
    close.error_code == DRAINED
        && <[u8; 8]>::try_from(&*close.reason)
            .is_ok_and(|first_unseen| index >= u64::from_be_bytes(first_unseen))
}

#[cfg(test)]
mod tests {
    use quinn::{ApplicationClose, ConnectionError};

    use super::*;

    fn closed(error_code: VarInt, reason: &[u8]) -> ConnectionError {
        let reason = bytes::Bytes::copy_from_slice(reason);
        ConnectionError::ApplicationClosed(ApplicationClose { error_code, reason })
    }

    #[test]
    fn only_a_drained_node_says_what_it_never_looked_at() {
        let drained = closed(DRAINED, &drained_reason(7));
        assert!(never_seen(Some(&drained), 7));
        assert!(!never_seen(Some(&drained), 6));
        assert!(!never_seen(Some(&closed(DRAINED, b"")), 7));
        assert!(!never_seen(Some(&closed(UNTRUSTED, &drained_reason(0))), 7));
        assert!(!never_seen(Some(&ConnectionError::TimedOut), 7));
        assert!(!never_seen(None, 7));
    }
}
