//! The value at the cursor, as a line of text to be copied.

use super::{lanes, shown};
use crate::app::{App, Chosen, Lane};
use crate::metric::Metric;
use crate::printable::printable;

/// The value of the chosen metric at the cursor, of the selected lane, with what it is: `train_error 0.125 (plain, step
/// 300)`. The number has every digit that was recorded. None if nothing was measured there.
pub fn value_at_cursor(app: &App) -> Option<String> {
    let lane = app.lane(app.selected_lane())?;
    let step = app.step();
    let (metric, value, place) = match shown(app)?.kind().chooses {
        Chosen::OfLayers => {
            let (metric, layer) = (app.statistic(), app.layer_in(lane)?);
            let name = lane.structure()?.layer(layer)?.name.as_str();
            (metric, lane.layer_value(metric, step, layer)?, name)
        }
        Chosen::OfBlocks => {
            let (metric, block) = (app.block_statistic(), app.block_in(lane)?);
            let name = lane.structure()?.blocks.get(block.0)?.name.as_str();
            (metric, lane.block_value(metric, step, block)?, name)
        }
        Chosen::Scalars => (app.scalar(), lane.scalar(app.scalar()).at(step)?.last(0)?, ""),
        Chosen::Charts => {
            let (_, chart) = app.chart()?;
            let value = chart.point_at(lane, step)?.last();
            return Some(said(app, lane, chart.metric, value, chart.place.as_deref().unwrap_or_default()));
        }
    };
    Some(said(app, lane, metric, value, place))
}

fn said(app: &App, lane: &Lane, metric: Metric, value: f32, place: &str) -> String {
    let lane = lanes::name(app, lane);
    let place = if place.is_empty() { String::new() } else { format!(", {}", printable(place)) };
    format!("{} {value} ({lane}{place}, step {})", printable(metric.name()), app.step())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Action, specimen};
    use crate::units::{LayerIdx, Step};
    use crate::views::kind_named;

    #[test]
    fn the_value_is_the_recorded_one_of_lane_layer_and_step() {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectView(kind_named("heatmap").unwrap()));
        app.act(Action::SelectFirstLayer);
        app.act(Action::SelectStep(Step(100)));
        let lane = app.lane(app.selected_lane()).unwrap();
        let value = lane.layer_value(app.statistic(), Step(100), LayerIdx(0)).unwrap();
        let name = &lane.structure().unwrap().layers[0].name;
        let expected = format!("{} {value} (plain, {name}, step 100)", app.statistic().name());
        assert_eq!(value_at_cursor(&app), Some(expected));
        app.act(Action::SelectView(kind_named("sweep").unwrap()));
        let text = value_at_cursor(&app).unwrap();
        assert!(text.starts_with(app.scalar().name()) && text.ends_with("(plain, step 100)"), "{text}");
        assert_eq!(value_at_cursor(&App::new(Vec::new())), None);
    }
}
