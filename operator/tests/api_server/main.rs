//! The operator as a process on a real API server, with the rights of its own ServiceAccount. Run by
//! `tests/run operator`, which starts the API server and sets `KUBECONFIG` (an administrator's); without
//! it every test here fails. Each test has namespaces of its own, so they can run side by side.

mod acknowledgements;
mod certificate;
mod client_rotation;
mod clients;
mod defaults;
mod deletion;
mod envelope;
mod gitops;
mod harness;
mod history;
mod installation;
mod key_failures;
mod keys;
mod leader;
mod lost_keys;
mod pod;
mod pod_certificate;
mod policy;
mod published_keys;
mod recovery;
mod refusals;
mod registration;
mod rotation;
mod routes;
mod secrecy;
mod several_keys;
mod shapes;
mod trust;
mod users;
mod uses;
