//! What must hold whatever is sent. Each property is a function of bytes that panics when it does not hold:
//! `tests/bounded.rs` runs all of them for a few seconds, `fuzz/` for as long as one likes. There is no other
//! definition of either.
//!
//! To add one: a function here, its name in [`ALL`], a file in `fuzz/fuzz_targets` and its entry in
//! `fuzz/Cargo.toml` (a test compares the three).

mod authorize;
mod certificates;
mod credentials;
mod headers;
mod input;
mod json;
mod sealed;
mod world;

pub use authorize::{lists, parameters, pkce, redirect_uris};
pub use certificates::certificates;
pub use credentials::{basic, jwk, jwt};
pub use headers::{cookies, devices, forwarded, languages};
pub use json::{clients, registrations, signing_keys};
pub use sealed::{handles, sealed};

/// A property.
pub type Property = fn(&[u8]);

/// All, by the names of their fuzz targets.
pub const ALL: [(&str, Property); 17] = [
    ("basic", basic),
    ("certificates", certificates),
    ("clients", clients),
    ("cookies", cookies),
    ("devices", devices),
    ("forwarded", forwarded),
    ("handles", handles),
    ("jwk", jwk),
    ("jwt", jwt),
    ("languages", languages),
    ("lists", lists),
    ("parameters", parameters),
    ("pkce", pkce),
    ("redirect_uris", redirect_uris),
    ("registrations", registrations),
    ("sealed", sealed),
    ("signing_keys", signing_keys),
];
