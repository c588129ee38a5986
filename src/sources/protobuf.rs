//! A walk over the fields of a protobuf message, with bytes borrowed from it. It knows no message: what a field of some
//! number means is the concern of the formats. A library such as prost makes a `String` and a `Vec` for each scalar of
//! a log, which costs more than all the rest of reading it; that is why this is here.

/// The fields of a message, in the order in which they are written: number and value.
pub(super) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// The value of a field, as far as it is known without the definition of the message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    /// An integer, a boolean or a member of an enumeration.
    Varint(u64),
    /// Eight bytes, as of a `double`.
    Fixed64(u64),
    /// A string, a message or a packed list.
    Bytes(&'a [u8]),
    /// Four bytes, as of a `float`.
    Fixed32(u32),
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(&'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "expected a protobuf message, found {}", self.0)
    }
}

/// See [`fields`]. Nothing comes after an error.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    #[inline]
    fn field(&mut self) -> Result<(u64, Field<'a>), Malformed> {
        let key = varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Field::Varint(varint(&mut self.rest)?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).unwrap_or(usize::MAX);
                let (bytes, rest) =
                    self.rest.split_at_checked(length).ok_or(Malformed("a field that is cut off"))?;
                self.rest = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed("a field of an unknown wire type")),
        };
        Ok((key >> 3, value))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed("a field that is cut off"))?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Takes an integer of seven bits a byte from the start of `bytes`, the lowest ones first.
#[inline]
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(index + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(Malformed("an integer that does not end"))
}

/// The encoding, for tests of the formats.
#[cfg(test)]
pub(super) mod encode {
    /// An integer of seven bits a byte.
    pub(in crate::sources) fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value > 0x7f {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    /// A field with an integer.
    pub(in crate::sources) fn integer(number: u64, value: i64) -> Vec<u8> {
        [varint(number << 3), varint(value as u64)].concat()
    }

    /// A field with a double.
    pub(in crate::sources) fn double(number: u64, value: f64) -> Vec<u8> {
        [varint(number << 3 | 1), value.to_le_bytes().to_vec()].concat()
    }

    /// A field with a string, a message or a packed list.
    pub(in crate::sources) fn bytes(number: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
        let value = value.as_ref();
        [varint(number << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
    }

    /// A field with a float.
    pub(in crate::sources) fn float(number: u64, value: f32) -> Vec<u8> {
        [varint(number << 3 | 5), value.to_le_bytes().to_vec()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_written() {
        let message = [
            encode::integer(1, -1),
            encode::integer(500, 300),
            encode::double(2, 0.5),
            encode::float(3, 0.25),
            encode::bytes(4, "loss"),
        ]
        .concat();
        let read: Result<Vec<_>, _> = fields(&message).collect();
        let expected = vec![
            (1, Field::Varint(u64::MAX)),
            (500, Field::Varint(300)),
            (2, Field::Fixed64(0.5f64.to_bits())),
            (3, Field::Fixed32(0.25f32.to_bits())),
            (4, Field::Bytes(b"loss")),
        ];
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_message_that_is_cut_off_within_a_field_is_an_error_and_then_ends() {
        let message = [encode::integer(1, 300), encode::bytes(4, "loss")].concat();
        for end in (1..message.len()).filter(|end| *end != 3) {
            let read: Vec<_> = fields(&message[..end]).collect();
            assert!(read.last().is_some_and(|last| last.is_err()), "{end}");
            assert!(read.len() <= 2);
        }
        assert!(fields(&[0xff; 20]).next().is_some_and(|field| field.is_err()));
        assert!(fields(&[0x0b]).next().is_some_and(|field| field.is_err()), "groups are not used");
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>) {
            proptest::prop_assert!(fields(&bytes).count() <= bytes.len());
        }
    }
}
