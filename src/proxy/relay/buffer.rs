//! A buffer for each thread, into which sockets are read: what has come is passed on before the next turn, so that a
//! connection that waits holds none.

use std::cell::RefCell;

/// What is read at once of a large response.
pub(super) const LARGEST: usize = 128 << 10;
/// Where the thread's own is in use, which no caller does.
const SMALL: usize = 4 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer, `length` bytes of it at most.
pub(super) fn with<R>(length: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            if buffer.is_empty() {
                buffer.resize(LARGEST, 0);
            }
            let length = length.min(buffer.len());
            work(buffer.get_mut(..length).unwrap_or_default())
        }
        Err(_) => work(&mut [0; SMALL]),
    })
}
