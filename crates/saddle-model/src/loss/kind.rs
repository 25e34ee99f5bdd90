//! What an attack wants and the names of the losses, as plans and the command line write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What an attack wants: any wrong class, or one class for each example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// Any class but the label.
    Untargeted,
    /// One target class for each example. A target that equals the label asks for what already is.
    Targeted(Vec<u32>),
}

/// Name of a loss on labels, as plans and the command line write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// `cross_entropy`
    CrossEntropy,
    /// `margin`
    Margin,
    /// `dlr`
    Dlr,
}

impl fmt::Display for LossKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CrossEntropy => "cross_entropy",
            Self::Margin => "margin",
            Self::Dlr => "dlr",
        })
    }
}

impl FromStr for LossKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cross_entropy" => Ok(Self::CrossEntropy),
            "margin" => Ok(Self::Margin),
            "dlr" => Ok(Self::Dlr),
            _ => Err(Error::UnknownName {
                what: "loss",
                name: name.to_owned(),
                known: "cross_entropy, margin, dlr",
            }),
        }
    }
}
