use proptest::prelude::*;

use super::specimen::{self, Made, list};
use super::*;
use crate::runlog::State;

fn ids(list: &RunsList) -> Vec<&str> {
    let run = |row: &Row| match row {
        Row::Run { run, .. } => Some(list.runs()[*run].id()),
        _ => None,
    };
    list.rows().iter().filter_map(run).collect()
}

fn act_all(list: &mut RunsList, actions: &[Action]) -> Option<Request> {
    actions.iter().map(|action| list.act(*action)).last().flatten()
}

fn type_text(list: &mut RunsList, text: &str) {
    text.chars().for_each(|c| drop(list.act(Action::Type(c))));
}

fn go_to(list: &mut RunsList, id: &str) {
    let is_it = |row: &Row| matches!(row, Row::Run { run, .. } if list.runs()[*run].id() == id);
    let place = list.rows().iter().position(is_it).unwrap();
    list.act(Action::SelectRow(place));
}

const DEPTH: [&str; 3] = ["20261123-070000-depth", "20261123-071000-depth", "20261123-072000-depth"];

#[test]
fn the_newest_stand_first_and_what_cannot_be_read_last() {
    let list = list();
    let ids = ids(&list);
    assert_eq!(ids[0], "20261123-150100-quick");
    assert_eq!(*ids.last().unwrap(), "20261123-100000-broken");
    assert_eq!(ids.len(), 11);
}

#[test]
fn a_filter_is_applied_while_it_is_typed_and_kept_while_it_is_wrong() {
    let mut list = list();
    list.act(Action::OpenFilter);
    type_text(&mut list, "depth=56 loss<0.08");
    assert_eq!(ids(&list), [DEPTH[1], DEPTH[0]]);
    type_text(&mut list, " =");
    assert_eq!(ids(&list), [DEPTH[1], DEPTH[0]], "what was found stays");
    let Some(Prompt::Filter { error: Some(error), .. }) = list.prompt() else { panic!() };
    assert_eq!(error.to_string(), "at 20: expected a key before =, such as depth or loss");
    list.act(Action::Confirm);
    assert!(list.prompt().is_some(), "what is wrong can be mended");
    act_all(&mut list, &[Action::Edit(Edit::DeleteWord), Action::Confirm]);
    assert_eq!((list.prompt(), list.shown()), (None, 2));
    list.act(Action::OpenFilter);
    type_text(&mut list, "nothing");
    assert_eq!(list.shown(), 0);
    list.act(Action::Dismiss);
    assert_eq!(list.shown(), 2, "the filter of before");
    list.act(Action::Dismiss);
    assert_eq!(list.shown(), 11);
}

#[test]
fn every_column_orders_stably_both_ways() {
    let mut list = list();
    for key in SortKey::ALL {
        let mut orders = Vec::new();
        for descending in [false, true] {
            list.set_sort(Sort { key, descending });
            list.settle();
            let once: Vec<String> = ids(&list).into_iter().map(str::to_owned).collect();
            list.set_sort(Sort { key, descending });
            list.settle();
            assert_eq!(ids(&list), once, "{}", key.name());
            assert_eq!(once.len(), 11);
            orders.push(once);
        }
        assert_ne!(orders[0], orders[1], "{}", key.name());
    }
}

#[test]
fn equal_runs_stand_the_newest_first_and_missing_figures_last() {
    let mut list = list();
    let order = |list: &mut RunsList, key, descending| {
        list.set_sort(Sort { key, descending });
        list.settle();
        ids(list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let by_state = order(&mut list, SortKey::State, false);
    assert_eq!(by_state[..3], [DEPTH[2], DEPTH[1], DEPTH[0]]);
    for descending in [false, true] {
        let by_loss = order(&mut list, SortKey::Loss, descending);
        assert_eq!(by_loss[9..], ["20261123-150100-quick", "20261123-100000-broken"]);
    }
    // Of the diverged run, only the lane that did not diverge has a number.
    assert_eq!(order(&mut list, SortKey::Loss, false)[..3], [DEPTH[1], DEPTH[0], DEPTH[2]]);
}

#[test]
fn the_cursor_keeps_to_its_run_whatever_changes_around_it() {
    let mut list = list();
    assert_eq!(list.cursor(), 0);
    let newer = Made::new("20261123-160000-new").pair(State::Running, 1.0, 1.0).listed();
    list.apply(Found::Runs(vec![newer]));
    list.settle();
    assert_eq!(list.current().unwrap().id(), "20261123-160000-new", "at the top what is new is seen");
    go_to(&mut list, DEPTH[1]);
    list.apply(Found::Gone(vec!["20261123-160000-new".to_owned()]));
    list.act(Action::Reverse);
    assert_eq!(list.current().unwrap().id(), DEPTH[1]);
    list.apply(Found::Gone(vec![DEPTH[1].to_owned()]));
    list.settle();
    assert!(list.current().is_some());
}

#[test]
fn runs_are_opened_to_their_lanes_and_closed_from_them() {
    let mut list = list();
    go_to(&mut list, DEPTH[2]);
    let before = list.rows().len();
    act_all(&mut list, &[Action::Expand, Action::MoveCursor(2)]);
    assert_eq!(list.rows().len(), before + 2);
    assert!(matches!(list.rows()[list.cursor()], Row::Lane { lane: 1, .. }));
    list.act(Action::Collapse);
    assert_eq!((list.rows().len(), list.current().unwrap().id()), (before, DEPTH[2]));
    list.act(Action::ToggleAllOpen);
    assert_eq!(list.rows().len(), 11 + 17);
    list.act(Action::ToggleAllOpen);
    assert_eq!(list.rows().len(), 11);
}

#[test]
fn marks_choose_what_is_opened() {
    let mut list = list();
    go_to(&mut list, DEPTH[2]);
    assert_eq!(list.act(Action::Open), Some(Request::Open(vec![DEPTH[2].to_owned()])));
    act_all(&mut list, &[Action::ToggleMark, Action::ToggleMark]);
    list.act(Action::SelectLast);
    let opened = list.act(Action::Open);
    assert_eq!(opened, Some(Request::Open(vec![DEPTH[1].to_owned(), DEPTH[2].to_owned()])));
    list.act(Action::ClearMarks);
    let Some(Request::Tell(text)) = list.act(Action::Open) else { panic!() };
    assert!(text.contains("cannot be opened: run.json"), "{text}");
    list.act(Action::MarkShown);
    assert_eq!(list.marked().len(), 11);
}

#[test]
fn runs_that_differ_in_their_seed_only_are_one_group() {
    let mut list = list();
    list.act(Action::ToggleGroups);
    let [group] = list.groups() else { panic!("{:?}", list.groups()) };
    assert_eq!(group.runs.len(), 3, "not the run of another batch");
    let residual = &group.lanes[1];
    assert_eq!((residual.name.as_str(), residual.loss.count), ("residual", 3));
    assert!((residual.loss.mean - (0.0712 + 0.0655 + 0.0834) / 3.0).abs() < 1e-6);
    assert!((residual.loss.min - 0.0655).abs() < 1e-6 && (residual.loss.max - 0.0834).abs() < 1e-6);
    assert!((residual.loss.deviation - 0.009_144_6).abs() < 1e-6, "{}", residual.loss.deviation);
    let place = list.rows().iter().position(|row| matches!(row, Row::Group { .. })).unwrap();
    act_all(&mut list, &[Action::SelectRow(place), Action::Expand]);
    assert!(matches!(list.rows()[place + 1], Row::GroupLane { lane: 0, .. }));
    assert!(matches!(list.rows()[place + 3], Row::Run { nested: true, .. }));
    let Some(Request::Open(ids)) = list.act(Action::Open) else { panic!() };
    assert_eq!(ids.len(), 3);
    act_all(&mut list, &[Action::MoveCursor(3), Action::Collapse]);
    assert_eq!(list.cursor(), place, "from a run of the group up to the group");
}

/// Runs of one experiment: three seeds, two of which were run again, and runs that differ.
fn repeated() -> RunsList {
    let made =
        |id: &str, seed, residual| Made::new(id).seed(seed).pair(State::Finished, 2.3, residual).listed();
    let mut list = RunsList::new();
    list.apply(Found::Runs(vec![
        made("20261123-070000-depth", 0, 0.9),
        made("20261123-070100-depth", 1, 0.2),
        made("20261123-070200-depth", 2, 0.3),
        made("20261123-070300-depth", 0, 0.8),
        made("20261123-070400-depth", 0, 0.1),
        made("20261123-070500-other-name", 3, 0.7),
        Made::new("20261123-070600-depth").seed(4).pair(State::Running, 2.3, 0.7).listed(),
        Made::new("20261123-070700-depth").seed(5).pair(State::Stopped, 2.3, 0.7).listed(),
    ]));
    list.settle();
    list
}

#[test]
fn repeats_are_not_seeds_and_the_newest_run_of_each_seed_counts() {
    let mut list = repeated();
    list.act(Action::ToggleGroups);
    let [group] = list.groups() else { panic!("{:?}", list.groups()) };
    assert_eq!((group.runs.len(), group.seeds.len(), group.repeats()), (5, 3, 2));
    let loss = &group.lanes[1].loss;
    assert_eq!(loss.count, 3);
    assert!((loss.mean - 0.2).abs() < 1e-6 && (loss.max - 0.3).abs() < 1e-6, "{loss:?}");
    assert_eq!(list.rows().len(), 4, "other names and what ended otherwise stand alone");
}

#[test]
fn runs_of_a_single_seed_are_no_group() {
    let mut list = repeated();
    list.act(Action::OpenFilter);
    type_text(&mut list, "seed=0");
    act_all(&mut list, &[Action::Confirm, Action::ToggleGroups]);
    assert_eq!((list.groups().len(), list.rows().len()), (0, 3));
}

#[test]
fn bands_are_over_seeds_not_over_repeats() {
    let mut list = repeated();
    go_to(&mut list, "20261123-070000-depth");
    list.act(Action::SetPane(Pane::Bands));
    let mut missing = list.missing_curves().unwrap();
    missing.sort();
    assert_eq!(missing, ["20261123-070100-depth", "20261123-070200-depth", "20261123-070400-depth"]);
    assert_eq!(list.band_repeats(), 2);
    go_to(&mut list, "20261123-070600-depth");
    assert_eq!((list.band_runs().len(), list.band_repeats()), (1, 0));
}

#[test]
fn differences_are_only_what_differs() {
    let list = list();
    let run = |id| list.run(id).unwrap();
    let found = difference::differences(&[run(DEPTH[0]), run(DEPTH[1]), run("20261123-080000-depth")]);
    let found: Vec<_> = found.iter().map(|d| (d.key.as_str(), d.values.clone())).collect();
    let some = |values: [&str; 3]| values.map(|value| Some(value.to_owned())).to_vec();
    assert_eq!(found, [("seed", some(["0", "1", "0"])), ("training.batch", some(["64", "64", "128"]))]);
    let found = difference::differences(&[run(DEPTH[0]), run("20261123-081200-too-fast")]);
    assert!(found.iter().any(|d| d.key == "lane.plain.depth"), "{found:?}");
    let found = difference::differences(&[run(DEPTH[0]), run("20261123-100000-broken")]);
    assert!(found.iter().all(|d| d.values[1].is_none()) && found.len() > 10);
    assert_eq!(difference::differences(&[run(DEPTH[0])]), []);
}

#[test]
fn the_curves_of_all_seeds_are_asked_for_once_and_shown_as_bands() {
    let mut list = list();
    go_to(&mut list, DEPTH[0]);
    assert_eq!(list.missing_curves(), None);
    list.act(Action::SetPane(Pane::Bands));
    let mut missing = list.missing_curves().unwrap();
    missing.sort();
    assert_eq!(missing, DEPTH);
    assert_eq!(list.missing_curves(), None);
    for (seed, id) in DEPTH.iter().enumerate() {
        list.apply(Found::Curves(specimen::curves(id, seed as u64)));
    }
    list.settle();
    assert_eq!(list.missing_curves(), None);
    let [plain, residual] = list.bands() else { panic!() };
    assert_eq!((plain.name.as_str(), plain.runs, residual.runs), ("plain", 3, 3));
    let last = residual.loss.points.last().unwrap();
    assert!(last.min < last.mean && last.mean < last.max && last.step == 600);
    go_to(&mut list, "20261123-081200-too-fast");
    assert_eq!(list.bands(), []);
    let id = "20261123-081200-too-fast".to_owned();
    assert_eq!(list.missing_curves(), Some(vec![id.clone()]));
    list.apply(Found::Curves(crate::reading::curves::RunCurves { id, lanes: Err("gone".to_owned()) }));
    list.settle();
    assert_eq!(list.curve_problems().collect::<Vec<_>>(), [("20261123-081200-too-fast", "gone")]);
}

#[test]
fn a_note_and_tags_are_written_as_they_were_typed() {
    let mut list = list();
    go_to(&mut list, DEPTH[2]);
    list.act(Action::OpenNote);
    type_text(&mut list, "!");
    let written = list.act(Action::Confirm);
    let notes = Notes::new("the seed with the dip!", ["baseline", "paper"]);
    assert_eq!(written, Some(Request::Write(vec![(DEPTH[2].to_owned(), notes)])));
    act_all(&mut list, &[Action::OpenNote, Action::Dismiss]);
    assert_eq!(list.prompt(), None);
    // For several runs, only the tags that all of them have are replaced.
    act_all(&mut list, &[Action::ToggleMark, Action::ToggleMark, Action::OpenTags]);
    act_all(&mut list, &[Action::Edit(Edit::DeleteToStart)]);
    type_text(&mut list, "old, kept");
    let Some(Request::Write(written)) = list.act(Action::Confirm) else { panic!() };
    let tags: Vec<_> = written.iter().map(|(id, notes)| (id.as_str(), notes.tags().join(" "))).collect();
    assert_eq!(tags, [(DEPTH[1], "kept old".to_owned()), (DEPTH[2], "kept old paper".to_owned())]);
}

#[test]
fn deleting_asks_first_spares_what_runs_and_is_taken_back() {
    let mut list = list();
    let Some(Request::Tell(text)) = list.act(Action::OpenDelete) else { panic!() };
    assert!(text.contains("20261123-150100-quick is running"), "{text}");
    go_to(&mut list, DEPTH[0]);
    assert_eq!(act_all(&mut list, &[Action::OpenDelete, Action::Dismiss]), None);
    let asked = act_all(&mut list, &[Action::OpenDelete, Action::Confirm]);
    assert_eq!(asked, Some(Request::Discard(vec![DEPTH[0].to_owned()])));
    let discarded = Discarded { id: DEPTH[0].to_owned(), name: DEPTH[0].to_owned() };
    list.apply_discarded(vec![discarded.clone()]);
    list.settle();
    assert!(list.run(DEPTH[0]).is_none() && !ids(&list).contains(&DEPTH[0]));
    assert_eq!(list.act(Action::Undo), Some(Request::Restore(vec![discarded])));
    list.apply_restored(Vec::new());
    assert!(matches!(list.act(Action::Undo), Some(Request::Tell(_))));
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (-20i64..20).prop_map(Action::MoveCursor),
        (0usize..40).prop_map(Action::SelectRow),
        (-2i64..3).prop_map(Action::MoveSort),
        any::<char>().prop_map(Action::Type),
        prop::sample::select(vec!['d', 'e', 'p', 't', 'h', '>', '2', ' ', '(', '"', ')', '!'])
            .prop_map(Action::Type),
        prop::sample::select(vec![
            Action::SelectFirst,
            Action::SelectLast,
            Action::Expand,
            Action::Collapse,
            Action::ToggleOpen,
            Action::ToggleAllOpen,
            Action::ToggleMark,
            Action::MarkShown,
            Action::ClearMarks,
            Action::Reverse,
            Action::SortBy(SortKey::Loss),
            Action::ToggleGroups,
            Action::SetPane(Pane::Bands),
            Action::SetPane(Pane::Differences),
            Action::OpenFilter,
            Action::OpenNote,
            Action::OpenTags,
            Action::OpenDelete,
            Action::Edit(Edit::Backspace),
            Action::Edit(Edit::Left),
            Action::Confirm,
            Action::Dismiss,
            Action::Open,
            Action::Undo,
            Action::ToggleHelp,
            Action::Scroll(3),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// After any actions, while runs come and go, rows refer to existing runs, and the cursor is on a row.
    #[test]
    fn rows_and_cursor_fit_whatever_happens(
        steps in proptest::collection::vec((any_action(), 0usize..11, 0u8..4), 0..60),
    ) {
        let mut list = list();
        let runs = specimen::runs();
        for (action, which, what) in steps {
            match what {
                0 => list.apply(Found::Gone(vec![runs[which].id.clone()])),
                1 => list.apply(Found::Runs(vec![runs[which].clone()])),
                _ => {}
            }
            list.act(action);
            list.missing_curves();
            prop_assert!(list.cursor() < list.rows().len().max(1));
            let mut runs_seen = BTreeSet::new();
            let mut shown = 0;
            for row in list.rows() {
                match *row {
                    Row::Run { run, .. } => {
                        prop_assert!(runs_seen.insert(run), "a run stands twice");
                        shown += 1;
                        prop_assert!(run < list.runs().len());
                    }
                    Row::Lane { run, lane, .. } => prop_assert!(lane < list.runs()[run].lanes().len()),
                    Row::Group { group } => {
                        let members = &list.groups()[group].runs;
                        prop_assert!(members.len() > 1);
                        shown += if list.is_open(row) { 0 } else { members.len() };
                    }
                    Row::GroupLane { group, lane } => prop_assert!(lane < list.groups()[group].lanes.len()),
                }
            }
            prop_assert_eq!(shown, list.shown());
            prop_assert!(list.marked().iter().all(|id| list.run(id).is_some()));
        }
    }
}

#[test]
fn a_lane_whose_setting_is_unknown_still_stands_in_the_table() {
    let mut made = Made::new("20261123-140500-old");
    made.lane("plain", 8, "none", State::Finished, Some(1.0));
    let mut listed = made.listed();
    if let Ok(known) = &mut listed.known {
        known.experiment = None;
    }
    let mut list = RunsList::new();
    list.apply(Found::Runs(vec![listed]));
    act_all(&mut list, &[Action::ToggleAllOpen, Action::ToggleGroups]);
    assert_eq!(list.rows().len(), 2);
}
