//! The greetings themselves: which languages there are, and how each greets.

/// The longest name that is greeted, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;

/// How one language greets.
#[derive(Debug)]
pub struct Language {
    /// Its BCP 47 tag: the language alone, in lower case.
    pub tag: &'static str,
    before: &'static str,
    after: &'static str,
    world: &'static str,
}

const fn language(
    tag: &'static str,
    before: &'static str,
    after: &'static str,
    world: &'static str,
) -> Language {
    Language { tag, before, after, world }
}

/// Every language that is known, by tag.
pub static LANGUAGES: [Language; 14] = [
    language("de", "Hallo, ", "!", "Welt"),
    language("en", "Hello, ", "!", "World"),
    language("es", "¡Hola, ", "!", "mundo"),
    // A no-break space stands before a French exclamation mark.
    language("fr", "Bonjour, ", "\u{a0}!", "monde"),
    language("hi", "नमस्ते, ", "!", "दुनिया"),
    language("it", "Ciao, ", "!", "mondo"),
    language("ja", "こんにちは、", "！", "世界"),
    language("nl", "Hallo, ", "!", "wereld"),
    language("pl", "Cześć, ", "!", "świecie"),
    language("pt", "Olá, ", "!", "mundo"),
    language("sv", "Hej, ", "!", "världen"),
    language("sw", "Habari, ", "!", "dunia"),
    language("tr", "Merhaba, ", "!", "dünya"),
    language("zh", "你好，", "！", "世界"),
];

impl Language {
    /// The language of a BCP 47 tag, whatever its case, script or region: `de-AT` is `de`. An
    /// empty tag is English.
    pub fn find(tag: &str) -> Option<&'static Self> {
        let tag = if tag.is_empty() { "en" } else { tag };
        let primary = tag.split('-').next().unwrap_or_default();
        LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(primary))
    }

    /// Greets `name`, or the world when it is empty. Allocates once.
    pub fn greet(&self, name: &str) -> String {
        let name = if name.is_empty() { self.world } else { name };
        let mut greeting = String::with_capacity(self.before.len() + name.len() + self.after.len());
        greeting.push_str(self.before);
        greeting.push_str(name);
        greeting.push_str(self.after);
        greeting
    }
}

/// How many names a common greeting gives before it only counts.
pub const MAX_NAMES: usize = 8;

/// A greeting for everyone, in the making. Its size does not grow with how many they are.
#[derive(Debug, Default)]
pub struct Everyone {
    language: Option<&'static Language>,
    names: Vec<String>,
    counts: [u64; LANGUAGES.len()],
}

impl Everyone {
    /// Adds one person. The first one's language becomes that of the common greeting.
    pub fn add(&mut self, name: String, language: &'static Language) {
        let common = *self.language.get_or_insert(language);
        if self.names.len() < MAX_NAMES {
            self.names.push(if name.is_empty() { common.world.to_owned() } else { name });
        }
        for (known, count) in LANGUAGES.iter().zip(&mut self.counts) {
            *count += u64::from(std::ptr::eq(known, language));
        }
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many they are in each language that somebody chose, by tag.
    pub fn count_by_language(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = LANGUAGES.iter().zip(self.counts);
        counted.filter(|(_, count)| *count > 0).map(|(language, count)| (language.tag, count))
    }

    /// The common greeting; that of the world in English when nobody was added.
    pub fn greeting(&self) -> String {
        let Some(language) = self.language.or_else(|| Language::find("")) else {
            return String::new();
        };
        let mut names = self.names.join(", ");
        let more = self.count() - self.names.len() as u64;
        if more > 0 {
            names.push_str(&format!(" + {more}"));
        }
        language.greet(&names)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn greets_in_the_language_of_the_tag() {
        let greet = |tag, name| Language::find(tag).unwrap().greet(name);
        assert_eq!(greet("", "Ada"), "Hello, Ada!");
        assert_eq!(greet("", ""), "Hello, World!");
        assert_eq!(greet("de", ""), "Hallo, Welt!");
        assert_eq!(greet("fr", "Ada"), "Bonjour, Ada\u{a0}!");
        assert_eq!(greet("zh-Hant-TW", "Ada"), "你好，Ada！");
        assert_eq!(greet("PT-br", "Ada"), "Olá, Ada!");
    }

    #[test]
    fn knows_no_other_language() {
        for tag in ["tlh", "e", "eng", "-en", "en_US", " en"] {
            assert!(Language::find(tag).is_none(), "{tag}");
        }
    }

    #[test]
    fn a_greeting_is_as_long_as_its_allocation() {
        for language in &LANGUAGES {
            let greeting = language.greet("Ada");
            assert_eq!(greeting.len(), greeting.capacity(), "{}", language.tag);
        }
    }

    #[test]
    fn everyone_is_counted_and_the_first_are_named() {
        let mut everyone = Everyone::default();
        assert_eq!(everyone.greeting(), "Hello, World!");
        for name in ["Ada", "Ben"] {
            everyone.add(name.to_owned(), Language::find("de").unwrap());
        }
        assert_eq!(everyone.greeting(), "Hallo, Ada, Ben!");
        for _ in 0..9 {
            everyone.add("Cy".to_owned(), Language::find("en-GB").unwrap());
        }
        assert_eq!(everyone.greeting(), "Hallo, Ada, Ben, Cy, Cy, Cy, Cy, Cy, Cy + 3!");
        assert_eq!(everyone.count(), 11);
        assert_eq!(everyone.count_by_language().collect::<Vec<_>>(), [("de", 2), ("en", 9)]);
    }
}
