//! Candle's pickle reader, one instruction at a time, with a bound on what each may cost.
//!
//! Candle executes instructions and trusts them: a text may claim 4 GB, an integer 200 bytes, an object may hold itself
//! doubled a thousand times over, or lie so deep that freeing it overflows the stack. So operands are checked before an
//! instruction runs, and size and depth of what it leaves on top of the stack afterwards. What lies below the top has
//! been on top before; copies are made of the top alone, or of what was.

use candle_core::pickle::{Object, Stack};

use super::{refused, shortened};
use crate::Result;

/// Objects, copies included, that a pickle may make for each of its bytes.
const OBJECTS_PER_BYTE: usize = 64;
/// Objects, copies included, that any pickle may make; a network of the papers needs some thousands.
const MOST_OBJECTS: usize = 1 << 20;
/// How deep objects may lie in each other. A tensor in an optimiser's state in a checkpoint lies ten deep.
const DEEPEST: usize = 64;
/// How many bytes of text count as much as an object.
const TEXT_PER_OBJECT: usize = 32;

/// The object of the pickle that begins at `start`, and where it ends; `what` names the pickle in errors.
pub(super) fn unpickle(bytes: &[u8], start: usize, what: &str) -> Result<(Object, usize)> {
    let mut stack = Stack::empty();
    let mut rest = bytes.get(start..).unwrap_or_default();
    let mut budget = rest.len().saturating_mul(OBJECTS_PER_BYTE).min(MOST_OBJECTS);
    loop {
        let at = bytes.len() - rest.len();
        let wrong = |reason: &str| {
            refused(format!("{what}, byte {}: {}", at.saturating_sub(start), shortened(reason)))
        };
        if let Err(reason) = check_operand(rest) {
            return wrong(&reason);
        }
        match stack.read(&mut rest) {
            Ok(false) => {}
            Ok(true) => break,
            // Candle's message may print whole objects; its beginning says enough.
            Err(error) => return wrong(&error.to_string()),
        }
        if let Some(top) = stack.stack().last()
            && let Err(reason) = spend(top, DEEPEST, &mut budget)
        {
            return wrong(reason);
        }
    }
    match stack.finalize() {
        Ok(object) => Ok((object, bytes.len() - rest.len())),
        Err(error) => refused(format!("{what}: {error}")),
    }
}

/// Whether the next instruction's operand is there and of a size that candle can take.
fn check_operand(rest: &[u8]) -> Result<(), String> {
    match rest {
        [] => Err("it ends in the middle; the file is cut off".to_owned()),
        [b'X', operand @ ..] => {
            let Some((length, text)) = operand.split_first_chunk::<4>() else {
                return Err("a text without a length; the file is cut off".to_owned());
            };
            let length = u32::from_le_bytes(*length) as usize;
            if length > text.len() {
                return Err(format!("a text of {length} bytes where {} follow", text.len()));
            }
            Ok(())
        }
        [0x8a, length, ..] if *length > 8 => Err(format!("an integer of {length} bytes")),
        _ => Ok(()),
    }
}

/// Takes an object's size from the budget.
fn spend(object: &Object, depth: usize, budget: &mut usize) -> Result<(), &'static str> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err("objects lie deeper in each other than in any state dict");
    };
    let text = |text: &str| text.len() / TEXT_PER_OBJECT;
    let own = 1 + match object {
        Object::Unicode(one) => text(one),
        Object::Class { module_name, class_name } => text(module_name) + text(class_name),
        _ => 0,
    };
    *budget = budget.checked_sub(own).ok_or("more objects than in any state dict")?;
    match object {
        Object::Tuple(items) | Object::List(items) => {
            items.iter().try_for_each(|item| spend(item, depth, budget))
        }
        Object::Dict(entries) => entries.iter().try_for_each(|(name, value)| {
            spend(name, depth, budget)?;
            spend(value, depth, budget)
        }),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            spend(callable, depth, budget)?;
            spend(args, depth, budget)
        }
        Object::PersistentLoad(id) => spend(id, depth, budget),
        _ => Ok(()),
    }
}
