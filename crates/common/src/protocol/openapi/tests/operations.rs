use super::*;

fn names(operation: &Value) -> Vec<(&str, &str)> {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    parameters
        .iter()
        .map(|parameter| (parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap()))
        .collect()
}

#[test]
fn ids_are_those_of_the_contract() {
    let document = library();
    let mut ids = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        ids.extend(item.as_object().unwrap().values().map(|o| o["operationId"].as_str().unwrap()));
    }
    ids.sort_unstable();
    assert_eq!(
        ids,
        [
            "LibraryService_AddShelf",
            "LibraryService_DeleteBook",
            "LibraryService_Download",
            "LibraryService_GetBook",
            "LibraryService_Import",
            "LibraryService_MoveBook",
            "LibraryService_MoveBook_2",
            "LibraryService_Search",
            "LibraryService_UpdateBook",
        ]
    );
}

#[test]
fn a_variable_of_several_segments_is_several_parameters() {
    let get = operation("/v1/shelves/{shelves}/books/{books}", "get");
    assert_eq!(names(&get), [("path", "shelves"), ("path", "books")]);
    assert_eq!(
        get["parameters"][0],
        json!({
            "name": "shelves",
            "in": "path",
            "required": true,
            "description": "Its name.\n\nA part of `name`, which is `shelves/*/books/*`.",
            "schema": { "type": "string", "minLength": 1 },
        })
    );
}

#[test]
fn paths_of_the_same_shape_are_one() {
    let delete = operation("/v1/shelves/{shelves}/books/{books}", "delete");
    assert_eq!(names(&delete), [("path", "shelves"), ("path", "books")]);
    assert!(library()["paths"].get("/v1/shelves/{shelf}/books/{book}").is_none());
}

#[test]
fn a_body_can_be_a_field() {
    let update = operation("/v1/shelves/{shelves}/books/{books}", "patch");
    let book = json!({ "$ref": "#/components/schemas/library.v1.Book" });
    assert_eq!(update["requestBody"]["content"]["application/json"]["schema"], book);
    assert_eq!(update["responses"]["200"]["content"]["application/json"]["schema"], book);
    assert_eq!(names(&update).last(), Some(&("query", "updateMask")));
}

#[test]
fn a_whole_body_leaves_out_what_the_path_has() {
    let moved = operation("/v1/shelves/{shelves}/books/{books}:move", "post");
    let body = "LibraryService_MoveBook_Body";
    let schema = json!({ "$ref": format!("#/components/schemas/{body}") });
    assert_eq!(moved["requestBody"]["content"]["application/json"]["schema"], schema);
    assert_eq!(moved["deprecated"], true);
    let body = library()["components"]["schemas"][body].take();
    assert_eq!(body["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["otherShelf"]);

    let without = operation("/v1/books:move", "post");
    let schema = json!({ "$ref": "#/components/schemas/library.v1.MoveBookRequest" });
    assert_eq!(without["requestBody"]["content"]["application/json"]["schema"], schema);
}

#[test]
fn what_text_can_hold_is_a_query_parameter() {
    let search = operation("/v1/books", "get");
    assert_eq!(
        names(&search),
        [
            ("query", "filter.title"),
            ("query", "filter.weight"),
            ("query", "genres"),
            ("query", "since"),
            ("query", "atMost"),
        ]
    );
    let parameters = search["parameters"].as_array().unwrap();
    // Its message may be left out, and it with it.
    assert_eq!(parameters[0].get("required"), None);
    assert_eq!(parameters[2]["schema"]["items"]["$ref"], "#/components/schemas/library.v1.Genre");
    assert_eq!(parameters[4]["schema"]["type"], "string");
    assert!(search["description"].as_str().unwrap().contains("not listed"));
}

#[test]
fn streams_are_lines_or_events() {
    let search = operation("/v1/books", "get");
    let content = search["responses"]["200"]["content"].as_object().unwrap();
    assert_eq!(content.keys().collect::<Vec<_>>(), ["application/x-ndjson", "text/event-stream"]);
    let line = &content["application/x-ndjson"]["schema"]["properties"];
    assert_eq!(line["result"]["$ref"], "#/components/schemas/library.v1.Book");
    assert_eq!(line["error"]["$ref"], "#/components/schemas/google.rpc.Status");
    let import = operation("/library.v1.LibraryService/Import", "post");
    let content = import["requestBody"]["content"].as_object().unwrap();
    assert_eq!(content.keys().collect::<Vec<_>>(), ["application/x-ndjson", "application/json"]);
}

#[test]
fn bytes_of_any_type_are_not_json() {
    let download = operation("/v1/files/{path}", "get");
    assert_eq!(download["responses"]["200"]["content"]["*/*"]["schema"]["format"], "binary");
    assert_eq!(download["parameters"][0]["description"], "It may hold slashes.");
}

#[test]
fn failures_that_the_contract_names_are_listed() {
    let get = operation("/v1/shelves/{shelves}/books/{books}", "get");
    let responses = get["responses"].as_object().unwrap();
    assert_eq!(responses.keys().collect::<Vec<_>>(), ["200", "404", "default"]);
    let document = library();
    let status = &document["components"]["schemas"]["google.rpc.Status"]["properties"];
    assert_eq!(
        status.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["code", "message", "details"]
    );
}

#[test]
fn examples_are_shown_where_they_belong() {
    let source = r#"
examples:
  - name: found
    description: There is one.
    method: GetBook
    request: { name: shelves/1/books/2 }
    response: { name: shelves/1/books/2 }
  - name: lost
    method: GetBook
    request: { name: shelves/1/books/3 }
    status: { code: NOT_FOUND, message: lost }
  - name: away
    method: MoveBook
    request: { otherShelf: shelves/2 }
    response: {}
  - name: until
    method: Search
    request: {}
    responses: [{ name: a }]
    status: { code: ABORTED, message: enough }
"#;
    let examples = Examples::read([("library.examples.yaml", source)], &POOL).unwrap();
    let document = document_with(&Options::new(&examples));
    let responses = &document["paths"]["/v1/shelves/{shelves}/books/{books}"]["get"]["responses"];
    assert_eq!(
        responses["200"]["content"]["application/json"]["examples"],
        json!({ "found": { "summary": "There is one.", "value": { "name": "shelves/1/books/2" } } })
    );
    let lost = &responses["404"]["content"]["application/json"]["examples"]["lost"]["value"];
    assert_eq!(*lost, json!({ "code": 5, "message": "lost", "details": [] }));
    let moved = &document["paths"]["/v1/books:move"]["post"]["requestBody"]["content"];
    assert_eq!(
        moved["application/json"]["examples"]["away"]["value"],
        json!({ "otherShelf": "shelves/2" })
    );
    let search = &document["paths"]["/v1/books"]["get"]["responses"];
    assert_eq!(search.get("409"), None);
    let lines = &search["200"]["content"]["application/x-ndjson"]["examples"]["until"]["value"];
    let error = r#"{"error":{"code":10,"message":"enough","details":[]}}"#;
    assert_eq!(*lines, format!("{{\"result\":{{\"name\":\"a\"}}}}\n{error}\n"));
}

#[test]
fn names_are_those_that_the_service_uses() {
    let settings = RestSettings { proto_names: true, ignore_unknown: true, ..Default::default() };
    let document = document_with(&Options { settings, ..Options::new(&Examples::default()) });
    let schemas = &document["components"]["schemas"];
    assert!(schemas["library.v1.Book"]["properties"]["old_title"].is_object());
    assert_eq!(schemas["library.v1.Book"].get("additionalProperties"), None);
    let search = &document["paths"]["/v1/books"]["get"];
    assert_eq!(names(search).last(), Some(&("query", "at_most")));
}
