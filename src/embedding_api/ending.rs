//! How embedding calls end.

use crate::embedding::form::Skip;

/// How an embedding call ended for the memory: the closed list of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// At least one vector is remembered with its text.
    Remembered,
    /// Nothing of it is to be remembered, or could be read.
    Skipped(Skip),
    /// The service answered with an error, or a redirect.
    Rejected,
    /// The service gave no response, or it or the client broke off.
    Broken,
    /// The request or the response is larger than is copied.
    TooLarge,
    /// The memory for copies is in use.
    NoRoom,
    /// The memory took none of it: it is switched off, or the vectors are of no use.
    NotKept,
    /// Reading it failed, or took too long.
    Failed,
}

impl Ending {
    /// Nothing is to be remembered of this service.
    pub(super) const OFF: Self = Self::Skipped(Skip::Off);

    /// Every one.
    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let own = [
            Self::Remembered,
            Self::Rejected,
            Self::Broken,
            Self::TooLarge,
            Self::NoRoom,
            Self::NotKept,
            Self::Failed,
        ];
        own.into_iter().chain(Skip::ALL.into_iter().map(Self::Skipped))
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Skipped(skip) => skip.as_str(),
            Self::Rejected => "rejected",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::NoRoom => "no_room",
            Self::NotKept => "not_kept",
            Self::Failed => "failed",
        }
    }
}
