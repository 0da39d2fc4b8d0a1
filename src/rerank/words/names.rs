use siphasher::sip::SipHasher24;

/// Names words, documents and collections by keyed hashes: nothing of them can be read, or guessed without the secret.
/// SipHash-2-4: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012.
#[derive(Clone, Copy)]
pub(super) struct Names {
    key: [u8; 16],
}

impl Names {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// Two of a few ten thousand words hardly ever have the same.
    pub(super) fn term(&self, word: &str) -> u32 {
        let [low, ..] = halves(self.hash(0, word.as_bytes()));
        low
    }

    /// Of its keyed digest, which must not be seen either.
    pub(super) fn document(&self, digest: &[u8; 32]) -> u64 {
        self.hash(1, digest)
    }

    pub(super) fn collection(&self, name: &str) -> u64 {
        self.hash(2, name.as_bytes())
    }

    /// Of a search: its query and the names of its candidates.
    pub(super) fn search(&self, collection: u64, query: &str, documents: &[u64]) -> u64 {
        let mut bytes = Vec::with_capacity(query.len() + 8 * documents.len() + 8);
        bytes.extend(collection.to_le_bytes());
        documents.iter().for_each(|document| bytes.extend(document.to_le_bytes()));
        bytes.extend(query.as_bytes());
        self.hash(3, &bytes)
    }

    fn hash(&self, kind: u8, bytes: &[u8]) -> u64 {
        let mut key = self.key;
        if let Some(last) = key.last_mut() {
            *last ^= kind;
        }
        SipHasher24::new_with_key(&key).hash(bytes)
    }
}

fn halves(hash: u64) -> [u32; 2] {
    [hash as u32, (hash >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_their_kind_and_secret() {
        let names = Names::new([7; 16]);
        assert_eq!(names.term("word"), Names::new([7; 16]).term("word"));
        assert_ne!(names.term("word"), Names::new([8; 16]).term("word"));
        assert_ne!(names.collection("a"), u64::from(names.term("a")));
        assert_ne!(names.search(1, "q", &[2]), names.search(1, "q", &[3]));
        assert_ne!(names.search(1, "q", &[2]), names.search(2, "q", &[2]));
    }
}
