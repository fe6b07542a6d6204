//! Which places a tour visits.

/// The longest list of places that a request may give.
pub(crate) const MAX_PLACES: usize = 1_000;

/// The longest tour, in stops.
pub(crate) const MAX_STOPS: u32 = 10_000;

const CITIES: [&str; 24] = [
    "Lisbon",
    "Accra",
    "Lagos",
    "Cairo",
    "Nairobi",
    "Cape Town",
    "Istanbul",
    "Mumbai",
    "Dhaka",
    "Bangkok",
    "Jakarta",
    "Perth",
    "Sydney",
    "Auckland",
    "Tokyo",
    "Seoul",
    "Honolulu",
    "Vancouver",
    "Denver",
    "Mexico City",
    "Lima",
    "São Paulo",
    "Reykjavík",
    "Berlin",
];

/// The stops of a tour of `count` places, or of each place once when that is 0. Without places it
/// goes through the built-in cities.
pub(crate) fn stops(places: Vec<String>, count: u32) -> impl Iterator<Item = String> + Send {
    let places = if places.is_empty() { CITIES.map(str::to_owned).to_vec() } else { places };
    let count = match count {
        0 => places.len(),
        count => count as usize,
    };
    places.into_iter().cycle().take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tour(places: &[&str], count: u32) -> Vec<String> {
        stops(places.iter().map(ToString::to_string).collect(), count).collect()
    }

    #[test]
    fn visits_each_place_once_unless_told_otherwise() {
        assert_eq!(tour(&[], 0), CITIES);
        assert_eq!(tour(&["Oslo", "Rome"], 0), ["Oslo", "Rome"]);
        assert_eq!(tour(&["Oslo", "Rome"], 1), ["Oslo"]);
        assert_eq!(tour(&["Oslo", "Rome"], 3), ["Oslo", "Rome", "Oslo"]);
        assert_eq!(tour(&[], 25).last().map(String::as_str), Some("Lisbon"));
    }
}
