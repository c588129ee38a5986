//! The exported table as an Apache Parquet file: the columns of the CSV, with types. Texts are as in the CSV but for its
//! quotes; an empty name is null. Rows are kept until there are enough for a row group, because a file has the columns
//! of a row group one after another.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use super::rows::{COLUMNS, Number, Row, Table};
use crate::printable;

/// The rows of a row group, the last one has fewer: about 50 MB of memory.
const ROWS: usize = 1 << 20;
/// The values that are given to the encoder at once.
const BATCH: usize = 8_192;
/// The text that is written as null where the column may be.
const EMPTY: u32 = 0;

/// A table that is written as a Parquet file.
pub(super) struct Parquet<'a> {
    /// Writes to memory, which is emptied into `out` after each row group: a writer that is lent may not be.
    file: SerializedFileWriter<Vec<u8>>,
    out: &'a mut dyn Write,
    /// Every text so far, and its place among them: few, but for the details of events.
    texts: Vec<ByteArray>,
    places: HashMap<String, u32>,
    /// The rows of the row group, by column.
    rows: Columns,
    /// How many rows a row group has.
    most: usize,
}

/// Rows by column; texts by their places.
#[derive(Default)]
struct Columns {
    run: Vec<u32>,
    lane: Vec<u32>,
    step: Vec<i64>,
    kind: Vec<u32>,
    index: Vec<Option<i64>>,
    name: Vec<u32>,
    statistic: Vec<u32>,
    value: Vec<f64>,
}

impl<'a> Parquet<'a> {
    /// Begins a file.
    pub(super) fn new(out: &'a mut dyn Write) -> io::Result<Parquet<'a>> {
        Parquet::with_row_groups(ROWS, out)
    }

    fn with_row_groups(most: usize, out: &'a mut dyn Write) -> io::Result<Parquet<'a>> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("skiplane version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Nearly every value is another: a dictionary of them would be given up after a megabyte.
            .set_column_dictionary_enabled(ColumnPath::from("value"), false)
            .build();
        let schema = schema().map_err(io::Error::other)?;
        let file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties));
        let file = file.map_err(io::Error::other)?;
        let mut table =
            Parquet { file, out, texts: Vec::new(), places: HashMap::new(), rows: Columns::default(), most };
        table.cell("");
        Ok(table)
    }

    fn write_row_group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        let texts = |places: &[u32]| places.iter().map(|place| self.texts[*place as usize].clone()).collect();
        let mut group = self.file.next_row_group()?;
        column::<ByteArrayType, _>(&mut group, &rows.run, texts)?;
        column::<ByteArrayType, _>(&mut group, &rows.lane, texts)?;
        column::<Int64Type, _>(&mut group, &rows.step, <[i64]>::to_vec)?;
        column::<ByteArrayType, _>(&mut group, &rows.kind, texts)?;
        nullable::<Int64Type, _>(&mut group, &rows.index, |index| *index)?;
        nullable::<ByteArrayType, _>(&mut group, &rows.name, |place| {
            (*place != EMPTY).then(|| self.texts[*place as usize].clone())
        })?;
        column::<ByteArrayType, _>(&mut group, &rows.statistic, texts)?;
        nullable::<DoubleType, _>(&mut group, &rows.value, |value| Some(*value))?;
        group.close()?;
        Ok(())
    }

    fn empty_into_out(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.out.write_all(self.file.inner())?;
        self.file.inner_mut().clear();
        Ok(())
    }
}

impl Table for Parquet<'_> {
    type Cell = u32;
    type Label = (u32, u32);

    fn cell(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.texts.len() as u32;
        self.texts.push(ByteArray::from(printable::escaped(text).as_bytes().to_vec()));
        self.places.insert(text.to_owned(), place);
        place
    }

    fn label(&mut self, run: &str, lane: &str) -> (u32, u32) {
        (self.cell(run), self.cell(lane))
    }

    fn row(&mut self, (run, lane): &(u32, u32), row: Row<'_, u32>) {
        let rows = &mut self.rows;
        rows.run.push(*run);
        rows.lane.push(*lane);
        rows.step.push(i64::try_from(row.step).unwrap_or(i64::MAX));
        rows.kind.push(*row.kind);
        rows.index.push(row.index.map(|index| index as i64));
        rows.name.push(*row.name);
        rows.statistic.push(*row.statistic);
        rows.value.push(match row.number {
            Number::F32(number) => f64::from(number),
            Number::F64(number) => number,
        });
    }

    fn end_event(&mut self) -> io::Result<()> {
        if self.rows.value.len() < self.most {
            return Ok(());
        }
        self.write_row_group().map_err(io::Error::other)?;
        self.empty_into_out()
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.rows.value.is_empty() {
            self.write_row_group().map_err(io::Error::other)?;
        }
        self.file.finish().map_err(io::Error::other)?;
        self.empty_into_out()
    }
}

fn schema() -> Result<TypePtr, ParquetError> {
    let text = |name| {
        Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String))
    };
    let plain = |name, physical| Type::primitive_type_builder(name, physical);
    let [run, lane, step, kind, index, name, statistic, value] = COLUMNS;
    let columns = [
        text(run).with_repetition(Repetition::REQUIRED),
        text(lane).with_repetition(Repetition::REQUIRED),
        plain(step, Physical::INT64).with_repetition(Repetition::REQUIRED),
        text(kind).with_repetition(Repetition::REQUIRED),
        plain(index, Physical::INT64).with_repetition(Repetition::OPTIONAL),
        text(name).with_repetition(Repetition::OPTIONAL),
        text(statistic).with_repetition(Repetition::REQUIRED),
        plain(value, Physical::DOUBLE).with_repetition(Repetition::OPTIONAL),
    ];
    let fields = columns.into_iter().map(|column| column.build().map(Arc::new)).collect::<Result<_, _>>()?;
    Type::group_type_builder("rows").with_fields(fields).build().map(Arc::new)
}

/// Writes the next column, which has a value in every row.
fn column<D: DataType, R>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    rows: &[R],
    values: impl Fn(&[R]) -> Vec<D::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    for batch in rows.chunks(BATCH) {
        column.typed::<D>().write_batch(&values(batch), None, None)?;
    }
    column.close()
}

/// Writes the next column, which is null in rows without a value.
fn nullable<D: DataType, R>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    rows: &[R],
    value: impl Fn(&R) -> Option<D::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    for batch in rows.chunks(BATCH) {
        let values: Vec<Option<D::T>> = batch.iter().map(&value).collect();
        // What the format calls definition levels: 1 where there is a value.
        let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        let present: Vec<D::T> = values.into_iter().flatten().collect();
        column.typed::<D>().write_batch(&present, Some(&levels), None)?;
    }
    column.close()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, Row as ReadRow};

    use super::*;
    use crate::cli::export::rows::RowWriter;
    use crate::cli::export::text::{Format, Text};
    use crate::event::{Kind, LaneFinished, LaneStarted, MetricsDeclared, NoteTaken, Outcome, RunEvent};
    use crate::event::{Time, Value, Values};
    use crate::metric::{Axis, DeclarationText, Metric, Points};
    use crate::units::{LaneIdx, Step};

    fn metric(name: &str, over: &[&str]) -> Metric {
        let over = over.iter().map(ToString::to_string).collect();
        Metric::declare(&DeclarationText { name: name.into(), over, ..DeclarationText::default() }).unwrap()
    }

    /// Events with names that need escapes, and with numbers of every sort.
    fn events() -> Vec<RunEvent> {
        let (loss, heat) = (metric("loss", &[]), metric("heat", &["place"]));
        let points = Points::Names(vec!["a\u{1b}b".into(), "c/d".into(), String::new()]);
        let axes = vec![Axis { name: "place".into(), points }];
        let declared = MetricsDeclared { metrics: vec![loss, heat], axes };
        let started = LaneStarted { version: 3, lane: "a".into(), declared, ..LaneStarted::default() };
        let mut events = vec![RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(started)))];
        events.extend((1..200).map(|step| {
            let number = [0.1, f32::NAN, f32::INFINITY, -1e-30][step as usize % 4];
            let values =
                [(loss, Value::Number(number)), (heat, Value::Numbers(vec![number, 2.0, step as f32]))];
            let values: Values = values.into_iter().collect();
            let time = Time { at_ms: 0.1 * step as f64, step_ms: Some(3.0), ..Time::default() };
            RunEvent { step: Step(step), time, kind: Kind::Measured(values) }
        }));
        let ends = [
            Kind::NoteTaken(NoteTaken { text: "two words".into() }),
            Kind::LaneFinished(LaneFinished { outcome: Outcome::Completed }),
        ];
        events.extend(ends.map(|kind| RunEvent::new(Step(200), 9.0, kind)));
        events
    }

    fn reader(file: &[u8]) -> SerializedFileReader<File> {
        let mut kept = tempfile::tempfile().unwrap();
        kept.write_all(file).unwrap();
        SerializedFileReader::new(kept).unwrap()
    }

    fn fill<T: Table>(table: T) {
        let labels = [("run".to_owned(), "a".to_owned()), ("run".to_owned(), "b \u{9b}".to_owned())];
        let mut rows = RowWriter::new(table, &labels);
        for lane in 0..2 {
            events().iter().for_each(|event| rows.event(LaneIdx(lane), event).unwrap());
        }
        rows.finish().unwrap();
    }

    /// A row as in the CSV.
    fn line(row: &ReadRow) -> String {
        let cell = |(column, field): (&String, &Field)| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Long(number) => number.to_string(),
            // Numbers of steps and layers are floats.
            Field::Double(number) if row_is_time(row) => format!("{number:?}"),
            Field::Double(number) => format!("{:?}", *number as f32),
            other => panic!("{column}: {other:?}"),
        };
        row.get_column_iter().map(cell).collect::<Vec<_>>().join(",")
    }

    fn row_is_time(row: &ReadRow) -> bool {
        row.get_column_iter()
            .any(|(_, field)| matches!(field, Field::Str(text) if text == "time" || text == "event"))
    }

    #[test]
    fn the_file_has_the_rows_of_the_csv() {
        let (mut csv, mut file, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        fill(Text::new(Format::Csv, &mut csv).unwrap());
        fill(Parquet::with_row_groups(500, &mut file).unwrap());
        fill(Parquet::new(&mut whole).unwrap());
        let csv = String::from_utf8(csv).unwrap();
        if let Some(folder) = std::env::var_os("SKIPLANE_PARQUET_OUT").map(std::path::PathBuf::from) {
            std::fs::write(folder.join("groups.parquet"), &file).unwrap();
            std::fs::write(folder.join("table.csv"), &csv).unwrap();
        }
        for (file, groups) in [(file, 5), (whole, 1)] {
            let reader = reader(&file);
            assert_eq!(reader.metadata().num_row_groups(), groups);
            let names = reader.metadata().file_metadata().schema_descr().columns().iter();
            assert_eq!(names.map(|column| column.name().to_owned()).collect::<Vec<_>>(), COLUMNS);
            let rows: Vec<String> = reader.into_iter().map(|row| line(&row.unwrap())).collect();
            assert_eq!(rows, csv.lines().skip(1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_table_without_rows_is_a_file() {
        let mut file = Vec::new();
        RowWriter::new(Parquet::new(&mut file).unwrap(), &[]).finish().unwrap();
        let reader = reader(&file);
        assert_eq!((reader.metadata().file_metadata().num_rows(), reader.into_iter().count()), (0, 0));
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut full = Full;
        let failed = RowWriter::new(Parquet::new(&mut full).unwrap(), &[]).finish();
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
