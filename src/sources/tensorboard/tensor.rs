//! Takes the numbers out of a `TensorProto`, as TensorFlow 2 writes scalars and histograms. It does not know what the
//! tensor is for. See tensorflow/core/framework/tensor.proto.

use crate::sources::protobuf::{Field, Malformed, fields, varint};

/// The most numbers that are taken of a tensor: those of a histogram with as many buckets as are taken of one.
const MOST_NUMBERS: usize = 3 * crate::sources::buckets::MOST_BUCKETS;

/// What is known of a tensor besides its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shape {
    /// How many dimensions.
    pub rank: usize,
    /// How many elements.
    pub elements: u64,
    /// The size of the last dimension.
    pub last: u64,
    /// Whether the elements are strings.
    pub is_text: bool,
    /// What its strings are by their first bytes, where that is known.
    pub media: Option<&'static str>,
}

/// The type of the elements, as in tensorflow/core/framework/types.proto.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Float,
    Double,
    Int32,
    Text,
    Int64,
    BrainFloat,
    Half,
    Other,
}

/// Reads a tensor; `numbers`, which are emptied first, get its elements where they are numbers.
pub(super) fn read(message: &[u8], numbers: &mut Vec<f64>) -> Result<Shape, Malformed> {
    numbers.clear();
    let mut shape = Shape { elements: 1, ..Shape::default() };
    let (mut kind, mut content, mut strings) = (Kind::Other, &[][..], 0);
    for field in fields(message) {
        match field? {
            (1, Field::Varint(number)) => kind = Kind::of(number),
            (2, Field::Bytes(dimensions)) => shape.dimensions(dimensions)?,
            (4, Field::Bytes(bytes)) => content = bytes,
            (8, Field::Bytes(string)) => {
                // An image has its width and height before it.
                if strings < 3 {
                    shape.media = shape.media.or(media(string));
                }
                strings += 1;
            }
            (5, values) => each(values, 4, numbers, |bits| f64::from(f32::from_bits(bits as u32))),
            (6, values) => each(values, 8, numbers, f64::from_bits),
            (7, values) => integers(values, numbers, |value| f64::from(value as i32))?,
            (10, values) => integers(values, numbers, |value| value as i64 as f64)?,
            // Types of 16 bits share a field; which of them it is may be said later in the message.
            (13, values) => integers(values, numbers, |value| f64::from(value as u16))?,
            _ => {}
        }
    }
    if kind == Kind::BrainFloat || kind == Kind::Half {
        numbers.iter_mut().for_each(|number| *number = kind.sixteen_bits(*number as u16));
    }
    if numbers.is_empty() {
        kind.content(content, numbers);
    }
    shape.is_text = kind == Kind::Text;
    Ok(shape)
}

impl Shape {
    /// Reads a `TensorShapeProto`. A size may be negative, for "not known", but is not in what was computed.
    fn dimensions(&mut self, message: &[u8]) -> Result<(), Malformed> {
        for field in fields(message) {
            let (2, Field::Bytes(dimension)) = field? else { continue };
            let mut size = 0;
            for field in fields(dimension) {
                if let (1, Field::Varint(number)) = field? {
                    size = number;
                }
            }
            self.rank += 1;
            self.elements = self.elements.saturating_mul(size);
            self.last = size;
        }
        Ok(())
    }
}

impl Kind {
    fn of(number: u64) -> Kind {
        match number {
            1 => Kind::Float,
            2 => Kind::Double,
            3 => Kind::Int32,
            7 => Kind::Text,
            9 => Kind::Int64,
            14 => Kind::BrainFloat,
            19 => Kind::Half,
            _ => Kind::Other,
        }
    }

    fn sixteen_bits(self, bits: u16) -> f64 {
        if self == Kind::BrainFloat { f64::from(f32::from_bits(u32::from(bits) << 16)) } else { half(bits) }
    }

    /// Reads elements that are written as they are in memory.
    fn content(self, content: &[u8], numbers: &mut Vec<f64>) {
        let packed = Field::Bytes(content);
        match self {
            Kind::Float => each(packed, 4, numbers, |bits| f64::from(f32::from_bits(bits as u32))),
            Kind::Double => each(packed, 8, numbers, f64::from_bits),
            Kind::Int32 => each(packed, 4, numbers, |bits| f64::from(bits as i32)),
            Kind::Int64 => each(packed, 8, numbers, |bits| bits as i64 as f64),
            Kind::BrainFloat | Kind::Half => each(packed, 2, numbers, |bits| self.sixteen_bits(bits as u16)),
            Kind::Text | Kind::Other => {}
        }
    }
}

/// Reads the elements of a list of numbers of `width` bytes: all of it, or one where it is not packed.
pub(super) fn each(values: Field<'_>, width: usize, numbers: &mut Vec<f64>, number: impl Fn(u64) -> f64) {
    let left = MOST_NUMBERS.saturating_sub(numbers.len());
    match values {
        Field::Fixed32(bits) if width == 4 => numbers.push(number(u64::from(bits))),
        Field::Fixed64(bits) if width == 8 => numbers.push(number(bits)),
        Field::Bytes(packed) => numbers.extend(
            packed
                .chunks_exact(width)
                .take(left)
                .map(|chunk| number(chunk.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))),
        ),
        _ => {}
    }
    numbers.truncate(MOST_NUMBERS);
}

/// Reads the elements of a list of integers: all of it, or one where it is not packed.
fn integers(values: Field<'_>, numbers: &mut Vec<f64>, number: impl Fn(u64) -> f64) -> Result<(), Malformed> {
    match values {
        Field::Varint(value) => numbers.push(number(value)),
        Field::Bytes(mut packed) => {
            while !packed.is_empty() && numbers.len() < MOST_NUMBERS {
                numbers.push(number(varint(&mut packed)?));
            }
        }
        _ => {}
    }
    numbers.truncate(MOST_NUMBERS);
    Ok(())
}

/// A number of IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// What a string is that is not for reading.
fn media(string: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[&[u8]]| magic.iter().any(|magic| string.starts_with(magic));
    match () {
        () if begins(&[b"\x89PNG", b"\xff\xd8\xff", b"GIF8"]) => Some("image"),
        () if begins(&[b"RIFF"]) => Some("audio"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::protobuf::encode;

    fn numbers(message: &[u8]) -> Vec<f64> {
        let mut numbers = Vec::new();
        read(message, &mut numbers).unwrap();
        numbers
    }

    #[test]
    fn scalars_are_read_from_every_field_that_holds_them() {
        let packed = |number, value: &[u8]| encode::bytes(number, value);
        let cases = [
            (1, encode::float(5, 1.5), 1.5),
            (1, packed(5, &1.5f32.to_le_bytes()), 1.5),
            (1, packed(4, &f32::NEG_INFINITY.to_le_bytes()), f64::NEG_INFINITY),
            (2, encode::double(6, 0.1), 0.1),
            (2, packed(6, &0.1f64.to_le_bytes()), 0.1),
            (2, packed(4, &0.1f64.to_le_bytes()), 0.1),
            (3, packed(7, &encode::varint(-7i64 as u64)), -7.0),
            (3, packed(4, &(-7i32).to_le_bytes()), -7.0),
            (9, encode::integer(10, -7), -7.0),
            (9, packed(4, &(-7i64).to_le_bytes()), -7.0),
            (14, encode::integer(13, 0x3fc0), 1.5),
            (19, packed(13, &encode::varint(0x3e00)), 1.5),
            (19, packed(4, &[0x00, 0xbe]), -1.5),
        ];
        for (kind, value, expected) in cases {
            let after = [encode::bytes(2, ""), value.clone(), encode::integer(1, kind)].concat();
            let before = [encode::integer(1, kind), encode::bytes(2, ""), value].concat();
            assert_eq!((numbers(&before), numbers(&after)), (vec![expected], vec![expected]), "type {kind}");
        }
    }

    #[test]
    fn halves_are_exact() {
        let known = [(0x0001, 2f64.powi(-24)), (0x03ff, 1023.0 * 2f64.powi(-24)), (0x0400, 2f64.powi(-14))];
        for (bits, expected) in known.into_iter().chain([(0x7bff, 65504.0), (0xfc00, f64::NEG_INFINITY)]) {
            assert_eq!(half(bits), expected);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn shapes_are_read() {
        let size = |size| encode::bytes(2, encode::integer(1, size));
        let shape = read(&encode::bytes(2, [size(10), size(3)].concat()), &mut Vec::new()).unwrap();
        assert_eq!((shape.rank, shape.elements, shape.last), (2, 30, 3));
        let unknown = read(&encode::bytes(2, [size(-1), size(3)].concat()), &mut Vec::new()).unwrap();
        assert_eq!(unknown.elements, u64::MAX);
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_are_safe(bytes: Vec<u8>) {
            let _ = read(&bytes, &mut Vec::new());
        }
    }
}
