//! Geohashes: places on earth as short texts, where a longer text is a smaller place.

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::text::{n, t};
use super::types::Returns::{Of, Text, Texts};
use super::types::tuple_of;
use arrow::datatypes::DataType;

const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// Letters at most, and when nothing is asked for.
const PRECISION_MAX: usize = 12;

/// Places that one box may hold.
const BOXES_MAX: usize = 10_000_000;

pub(super) const ROWS: &[RowDef] = &[
    row("geohashEncode", 2, 3, Text, |args, _| {
        let (Some(longitude), Some(latitude)) = (args[0].as_float(), args[1].as_float()) else { return Datum::Null };
        encode(longitude, latitude, precision(n(args, 2))).into()
    }),
    row("geohashDecode", 1, 1, Of(|_| tuple_of([DataType::Float64, DataType::Float64])), |args, _| {
        let Some(place) = decode(&t(args, 0)) else { return Datum::Null };
        Datum::Tuple(vec![place.longitude().into(), place.latitude().into()])
    }),
    row("geohashesInBox", 4, 5, Texts, |args, _| {
        let corner = |place: usize| args[place].as_float();
        let (Some(west), Some(south), Some(east), Some(north)) = (corner(0), corner(1), corner(2), corner(3)) else { return Datum::Null };
        in_box((west, south), (east, north), precision(n(args, 4)))
    }),
];

fn precision(asked: Option<i64>) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).filter(|asked| (1..=PRECISION_MAX).contains(asked)).unwrap_or(PRECISION_MAX)
}

/// The part of the earth that a text names: where it begins and how wide it is.
struct Place {
    west: f64,
    width: f64,
    south: f64,
    height: f64,
}

impl Place {
    const EARTH: Place = Place { west: -180.0, width: 360.0, south: -90.0, height: 180.0 };

    /// The half that a bit stands for; longitude and latitude take turns.
    fn half(&mut self, of_longitude: bool, upper: bool) {
        let (start, size) = if of_longitude { (&mut self.west, &mut self.width) } else { (&mut self.south, &mut self.height) };
        *size /= 2.0;
        if upper {
            *start += *size;
        }
    }

    fn longitude(&self) -> f64 {
        self.west + self.width / 2.0
    }

    fn latitude(&self) -> f64 {
        self.south + self.height / 2.0
    }
}

fn encode(longitude: f64, latitude: f64, precision: usize) -> String {
    let mut place = Place::EARTH;
    let mut of_longitude = true;
    (0..precision)
        .map(|_| {
            let mut letter = 0;
            for _ in 0..5 {
                let upper = if of_longitude { longitude >= place.longitude() } else { latitude >= place.latitude() };
                letter = letter * 2 + usize::from(upper);
                place.half(of_longitude, upper);
                of_longitude = !of_longitude;
            }
            char::from(LETTERS[letter])
        })
        .collect()
}

/// `None` when there is a letter that geohashes do not have.
fn decode(text: &str) -> Option<Place> {
    let mut place = Place::EARTH;
    let mut of_longitude = true;
    for letter in text.bytes().take(PRECISION_MAX) {
        let bits = LETTERS.iter().position(|known| *known == letter.to_ascii_lowercase())?;
        for bit in (0..5).rev() {
            place.half(of_longitude, bits >> bit & 1 == 1);
            of_longitude = !of_longitude;
        }
    }
    Some(place)
}

fn in_box((west, south): (f64, f64), (east, north): (f64, f64), precision: usize) -> Datum<'static> {
    let Some(first) = decode(&encode(west, south, precision)) else { return Datum::Null };
    let steps = |start: f64, size: f64, end: f64| {
        let count = super::datum::saturating_int(((end - start) / size).floor()) + 1;
        usize::try_from(count).unwrap_or(0)
    };
    let (columns, rows) = (steps(first.west, first.width, east), steps(first.south, first.height, north));
    if columns.saturating_mul(rows) > BOXES_MAX {
        return Datum::Null;
    }
    #[expect(clippy::cast_precision_loss, reason = "fewer than ten million steps")]
    let at = |start: f64, size: f64, step: usize| start + size * (step as f64 + 0.5);
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let text = |(row, column)| encode(at(first.west, first.width, column), at(first.south, first.height, row), precision);
    Datum::List(places.map(text).map(Datum::from).collect())
}
