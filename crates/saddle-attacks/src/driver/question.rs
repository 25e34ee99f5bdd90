//! Reads an attack's question before anybody pays for it.

use candle_core::Tensor;
use saddle_model::Loss;

use crate::{
    attack::Query,
    error::{Error, Result},
};

/// A question of the attack, read.
pub(super) struct Question<'q> {
    pub(super) points: &'q Tensor,
    pub(super) rows: &'q [usize],
    pub(super) loss: &'q Loss,
    pub(super) at_iterate: bool,
    pub(super) gradient: bool,
    /// Whether the gradient is that of every logit.
    pub(super) of_logits: bool,
}

impl<'q> Question<'q> {
    /// Reads a question and refuses one that does not fit `present` rows of images of shape `image`;
    /// none once the run is done.
    pub(super) fn read(
        query: &'q Query,
        attack: &str,
        present: usize,
        image: &[usize],
    ) -> Result<Option<Self>> {
        let (points, rows, loss, at_iterate) = match query {
            Query::Gradient { points, rows, loss, at_iterate }
            | Query::Loss { points, rows, loss, at_iterate }
            | Query::LogitGradients { points, rows, loss, at_iterate } => {
                (points, rows, loss, *at_iterate)
            }
            Query::Done => return Ok(None),
        };
        let gradient = !matches!(query, Query::Loss { .. });
        let of_logits = matches!(query, Query::LogitGradients { .. });
        let refuse = |message: String| Err(Error::attack(attack, message));
        if points.dims().get(1..) != Some(image) || points.dim(0)? != rows.len() || rows.is_empty()
        {
            let shape = points.dims();
            return refuse(format!("asks for {} rows at points of shape {shape:?}", rows.len()));
        }
        if let Some(row) = rows.iter().find(|&&row| row >= present) {
            return refuse(format!("asks for row {row} of {present}"));
        }
        if at_iterate && !rows.iter().copied().eq(0..present) {
            return refuse("calls points the iterate that do not show it row by row".into());
        }
        Ok(Some(Self { points, rows, loss, at_iterate, gradient, of_logits }))
    }

    /// Passes that the question costs each row.
    pub(super) fn costs(&self, present: usize, classes: usize) -> Vec<u64> {
        let mut costs = vec![0; present];
        for &row in self.rows {
            costs[row] += 1 + self.backward(classes);
        }
        costs
    }

    /// Backward passes at each point.
    pub(super) fn backward(&self, classes: usize) -> u64 {
        match (self.gradient, self.of_logits) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => classes as u64,
        }
    }
}
