//! Stories on a real cluster: run by `tests/run cluster`, inside the cluster's network, one after another.

mod faults;
mod secrecy;
mod spine;
