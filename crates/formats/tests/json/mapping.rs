//! What the mapping says, row by row.

use formats::json::{ReadOptions, WriteOptions};

use crate::common::*;

#[test]
fn scalars_there_and_back() {
    for json in [
        r#"{"fDouble":1.5,"fFloat":0.1,"fInt32":-5,"fInt64":"-9223372036854775808"}"#,
        r#"{"fUint32":4294967295,"fUint64":"18446744073709551615"}"#,
        r#"{"fSint32":-2147483648,"fSint64":"9223372036854775807"}"#,
        r#"{"fFixed32":7,"fFixed64":"7","fSfixed32":-7,"fSfixed64":"-7"}"#,
        r#"{"fBool":true,"fString":"héllo \"wörld\"\n😀","fBytes":"AAEC/w=="}"#,
        r#"{"fEnum":"SIZE_SMALL","fMessage":{"fMessage":{"fBool":true}}}"#,
        r#"{"fEnum":"SIZE_NEGATIVE"}"#,
        r#"{"fEnum":17}"#,
        r#"{"oDouble":0,"oInt32":0,"oBool":false,"oString":"","oBytes":"","oEnum":"SIZE_UNSPECIFIED"}"#,
        r#"{"fDouble":"NaN","fFloat":"-Infinity"}"#,
        r#"{"fDouble":-0.0}"#,
        r#"{"rDouble":[1,"Infinity",2.5],"rInt32":[0,-1,5],"rString":["","a"],"rBytes":["","AA=="]}"#,
        r#"{"rMessage":[{},{"fInt32":1},{}],"rEnum":["SIZE_SMALL",9],"rUnpacked":[1,2]}"#,
        r#"{"mInt32":{"-1":1.5},"mUint64":{"18446744073709551615":"AA=="},"mBool":{"true":"1"}}"#,
        r#"{"mString":{"a":"b"},"mSint32":{"-5":"SIZE_SMALL"},"mSint64":{"-6":{"fInt32":1}}}"#,
        r#"{"mFixed64":{"5":true},"mSfixed32":{"-5":"2020-01-01T00:00:00Z"},"mSfixed64":{"9":null}}"#,
        r#"{"other \"name\"":"x","LeadingUnder1score":"y","far":"z"}"#,
    ] {
        let expected = json.replace("-0.0", "-0");
        assert_eq!(back(EVERYTHING, json), expected);
    }
    // Small ones, which JSON need not say.
    assert_eq!(back(EVERYTHING, r#"{"fInt32":0,"fString":"","fBool":false,"rInt32":[]}"#), "{}");
}

#[test]
fn every_spelling_that_is_allowed() {
    for (json, expected) in [
        (
            r#"{"f_int32": 1e2, "f_int64": 5, "f_uint32": "7", "f_double": "1.5e1"}"#,
            r#"{"fInt32":100,"fInt64":"5","fUint32":7,"fDouble":15}"#,
        ),
        (r#"{"fEnum": "SIZE_BIG"}"#, r#"{"fEnum":"SIZE_LARGE"}"#),
        (r#"{"fEnum": 2}"#, r#"{"fEnum":"SIZE_LARGE"}"#),
        (r#"{"fBytes": "-_8"}"#, r#"{"fBytes":"+/8="}"#),
        (r#"{"fBytes": "\u002b\/8="}"#, r#"{"fBytes":"+/8="}"#),
        (r#"{"fString": "\u00e9\ud83d\ude00\/\b"}"#, r#"{"fString":"é😀/\b"}"#),
        (r#"{"f\u0049nt32": 1}"#, r#"{"fInt32":1}"#),
        (r#"{"fInt32": null, "rInt32": null, "mString": null, "fMessage": null}"#, "{}"),
        ("\n{ \"fInt32\" :\t1 ,\r\"fBool\":true } ", r#"{"fInt32":1,"fBool":true}"#),
        (r#"{"cNull": null}"#, r#"{"cNull":null}"#),
        (r#"{"cNull": "NULL_VALUE"}"#, r#"{"cNull":null}"#),
        (r#"{"cValue": null}"#, r#"{"cValue":null}"#),
        (r#"{"cString": null, "cInt64": 1}"#, r#"{"cInt64":"1"}"#),
        (
            r#"{"rValue":[null,1], "rNullValue":[null]}"#,
            r#"{"rValue":[null,1],"rNullValue":[null]}"#,
        ),
    ] {
        let wire = to_wire(EVERYTHING, json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(from_wire(EVERYTHING, &wire).unwrap(), expected, "{json}");
    }
}

#[test]
fn well_known_types_there_and_back() {
    for json in [
        r#"{"timestamp":"2026-11-21T23:59:59.123456789Z","duration":"-1.500s"}"#,
        r#"{"timestamp":"1970-01-01T00:00:00Z","duration":"0s","rDuration":["1s","0.000001s"]}"#,
        r#"{"fieldMask":"a.bC,dEF"}"#,
        r#"{"fieldMask":""}"#,
        r#"{"struct":{"a":1,"b":{"c":[null,true,"x",{}]},"":-2.5},"listValue":[[],{}]}"#,
        r#"{"struct":{},"listValue":[]}"#,
        r#"{"value":null}"#,
        r#"{"value":"text"}"#,
        r#"{"value":[1,2,{"a":[]}]}"#,
        r#"{"empty":{}}"#,
        r#"{"doubleValue":0,"floatValue":1.5,"int64Value":"0","uint64Value":"1","int32Value":0}"#,
        r#"{"uint32Value":9,"boolValue":false,"stringValue":"","bytesValue":"AA=="}"#,
        r#"{"rStringValue":["","x"],"rInt64Value":["0","-1"]}"#,
        r#"{"any":{"@type":"type.googleapis.com/shop.v1.Item","name":"n","quantity":2}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.Int32Value","value":5}}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Empty","value":{}}}"#,
        r#"{"any":{"@type":"x/shop.v1.Item"},"rAny":[{"@type":"x/google.protobuf.Value","value":[1]}]}"#,
    ] {
        assert_eq!(back(EVERYTHING, json), json);
    }
    // What the oracle does not take.
    let wire = to_wire(EVERYTHING, r#"{"any":{}}"#).unwrap();
    assert_eq!(from_wire(EVERYTHING, &wire).unwrap(), r#"{"any":{}}"#);
    // The type need not come first.
    let late = r#"{"any":{"quantity":2,"part":{"name":"@type"},"@type":"x/shop.v1.Item"}}"#;
    let expected = r#"{"any":{"@type":"x/shop.v1.Item","quantity":2,"part":{"name":"@type"}}}"#;
    assert_eq!(back(EVERYTHING, late), expected);
    let late = r#"{"any":{"value":"1s","@type":"x/google.protobuf.Duration"}}"#;
    assert_eq!(
        back(EVERYTHING, late),
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#
    );
    let bare = r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#;
    assert!(to_wire(EVERYTHING, bare).is_ok());
}

#[test]
fn proto2_and_its_groups_and_extensions() {
    for json in [
        r#"{"needed":0,"plain":0,"closed":"CLOSED_ONE","closeds":["CLOSED_FIVE"]}"#,
        r#"{"unpacked":[0,1],"packed":[0,1]}"#,
        r#"{"detail":{"depth":0,"inner":{"line":[{},{"text":""}]}},"line":[{}]}"#,
        r#"{"byName":{"a":"CLOSED_ONE"},"onegroup":{"x":1}}"#,
        r#"{"[legacy.v1.ext_number]":0,"[legacy.v1.ext_text]":["a",""]}"#,
        r#"{"[legacy.v1.ext_message]":{"plain":1},"[legacy.v1.Scope.ext_closed]":"CLOSED_ONE"}"#,
    ] {
        assert_eq!(back(LEGACY, json), json);
    }
    assert!(refused(LEGACY, r#"{"closed":9}"#).contains("no value with that number"));
    // A closed enum's unknown number is an unknown field on the wire: 3: 9, 4: [9, 1, 9], 9: {"a": 9}.
    let wire =
        [&[0x18, 9, 0x20, 9, 0x20, 1, 0x22, 1, 9][..], &[0x4a, 5, 10, 1, b'a', 16, 9]].concat();
    assert_eq!(from_wire(LEGACY, &wire).unwrap(), r#"{"closeds":["CLOSED_ONE"]}"#);
    // It does not unset what the oneof holds: 11: 5, 10: 9.
    assert_eq!(from_wire(LEGACY, &[0x58, 5, 0x50, 9]).unwrap(), r#"{"oneNumber":5}"#);
}

#[test]
fn options_of_writing() {
    let wire = to_wire(ORDER, r#"{"items":[{"quantity":1}],"cash":0,"size":"SIZE_BIG"}"#).unwrap();
    let options = WriteOptions { emit_defaults: true, ..Default::default() };
    assert_eq!(
        from_wire_with(ORDER, &wire, &options).unwrap(),
        r#"{"id":"","items":[{"name":"","quantity":1,"price":0,"tags":[]}],"#.to_owned()
            + r#""gifts":{},"size":"SIZE_LARGE","cash":0}"#
    );
    let options = WriteOptions { proto_names: true, enum_numbers: true, ..Default::default() };
    let wire = to_wire(ORDER, r#"{"cardNumber":"1","size":2,"note":""}"#).unwrap();
    assert_eq!(
        from_wire_with(ORDER, &wire, &options).unwrap(),
        r#"{"card_number":"1","size":2,"note":""}"#
    );
    let everything = oracle(EVERYTHING, &[]);
    let options = WriteOptions { emit_defaults: true, ..Default::default() };
    let json = from_wire_with(EVERYTHING, &[], &options).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json.as_object().unwrap().len(),
        oracle_write(&everything, true).as_object().unwrap().len()
    );
}

#[test]
fn errors_say_what_and_where() {
    let error = refused(ORDER, "{\n  \"items\": [{}, {}, {}, {\"prize\": 5}]\n}");
    assert_eq!(error, r#"line 2, column 26: items[3].prize: no such field; did you mean "price"?"#);
    let error = refused(ORDER, r#"{"gifts": {"a b": {"part": {"quantity": 1.5}}}}"#);
    assert_eq!(
        error,
        r#"line 1, column 41: gifts["a b"].part.quantity: expected an integer, found a fraction"#
    );
    let error = refused(ORDER, r#"{"size": "SIZE_SMAL"}"#);
    assert_eq!(
        error,
        r#"line 1, column 10: size: shop.v1.Size has no value "SIZE_SMAL"; did you mean "SIZE_SMALL"?"#
    );
    let error = refused(ORDER, r#"{"cash": 1, "cardNumber": "x"}"#);
    assert!(error.contains("another field of the oneof \"payment\" is set already"), "{error}");
    let error = refused(ORDER, r#"{"id": "a", "id": "b"}"#);
    assert_eq!(error, "line 1, column 13: id: it is there twice");
    let error = refused(ORDER, r#"{"id": 5}"#);
    assert_eq!(error, "line 1, column 8: id: expected a string, found a number");
    assert_eq!(
        refused(ORDER, "{"),
        "line 1, column 2: expected a name in quotes, but the JSON ends"
    );
    let error = to_wire(ORDER, r#"{"é": {"x"#).unwrap_err();
    assert_eq!((error.offset(), error.position()), (1, Some((1, 2))));
    assert_eq!((error.path().as_str(), error.reason()), ("é", "no such field"));
}

#[test]
fn what_is_not_the_mapping_is_refused() {
    for json in [
        "",
        " ",
        "null",
        "[]",
        "\"x\"",
        "{}x",
        "{} {}",
        "{",
        "}",
        "{,}",
        r#"{"fInt32":1,}"#,
        "{'a':1}",
        r#"{"fInt32":1 "fBool":true}"#,
        r#"{"fInt32"}"#,
        r#"{"fInt32":}"#,
        r#"{fInt32:1}"#,
        "// x\n{}",
        r#"{"fInt32":2147483648}"#,
        r#"{"fInt32":-2147483649}"#,
        r#"{"fInt32":0.5}"#,
        r#"{"fInt32":01}"#,
        r#"{"fInt32":+1}"#,
        r#"{"fInt32":" 1"}"#,
        r#"{"fInt32":""}"#,
        r#"{"fInt32":true}"#,
        r#"{"fInt32":"0x1"}"#,
        r#"{"fUint32":-1}"#,
        r#"{"fUint64":18446744073709551616}"#,
        r#"{"fInt64":"9223372036854775808"}"#,
        r#"{"fDouble":1e309}"#,
        r#"{"fDouble":"1e309"}"#,
        r#"{"fFloat":3.5e38}"#,
        r#"{"fDouble":NaN}"#,
        r#"{"fDouble":"nan"}"#,
        r#"{"fDouble":"inf"}"#,
        r#"{"fDouble":"+1"}"#,
        r#"{"fFloat":-Infinity}"#,
        r#"{"fBool":"true"}"#,
        r#"{"fBool":1}"#,
        r#"{"fBool":tru}"#,
        r#"{"fString":1}"#,
        r#"{"fString":"a}"#,
        r#"{"fString":"\x"}"#,
        r#"{"fString":"\u12"}"#,
        r#"{"fString":"\ud800"}"#,
        r#"{"fString":"\udc00"}"#,
        r#"{"fString":"\ud800\u0041"}"#,
        "{\"fString\":\"a\nb\"}",
        r#"{"fBytes":"a"}"#,
        r#"{"fBytes":"a*=="}"#,
        r#"{"fEnum":"NOPE"}"#,
        r#"{"fEnum":"size_small"}"#,
        r#"{"fEnum":1.5}"#,
        r#"{"fEnum":[]}"#,
        r#"{"rInt32":[null]}"#,
        r#"{"rInt32":1}"#,
        r#"{"rInt32":[1,]}"#,
        r#"{"rInt32":[1 2]}"#,
        r#"{"rInt32":[[1]]}"#,
        r#"{"rMessage":[null]}"#,
        r#"{"mString":{"a":null}}"#,
        r#"{"mString":{a:"b"}}"#,
        r#"{"mString":[]}"#,
        r#"{"mInt32":{"x":1}}"#,
        r#"{"mInt32":{"1.5":1}}"#,
        r#"{"mBool":{"TRUE":1}}"#,
        r#"{"mBool":{"true":1,"true":2}}"#,
        r#"{"mString":{"a":"1","\u0061":"2"}}"#,
        r#"{"struct":{"a":1,"a":2}}"#,
        r#"{"mInt32":{"1":1,"1.0":2}}"#,
        r#"{"cString":"a","cInt64":1}"#,
        r#"{"cNull":null,"cInt64":1}"#,
        r#"{"fInt32":1,"f_int32":1}"#,
        r#"{"timestamp":"2020-01-01"}"#,
        r#"{"timestamp":5}"#,
        r#"{"duration":"1"}"#,
        r#"{"duration":"315576000001s"}"#,
        r#"{"fieldMask":"foo_bar"}"#,
        r#"{"fieldMask":["a"]}"#,
        r#"{"struct":[]}"#,
        r#"{"listValue":{}}"#,
        r#"{"any":{"name":"x"}}"#,
        r#"{"any":{"@type":"x/no.Such"}}"#,
        r#"{"any":{"@type":"shop.v1.Item"}}"#,
        r#"{"any":{"@type":5}}"#,
        r#"{"any":{"@type":"x/shop.v1.Item","nope":1}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","other":1}}"#,
        r#"{"any":{"@type":"x/shop.v1.Item","@type":"x/shop.v1.Item"}}"#,
        r#"{"value":nul}"#,
        r#"{"value":1e400}"#,
        r#"{"value":[}"#,
        r#"{"nullValue":"x"}"#,
        r#"{"empty":{"a":1}}"#,
        r#"{"boolValue":"true"}"#,
        r#"{"@type":"x"}"#,
    ] {
        refused(EVERYTHING, json);
    }
    let options = ReadOptions::default();
    let mut out = Vec::new();
    for json in [
        &b"{\"fString\":\"\xff\"}"[..],
        b"{\"fString\":\"\\n\xff\"}",
        b"{\"\xff\":1}",
        b"\xef\xbb\xbf{}",
    ] {
        assert!(formats::json::to_wire(&message(EVERYTHING), json, &options, &mut out).is_err());
    }
}

#[test]
fn unknown_fields_are_passed_over_when_told_to() {
    let options = ReadOptions { ignore_unknown: true, ..Default::default() };
    let json = r#"{"nope":{"a":[1,{"b":null}],"c":"\n"},"fInt32":1,"fEnum":"NOPE","rEnum":["NOPE","SIZE_SMALL"],
        "mSint32":{"1":"NOPE","2":"SIZE_SMALL"},"any":{"x":1,"@type":"x/google.protobuf.Duration","value":"1s"},
        "nope2":[true,false]}"#;
    let wire = to_wire_with(EVERYTHING, json, &options).unwrap();
    assert_eq!(
        from_wire(EVERYTHING, &wire).unwrap(),
        r#"{"fInt32":1,"rEnum":["SIZE_SMALL"],"mSint32":{"2":"SIZE_SMALL"},"#.to_owned()
            + r#""any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#
    );
    for json in
        [r#"{"nope":}"#, r#"{"nope":[1,]}"#, r#"{"nope":{"a"}}"#, r#"{"nope":"#, r#"{"nope":01}"#]
    {
        assert!(to_wire_with(EVERYTHING, json, &options).is_err(), "{json}");
    }
}

#[test]
fn limits_hold() {
    let deep = |n: usize| format!("{}{{}}{}", r#"{"fMessage":"#.repeat(n), "}".repeat(n));
    let wire = to_wire(EVERYTHING, &deep(99)).unwrap();
    assert_eq!(from_wire(EVERYTHING, &wire).unwrap(), deep(99));
    assert!(refused(EVERYTHING, &deep(100)).contains("nested deeper than 100"));
    let options = WriteOptions { max_depth: 99, ..Default::default() };
    assert!(from_wire_with(EVERYTHING, &wire, &options).is_err());
    let skipped = format!(r#"{{"nope":{}{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    let options = ReadOptions { ignore_unknown: true, ..Default::default() };
    assert!(to_wire_with(EVERYTHING, &skipped, &options).is_err());
    let value = format!(r#"{{"value":{}{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(to_wire(EVERYTHING, &value).is_err());
    let options = ReadOptions { max_values: 3, ..Default::default() };
    assert!(to_wire_with(EVERYTHING, r#"{"rInt32":[1,2]}"#, &options).is_ok());
    let error = to_wire_with(EVERYTHING, r#"{"rInt32":[1,2,3]}"#, &options).unwrap_err();
    assert!(error.is_over_limit());
    assert!(!to_wire_with(EVERYTHING, "{", &options).unwrap_err().is_over_limit());
    let options = ReadOptions { max_bytes: 10, ..Default::default() };
    assert!(to_wire_with(EVERYTHING, r#"{"fString":"12345678"}"#, &options).is_ok());
    assert!(to_wire_with(EVERYTHING, r#"{"fString":"123456789"}"#, &options).is_err());
    let wire = to_wire(EVERYTHING, r#"{"rInt32":[1,2]}"#).unwrap();
    let options = WriteOptions { max_values: 2, ..Default::default() };
    assert!(from_wire_with(EVERYTHING, &wire, &options).unwrap_err().is_over_limit());
    let wire = to_wire(EVERYTHING, r#"{"rMessage":[{},{},{},{},{},{},{},{}]}"#).unwrap();
    let options = WriteOptions { emit_defaults: true, max_bytes: 2000, ..Default::default() };
    assert!(from_wire_with(EVERYTHING, &wire, &options).unwrap_err().is_over_limit());
    // The last value counts as well.
    let wire = to_wire(EVERYTHING, r#"{"fString":"12345678"}"#).unwrap();
    let options = WriteOptions { max_bytes: 22, ..Default::default() };
    assert_eq!(from_wire_with(EVERYTHING, &wire, &options).unwrap().len(), 22);
    let options = WriteOptions { max_bytes: 21, ..Default::default() };
    assert!(from_wire_with(EVERYTHING, &wire, &options).unwrap_err().is_over_limit());
    // Groups without end, too.
    assert!(from_wire(LEGACY, &[0x3b; 1000]).is_err());
}

#[test]
fn what_is_no_message_is_refused() {
    for (wire, what) in [
        (&[0x08][..], "ends within"),
        (&[0x0a, 5, b'a'], "ends within"),
        (&[0x00, 1], "no field has such a tag"),
        (&[0x07, 1], "no field has such a tag"),
        (&[0x0f, 1], "no field has such a tag"),
        (&[0x0c], "a group does not end as it began"),
        (&[0x72, 1, 0xff], "not UTF-8"),
        (&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "longer than ten"),
    ] {
        let error = from_wire(EVERYTHING, wire).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let error = from_wire(ORDER, &[0x12, 2, 0x12, 0, 0x12, 3, 0x0a, 1, 0xff]).unwrap_err();
    assert_eq!(error.to_string(), "byte 8: items[1].name: a string is not UTF-8");
    // Well-formed, but nothing that JSON has: timestamp { nanos: -1 }, value {}, an Any of x/y, a
    // field mask of "aB".
    for wire in [
        &[0x92, 5, 11, 0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1][..],
        &[0xb2, 5, 0],
        &[0x8a, 5, 5, 0x0a, 3, b'x', b'/', b'y'],
        &[0xa2, 5, 4, 0x0a, 2, b'a', b'B'],
        &[0xa2, 5, 2, 0x0a, 0],
    ] {
        assert!(from_wire(EVERYTHING, wire).is_err(), "{wire:x?}");
    }
}
