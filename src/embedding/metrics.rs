use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// Of a series that is there only while the memory is on.
const NO_LABELS: &[&str] = &[];

/// Who knew the text of a vector, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// This process.
    Memory,
    /// Another of the fleet, through Redis.
    Fleet,
}

/// How the look-up of a search's vectors ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookedUp {
    Found,
    Missed,
    Ambiguous,
}

impl Tier {
    const ALL: [Tier; 2] = [Tier::Memory, Tier::Fleet];

    fn as_str(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Fleet => "fleet",
        }
    }
}

impl LookedUp {
    const ALL: [LookedUp; 3] = [LookedUp::Found, LookedUp::Missed, LookedUp::Ambiguous];

    fn as_str(self) -> &'static str {
        match self {
            LookedUp::Found => "found",
            LookedUp::Missed => "missed",
            LookedUp::Ambiguous => "ambiguous",
        }
    }
}

/// The metrics of remembered texts. They outlive a reload of the configuration.
#[derive(Clone, Debug)]
pub struct EmbeddingMetrics {
    lookups: IntCounterVec,
    remembered: IntCounterVec,
    entries: IntGaugeVec,
    bytes: IntGaugeVec,
}

impl EmbeddingMetrics {
    /// Creates the metrics and registers them; fails if the registry has them already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let lookups = IntCounterVec::new(
            Opts::new(
                "rerankd_embedding_lookups_total",
                "Searches without text whose vectors were looked up among remembered embeddings, by where and result.",
            ),
            &["tier", "result"],
        )?;
        let remembered = IntCounterVec::new(
            Opts::new(
                "rerankd_embedding_texts_remembered_total",
                "Texts of embedding calls that were remembered with their vectors.",
            ),
            NO_LABELS,
        )?;
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), NO_LABELS);
        let entries =
            gauge("rerankd_embedding_memory_entries", "Texts that are remembered by their vectors.")?;
        let bytes = gauge("rerankd_embedding_memory_bytes", "Memory that remembered texts take, in bytes.")?;
        registry.register(Box::new(lookups.clone()))?;
        registry.register(Box::new(remembered.clone()))?;
        registry.register(Box::new(entries.clone()))?;
        registry.register(Box::new(bytes.clone()))?;
        Ok(Self { lookups, remembered, entries, bytes })
    }

    /// Puts every series there at zero; those of the fleet only where one shares the memory.
    pub fn declare(&self, shared: bool) {
        for tier in Tier::ALL.into_iter().filter(|&tier| shared || tier == Tier::Memory) {
            for result in LookedUp::ALL {
                self.lookups.with_label_values(&[tier.as_str(), result.as_str()]);
            }
        }
        self.remembered.with_label_values(NO_LABELS);
        self.held(0, 0);
    }

    /// Sets how much is remembered: texts, and bytes.
    pub fn held(&self, entries: usize, bytes: usize) {
        for (gauge, value) in [(&self.entries, entries), (&self.bytes, bytes)] {
            gauge.with_label_values(NO_LABELS).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// Takes the gauges away: nothing is remembered any more.
    pub fn withdraw(&self) {
        self.entries.reset();
        self.bytes.reset();
    }

    pub(super) fn remembered(&self) {
        self.remembered.with_label_values(NO_LABELS).inc();
    }

    pub(super) fn looked_up(&self, tier: Tier, result: LookedUp) {
        self.lookups.with_label_values(&[tier.as_str(), result.as_str()]).inc();
    }
}
