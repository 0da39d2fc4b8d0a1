//! [`Fingerprint`]: what some files hold, to be compared.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// What some files hold. Two are equal where every file holds the same, or cannot be read for the same reason.
/// Files may hold keys, so it is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(blake3::Hash);

/// More than any configuration or certificate has; what follows is not looked at.
const MOST: u64 = 16 << 20;

impl Fingerprint {
    /// Of these files, as they are now. Blocks on the disk.
    pub fn of(files: &[PathBuf]) -> Self {
        let mut whole = blake3::Hasher::new();
        for path in files {
            whole.update(blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes());
            match contents(path) {
                Ok(hash) => whole.update(hash.as_bytes()),
                Err(error) => whole.update(error.kind().to_string().as_bytes()),
            };
        }
        Self(whole.finalize())
    }
}

fn contents(path: &Path) -> io::Result<blake3::Hash> {
    // A pipe or a device would block, or never end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(path)?.take(MOST), &mut hasher)?;
    Ok(hasher.finalize())
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}
