//! Which way requests go that could be passed on as they are.

/// Whether they are. Tests in `by_hyper` are those of other files once more, with every request handled by hyper; a test
/// runs on a thread of its name.
pub fn relays() -> bool {
    !std::thread::current().name().is_some_and(|name| name.starts_with("by_hyper::"))
}
