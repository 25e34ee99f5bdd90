//! The Square Attack: random search by squares, without any gradient.
//!
//! Andriushchenko et al. (ECCV 2020). Each try changes the best image so far in one square window, by the most that the
//! threat model allows there, and is kept if its loss is larger. A masked gradient cannot mislead an attack that asks for
//! none: where this one finds more than the gradient-based ones, they are not to be believed.
//!
//! # Conventions
//!
//! - The loss is the margin of the likeliest wrong class over the label, and for a targeted aim cross-entropy, as in the
//!   paper. A try is kept only if its loss is strictly larger.
//! - A try changes a share `p` of the pixels: the side of the window is `sqrt(p h w)`, rounded ([`Square::side`]). `p`
//!   starts at [`Square::share`] and is halved as the tries go on ([`Square::share_at`]).
//! - The iterate is the image that is being tried, so each question shows it and a verdict costs nothing more; in the end
//!   it is the best image. A cap that ends the search early leaves the image that was about to be tried: judge any iterate
//!   then.
//! - The search goes on after it has fooled the classifier; a [`Driver`](crate::Driver) with `stop_fooled` lets such rows
//!   leave, which is where the paper stops.
//!
//! # Draws
//!
//! Try number `t` of an example reads its numbers from one stream of [`saddle_ops::Draws`], labelled `square`, with `t` as the step: so
//! they are the same in any company. The files of the two norms say in which order.
//!
//! # What is deliberately absent
//!
//! The authors' programs draw one window for all images of a batch and never one that touches the last row or column; here every image has
//! its own, anywhere, as the paper has it.

mod l2;
mod linf;

use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::{Aim, Loss, LossKind};
use saddle_ops::{Draws, Norm};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Answer, Attack, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::{check_kept, choose, narrow, wide},
    threat_model::{Objective, ThreatModel},
};

/// Purpose of all draws.
const LABEL: &str = "square";

/// After how many of 10,000 tries `p` is halved.
const HALVED_AFTER: [u64; 9] = [10, 50, 200, 500, 1_000, 2_000, 4_000, 6_000, 8_000];

/// The description of the Square Attack, as plans and the command line hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Square {
    /// Images that are tried, the first one included: one forward pass each.
    #[serde(default = "queries")]
    pub queries: u32,
    /// The paper's `p` in the beginning: share of the pixels that a try changes, in (0, 1].
    #[serde(default = "share")]
    pub share: f64,
}

fn queries() -> u32 {
    5_000
}

fn share() -> f64 {
    0.8
}

impl Default for Square {
    /// 5,000 queries, `p` from 0.8 on: as AutoAttack runs it.
    fn default() -> Self {
        Self { queries: queries(), share: share() }
    }
}

impl Square {
    /// The paper's `p` of try number `query`, 1 being the first after the start. It is halved after 10, 50, 200, 500, 1,000,
    /// 2,000, 4,000, 6,000 and 8,000 of 10,000 tries, and proportionally for other numbers.
    pub fn share_at(&self, query: u32) -> f64 {
        let before = u64::from(query.saturating_sub(1));
        let at = before * 10_000 / u64::from(self.queries.max(1));
        let halvings = HALVED_AFTER.iter().filter(|&&after| at > after).count();
        self.share / (1u64 << halvings) as f64
    }

    /// Side of the window of try number `query` on images of `height` by `width` pixels.
    ///
    /// At least 1 and, for l2, an odd number of at least 3, as in the authors' program; never more than the image has room for.
    pub fn side(&self, query: u32, norm: Norm, height: usize, width: usize) -> usize {
        let area = self.share_at(query) * (height * width) as f64;
        let side = area.sqrt().round() as usize;
        let room = height.min(width).max(1);
        if norm != Norm::L2 {
            return side.clamp(1, room);
        }
        let odd = side.max(3) | 1;
        if odd <= room { odd } else { room - usize::from(room.is_multiple_of(2)) }
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        if self.queries == 0 {
            return Err(Error::setting("queries", "0 queries try nothing; take at least one"));
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            let message = format!("{} is not usable; it must lie in (0, 1]", self.share);
            return Err(Error::setting("share", message));
        }
        Ok(())
    }
}

impl Attack for Square {
    fn name(&self) -> String {
        format!("Square {} queries", self.queries)
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        self.check()?;
        let threat_model = objective.threat_model(&self.name())?;
        if threat_model.norm == Norm::L1 {
            return Err(Error::UnsupportedGoal {
                attack: self.name(),
                message: "it is made for l2 and linf; choose one of them".into(),
            });
        }
        let kind = match objective.aim {
            Aim::Untargeted => LossKind::Margin,
            Aim::Targeted(_) => LossKind::CrossEntropy,
        };
        let loss = Loss::new(kind, examples.labels().to_vec(), &objective.aim)?;
        let natural = examples.images().clone();
        let mut search = Search {
            attack: *self,
            threat_model,
            draws,
            restart,
            query: 0,
            here: natural.clone(),
            best: natural.clone(),
            natural,
            best_losses: vec![f64::NEG_INFINITY; examples.len()],
            ids: examples.ids().to_vec(),
            loss: Arc::new(loss),
            asked: false,
        };
        search.here = search.next()?;
        Ok(Box::new(search))
    }
}

/// Height, width and channels of an image, flattened channel by channel and row by row.
#[derive(Clone, Copy, Debug)]
struct Grid {
    channels: usize,
    height: usize,
    width: usize,
}

impl Grid {
    /// Place of a pixel in the flattened image.
    fn at(&self, channel: usize, [row, column]: [usize; 2]) -> usize {
        (channel * self.height + row) * self.width + column
    }
}

/// A search under way.
struct Search {
    attack: Square,
    threat_model: ThreatModel,
    draws: Draws,
    restart: u32,
    /// Images that have been tried.
    query: u32,
    natural: Tensor,
    /// The image that is being tried; in the end the best one.
    here: Tensor,
    best: Tensor,
    best_losses: Vec<f64>,
    ids: Vec<u64>,
    loss: Arc<Loss>,
    asked: bool,
}

impl Search {
    /// The next image to try, row by row.
    fn next(&self) -> Result<Tensor> {
        let (_, channels, height, width) = self.natural.dims4()?;
        let grid = Grid { channels, height, width };
        let ThreatModel { norm, epsilon, pixels } = self.threat_model;
        let side = self.attack.side(self.query, norm, height, width);
        let natural = wide(&self.natural)?;
        let mut images = wide(&self.best)?;
        for ((image, natural), &id) in images.iter_mut().zip(&natural).zip(&self.ids) {
            let stream = &mut self.draws.stream(LABEL, id, self.restart, self.query, 0);
            match (norm, self.query) {
                (Norm::L2, 0) => l2::start(natural, image, grid, epsilon.get(), stream),
                (Norm::L2, _) => l2::change(natural, image, grid, side, epsilon.get(), stream),
                (_, 0) => linf::start(image, grid, epsilon.get(), stream),
                (_, _) => linf::change(image, grid, side, epsilon.get(), stream),
            }
        }
        let candidate = narrow(images, &self.natural)?;
        Ok(self.threat_model.ball().project_then_clip(&self.natural, &candidate, pixels)?)
    }
}

impl Run for Search {
    fn ask(&mut self) -> Result<Query> {
        if self.query == self.attack.queries {
            return Ok(Query::Done);
        }
        self.asked = true;
        let rows = (0..self.ids.len()).collect();
        let loss = Arc::clone(&self.loss);
        Ok(Query::Loss { points: self.here.clone(), rows, loss, at_iterate: true })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        let (found, present) = (answer.losses.len(), self.ids.len());
        if !std::mem::take(&mut self.asked) || found != present {
            let message =
                format!("told {found} losses for {present} rows, or without having asked");
            return Err(Error::attack(&self.attack.name(), message));
        }
        let pairs = answer.losses.iter().zip(&self.best_losses);
        let better: Vec<bool> = pairs.map(|(new, best)| new > best).collect();
        self.best = choose(&better, &self.here, &self.best)?;
        for (best, &new) in self.best_losses.iter_mut().zip(&answer.losses) {
            *best = if new > *best { new } else { *best };
        }
        self.query += 1;
        let over = self.query == self.attack.queries;
        self.here = if over { self.best.clone() } else { self.next()? };
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        check_kept(&self.attack.name(), rows, self.ids.len())?;
        self.natural = select_rows(&self.natural, rows)?;
        self.here = select_rows(&self.here, rows)?;
        self.best = select_rows(&self.best, rows)?;
        self.best_losses = rows.iter().map(|&row| self.best_losses[row]).collect();
        self.ids = rows.iter().map(|&row| self.ids[row]).collect();
        self.loss = Arc::new(self.loss.select(rows)?);
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.here
    }
}
