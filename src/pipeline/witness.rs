//! [`Witness`]: sees what the searches of one request did, text included.

use std::sync::{Arc, Mutex, PoisonError};

use super::SearchRecord;

/// Put into a request's extensions by whoever asks from inside the program (`rerankd eval`): its records come here,
/// all of them, before the answer, and not to the inspector. No client can do that.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Vec<SearchRecord>>>);

impl Witness {
    /// Takes what was seen.
    pub fn take(&self) -> Vec<SearchRecord> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sees these.
    pub fn see(&self, records: Vec<SearchRecord>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
    }
}
