//! Where clients, users, keys and settings come from.
