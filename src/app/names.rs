//! [`KnownNames`]: what is known of the names of collections, kept over a reload.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::time::Instant;

use crate::{
    config::UpstreamConfig,
    dialect::paths::{Names, NamesAt},
};

/// The names that each database has told, as long as a listener uses them. They are of a database and of where its calls
/// tell names: listeners that agree in both share them.
#[derive(Clone, Default)]
pub(super) struct KnownNames(Arc<Mutex<Vec<Known>>>);

struct Known {
    database: String,
    at: Option<NamesAt>,
    names: Weak<Names>,
}

impl KnownNames {
    /// Those of the database behind `upstream`, whose definition says where they are told.
    pub(super) fn of(&self, upstream: &UpstreamConfig, at: Option<&NamesAt>) -> Arc<Names> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.names.strong_count() > 0);
        let database = format!("{}{}", upstream.url, upstream.path_prefix.as_str());
        let same = |known: &&Known| known.database == database && known.at.as_ref() == at;
        if let Some(names) = all.iter().find(same).and_then(|known| known.names.upgrade()) {
            return names;
        }
        let names = Arc::new(Names::new(|| Instant::now().into_std()));
        all.push(Known { database, at: at.cloned(), names: Arc::downgrade(&names) });
        names
    }
}
