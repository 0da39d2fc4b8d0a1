//! What the order of a search's hits is one of, whatever the protocol.

use crate::search::{KeepReason, Widening};

/// How many components distinguish one vector from others.
pub(super) const VECTOR_HEAD: usize = 16;

/// How the hits of a search were ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By one scorer: a longer response begins as the shorter one does.
    Plain,
    /// From inner lists whose lengths matter.
    Composed,
    /// Not by relevance to a query, or in an order that is the point of the request.
    Kept(KeepReason),
}

impl Order {
    pub fn widening(self) -> Widening {
        match self {
            Order::Plain => Widening::Neutral,
            Order::Composed => Widening::NotNeutral,
            Order::Kept(_) => Widening::Never,
        }
    }

    /// The order of a query that ranks like this by itself, over prefetches in these orders.
    pub fn over(self, inner: &[Order]) -> Order {
        match self {
            Order::Composed => fused(inner),
            Order::Plain if !inner.is_empty() => Order::Composed,
            order => order,
        }
    }

    /// That of a recommendation. A client that recommends by average and requests the vectors chooses among the hits by
    /// itself (as LangChain's MMR does), and counts on the database's order.
    pub fn of_recommendation(by_average: bool, with_vectors: bool) -> Order {
        if by_average && with_vectors { Order::Kept(KeepReason::NotRanked) } else { Order::Plain }
    }
}

/// What is made of the scores of inner lists is relevance where one of the lists is in such an order.
fn fused(inner: &[Order]) -> Order {
    let ranked = |order: &&Order| !matches!(order, Order::Kept(_));
    let unknown = |order: &&Order| **order == Order::Kept(KeepReason::Unsupported);
    // A fusion of nothing is for the server to reject.
    if inner.is_empty() || inner.iter().any(|order| ranked(&order)) {
        Order::Composed
    } else if inner.iter().any(|order| unknown(&order)) {
        Order::Kept(KeepReason::Unsupported)
    } else {
        Order::Kept(KeepReason::NotRanked)
    }
}

/// Whether a name in a formula is that of a score: `$score`, or that of a prefetch by its number, `$score[1]`.
pub(super) fn is_score(name: &str) -> bool {
    name.strip_prefix("$score").is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}
