//! What is in a collection: its name says it.

/// `hits-50-2000`: fifty points of two thousand bytes of text each.
#[derive(Clone, Copy)]
pub struct Collection {
    pub hits: usize,
    pub bytes: usize,
}

impl Collection {
    pub fn named(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix("hits-")?.split('-').map(str::parse::<usize>);
        Some(Self { hits: numbers.next()?.ok()?, bytes: numbers.next()?.ok()? })
    }
}

/// Words, another choice for every hit; plain but for a line break now and then, which JSON escapes.
pub fn text(hit: usize, bytes: usize) -> String {
    const WORDS: [&str; 16] = [
        "the", "refund", "of", "a", "late", "train", "is", "paid", "within", "fourteen", "days", "by", "the",
        "carrier", "with", "Zürich",
    ];
    let mut text = String::with_capacity(bytes + 16);
    let mut state = hit as u64 + 1;
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 60) as usize]);
        text.push_str(if (state >> 54) & 31 == 0 { "\n" } else { " " });
    }
    text
}
