//! Files that a command leaves: written whole or not at all; images as a NumPy archive.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use npyz::WriterBuilder as _;
use npyz::npz::NpzWriter;
use npyz::zip::{DateTime, write::FileOptions};

use saddle_experiments::{AtomicDisk, Disk as _};

/// Writes a file by rename: never half of it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    // A bare file name has the empty path as its folder.
    let place = if path.parent() == Some(Path::new("")) {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    };
    AtomicDisk.write(&place, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Images and what is claimed of them; all lists have one entry per image.
#[derive(Default)]
pub(crate) struct Images {
    /// Channels, height and width.
    pub(crate) shape: [u64; 3],
    pub(crate) natural: Vec<f32>,
    pub(crate) adversarial: Vec<f32>,
    pub(crate) labels: Vec<i64>,
    pub(crate) ids: Vec<i64>,
    pub(crate) predictions: Vec<i64>,
    pub(crate) fooled: Vec<bool>,
}

impl Images {
    /// The bytes of an `.npz` file, the same for the same images.
    pub(crate) fn to_npz(&self) -> Result<Vec<u8>> {
        let n = self.labels.len() as u64;
        let [channels, height, width] = self.shape;
        let images = [n, channels, height, width];
        let mut bytes = Cursor::new(Vec::new());
        {
            let mut archive = NpzWriter::new(&mut bytes);
            add(&mut archive, "natural", &images, &self.natural)?;
            add(&mut archive, "adversarial", &images, &self.adversarial)?;
            add(&mut archive, "labels", &[n], &self.labels)?;
            add(&mut archive, "ids", &[n], &self.ids)?;
            add(&mut archive, "predictions", &[n], &self.predictions)?;
            add(&mut archive, "fooled", &[n], &self.fooled)?;
        }
        Ok(bytes.into_inner())
    }
}

fn add<T: npyz::AutoSerialize + Copy>(
    archive: &mut NpzWriter<&mut Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    values: &[T],
) -> Result<()> {
    // A fixed time: the same images make the same bytes.
    let options = FileOptions::default().last_modified_time(DateTime::default());
    let mut array = archive.array(name, options)?.default_dtype().shape(shape).begin_nd()?;
    array.extend(values.iter().copied())?;
    array.finish()?;
    Ok(())
}
