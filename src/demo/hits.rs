//! Which points a search finds, in which order.

use super::{
    DIMENSIONS,
    filter::Filter,
    points::{self, Point},
    rejection::Rejection,
};

/// Without one, a search gets this many hits.
pub(super) const LIMIT: u64 = 10;
/// Without them, a grouped search gets this many groups, with so many hits each.
pub(super) const GROUPS: u64 = 10;
pub(super) const GROUP_SIZE: u64 = 3;

/// A point and its score.
pub(super) type Hit = (f32, &'static Point);

/// Which points are searched for. A page or groups are made of them.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub query: Query,
    pub filter: Filter,
    pub score_threshold: Option<f32>,
}

/// What the points are near to.
#[derive(Debug, Default)]
pub(super) enum Query {
    /// Nothing: they come by id.
    #[default]
    None,
    Vector(Vec<f32>),
    /// A point, which is not its own neighbour.
    Point(u64),
}

/// The hits of one group, which has the value of a payload field.
#[derive(Debug)]
pub(super) struct Group {
    pub value: &'static str,
    pub hits: Vec<Hit>,
}

impl Search {
    /// The hits from `offset` on, nearest first.
    pub(super) fn page(&self, offset: u64, limit: u64) -> Result<Vec<Hit>, Rejection> {
        at_least_1("limit", limit)?;
        Ok(self.hits()?.into_iter().skip(index(offset)).take(index(limit)).collect())
    }

    /// The best groups by a payload field, each with its best hits.
    pub(super) fn groups(&self, by: &str, size: u64, limit: u64) -> Result<Vec<Group>, Rejection> {
        at_least_1("limit", limit)?;
        at_least_1("group_size", size)?;
        let mut groups: Vec<Group> = Vec::new();
        for (score, point) in self.hits()? {
            let Some(value) = point.passage.field(by) else { continue };
            let at = match groups.iter().position(|group| group.value == value) {
                Some(at) => at,
                None if groups.len() < index(limit) => {
                    groups.push(Group { value, hits: Vec::new() });
                    groups.len() - 1
                }
                None => continue,
            };
            if let Some(group) = groups.get_mut(at).filter(|group| group.hits.len() < index(size)) {
                group.hits.push((score, point));
            }
        }
        Ok(groups)
    }

    fn hits(&self) -> Result<Vec<Hit>, Rejection> {
        let mut hits = match &self.query {
            Query::None => points::all().iter().map(|point| (0.0, point)).collect(),
            Query::Vector(vector) if vector.len() == DIMENSIONS => points::nearest(vector, None),
            Query::Vector(vector) => return Err(Rejection::Dimension(vector.len())),
            Query::Point(id) => {
                let point = points::by_id(*id).ok_or_else(|| Rejection::UnknownPoint(id.to_string()))?;
                points::nearest(&point.vector, Some(*id))
            }
        };
        hits.retain(|(score, point)| {
            self.score_threshold.is_none_or(|floor| *score >= floor) && self.filter.accepts(point.passage)
        });
        Ok(hits)
    }
}

/// All points of a filter from an id on, so many of them, and the id of the one that follows.
pub(super) fn scroll(
    filter: &Filter,
    from: u64,
    limit: u64,
) -> Result<(Vec<&'static Point>, Option<u64>), Rejection> {
    at_least_1("limit", limit)?;
    let mut rest =
        points::all().iter().filter(|point| point.passage.id >= from && filter.accepts(point.passage));
    let found = rest.by_ref().take(index(limit)).collect();
    Ok((found, rest.next().map(|point| point.passage.id)))
}

/// How many points a filter accepts.
pub(super) fn count(filter: &Filter) -> u64 {
    points::all().iter().filter(|point| filter.accepts(point.passage)).count() as u64
}

fn at_least_1(name: &'static str, number: u64) -> Result<(), Rejection> {
    if number > 0 { Ok(()) } else { Err(Rejection::Zero(name)) }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
