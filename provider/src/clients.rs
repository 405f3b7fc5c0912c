//! The clients that are served: a lock-free snapshot.
