//! The endpoints, one file each: extract, call, respond.
