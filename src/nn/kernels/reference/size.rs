//! The size of a batch of NHWC images, the layout of the reference.

/// Images in a batch and their height and width in pixels; the channels are the operation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Images.
    pub batch: usize,
    /// Rows of each.
    pub height: usize,
    /// Pixels of each row.
    pub width: usize,
}

impl Size {
    /// A size from its three parts.
    pub fn new(batch: usize, height: usize, width: usize) -> Size {
        Size { batch, height, width }
    }

    /// Pixels of the whole batch.
    pub fn pixels(self) -> usize {
        self.batch * self.height * self.width
    }

    /// Pixels of one image.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// The size of the output of an operation with this stride; height and width must be multiples of it.
    pub fn strided(self, stride: usize) -> Size {
        assert!(
            self.height.is_multiple_of(stride) && self.width.is_multiple_of(stride),
            "height and width are multiples of the stride, but {self:?} with {stride} was asked for"
        );
        Size { batch: self.batch, height: self.height / stride, width: self.width / stride }
    }
}
