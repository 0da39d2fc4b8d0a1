//! How good an order is: the measure of `rerankd eval`.

use std::collections::HashMap;

use crate::eval::measures::{Grades, Measure};

/// Normalised discounted cumulative gain of the first `k` places, from 0 to 1; 0 where nothing is relevant.
pub fn ndcg(ranking: &[u64], grades: &HashMap<u64, u32>, k: usize) -> f64 {
    let ranking: Vec<String> = ranking.iter().map(u64::to_string).collect();
    let grades: Grades = grades.iter().map(|(id, &grade)| (id.to_string(), i64::from(grade))).collect();
    Measure::Ndcg.of(&ranking, &grades, k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_worked_out_by_hand() {
        let grades = HashMap::from([(1, 3), (2, 1)]);
        // 3/log2(4) of 3 + 1/log2(3).
        assert!((ndcg(&[8, 9, 1], &grades, 3) - 1.5 / 3.630_929_753_571_457).abs() < 1e-12);
    }
}
