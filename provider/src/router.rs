//! One table: path → handler → layers.
