//! The same figure, measured once a round.

/// Figures of the rounds, in their order.
#[derive(Clone, Debug, Default)]
pub struct Series(Vec<f64>);

impl Series {
    /// Adds the figure of a round.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// How many there are.
    pub fn rounds(&self) -> usize {
        self.0.len()
    }

    /// The middle one; of an even number the mean of the middle two.
    pub fn median(&self) -> f64 {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        let middle = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        (middle(values.len() / 2) + middle(values.len().saturating_sub(1) / 2)) / 2.0
    }

    /// The lowest and the highest.
    pub fn spread(&self) -> (f64, f64) {
        let low = self.0.iter().copied().min_by(f64::total_cmp);
        let high = self.0.iter().copied().max_by(f64::total_cmp);
        (low.unwrap_or(f64::NAN), high.unwrap_or(f64::NAN))
    }

    /// Each round's figure over that of the other in the same round: what shook the machine shook both.
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine / theirs).collect())
    }
}

impl From<f64> for Series {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Series;

    #[test]
    fn the_middle_and_the_ends() {
        let series: Series = [3.0, 1.0, 2.0].into_iter().collect();
        assert_eq!((series.median(), series.spread(), series.rounds()), (2.0, (1.0, 3.0), 3));
        let two: Series = [1.0, 2.0].into_iter().collect();
        assert_eq!(two.median(), 1.5, "neither the better nor the worse one");
        assert!(Series::default().median().is_nan());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // Both at half speed in the second round: the ratio does not move.
        let (mine, theirs): (Series, Series) = ([4.0, 2.0].into_iter().collect(), [8.0, 4.0].into_iter().collect());
        assert_eq!(mine.over(&theirs).spread(), (0.5, 0.5));
    }
}
