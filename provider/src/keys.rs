//! Keys that sign and keys that are published: a lock-free snapshot.
