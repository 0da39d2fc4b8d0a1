//! A configuration that touches nothing outside the test.

use std::{collections::HashMap, path::Path};

use crate::config::{self, Config, Flags};

/// Free ports, and an upstream that gets no request.
pub(super) const YAML: &str = "admin: { listen: '127.0.0.1:0' }\n\
    listeners: [{ listen: '127.0.0.1:0', upstream: { url: 'http://127.0.0.1:1' } }]\n";

/// That, and more.
pub(super) fn config(more: &str) -> Config {
    let text = format!("{YAML}{more}");
    config::load(Some((Path::new("test.yaml"), &text)), &HashMap::new(), &Flags::default()).unwrap()
}
