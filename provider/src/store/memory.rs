//! The store of a single process: everything is gone at exit.
