//! Which step a record is of: the one that it names, or that of the metric over which a log is drawn; the step before, or
//! one that is counted, where it names none. Knows no format, and nothing of what was measured.

use serde::{Deserialize, Serialize};

use super::said::{Axis, Found, Measured, Other, Said, Tag, Tags};

/// The greatest step that is accepted, as in a log of this program.
const MOST: i64 = 1 << 48;

/// The steps of a log so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Steps {
    last: u64,
    /// Records so far that name no step, until one does.
    unnumbered: u64,
    are_named: bool,
    /// The tag whose values are to be the steps, and whether it has any.
    axis: Option<Axis>,
    is_on_axis: bool,
    /// The place of that tag, once it has appeared.
    #[serde(skip)]
    place: Option<Tag>,
}

impl Steps {
    /// The last step, or 0.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// What comes next is of the step after this one, or of an earlier one.
    pub(super) fn go_back_to(&mut self, step: u64) {
        self.last = step;
    }

    /// Whether a tag has the steps of others.
    pub(super) fn is_axis(&self, tag: &str) -> bool {
        self.axis.as_ref().is_some_and(|axis| axis.tag == tag)
    }

    /// Notes that these tags have values, before any record is taken.
    pub(super) fn survey(&mut self, found: &[Found]) {
        self.is_on_axis = found.iter().any(|(tag, is_histogram)| !is_histogram && self.is_axis(tag));
    }

    /// Notes the tags that a record names as the steps of others. The first one counts, unless another is for all tags; but
    /// not epochs: they are too few, because of several values at a step the last one counts.
    ///
    /// # Errors
    /// If the steps were those of another tag before.
    pub(super) fn note(&mut self, others: &[Other]) -> Result<(), Anew> {
        for other in others {
            let Other::Axis(axis) = other else { continue };
            let is_finer = self.axis.as_ref().is_none_or(|before| axis.is_of_all && !before.is_of_all);
            if is_finer && !axis.tag.to_lowercase().contains("epoch") {
                (self.axis, self.place) = (Some(axis.clone()), None);
                if self.is_on_axis {
                    return Err(Anew::Steps);
                }
            }
        }
        Ok(())
    }

    /// The step of a record, or what is wrong with the one that it names.
    ///
    /// # Errors
    /// If it shows that the records before it were of other steps.
    pub(super) fn of(&mut self, said: &Said, tags: &Tags) -> Result<Result<u64, String>, Anew> {
        self.note(&said.other)?;
        let step = match self.on_axis(said, tags)?.or(said.step) {
            _ if said.values.is_empty() || said.is_beside => self.last,
            // A last line with results, for example, is of the step before it.
            None if self.are_named => self.last,
            None => {
                self.unnumbered += 1;
                self.unnumbered
            }
            Some(step) if (0..=MOST).contains(&step) => {
                self.are_named = true;
                step as u64
            }
            Some(step) => return Ok(Err(format!("expected a step from 0 to {MOST}, found {step}"))),
        };
        self.last = self.last.max(step);
        Ok(Ok(step))
    }

    /// The step by the tag whose values are the steps, or else the last one; none if no tag has them.
    fn on_axis(&mut self, said: &Said, tags: &Tags) -> Result<Option<i64>, Anew> {
        let Some(axis) = &self.axis else { return Ok(None) };
        if self.place.is_none() {
            let place = tags.names().iter().position(|name| **name == *axis.tag);
            self.place = place.map(|place| Tag(place as u32));
        }
        let value = said.values.iter().find_map(|(tag, value)| match value {
            Measured::Number(number) if Some(*tag) == self.place => Some(*number),
            _ => None,
        });
        if value.is_some() && !self.is_on_axis {
            if self.are_named {
                return Err(Anew::Steps);
            }
            self.is_on_axis = true;
        }
        let step = value.filter(|value| value.is_finite()).map_or(self.last as i64, |value| value as i64);
        Ok(self.is_on_axis.then_some(step))
    }
}

/// Why a log has to be read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anew {
    /// It has more layers than the lane was started with.
    Layers,
    /// It names the tag whose values are the steps.
    Steps,
    /// It has a tag that is rather what another was taken for.
    Names,
}

impl Anew {
    /// What was expected and what was found.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Anew::Layers => "expected the layers of the first records, found more of them",
            Anew::Steps => "expected the steps of the first records, found that a metric has them",
            Anew::Names => "expected the metrics of the first records, found one under a better known name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a step and values of tags; a tag without a value is one over which the log is to be drawn.
    type Record = (Option<i64>, &'static [(&'static str, Option<f64>)]);

    /// The steps of records, and how often they were begun again.
    fn steps(records: &[Record]) -> (Vec<u64>, usize) {
        let (mut anew, mut surveyed) = (0, Steps::default());
        'again: loop {
            let (mut steps, mut tags, mut all) = (surveyed.clone(), Tags::default(), Vec::new());
            for (step, values) in records {
                let mut said = Said { step: *step, ..Said::default() };
                for (name, value) in *values {
                    let axis = Axis { tag: (*name).to_owned(), is_of_all: values.len() > 1 };
                    match value {
                        Some(value) => {
                            said.values.push((tags.intern(name).unwrap(), Measured::Number(*value)))
                        }
                        None => said.other.push(Other::Axis(axis)),
                    }
                }
                match steps.of(&said, &tags) {
                    Ok(step) => all.extend(step.ok().filter(|_| !said.values.is_empty())),
                    Err(_) => {
                        anew += 1;
                        assert!(anew < 3, "begun again and again");
                        surveyed = survey(records);
                        continue 'again;
                    }
                }
            }
            return (all, anew);
        }
    }

    /// What is known once all records were looked at.
    fn survey(records: &[Record]) -> Steps {
        let mut steps = Steps::default();
        let all =
            || records.iter().flat_map(|(_, values)| values.iter().map(move |value| (value, values.len())));
        for ((name, _), count) in all().filter(|((_, value), _)| value.is_none()) {
            let axis = Axis { tag: (*name).to_owned(), is_of_all: count > 1 };
            steps.note(&[Other::Axis(axis)]).unwrap();
        }
        let found: Vec<Found> = all()
            .filter(|((_, value), _)| value.is_some())
            .map(|((name, _), _)| ((*name).into(), false))
            .collect();
        steps.survey(&found);
        steps
    }

    #[test]
    fn steps_are_named_or_counted_or_those_before() {
        let loss: &[_] = &[("loss", Some(1.0))];
        assert_eq!(steps(&[(None, loss), (None, loss)]), (vec![1, 2], 0));
        assert_eq!(steps(&[(Some(5), loss), (Some(7), loss), (None, loss)]), (vec![5, 7, 7], 0));
        assert_eq!(steps(&[(Some(-1), loss), (Some(MOST + 1), loss), (Some(3), loss)]), (vec![3], 0));
    }

    #[test]
    fn the_values_of_an_axis_are_the_steps() {
        let row: &[_] = &[("loss", Some(1.0)), ("global", Some(10.0))];
        let later: &[_] = &[("loss", Some(1.0)), ("global", Some(20.0))];
        let without: &[_] = &[("loss", Some(1.0))];
        let axis: &[_] = &[("global", None)];
        assert_eq!(
            steps(&[(None, axis), (Some(0), row), (Some(1), without), (Some(2), later)]),
            (vec![10, 10, 20], 0)
        );
        // Named after the first record, or first seen after it.
        assert_eq!(steps(&[(Some(0), row), (None, axis), (Some(1), later)]), (vec![10, 20], 1));
        assert_eq!(steps(&[(None, axis), (Some(0), without), (Some(1), later)]), (vec![0, 20], 1));
        assert_eq!(steps(&[(None, axis), (Some(3), without), (Some(4), without)]), (vec![3, 4], 0));
    }

    #[test]
    fn the_axis_of_all_tags_goes_before_others_and_epochs_are_none() {
        let row: &[_] = &[("a", Some(1.0)), ("b", Some(2.0)), ("my/Epoch", Some(3.0))];
        let of_all: &[_] = &[("b", None), ("my/Epoch", None)];
        assert_eq!(steps(&[(None, &[("my/Epoch", None)]), (Some(9), row)]), (vec![9], 0));
        assert_eq!(steps(&[(None, &[("a", None)]), (Some(9), row)]), (vec![1], 0));
        assert_eq!(steps(&[(None, &[("a", None)]), (None, of_all), (Some(9), row)]), (vec![2], 0));
        assert_eq!(steps(&[(None, &[("a", None)]), (Some(9), row), (None, of_all)]), (vec![2], 1));
    }
}
