//! Text as HTML.

/// The text, so that HTML shows it as it is; also within quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The first paragraph of a comment, with its `code` shown as such.
pub(super) fn first_paragraph(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default();
    let mut html = String::new();
    for (index, part) in paragraph.split('`').enumerate() {
        match index % 2 {
            0 => html.push_str(&escape(part)),
            _ => html.push_str(&format!("<code>{}</code>", escape(part))),
        }
    }
    html
}
