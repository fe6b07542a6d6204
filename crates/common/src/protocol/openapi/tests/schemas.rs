use super::*;

fn schema(name: &str) -> Value {
    library()["components"]["schemas"][name].take()
}

fn field(name: &str) -> Value {
    schema("library.v1.Book")["properties"][name].take()
}

#[test]
fn scalars_are_as_json_has_them() {
    for (name, expected) in [
        ("pages", json!({ "type": "string", "format": "int64", "pattern": schema::INT64 })),
        ("sold", json!({ "type": "string", "format": "uint64", "pattern": schema::UINT64 })),
        ("year", json!({ "type": "integer", "format": "int32" })),
        (
            "edition",
            json!({ "type": "integer", "format": "uint32", "minimum": 0, "maximum": 4294967295u32 }),
        ),
        (
            "price",
            json!({ "anyOf": [
                { "type": "number", "format": "double" },
                { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] },
            ]}),
        ),
        ("cover", json!({ "type": "string", "format": "byte", "contentEncoding": "base64" })),
        ("lent", json!({ "type": "boolean" })),
        ("nothing", json!({ "type": "null" })),
        ("authors", json!({ "type": "array", "items": { "type": "string" } })),
        ("note", json!({ "type": "string" })),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
}

#[test]
fn messages_and_enums_are_referred_to() {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    assert_eq!(field("genre"), reference("library.v1.Genre"));
    assert_eq!(field("loan"), reference("google.protobuf.Duration"));
    assert_eq!(
        field("sequels"),
        json!({
            "type": "object",
            "propertyNames": { "pattern": schema::INT64 },
            "additionalProperties": reference("library.v1.Book"),
        })
    );
    assert_eq!(
        schema("library.v1.Genre"),
        json!({
            "type": "string",
            "enum": ["GENRE_UNSPECIFIED", "GENRE_CRIME", "GENRE_PAMPHLET"],
            "description": "What a book is about.",
            "x-enum-descriptions": ["Nobody knows.", "", "Deprecated."],
        })
    );
}

#[test]
fn well_known_types_have_their_own_form() {
    assert_eq!(schema("google.protobuf.Timestamp")["format"], "date-time");
    assert_eq!(schema("google.protobuf.StringValue")["type"], json!(["string", "null"]));
    assert_eq!(schema("google.protobuf.Struct")["additionalProperties"], true);
    assert_eq!(schema("google.protobuf.Any")["required"], json!(["@type"]));
    let any_value = schema("google.protobuf.Value");
    assert_eq!(any_value.as_object().unwrap().keys().collect::<Vec<_>>(), ["description"]);
}

#[test]
fn what_the_contract_says_is_shown() {
    assert_eq!(
        field("name")["description"],
        "Names the book.\n\nNames the resource; not set when one is created."
    );
    assert_eq!(field("created")["readOnly"], true);
    assert_eq!(field("oldName")["deprecated"], true);
    let book = schema("library.v1.Book");
    assert_eq!(book["description"], "A book.");
    assert_eq!(book["additionalProperties"], false);
    assert_eq!(book.get("required"), None);
    let moved = schema("library.v1.MoveBookRequest");
    assert_eq!(moved["required"], json!(["otherShelf"]));
    assert_eq!(moved["properties"]["otherShelf"]["writeOnly"], true);
}

#[test]
fn of_a_oneof_one_is_set() {
    assert_eq!(
        field("reader")["description"],
        "A person.\n\nWho has it. At most one of this and `otherLibrary` is set."
    );
    let book = schema("library.v1.Book");
    assert_eq!(
        book["dependentSchemas"],
        json!({
            "reader": { "properties": { "otherLibrary": false } },
            "otherLibrary": { "properties": { "reader": false } },
        })
    );
}

#[test]
fn rules_are_keywords() {
    let document = library();
    let parameters = document["paths"]["/v1/shelves:add"]["get"]["parameters"].as_array().unwrap();
    let shelf = schema("library.v1.Shelf");
    assert_eq!(shelf["required"], json!(["name"]));
    for (name, expected) in [
        (
            "name",
            json!({ "type": "string", "minLength": 2, "maxLength": 9, "pattern": "^[a-z]+$" }),
        ),
        (
            "floor",
            json!({ "type": "integer", "format": "int32", "minimum": -1, "exclusiveMaximum": 10 }),
        ),
        ("weight", json!({ "type": "string", "format": "int64", "pattern": schema::INT64 })),
        (
            "links",
            json!({
                "type": "array",
                "items": { "type": "string", "format": "uri" },
                "maxItems": 3,
                "uniqueItems": true,
            }),
        ),
        ("colour", json!({ "type": "string", "enum": ["red", "blue"] })),
        ("note", json!({ "type": "string" })),
    ] {
        assert_eq!(shelf["properties"][name], expected, "{name}");
        let parameter = parameters.iter().find(|parameter| parameter["name"] == name).unwrap();
        assert_eq!(parameter["schema"], expected, "{name}");
    }
    assert_eq!(shelf["properties"]["width"]["exclusiveMinimum"], 0.5);
}
