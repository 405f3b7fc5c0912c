//! The store that pods share: Redis, one script a method.
