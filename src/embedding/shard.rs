use std::hash::{BuildHasherDefault, Hasher};

use hashlink::LinkedHashMap;

use super::{tolerant::NEIGHBOURS, vector::Imprint};

/// What is counted for an entry beside its record, in bytes: its node in the list (56), its share of the table when that
/// is emptiest (21), and of the nodes that wait to be used again. `tests/memory.rs` measures it.
pub(super) const NODE: usize = 96;

/// Part of a memory: entries by place, under one lock.
#[derive(Default)]
pub(super) struct Shard {
    /// The least recently used first.
    entries: LinkedHashMap<u64, Entry, BuildHasherDefault<Placed>>,
    bytes: usize,
    most: usize,
    /// The most entries since the room of former ones was given back.
    nodes: usize,
}

pub(super) struct Entry {
    /// Tells it from its neighbours.
    pub(super) mark: u64,
    /// In milliseconds.
    pub(super) expires: u64,
    /// The sealed text, and behind it what a tolerant memory needs.
    pub(super) record: Box<[u8]>,
}

/// Where the entry of a vector is.
#[derive(Clone, Copy)]
pub(super) struct Home {
    /// The first of its places.
    pub(super) place: u64,
    /// How many there are: in a tolerant memory vectors of the same signs share them.
    places: u64,
    /// Tells it from its neighbours.
    pub(super) mark: u64,
}

impl Home {
    pub(super) fn of(imprint: &Imprint) -> Self {
        let [a, b, c, d, e, f, g, h, mark @ ..] = imprint.name();
        let (place, mark) = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(mark));
        match imprint.sketches.first() {
            Some(sketch) => Self { place: sketch.place, places: NEIGHBOURS, mark },
            None => Self { place, places: 1, mark },
        }
    }

    fn places(self) -> impl Iterator<Item = u64> {
        (0..self.places).map(move |nth| self.place.wrapping_add(nth))
    }
}

/// A place is part of a keyed hash: it only has to be turned, so that neighbours are not all in one corner of the table.
#[derive(Default)]
pub(super) struct Placed(u64);

impl Hasher for Placed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, place: u64) {
        self.0 = place.rotate_right(NEIGHBOURS.ilog2());
    }
}

impl Shard {
    /// An empty one of at most so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts an entry in its home, in place of an older one of its vector, and evicts what there is no more room for.
    /// Returns whether there is room for it at all.
    pub(super) fn put(&mut self, home: Home, entry: Entry, now: u64) -> bool {
        let size = size(&entry);
        if size > self.most {
            return false;
        }
        let place = self.room(home, now);
        self.bytes += size;
        if let Some(old) = self.entries.insert(place, entry) {
            self.bytes -= self::size(&old);
        }
        self.nodes = self.nodes.max(self.entries.len());
        while self.bytes > self.most || self.front_has_expired(now) {
            let Some((_, old)) = self.entries.pop_front() else { break };
            self.bytes -= self::size(&old);
        }
        self.give_room_back();
        true
    }

    /// The place to put an entry: that of its vector, else a free one, else that of the neighbour who expires first.
    fn room(&self, home: Home, now: u64) -> u64 {
        let rank = |place: &u64| match self.entries.get(place) {
            Some(entry) if entry.mark == home.mark => (0, 0),
            None => (1, 0),
            Some(entry) if entry.expires <= now => (1, 0),
            Some(entry) => (2, entry.expires),
        };
        home.places().min_by_key(rank).unwrap_or(home.place)
    }

    /// A copy of the record of the vector at home there, which is then the most recently used.
    pub(super) fn record(&mut self, home: Home, now: u64) -> Option<Box<[u8]>> {
        let is_it = |place: &u64| self.entries.get(place).is_some_and(|entry| entry.mark == home.mark);
        let place = home.places().find(is_it)?;
        if self.entries.get(&place)?.expires <= now {
            self.forget(place);
            return None;
        }
        self.entries.to_back(&place).map(|entry| entry.record.clone())
    }

    /// Copies of the records of all neighbours at `place`.
    pub(super) fn neighbours(&self, place: u64, now: u64) -> Vec<(u64, Box<[u8]>)> {
        let places = (0..NEIGHBOURS).map(|nth| place.wrapping_add(nth));
        let entries = places.filter_map(|place| Some((place, self.entries.get(&place)?)));
        let alive = entries.filter(|(_, entry)| entry.expires > now);
        alive.map(|(place, entry)| (place, entry.record.clone())).collect()
    }

    /// Makes an entry the most recently used.
    pub(super) fn touch(&mut self, place: u64) {
        self.entries.to_back(&place);
    }

    /// Forgets what has expired.
    pub(super) fn sweep(&mut self, now: u64) {
        let bytes = &mut self.bytes;
        self.entries.retain(|_, entry| {
            let stays = entry.expires > now;
            *bytes -= if stays { 0 } else { size(entry) };
            stays
        });
        self.give_room_back();
    }

    fn forget(&mut self, place: u64) {
        if let Some(old) = self.entries.remove(&place) {
            self.bytes -= size(&old);
        }
    }

    fn front_has_expired(&self, now: u64) -> bool {
        self.entries.front().is_some_and(|(_, entry)| entry.expires <= now)
    }

    /// The list keeps the nodes of former entries. They are not counted, so they may only be few.
    fn give_room_back(&mut self) {
        if self.nodes - self.entries.len() > 64 + self.entries.len() / 8 {
            self.entries.shrink_to_fit();
            self.nodes = self.entries.len();
        }
    }
}

fn size(entry: &Entry) -> usize {
    NODE + entry.record.len()
}
