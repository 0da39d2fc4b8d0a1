//! How the scores of a query are written in Redis: a list under the query's name, of chunks. A chunk has the scores that one
//! call has brought: version, time at which they expire, check, and sixteen bytes for each.
//!
//! Why not a hash with a field for each document: what Redis and Valkey themselves need for a field makes that half as large
//! again, and only whole hashes have a time to live. A list can be added to at once by many, and its oldest chunks cut off,
//! both in one command.

use std::time::{SystemTime, UNIX_EPOCH};

/// The sixteen bytes of a keyed hash that name a query.
pub type QueryId = [u8; 16];

/// The twelve bytes of a keyed hash that name a document of a query.
pub type DocumentId = [u8; 12];

/// Incremented when the layout changes: what another version wrote counts as missing.
const VERSION: u8 = 2;
/// Version, expiry, check.
const HEAD: usize = 1 + 4 + 8;
const ROW: usize = size_of::<DocumentId>() + 4;

/// The most scores of a chunk.
pub(super) const MOST_SCORES: usize = 256;
/// The most chunks of a query; the oldest go.
pub(super) const MOST_CHUNKS: usize = 100;

/// A time of day, in seconds since 1970, until 2106.
pub(super) type UnixSecond = u32;

pub(super) fn now() -> UnixSecond {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSecond::try_from(since.as_secs()).unwrap_or(UnixSecond::MAX)
}

/// A chunk of some scores of a query.
pub(super) fn encode(query: &QueryId, expires: UnixSecond, scores: &[(DocumentId, f32)]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(HEAD + scores.len() * ROW);
    chunk.push(VERSION);
    chunk.extend(expires.to_le_bytes());
    chunk.extend([0; 8]);
    for (document, score) in scores {
        chunk.extend(document);
        chunk.extend(score.to_le_bytes());
    }
    let check = checked(query, expires, chunk.get(HEAD..).unwrap_or_default());
    if let Some(place) = chunk.get_mut(HEAD - check.len()..HEAD) {
        place.copy_from_slice(&check);
    }
    chunk
}

/// What the chunks of a query say of some of its documents.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// The newest score of each, in their order, of those that have not expired.
    pub(super) scores: Vec<Option<f32>>,
    /// Whether a chunk is damaged, of another version or of another query; it has no scores.
    pub(super) damaged: bool,
}

/// Looks for documents in the chunks of a query, the oldest first, as it is `now`.
pub(super) fn find(query: &QueryId, documents: &[DocumentId], chunks: &[Vec<u8>], now: UnixSecond) -> Found {
    let mut wanted: Vec<(&DocumentId, usize)> = documents.iter().zip(0..).collect();
    wanted.sort_unstable();
    let mut found = Found { scores: vec![None; documents.len()], damaged: false };
    for chunk in chunks {
        let Some((expires, rows)) = decode(query, chunk) else {
            found.damaged = true;
            continue;
        };
        for (document, score) in rows.filter(|(_, score)| expires > now && score.is_finite()) {
            let at = wanted.partition_point(|(wanted, _)| **wanted < document);
            let places = wanted.iter().skip(at).take_while(|(wanted, _)| **wanted == document);
            for (_, place) in places {
                found.scores[*place] = Some(score);
            }
        }
    }
    found
}

fn decode<'a>(
    query: &QueryId,
    chunk: &'a [u8],
) -> Option<(UnixSecond, impl Iterator<Item = (DocumentId, f32)> + use<'a>)> {
    let (head, rows) = chunk.split_first_chunk::<HEAD>()?;
    let [version, a, b, c, d, check @ ..] = head;
    let expires = UnixSecond::from_le_bytes([*a, *b, *c, *d]);
    let (rows, rest) = rows.as_chunks::<ROW>();
    if *version != VERSION || !rest.is_empty() || *check != checked(query, expires, rows.as_flattened()) {
        return None;
    }
    let row = |row: &[u8; ROW]| {
        let [document @ .., a, b, c, d] = *row;
        (document, f32::from_le_bytes([a, b, c, d]))
    };
    Some((expires, rows.iter().map(row)))
}

/// The query is part of it, so that a response which belongs to another question can give no score.
fn checked(query: &QueryId, expires: UnixSecond, rows: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(query).update(&[VERSION]).update(&expires.to_le_bytes()).update(rows);
    let mut check = [0; 8];
    hasher.finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn of_one(query: &QueryId, document: DocumentId, chunk: &[u8], now: UnixSecond) -> Found {
        find(query, &[document], &[chunk.to_vec()], now)
    }

    const NOTHING: Found = Found { scores: Vec::new(), damaged: true };

    fn damaged(count: usize) -> Found {
        Found { scores: vec![None; count], ..NOTHING }
    }

    proptest! {
        #[test]
        fn every_finite_score_comes_back_at_its_place(
            query: QueryId,
            scores in vec((any::<DocumentId>(), any::<u32>().prop_map(f32::from_bits)), 0..20),
            others in vec(any::<DocumentId>(), 0..5),
        ) {
            let chunks: Vec<_> = scores.chunks(7).map(|part| encode(&query, 9, part)).collect();
            let documents: Vec<_> = others.into_iter().chain(scores.iter().rev().map(|(id, _)| *id)).collect();
            let found = find(&query, &documents, &chunks, 8);
            prop_assert!(!found.damaged);
            for (document, score) in documents.iter().zip(found.scores) {
                let newest = scores.iter().rev().find(|(id, score)| id == document && score.is_finite());
                prop_assert_eq!(score.map(f32::to_bits), newest.map(|(_, score)| score.to_bits()));
            }
        }

        #[test]
        fn a_damaged_chunk_has_no_scores(query: QueryId, id: DocumentId, at in 0..HEAD + ROW, flip in 1..=255_u8) {
            let mut chunk = encode(&query, 9, &[(id, 0.5)]);
            chunk[at] ^= flip;
            prop_assert_eq!(of_one(&query, id, &chunk, 0), damaged(1));
        }

        #[test]
        fn the_chunk_of_another_query_has_no_scores(query: QueryId, id: DocumentId, at in 0..16_usize, flip in 1..=255_u8) {
            let mut other = query;
            other[at] ^= flip;
            prop_assert_eq!(of_one(&other, id, &encode(&query, 9, &[(id, 0.5)]), 0), damaged(1));
        }

        #[test]
        fn other_bytes_have_no_scores(query: QueryId, id: DocumentId, bytes in vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(of_one(&query, id, &bytes, 0), damaged(1));
        }

        #[test]
        fn a_part_of_a_chunk_has_no_scores(query: QueryId, id: DocumentId, length in 0..HEAD + 2 * ROW) {
            let chunk = encode(&query, 9, &[(id, 0.5), ([1; 12], 0.25)]);
            prop_assert_eq!(of_one(&query, id, &chunk[..length], 0), damaged(1));
        }
    }

    #[test]
    fn a_score_expires_at_its_own_time_although_others_of_its_query_live_on() {
        let (query, [a, b]) = ([7; 16], [[1; 12], [2; 12]]);
        let chunks = [encode(&query, 100, &[(a, 0.25)]), encode(&query, 200, &[(b, 0.5)])];
        for (now, scores) in [
            (99, [Some(0.25), Some(0.5)]),
            (100, [None, Some(0.5)]),
            (199, [None, Some(0.5)]),
            (200, [None; 2]),
        ] {
            let expected = Found { scores: scores.to_vec(), damaged: false };
            assert_eq!(find(&query, &[a, b], &chunks, now), expected, "at {now}");
        }
    }

    #[test]
    fn another_version_has_no_scores() {
        let mut chunk = encode(&[7; 16], 9, &[([1; 12], 0.5)]);
        chunk[0] = VERSION + 1;
        assert_eq!(of_one(&[7; 16], [1; 12], &chunk, 0), damaged(1));
    }

    #[test]
    fn beside_a_damaged_chunk_the_others_are_good() {
        let query = [7; 16];
        let chunks = [b"0.5".to_vec(), encode(&query, 9, &[([1; 12], 0.5)])];
        let expected = Found { scores: vec![Some(0.5), None], damaged: true };
        assert_eq!(find(&query, &[[1; 12], [2; 12]], &chunks, 0), expected);
    }

    #[test]
    fn the_layout_stands() {
        let chunk = encode(&[0; 16], 258, &[([9; 12], 0.5)]);
        assert_eq!(
            (&chunk[..5], &chunk[HEAD..]),
            (&[2, 2, 1, 0, 0][..], &[[9; 12].as_slice(), &[0, 0, 0, 63]].concat()[..])
        );
    }
}
