//! A component that knows nothing of Sandglass: functions over every type that WIT has.

wit_bindgen::generate!({ path: "wit" });

use std::cell::Cell;

use exports::test::shapes::values::{
    Colour, CounterBorrow, Everything, Figure, Guest as Values, GuestCounter, Rights, Trouble,
};

struct Component;

struct Counter(Cell<u32>);

impl Guest for Component {
    fn version() -> String {
        "0.1.0".to_owned()
    }
}

impl GuestCounter for Counter {
    fn new(start: u32) -> Self {
        Self(Cell::new(start))
    }

    fn next(&self) -> u32 {
        self.0.replace(self.0.get() + 1)
    }

    fn zero() -> u32 {
        0
    }
}

impl Values for Component {
    type Counter = Counter;

    fn same(value: Everything) -> Everything {
        value
    }

    fn add(a: u64, b: u64) -> u64 {
        a + b
    }

    fn negate(n: i64) -> i64 {
        n.wrapping_neg()
    }

    fn halve(n: f64) -> f64 {
        if n == 0.0 { f64::NAN } else { n / 2.0 }
    }

    fn single(n: f32) -> f32 {
        n
    }

    fn upper(letter: char) -> char {
        letter.to_uppercase().next().unwrap_or(letter)
    }

    fn describe(what: Figure) -> String {
        match what {
            Figure::Nothing => "nothing".to_owned(),
            Figure::Circle(radius) => format!("a circle of {radius}"),
            Figure::Polygon(points) => format!("{} points", points.len()),
        }
    }

    fn next_colour(before: Colour) -> Colour {
        match before {
            Colour::Red => Colour::Green,
            Colour::Green => Colour::Blue,
            Colour::Blue => Colour::Red,
        }
    }

    fn invert(which: Rights) -> Rights {
        which ^ (Rights::READ | Rights::WRITE | Rights::RUN)
    }

    fn sum(numbers: Vec<u8>) -> u32 {
        numbers.into_iter().map(u32::from).sum()
    }

    fn swap((text, flag): (String, bool)) -> (bool, String) {
        (flag, text)
    }

    fn greet(first_name: String, title: Option<String>) -> String {
        match title {
            Some(title) => format!("Hello, {title} {first_name}!"),
            None => format!("Hello, {first_name}!"),
        }
    }

    fn find(text: String, letter: char) -> Option<u32> {
        let position = text.chars().position(|other| other == letter)?;
        u32::try_from(position).ok()
    }

    fn unwrap(outcome: Result<u32, String>) -> String {
        match outcome {
            Ok(number) => number.to_string(),
            Err(reason) => reason,
        }
    }

    fn divide(a: i64, b: i64) -> Result<i64, Trouble> {
        if b == 0 {
            return Err(Trouble::DivisionByZero);
        }
        a.checked_div(b).ok_or(Trouble::TooLarge(a))
    }

    fn refuse(reason: String) -> Result<(), String> {
        if reason.is_empty() {
            Ok(())
        } else {
            Err(reason)
        }
    }

    fn fail() -> Result<(), ()> {
        Err(())
    }

    fn bytes(count: u32) -> Vec<u8> {
        vec![7; count as usize]
    }

    fn marks(count: u32) -> Vec<Rights> {
        vec![Rights::READ; count as usize]
    }

    fn nothing() {}

    fn trap(message: String) {
        panic!("{message}");
    }

    fn spin() {
        loop {
            std::hint::black_box(());
        }
    }

    fn count_up(counter: CounterBorrow<'_>, to: u32) -> u32 {
        let counter = counter.get::<Counter>();
        while counter.next() < to {}
        to
    }
}

export!(Component);
