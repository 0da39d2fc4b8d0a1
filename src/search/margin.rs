/// How far the best hit leads: its distance to the second, as a share of the distance from the best to the last.
/// 0 for a tie, 1 where all others are alike. Whether higher or lower scores are better does not matter.
///
/// `scores` are the database's, best first. `None` where they say nothing: fewer than three, all equal, not
/// finite, or not in one direction.
pub fn lead(scores: &[f64]) -> Option<f64> {
    let [first, second, .., last] = scores else { return None };
    let range = first - last;
    if !range.is_finite() || range == 0.0 {
        return None;
    }
    let lead = (first - second) / range;
    (0.0..=1.0).contains(&lead).then_some(lead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_is_a_share_of_the_range_in_either_direction() {
        assert_eq!(lead(&[9.0, 3.0, 2.0, 1.0]), Some(0.75));
        assert_eq!(lead(&[1.0, 7.0, 9.0]), Some(0.75), "distances: lower is better");
        assert_eq!(lead(&[5.0, 5.0, 1.0]), Some(0.0));
    }

    #[test]
    fn scores_that_say_nothing_give_no_lead() {
        for scores in
            [&[][..], &[1.0, 0.5], &[1.0, 1.0, 1.0], &[f64::NAN, 1.0, 0.5], &[f64::INFINITY, 1.0, 0.0]]
        {
            assert_eq!(lead(scores), None, "{scores:?}");
        }
        assert_eq!(lead(&[2.0, 3.0, 1.0]), None, "not best first");
    }
}
