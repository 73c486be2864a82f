//! Wire forms shared by several kinds: ids, labels, timestamps, secret references. Private to `object`.
