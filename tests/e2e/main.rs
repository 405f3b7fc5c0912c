//! Stories on a real cluster: run by `tests/run cluster`, inside the cluster's network, one after another.

mod clients;
mod faults;
mod keys;
mod kube_apiserver;
mod plugin;
mod rotation;
mod secrecy;
mod service_account;
mod spine;
