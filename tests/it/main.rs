//! Integration tests: one binary, one harness.

mod import_map;
