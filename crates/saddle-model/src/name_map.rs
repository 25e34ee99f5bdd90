//! Whose tensors these are: the names and layouts of foreign weight files, translated into ours.
//!
//! Nothing is guessed from order and shape: two layers may have one shape. A file's names are ours, or those of a
//! network that was published ([`NameMap::published`]), or a map says what they mean.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::weight_file::without_prefix;
use crate::weights::MOST_NAMED;
use crate::{Architecture, Error, Layer, Result, Weights};

/// How a foreign file orders the sides of its tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorLayout {
    /// Convolutions (out, in, rows, columns), linear layers (out, in): ours.
    #[default]
    Pytorch,
    /// Convolutions (rows, columns, in, out), linear layers (in, out).
    Tensorflow,
}

/// In which order an image of `c` channels is flattened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlattenOrder {
    /// Channel, row, column: ours and PyTorch's.
    #[default]
    Chw,
    /// Row, column, channel: TensorFlow's.
    Hwc,
}

/// A translation of a foreign file's names and layouts into ours. As TOML:
///
/// ```toml
/// architecture = "madry"
/// layout = "tensorflow"          # convolutions (rows, columns, in, out), linear (in, out); "pytorch" when left out
/// flatten = "hwc"                # the order in which pixels enter the first linear layer; "chw" when left out
/// under = ["checkpoint", "net"]  # of a pickle: the keys that lead to the state dict
/// ignore = ["global_step"]       # tensors that are no weights
///
/// [names]                        # ours = theirs; names that are the same may be left out
/// "conv1.weight" = "layer0/kernel"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameMap {
    /// Name of the network whose weights these are.
    pub architecture: Option<String>,
    /// Keys of a pickled dictionary that lead to the state dict.
    pub under: Vec<String>,
    /// Order of the tensors' sides.
    pub layout: TensorLayout,
    /// Order in which pixels enter the first linear layer.
    pub flatten: FlattenOrder,
    /// Tensors of the file that are no weights.
    pub ignore: Vec<String>,
    /// Our name of each parameter and the file's.
    pub names: BTreeMap<String, String>,
}

impl NameMap {
    /// The maps of networks that their authors have published under other names than ours, each with a title.
    ///
    /// The released TRADES network needs none: its names are ours.
    pub fn published() -> Vec<(&'static str, Self)> {
        let names = |layers: [&str; 4], pair: fn(&str, usize) -> [String; 2]| {
            let ours = ["conv1", "conv2", "fc1", "fc2"];
            let pairs =
                ours.iter().zip(layers).enumerate().flat_map(move |(index, (ours, theirs))| {
                    let [weight, bias] = pair(theirs, index);
                    [(format!("{ours}.weight"), weight), (format!("{ours}.bias"), bias)]
                });
            pairs.collect()
        };
        let architecture = Some("madry".to_owned());
        let sequential =
            |layer: &str, _: usize| [format!("{layer}.weight"), format!("{layer}.bias")];
        // TensorFlow numbers variables without a name in the order of their making; the first has no number.
        let numbered = |_: &str, index: usize| match index {
            0 => ["Variable".to_owned(), "Variable_1".to_owned()],
            _ => [2 * index, 2 * index + 1].map(|number| format!("Variable_{number}")),
        };
        vec![
            (
                "MSD, robust_union (Maini et al. 2020): a PyTorch sequence",
                Self {
                    architecture: architecture.clone(),
                    names: names(["0", "3", "7", "9"], sequential),
                    ..Self::default()
                },
            ),
            (
                "MNIST challenge (Madry et al. 2018): TensorFlow's variables, exported",
                Self {
                    architecture,
                    layout: TensorLayout::Tensorflow,
                    flatten: FlattenOrder::Hwc,
                    names: names([""; 4], numbered),
                    ..Self::default()
                },
            ),
        ]
    }

    /// The published map whose names and shapes are exactly those of a file, of the network `named` if one is.
    pub(crate) fn published_for(
        weights: &Weights,
        named: Option<&str>,
    ) -> Option<(&'static str, Self)> {
        let fits = |map: &Self, weights: &Weights| {
            let own = map.architecture.as_deref();
            named.is_none_or(|named| Some(named) == own)
                && own
                    .and_then(|own| Architecture::by_name(own).ok())
                    .is_some_and(|architecture| map.apply(weights, &architecture).is_ok())
        };
        let bare = without_prefix(weights);
        Self::published().into_iter().find_map(|(title, mut map)| {
            if fits(&map, weights) {
                return Some((title, map));
            }
            let (bare, first) = (bare.as_ref()?, weights.names().next()?);
            if !fits(&map, bare) {
                return None;
            }
            let prefix = &first[..first.len() - bare.names().next()?.len()];
            map.names.values_mut().for_each(|theirs| theirs.insert_str(0, prefix));
            Some((title, map))
        })
    }

    /// Whether names and layouts are ours already.
    pub(crate) fn is_plain(&self) -> bool {
        let Self { architecture: _, under: _, layout, flatten, ignore, names } = self;
        let ours = *layout == TensorLayout::Pytorch && *flatten == FlattenOrder::Chw;
        ours && ignore.is_empty() && names.is_empty()
    }

    /// The architecture's parameters, in its order, names and layouts, from a file's tensors.
    ///
    /// # Errors
    ///
    /// [`Error::NameMap`] for a name that is no parameter, a tensor that is missing, used twice, left over or, after
    /// the change of layout, of another shape; it lists what was expected and what the file holds.
    pub fn apply(&self, weights: &Weights, architecture: &Architecture) -> Result<Weights> {
        let parameters = architecture.parameters();
        let mut left: BTreeSet<&str> = weights.names().collect();
        let mut complaints = Vec::new();
        for ours in self.names.keys() {
            if parameters.iter().all(|parameter| parameter.name != *ours) {
                complaints.push(format!("`{ours}` is no parameter of `{}`", architecture.name));
            }
        }
        for ignored in &self.ignore {
            left.remove(ignored.as_str());
        }
        let flattened = flattened(architecture)?;
        let mut entries = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let (ours, shape) = (&parameter.name, &parameter.shape);
            let theirs = self.names.get(ours).unwrap_or(ours);
            let Some(tensor) = weights.get(theirs) else {
                complaints.push(format!("missing `{theirs}`, to become `{ours}` {shape:?}"));
                continue;
            };
            if !left.remove(theirs.as_str()) {
                complaints.push(format!("`{theirs}` is asked for twice or ignored"));
                continue;
            }
            let image =
                flattened.as_ref().filter(|(layer, _)| layer == ours).map(|(_, image)| *image);
            match self.turned(tensor, shape, image)? {
                Some(tensor) => entries.push((parameter.name, tensor)),
                None => complaints.push(format!(
                    "`{theirs}` {:?} does not become `{ours}` {shape:?} from {:?} layout",
                    tensor.dims(),
                    self.layout
                )),
            }
        }
        complaints.extend(left.iter().map(|name| format!("unknown `{name}`")));
        if complaints.is_empty() {
            return Weights::new(entries);
        }
        let unnamed = complaints.len().saturating_sub(MOST_NAMED);
        complaints.truncate(MOST_NAMED);
        if unnamed > 0 {
            complaints.push(format!("and {unnamed} more"));
        }
        let held = weights.iter().take(MOST_NAMED);
        let held: Vec<_> = held.map(|(name, one)| format!("`{name}` {:?}", one.dims())).collect();
        let more = if weights.len() > held.len() { ", …" } else { "" };
        let message =
            format!("{}; the file holds {}{more}", complaints.join("; "), held.join(", "));
        Err(Error::NameMap { message })
    }

    /// A tensor in our layout; none when its shape then is not `shape`. `image` is the shape of the image that the layer
    /// takes flattened.
    fn turned(
        &self,
        tensor: &Tensor,
        shape: &[usize],
        image: Option<[usize; 3]>,
    ) -> Result<Option<Tensor>> {
        let mut tensor = tensor.clone();
        if self.layout == TensorLayout::Tensorflow {
            tensor = match tensor.rank() {
                4 => tensor.permute((3, 2, 0, 1))?,
                2 => tensor.t()?,
                _ => tensor,
            };
        }
        if tensor.dims() != shape {
            return Ok(None);
        }
        if let Some([channels, rows, columns]) = image.filter(|_| self.flatten == FlattenOrder::Hwc)
        {
            tensor = tensor
                .contiguous()?
                .reshape((shape[0], rows, columns, channels))?
                .permute((0, 3, 1, 2))?
                .contiguous()?
                .reshape(shape)?;
        }
        Ok(Some(tensor.contiguous()?))
    }
}

/// The weight of the first linear layer behind a flattening, and the shape of the image that was flattened.
fn flattened(architecture: &Architecture) -> Result<Option<(String, [usize; 3])>> {
    let shapes = architecture.activation_shapes()?;
    let mut image = None;
    for (layer, shape) in architecture.layers.iter().zip(shapes) {
        match (layer, shape.as_slice()) {
            (Layer::Flatten, &[channels, rows, columns]) => image = Some([channels, rows, columns]),
            (Layer::Linear { name, .. }, _) => {
                return Ok(image.map(|image| (format!("{name}.weight"), image)));
            }
            _ => {}
        }
    }
    Ok(None)
}
