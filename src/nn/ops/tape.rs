//! dfdx's tape of a pass through a network, for operations that are not dfdx's own.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use dfdx::tensor::{Cpu, CpuError, Gradients, OwnedTape, Tape as _};

/// The tape that operations record their backward operations on; none in inference. Clones share it.
#[derive(Clone, Default)]
pub struct Tape(Option<Rc<RefCell<OwnedTape<f32, Cpu>>>>);

impl Tape {
    /// An empty tape.
    pub fn recording() -> Tape {
        Tape(Some(Rc::default()))
    }

    /// Whether operations are recorded.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Records a backward operation, which runs before all that were recorded earlier.
    pub fn record(&self, operation: impl 'static + FnOnce(&mut Gradients<f32, Cpu>) -> Result<(), CpuError>) {
        if let Some(tape) = &self.0 {
            tape.borrow_mut().add_backward_op(operation);
        }
    }

    /// The operations recorded so far, for a tensor that dfdx's operations go on with.
    pub fn take(&self) -> OwnedTape<f32, Cpu> {
        self.0.as_ref().map(|tape| tape.take()).unwrap_or_default()
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_recording() { "Tape" } else { "no tape" })
    }
}
