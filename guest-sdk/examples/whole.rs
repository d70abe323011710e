//! Every part of the SDK, once: a travel desk.
//!
//! `cargo build -p sandglass-sdk --example whole --release --target wasm32-wasip2` makes a component of it;
//! `cargo test -p sandglass-sdk --example whole` calls the tools natively.
//! Copied into a project of your own, it needs `cargo add futures` there.

use futures::future::try_join_all;
use sandglass_sdk::{
    Content, Elicited, Output, ResourceLink, cancelled, config, elicit, export, http,
    keyvalue::{self, Store},
    log, progress,
    schemars::JsonSchema,
    serde::{Deserialize, Serialize},
    serde_json::{Value, json},
    tool,
};

/// How one travels.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Class {
    #[default]
    Second,
    First,
}

/// A part of a journey.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Leg {
    /// Where it ends.
    to: String,
    /// In kilometres.
    #[schemars(range(min = 1))]
    distance: u32,
}

/// What a journey comes to.
#[derive(Debug, Serialize, JsonSchema)]
struct Quote {
    /// In kilometres.
    distance: u32,
    /// In the operator's currency.
    price: f64,
}

/// What the weather service answers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Weather {
    city: String,
    celsius: f64,
}

/// What one kilometre costs: a helper that several tools share, and no tool itself.
fn price_of_kilometre(class: Class) -> Result<f64, config::Error> {
    let price = config::optional("PRICE")?.unwrap_or(0.1);
    Ok(match class {
        Class::Second => price,
        Class::First => price * 2.0,
    })
}

/// Prices a journey: nested arguments, an enum, a default and an optional argument; a setting of the operator's.
#[tool(title = "Quote", read_only, idempotent, open_world = false)]
fn quote(
    /// The parts of the journey, in order.
    legs: Vec<Leg>,
    #[serde(default)] class: Class,
    /// In per cent.
    discount: Option<f64>,
) -> Result<Quote, config::Error> {
    let distance = legs.iter().map(|leg| leg.distance).sum();
    let full = f64::from(distance) * price_of_kilometre(class)?;
    let price = full * (1.0 - discount.unwrap_or_default() / 100.0);
    log::debug(json!({ "distance": distance, "class": class }));
    Ok(Quote { distance, price })
}

async fn weather_in(city: &str) -> Result<Weather, http::Error> {
    // Where the service is, is the operator's to say; without it there is nothing to ask.
    let service: String =
        config::get("WEATHER").map_err(|error| http::Error::Invalid(error.to_string()))?;
    http::get(format!("{service}/now"))
        .query("city", city)
        .send_async()
        .await?
        .error_for_status()?
        .json()
}

/// The weather in several cities: an `async` tool, whose requests are all on their way at once.
#[tool(read_only)]
async fn weather(cities: Vec<String>) -> Result<Vec<Weather>, http::Error> {
    try_join_all(cities.iter().map(|city| weather_in(city))).await
}

/// Books a journey with the operator's key, which no error and no log line has: a request that waits where it stands.
#[tool(name = "book-journey", destructive = false)]
fn book(to: String) -> Result<String, Box<dyn std::error::Error>> {
    let key = config::secret("BOOKING_KEY")?;
    let service: String = config::get("BOOKING")?;
    let answer = http::post(format!("{service}/book"))
        .header("authorization", format!("Bearer {}", key.expose()))
        .json(&json!({ "to": to }))
        .send()?
        .error_for_status()?;
    Ok(answer.text()?)
}

/// How often a city was asked for: what must outlive a call goes into a store.
#[tool]
fn visits(city: String) -> Result<u64, keyvalue::Error> {
    Store::open("visits")?.increment(&city, 1)
}

/// A timetable of any shape, whose schema is that of another type.
#[tool(read_only, output = Vec<Leg>)]
fn timetable() -> Value {
    json!([{ "to": "Paris", "distance": 878 }])
}

/// A postcard: blocks for a reader beside a value for programs.
#[tool(read_only)]
fn postcard(city: String) -> Output<usize> {
    let link = ResourceLink::new(format!("https://example.com/{city}"), &city);
    Output::new(city.len()).with_content([
        Content::text(format!("Greetings from {city}")),
        Content::image([0x89, b'P', b'N', b'G'], "image/png"),
        Content::link(link),
    ])
}

/// Counts down, tells how far it is, and ends well when nobody waits any more.
#[tool]
fn countdown(from: u32) -> u32 {
    for step in 0..from {
        if cancelled() {
            return step;
        }
        progress(f64::from(step + 1), Some(f64::from(from)), Some("counting"));
    }
    from
}

/// What a person is asked.
#[derive(Debug, Deserialize, JsonSchema)]
struct Consent {
    /// Whether the journey is to be cancelled.
    sure: bool,
}

/// Cancels a journey, if a person agrees.
#[tool(destructive)]
fn cancel(journey: String) -> Result<String, sandglass_sdk::AskError> {
    match elicit("sure", &format!("Cancel {journey}?"))? {
        Elicited::Accepted(Consent { sure: true }) => Ok(format!("{journey} is cancelled")),
        _ => Ok(format!("{journey} stays")),
    }
}

export!(
    quote, weather, book, visits, timetable, postcard, countdown, cancel
);

#[cfg(test)]
mod tests {
    use sandglass_sdk::{serde_json::json, testing};

    use super::TOOLS;

    #[test]
    fn a_journey_is_priced() {
        testing::set_config("PRICE", "0.5");
        let arguments = json!({ "legs": [{ "to": "Paris", "distance": 100 }], "class": "first", "discount": 10 });
        let reply = testing::call(TOOLS, "quote", arguments).unwrap();
        assert_eq!(reply.value, Some(json!({ "distance": 100, "price": 90.0 })));
    }

    #[test]
    fn an_async_tool_is_called_as_any_other() {
        testing::set_config("WEATHER", "https://weather.example");
        testing::answer_http(|request| {
            let city = request.uri().query().unwrap().replace("city=", "");
            testing::HttpAnswer::new(200, json!({ "city": city, "celsius": 14.5 }).to_string())
        });
        let reply = testing::call(TOOLS, "weather", json!({ "cities": ["Paris"] })).unwrap();
        assert_eq!(
            reply.value,
            Some(json!([{ "city": "Paris", "celsius": 14.5 }]))
        );
    }

    #[test]
    fn a_schema_can_be_that_of_another_type() {
        let tools = testing::list(TOOLS);
        let schema = |name: &str| {
            let tool = tools.iter().find(|tool| tool.name == name).unwrap();
            tool.output_schema.clone().unwrap()
        };
        assert!(schema("timetable").contains("In kilometres."));
    }
}
