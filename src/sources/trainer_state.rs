//! The `trainer_state.json` of Hugging Face's trainer, which is written anew at each save: one object, with what was
//! logged under `log_history` as a list of objects, and settings beside it. Each entry of the list is a record, and each
//! member of the document beside it. What an entry says is the concern of `object`.

use super::json::{decoded, is_of_word, value_end, within_quotes};
use super::object::ObjectReader;
use super::roles::LONGEST_RECORD;
use super::{Other, Parser, Said, Tags, Taken};

/// The key of the list.
const HISTORY: &str = "log_history";

/// Members that are not settings but say how far the run was.
const PROGRESS: [&str; 2] = ["epoch", "global_step"];

/// Reads such a file. What a record is can be seen from its beginning, so that reading can start at any: entries are
/// objects, members begin with a key.
#[derive(Debug, Default)]
pub(super) struct TrainerState {
    reader: ObjectReader,
}

/// A piece of the document.
enum Piece<'a> {
    /// A brace or a bracket of the document or of the list; or white space at the end.
    Frame,
    /// An entry of the list.
    Entry(&'a [u8]),
    /// A member of the document.
    Member { key: &'a [u8], value: &'a [u8] },
    /// The key of the list and its opening bracket.
    History,
}

/// Whether a file of this name that begins with `head` is such a file.
pub(super) fn recognises(head: &[u8], name: &str) -> bool {
    let mut rest = head;
    if rest.get(separators(rest)..).and_then(<[u8]>::first) != Some(&b'{') {
        return false;
    }
    if name == "trainer_state.json" {
        return true;
    }
    let mut is_first = true;
    loop {
        match cut(rest, is_first, false) {
            Ok((_, Piece::History)) => return true,
            // An entry here is not in the list: this is something else.
            Ok((length, Piece::Member { .. } | Piece::Frame)) => {
                rest = rest.get(length..).unwrap_or_default()
            }
            Ok((_, Piece::Entry(_))) | Err(_) => return false,
        }
        is_first = false;
    }
}

impl Parser for TrainerState {
    fn take(&mut self, bytes: &[u8], at: u64, is_whole: bool, tags: &mut Tags, said: &mut Said) -> Taken {
        let (length, piece) = match cut(bytes, at == 0, is_whole) {
            Ok(found) => found,
            Err(taken) => return taken,
        };
        match piece {
            Piece::Frame | Piece::History => Taken::Record(length),
            // The step of an entry is always there; an epoch is no step.
            Piece::Entry(object) => match self.reader.say(object, false, tags, said) {
                Ok(_) => Taken::Record(length),
                Err(why) => Taken::Bad(length, why),
            },
            Piece::Member { key, value } => {
                said.other.extend(setting(key, value));
                Taken::Record(length)
            }
        }
    }
}

/// Cuts the piece at the start of `bytes` off, with separators before it. Returns how many bytes that are.
fn cut(bytes: &[u8], is_first: bool, is_whole: bool) -> Result<(usize, Piece<'_>), Taken> {
    let start = separators(bytes);
    let piece = bytes.get(start..).unwrap_or_default();
    let Some(&first) = piece.first() else {
        return match is_whole && !bytes.is_empty() && !is_first {
            true => Ok((bytes.len(), Piece::Frame)),
            false => Err(unended(bytes)),
        };
    };
    match first {
        b'{' if is_first => Ok((start + 1, Piece::Frame)),
        b'{' => {
            let end = value_end(piece).ok_or_else(|| unended(bytes))?;
            Ok((start + end, Piece::Entry(piece.get(..end).unwrap_or(piece))))
        }
        b'"' if !is_first => {
            let (end, piece) = member(piece).map_err(|broken| match broken {
                Broken::Unended => unended(bytes),
                Broken::At(end) => {
                    Taken::Bad(start + end, "expected a member of an object, found a text".to_owned())
                }
            })?;
            Ok((start + end, piece))
        }
        b']' | b'}' if !is_first => Ok((start + 1, Piece::Frame)),
        _ => Err(astray(bytes, start, is_whole)),
    }
}

/// Why there is no member.
enum Broken {
    /// It does not end within the bytes.
    Unended,
    /// It is something else, up to here.
    At(usize),
}

/// The member at the start of some bytes, which is a quote, and where it ends.
fn member(bytes: &[u8]) -> Result<(usize, Piece<'_>), Broken> {
    let key_end = value_end(bytes).ok_or(Broken::Unended)?;
    let rest = |from: usize| bytes.get(from..).unwrap_or_default();
    let colon = key_end + spaces(rest(key_end));
    match rest(colon).first() {
        Some(b':') => {}
        Some(_) => return Err(Broken::At(key_end)),
        None => return Err(Broken::Unended),
    }
    let start = colon + 1 + spaces(rest(colon + 1));
    let value = rest(start);
    let key = bytes.get(..key_end).unwrap_or(bytes);
    let first = value.first().ok_or(Broken::Unended)?;
    if *first == b'[' && within_quotes(key) == HISTORY.as_bytes() {
        return Ok((start + 1, Piece::History));
    }
    if !b"\"{[".contains(first) && !is_of_word(*first) {
        return Err(Broken::At(start));
    }
    let end = value_end(value).ok_or(Broken::Unended)?;
    Ok((start + end, Piece::Member { key, value: value.get(..end).unwrap_or(value) }))
}

/// What is made of bytes in which a piece does not end.
fn unended(bytes: &[u8]) -> Taken {
    match bytes.len() < LONGEST_RECORD {
        true => Taken::Incomplete,
        false => Taken::Bad(LONGEST_RECORD, "expected an entry or a member, found no end of it".to_owned()),
    }
}

/// What is made of bytes that at `start` begin nothing that belongs here: they are left out up to what may.
fn astray(bytes: &[u8], start: usize, is_whole: bool) -> Taken {
    let bytes = bytes.get(..LONGEST_RECORD).unwrap_or(bytes);
    let mut after = bytes.iter().enumerate().skip(start + 1);
    let end = match after.find(|(_, byte)| b"{}\"]".contains(byte)) {
        Some((end, _)) => end,
        None if is_whole || bytes.len() == LONGEST_RECORD => bytes.len(),
        None => return Taken::Incomplete,
    };
    Taken::Bad(end, "expected an entry or a member, found something else".to_owned())
}

/// The setting that a member says: a number, a truth or a text.
fn setting(key: &[u8], value: &[u8]) -> Option<Other> {
    let key = decoded(within_quotes(key))?.into_owned();
    let value = match value.first()? {
        b'{' | b'[' => return None,
        b'"' => decoded(within_quotes(value))?.into_owned(),
        _ => std::str::from_utf8(value).ok().filter(|text| *text != "null")?.to_owned(),
    };
    let is_setting = !PROGRESS.contains(&key.as_str());
    is_setting.then(|| Other::Config(vec![(key, value)]))
}

/// The bytes of white space at the start.
fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The bytes of white space and commas at the start.
fn separators(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b',').count()
}

#[cfg(test)]
mod tests {
    use super::super::taking::{from, is_read_alike_in_parts, pieces, told};
    use super::*;
    use proptest::prelude::*;

    const STATE: &str = r#"{
  "best_metric": null,
  "best_model_checkpoint": "out/checkpoint-2 {\"log_history\": [",
  "epoch": 1.0,
  "global_step": 2,
  "is_world_process_zero": true,
  "log_history": [
    {
      "epoch": 0.5,
      "grad_norm": NaN,
      "learning_rate": 5e-05,
      "loss": 2.25,
      "step": 1
    },
    {
      "epoch": 1.0,
      "eval_loss": 2.0,
      "step": 2
    }
  ],
  "max_steps": 2,
  "stateful_callbacks": {
    "TrainerControl": {
      "args": {"log_history": [{"step": 9}]}
    }
  },
  "total_flos": 1.5e+16,
  "train_batch_size": 8
}
"#;

    fn read(text: &str) -> Vec<String> {
        told(&pieces::<TrainerState>(text.as_bytes(), &[text.len()]))
    }

    #[test]
    fn entries_are_records_and_members_are_settings() {
        let expected = [
            r#"[("best_model_checkpoint", "out/checkpoint-2 {\"log_history\": [")]"#,
            r#"[("is_world_process_zero", "true")]"#,
            "1: epoch=0.5 grad_norm=NaN learning_rate=0.00005 loss=2.25",
            "2: epoch=1 eval_loss=2",
            r#"[("max_steps", "2")]"#,
            r#"[("total_flos", "1.5e+16")]"#,
            r#"[("train_batch_size", "8")]"#,
        ];
        assert_eq!(read(STATE), expected);
    }

    #[test]
    fn all_bytes_are_covered() {
        let found = pieces::<TrainerState>(STATE.as_bytes(), &[STATE.len()]);
        let length = found.iter().fold(0, |end, piece| {
            assert_eq!(piece.at, end);
            let Taken::Record(length) = piece.taken else { panic!("{piece:?}") };
            end + length
        });
        assert_eq!(length, STATE.len());
    }

    #[test]
    fn reading_begins_at_any_record() {
        let bytes = STATE.as_bytes();
        let whole = pieces::<TrainerState>(bytes, &[bytes.len()]);
        for (place, piece) in whole.iter().enumerate().skip(1) {
            let mut parser = TrainerState::default();
            let (mut tags, mut said) = (Tags::default(), Said::default());
            assert_eq!(parser.take(bytes, 0, true, &mut tags, &mut said), Taken::Record(1));
            let later = from(&mut parser, bytes, piece.at, &[bytes.len()]);
            assert_eq!(told(&later).len(), told(whole.get(place..).unwrap()).len());
        }
    }

    #[test]
    fn a_torn_file_is_read_up_to_the_last_record() {
        let whole = read(STATE);
        for cut in 0..STATE.len() {
            let read = read(STATE.get(..cut).unwrap());
            assert!(whole.starts_with(&read), "cut at {cut}: {read:?}");
            let last = read.len() == whole.len();
            assert_eq!(last, cut > STATE.rfind('8').unwrap() + 1, "cut at {cut}");
        }
    }

    #[test]
    fn what_does_not_belong_costs_only_itself() {
        let text = r#"{"log_history": [{"step": 1, "a": 1}, 3, null, "b", {"step": x}, {"step": 2, "a": 2}], "c": , "d": 1}"#;
        let found = read(text);
        let good: Vec<_> = found.iter().filter(|told| *told != "bad").map(String::as_str).collect();
        assert_eq!(good, ["1: a=1", "2: a=2", r#"[("d", "1")]"#]);
    }

    #[test]
    fn states_are_recognised() {
        assert!(recognises(STATE.as_bytes(), "state.json") && recognises(b"{", "trainer_state.json"));
        for head in [
            "",
            "[",
            r#"{"a": {"log_history": []}, "b": "#,
            r#"{"a": "\"log_history\": ["}"#,
            "{\"step\": 1}\n{\"log_history\": []}\n",
            r#"{"log_history": 1}"#,
        ] {
            assert!(!recognises(head.as_bytes(), "state.json"), "{head}");
        }
        assert!(!recognises(b"", "trainer_state.json"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_alike_in_parts(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "\\{[{}\\[\\]\",:\n0-9.eNa \\\\]{0,120}".prop_map(String::into_bytes),
                "\\{(\"(a|log_history)\": ?(1|\"b\"|\\[),){0,2}\"log_history\": \\[(\\{\"step\": [0-9]\\},? ?){0,5}(\\],\"c\":2\\})?"
                    .prop_map(String::into_bytes),
            ],
            sizes in prop::collection::vec(1_usize..20, 1..5),
        ) {
            is_read_alike_in_parts::<TrainerState>(&bytes, &sizes)?;
            recognises(&bytes, "state.json");
        }
    }
}
