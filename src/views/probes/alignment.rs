//! How alike blocks are: those of a lane among themselves, and a map of the blocks of one of the two compared lanes against
//! those of the other, computed from the Gram matrices that the probe `cka` records of each. Only where both are of the
//! same examples.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::{App, Lane};
use crate::metric::Metric;
use crate::metric::probed::{CKA, GRAM};
use crate::statistics::alignment;
use crate::theme::Theme;
use crate::views::{curves, lanes};
use crate::widgets::{self, Axis, ColorScale, Extent, Heatmap, Legend, Matrix};

/// The width of the blocks' numbers before the map.
const LABELS: u16 = 3;
/// With fewer rows, the map has no legend.
const LEAST_WITH_LEGEND: u16 = 8;

/// A map.
#[derive(Clone, Copy)]
pub(super) enum Map<'a> {
    /// Of the blocks of a lane among themselves, as it recorded it.
    Within(&'a Lane),
    /// Of the blocks of the first lane, downward, against those of the second, to the right.
    Between(&'a Lane, &'a Lane),
}

/// The maps of the two compared lanes, or of the only one: those that have something to show.
pub(super) fn maps(app: &App) -> Vec<Map<'_>> {
    let has = |lane: &Lane, metric: Metric| lane.declared().metrics().contains(&metric);
    let pair = app.pair().map(|(a, b)| [a, b]);
    let lanes: Vec<&Lane> = pair.map_or_else(|| app.visible_lanes().take(1).collect(), Vec::from);
    let mut maps: Vec<Map<'_>> =
        lanes.iter().filter(|lane| has(lane, CKA)).map(|lane| Map::Within(lane)).collect();
    if let Some([a, b]) = pair.filter(|pair| pair.iter().all(|lane| has(lane, GRAM))) {
        maps.push(Map::Between(a, b));
    }
    maps
}

impl Map<'_> {
    /// What it is drawn from.
    pub(super) fn metric(self) -> Metric {
        match self {
            Map::Within(_) => CKA,
            Map::Between(..) => GRAM,
        }
    }

    /// Draws it.
    pub(super) fn draw(self, app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let heading = Rect { height: area.height.min(1), ..area };
        widgets::put_line(buffer, heading, 0, &self.title(app, theme));
        let below = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
        let matrix = match self {
            Map::Within(lane) => curves::at_cursor(app, lane, CKA),
            Map::Between(a, b) => matrix(app, a, b),
        };
        let Some(matrix) = matrix else {
            let text = match self {
                Map::Between(a, b) if !have_same_examples(a, b) => "of different examples",
                Map::Within(lane) if lane.structure().is_some_and(|of| of.blocks.is_empty()) => {
                    "it has no blocks"
                }
                _ => "nothing measured up to here",
            };
            widgets::put_centered(buffer, below, below.height / 2, text, theme.muted());
            return;
        };
        let scale = ColorScale::new(Axis::new(0.0, 1.0, false));
        let legend = u16::from(area.height >= LEAST_WITH_LEGEND);
        let map = Rect { height: below.height - legend, ..below };
        Heatmap {
            matrix: &matrix,
            scale,
            row_name: &|row| (row + 1).to_string(),
            is_tick: &|row, every| row == 0 || (row + 1).is_multiple_of(every),
            anchor: None,
            label_width: LABELS,
            x: (0.5, matrix.columns() as f64 + 0.5),
            x_name: "block",
            cursor_row: None,
            cursor_x: None,
        }
        .render(map, buffer, theme);
        let place = Rect { y: map.bottom(), height: legend, ..area };
        Legend { scale, title: CKA.name(), pointer: None }.render(place, buffer, theme);
    }

    /// The lanes, with their axes.
    fn title(self, app: &App, theme: &Theme) -> Line<'static> {
        let of = |lane: &Lane, place: &'static str| {
            let swatch = format!("{} ", theme.lane_swatch(lane.idx().0));
            [
                Span::styled(swatch, lanes::style(lane, theme)),
                Span::styled(lanes::name(app, lane), theme.text()),
                Span::styled(place, theme.muted()),
            ]
        };
        let mut spans = vec![Span::styled("cka  ", theme.heading())];
        match self {
            Map::Within(lane) => spans.extend(of(lane, "")),
            Map::Between(a, b) => spans.extend(of(a, " down  ").into_iter().chain(of(b, " across"))),
        }
        Line::from(spans)
    }
}

/// The alignment of each block of one lane with each of another, by what was measured last up to the cursor's step; none
/// if that is missing, or of other examples.
fn matrix(app: &App, a: &Lane, b: &Lane) -> Option<Matrix> {
    if !have_same_examples(a, b) {
        return None;
    }
    let [of_a, of_b] = [grams(app, a)?, grams(app, b)?];
    let mut matrix = Matrix::new(of_a.len(), of_b.len());
    for (row, a) in of_a.iter().enumerate() {
        for (column, b) in of_b.iter().enumerate() {
            matrix.merge(row, column, Extent::of(alignment(a, b) as f32));
        }
    }
    Some(matrix)
}

/// Whether two lanes measure the same examples: those of one data set, in the same order.
fn have_same_examples(a: &Lane, b: &Lane) -> bool {
    let examples = |lane: &Lane| {
        let provenance = lane.provenance()?;
        let probe = provenance.experiment.probes.get("cka");
        Some((provenance.data_set.clone(), probe.map(|probe| probe.settings.clone())))
    };
    examples(a).is_some_and(|of_a| examples(b) == Some(of_a))
}

/// The Gram matrix of each block.
fn grams(app: &App, lane: &Lane) -> Option<Vec<Vec<f32>>> {
    let row = lane.at(GRAM, app.step())?;
    let of_block = |columns: std::ops::Range<usize>| columns.map(|column| row.last(column)).collect();
    lane.columns(GRAM).into_iter().map(|columns| of_block(columns?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Action;
    use crate::app::specimen::{Specimen, app_with};
    use crate::event::{Kind, Value};
    use crate::metric::{self, Points, known, probed};
    use crate::statistics::gram;
    use crate::theme::{Background, Characters, Colors};
    use crate::units::Step;

    const ROWS: usize = 6;

    /// Features of a block for the same rows, `[rows][2]`; lanes of another depth have others.
    fn features(depth: usize, block: usize, step: u64) -> Vec<f64> {
        let mut numbers: Vec<f64> =
            (0..ROWS * 2).map(|at| ((at * (7 + block) + depth) as f64 * (1.0 + step as f64)).sin()).collect();
        for column in 0..2 {
            let mean = numbers.iter().skip(column).step_by(2).sum::<f64>() / ROWS as f64;
            numbers.iter_mut().skip(column).step_by(2).for_each(|x| *x -= mean);
        }
        numbers
    }

    /// Two lanes of 9 and 3 blocks that measured at steps 20 and 40; `change` changes events.
    fn app(mut change: impl FnMut(&mut crate::event::RunEvent)) -> App {
        let lanes = [Specimen::new("deep", 20, "identity"), Specimen::new("shallow", 8, "identity")];
        let mut blocks = 0;
        app_with(&lanes, |event| {
            match &mut event.kind {
                Kind::LaneStarted(started) => {
                    blocks = started.structure.blocks.len();
                    started.declared.metrics.push(GRAM);
                    let pairs = (0..ROWS * (ROWS + 1) / 2).map(|pair| pair.to_string()).collect();
                    let axis = metric::Axis { name: probed::PAIR.to_owned(), points: Points::Names(pairs) };
                    started.declared.axes.push(axis);
                }
                Kind::Measured(values)
                    if [20, 40].contains(&event.step.0) && values.get(known::LOSS).is_some() =>
                {
                    let of = |block| gram(&features(blocks, block, event.step.0), 2);
                    values.insert(GRAM, Value::Numbers((0..blocks).flat_map(of).collect()));
                }
                _ => {}
            }
            change(event);
        })
    }

    fn drawn(app: &App, (width, height): (u16, u16)) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        maps(app).into_iter().for_each(|map| map.draw(app, area, &mut buffer, &theme));
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn a_map_has_the_alignment_of_each_two_blocks_at_the_cursor() {
        let mut app = app(|_| {});
        assert!(matches!(maps(&app).as_slice(), [Map::Between(..)]));
        for (step, measured) in [(300, 40), (40, 40), (39, 20)] {
            app.act(Action::SelectStep(Step(step)));
            let (a, b) = app.pair().unwrap();
            assert_eq!([a.name(), b.name()], ["deep", "shallow"]);
            let matrix = matrix(&app, a, b).unwrap();
            assert_eq!((matrix.rows(), matrix.columns()), (9, 3));
            for (at, cell) in matrix.cells().iter().enumerate() {
                let [a, b] =
                    [(9, at / 3), (3, at % 3)].map(|(depth, block)| features(depth, block, measured));
                let expected = alignment(&gram(&a, 2), &gram(&b, 2)) as f32;
                assert_eq!(cell.range(), Some((expected, expected)), "{at} at {step}");
            }
        }
        app.act(Action::SelectStep(Step(19)));
        assert!(drawn(&app, (60, 12)).contains("nothing measured up to here"));
    }

    #[test]
    fn what_a_lane_recorded_of_itself_has_a_map() {
        let lanes = [Specimen::new("alone", 8, "identity")];
        let app = app_with(&lanes, |event| match &mut event.kind {
            Kind::LaneStarted(started) => {
                started.declared.metrics.push(CKA);
                let names = started.structure.blocks.iter().map(|block| block.name.clone()).collect();
                let axis = metric::Axis { name: probed::COMPARED.to_owned(), points: Points::Names(names) };
                started.declared.axes.push(axis);
            }
            Kind::Measured(values) if event.step.0 == 20 && values.get(known::LOSS).is_some() => {
                values.insert(CKA, Value::Numbers(vec![1.0, 0.5, 0.25, 0.5, 1.0, 0.75, 0.25, 0.75, 1.0]));
            }
            _ => {}
        });
        assert!(matches!(maps(&app).as_slice(), [Map::Within(_)]));
        let matrix = curves::at_cursor(&app, &app.lanes()[0], CKA).unwrap();
        assert_eq!((matrix.rows(), matrix.columns()), (3, 3));
        assert_eq!(matrix.extent((0, 1), (2, 3)).range(), Some((0.25, 0.25)));
        assert!(drawn(&app, (60, 12)).contains("cka  "));
    }

    #[test]
    fn a_lane_is_like_itself_on_the_diagonal() {
        let app = app(|_| {});
        let lane = app.pair().unwrap().0;
        let matrix = matrix(&app, lane, lane).unwrap();
        for block in 0..9 {
            let (least, most) = matrix.extent((block, block + 1), (block, block + 1)).range().unwrap();
            assert!((least - 1.0).abs() < 1e-6 && (most - 1.0).abs() < 1e-6, "{block}: {least}");
        }
        assert!(matrix.cells().iter().any(|cell| cell.range().is_some_and(|(least, _)| least < 0.9)));
    }

    #[test]
    fn lanes_with_other_examples_are_not_compared() {
        let text = drawn(&app(|_| {}), (60, 12));
        assert!(text.contains("deep down") && text.contains("shallow across"), "{text}");
        let other = app(|event| {
            if let Kind::LaneStarted(started) = &mut event.kind
                && started.lane == "deep"
                && let Some(provenance) = &mut started.provenance
            {
                provenance.data_set = Some("another".to_owned());
            }
        });
        assert!(drawn(&other, (60, 12)).contains("of different examples"));
        // In any area.
        for size in [(0, 0), (1, 1), (3, 2), (20, 4), (200, 60)] {
            drawn(&app(|_| {}), size);
        }
    }
}
