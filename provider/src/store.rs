//! What must be shared or used once.
