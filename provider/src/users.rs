//! The users who may sign in: a lock-free snapshot.
