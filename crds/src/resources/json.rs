//! Schemas of what may be any JSON. The API server cannot count it, so the validator bounds it
//! ([`limits::CLAIMS_SIZE`](super::limits::CLAIMS_SIZE)).

use schemars::{Schema, SchemaGenerator, json_schema};

/// Any value.
pub(super) fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// Any values by name.
pub(super) fn members(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": super::limits::CLAIMS,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
