#![allow(clippy::unwrap_used)]

use prost_reflect::DescriptorPool;

use super::*;

const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");

/// The methods of a service with these options, by their order.
fn methods(options: &[&str]) -> Vec<MethodDescriptor> {
    let dir = tempfile::TempDir::new().unwrap();
    let rpcs = options.iter().enumerate().map(|(n, option)| {
        let option = match *option {
            "" => String::new(),
            option => format!("option (google.api.http) = {{ {option} }};"),
        };
        format!("rpc M{n}(Request) returns (Reply) {{ {option} }}\n")
    });
    let source = format!(
        r#"
        syntax = "proto3";
        package lib.v1;
        import "google/api/annotations.proto";
        import "google/protobuf/timestamp.proto";
        service Library {{ {} }}
        message Request {{
            string name = 1;
            Book book = 2;
            repeated string tags = 3;
            map<string, string> labels = 4;
            google.protobuf.Timestamp at_time = 5;
        }}
        message Book {{ string name = 1; repeated Book others = 2; }}
        message Reply {{ repeated Book books = 1; }}
        "#,
        rpcs.collect::<String>(),
    );
    std::fs::write(dir.path().join("lib.proto"), source).unwrap();
    let mut compiler = protox::Compiler::new([dir.path(), PROTO.as_ref()]).unwrap();
    compiler.include_imports(true).open_file("lib.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    pool.get_service_by_name("lib.v1.Library").unwrap().methods().collect()
}

fn bindings(option: &str) -> Result<Vec<Binding>, BindingError> {
    Binding::of(&methods(&[option])[0])
}

fn problem(option: &str) -> String {
    bindings(option).unwrap_err().to_string()
}

#[test]
fn each_pattern_is_a_method() {
    for (option, method) in [
        (r#"get: "/a""#, Some(Method::GET)),
        (r#"put: "/a""#, Some(Method::PUT)),
        (r#"post: "/a""#, Some(Method::POST)),
        (r#"delete: "/a""#, Some(Method::DELETE)),
        (r#"patch: "/a""#, Some(Method::PATCH)),
        (r#"custom: { kind: "HEAD" path: "/a" }"#, Some(Method::HEAD)),
        (r#"custom: { kind: "PURGE" path: "/a" }"#, Method::from_bytes(b"PURGE").ok()),
        (r#"custom: { kind: "*" path: "/a" }"#, None),
    ] {
        let bindings = bindings(option).unwrap();
        assert_eq!(bindings.len(), 1);
        assert_eq!(bindings[0].method, method, "{option}");
        assert_eq!(bindings[0].template.to_string(), "/a");
        assert_eq!((&bindings[0].body, &bindings[0].response_body), (&BodyField::None, &None));
    }
}

#[test]
fn bodies_and_additional_bindings() {
    let all = bindings(
        r#"patch: "/v1/{book.name=shelves/*}" body: "book" response_body: "books"
           additional_bindings { post: "/v1/{name}" body: "*" }
           additional_bindings { get: "/v1/at/{at_time}" }"#,
    )
    .unwrap();
    let bodies: Vec<_> = all.iter().map(|binding| &binding.body).collect();
    let book = BodyField::Field("book".into());
    assert_eq!(bodies, [&book, &BodyField::Whole, &BodyField::None]);
    assert_eq!(all[0].response_body.as_deref(), Some("books"));
    assert_eq!(all[2].response_body, None);
}

#[test]
fn without_the_option_a_method_answers_at_its_name() {
    let all = bindings("").unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].template.to_string(), "/lib.v1.Library/M0");
    assert_eq!((&all[0].method, &all[0].body), (&Some(Method::POST), &BodyField::Whole));
}

#[test]
fn what_cannot_be_is_refused_by_the_method_s_name() {
    for (option, what) in [
        (r#"body: "*""#, "it has no path"),
        (r#"get: "v1""#, "a template begins with `/`"),
        (r#"get: "/{missing}""#, "lib.v1.Request has no field `missing`"),
        (r#"get: "/{book.missing}""#, "lib.v1.Book has no field `missing`"),
        (r#"get: "/{name.first}""#, "within a field that is no message"),
        (r#"get: "/{tags}""#, "`tags` is repeated"),
        (r#"get: "/{labels}""#, "`labels` is a map"),
        (r#"get: "/{book}""#, "`book` is a message"),
        (r#"get: "/{book.others.name}""#, "`book.others.name` is repeated"),
        (r#"get: "/a" body: "*""#, "a GET has no body"),
        (r#"post: "/a" body: "missing""#, "body: \"missing\": lib.v1.Request has no such field"),
        (r#"post: "/a" body: "book.name""#, "has no such field at its top level"),
        (r#"get: "/a" response_body: "name""#, "response_body: \"name\": lib.v1.Reply"),
        (r#"custom: { kind: "A B" path: "/a" }"#, "`A B` is no HTTP method"),
        (
            r#"get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }"#,
            "may not have additional_bindings of their own",
        ),
        (r#"get: "/a" additional_bindings { get: "/{b}" }"#, "no field `b`"),
    ] {
        let problem = problem(option);
        assert!(problem.contains(what), "{option}: {problem}");
        assert!(problem.starts_with("(google.api.http) of lib.v1.Library.M0: "), "{problem}");
    }
}
