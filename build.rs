//! Compiles every `proto/**/*.proto` into Rust, and into one descriptor set, and checks the examples
//! beside them.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use examples::{Examples, suggest};
use miette::Diagnostic;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use prost_types::FileDescriptorProto;
use rules::{Place, Rules};

/// What the server reads of a contract at its start, so that what it would refuse is refused here.
#[path = "crates/common/src/protocol/rest"]
#[allow(dead_code, unreachable_pub, reason = "the server reads what is only checked here")]
mod rest {
    pub(crate) mod binding;
    pub(crate) mod template;
}

const ROOT: &str = "proto";

fn main() -> ExitCode {
    // Cargo looks at everything below a folder, so a new file is seen too.
    println!("cargo::rerun-if-changed={ROOT}");
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    let files = find(".proto")?;

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    for file in &files {
        compiler.open_file(file).map_err(|error| explain(&error))?;
    }
    let mut descriptors = compiler.file_descriptor_set();
    for file in &descriptors.file {
        check_package(file)?;
    }

    let pool = compiler.descriptor_pool();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        check_http(&method)?;
    }
    check_rules(&pool)?;
    check_examples(&pool)?;

    // protox's own encoder: the typed descriptors have lost the options that they do not know.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), compiler.encode_file_descriptor_set())?;
    // Rules are read from the descriptors, and nothing else is said with these types.
    descriptors.file.retain(|file| file.package() != "buf.validate");
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .include_file("contracts.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

/// The files below the contracts' folder whose names end so, sorted.
fn find(end: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(ROOT)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(|path| path.ends_with(end)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Checks every file of examples against the contracts, and writes a list of them for
/// `contracts::EXAMPLES`.
fn check_examples(pool: &DescriptorPool) -> Result<(), Box<dyn Error>> {
    let mut sources = Vec::new();
    for file in find(examples::EXTENSION)? {
        let name = file.strip_prefix(ROOT)?.to_string_lossy().replace('\\', "/");
        sources.push((name, fs::read_to_string(&file)?));
    }
    let files = sources.iter().map(|(name, source)| (name.as_str(), source.as_str()));
    Examples::read(files, pool).map_err(|problems| {
        let describe = |problem: &examples::Problem| {
            let source = sources.iter().find(|(name, _)| *name == problem.file);
            let source = source.map_or("", |(_, source)| source);
            let place = at_place(&problem.file, source, problem.place);
            format!("error: {}\n{place}   = do: {}\n", problem.text, problem.advice)
        };
        problems.iter().map(describe).collect::<String>()
    })?;

    let mut list = String::from("&[\n");
    for (name, source) in &sources {
        writeln!(list, "    ({name:?}, {source:?}),")?;
    }
    list.push(']');
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("examples.rs"), list)?;
    Ok(())
}

/// The excerpt at a line and a column.
fn at_place(name: &str, source: &str, place: examples::Place) -> String {
    let before: usize = source.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    let line = source.get(before..).unwrap_or_default().lines().next().unwrap_or_default();
    let column: usize = line.chars().take(place.column - 1).map(char::len_utf8).sum();
    let length = line
        .get(column..)
        .map_or(1, |rest| rest.find([':', ',', '}', ' ']).unwrap_or(rest.len()).max(1));
    excerpt(&format!("{ROOT}/{name}"), source, before + column, length, "")
}

/// People, buf and the other languages' imports find a package by its folder.
fn check_package(file: &FileDescriptorProto) -> Result<(), String> {
    let package = file.package();
    let (folder, _) = file.name().rsplit_once('/').unwrap_or_default();
    if !package.is_empty() && folder == package.replace('.', "/") {
        return Ok(());
    }
    let path = format!("{ROOT}/{}", file.name());
    let source = fs::read_to_string(&path).unwrap_or_default();
    let statement = |line: &&str| line.trim_start().starts_with("package ");
    let line = source.split_inclusive('\n').find(statement).unwrap_or(&source);
    let start = line.as_ptr().addr() - source.as_ptr().addr();
    let place = excerpt(&path, &source, start, line.trim_end().len(), "");
    let advice = match folder.replace('/', ".") {
        name if name.is_empty() => format!("move the file to a folder such as {ROOT}/orders/v1"),
        name => format!("write `package {name};`, or move the file to its package's folder"),
    };
    Err(format!(
        "error: package `{package}` does not match the folder `{folder}`\n{place}   = do: {advice}"
    ))
}

/// A method's REST paths have to be paths, of fields that it has.
fn check_http(method: &MethodDescriptor) -> Result<(), String> {
    rest::binding::Binding::of(method).map(drop).map_err(|error| {
        let text = format!("(google.api.http) of {}: {}", error.method, error.reason);
        let advice = "write paths and fields as proto/google/api/http.proto explains them";
        at_line(&text, error.place.map(|place| *place), advice)
    })
}

/// Rules have to fit what they are for. Those in CEL are compiled by servers.
fn check_rules(pool: &DescriptorPool) -> Result<(), String> {
    Rules::new(pool).map(drop).map_err(|error| {
        let text = format!("the rules of {}: {}", error.of, error.problem);
        let advice = "write rules as proto/buf/validate/validate.proto explains them";
        at_line(&text, error.place, advice)
    })
}

fn at_line(text: &str, place: Option<Place>, advice: &str) -> String {
    let Some(Place { file, line }) = place else {
        return format!("error: {text}\n   = do: {advice}");
    };
    let path = format!("{ROOT}/{file}");
    let source = fs::read_to_string(&path).unwrap_or_default();
    let start = source.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let line = source.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let start = start + line.len() - line.trim_start().len();
    let place = excerpt(&path, &source, start, line.trim().len(), "");
    format!("error: {text}\n{place}   = do: {advice}")
}

/// What is wrong, where, and what to do.
fn explain(error: &protox::Error) -> String {
    let path = format!("{ROOT}/{}", error.file().unwrap_or_default());
    let source = fs::read_to_string(&path).unwrap_or_default();
    let advice = if error.is_file_not_found() {
        "name the file as it is called below proto/, such as \"hello/v1/hello.proto\""
    } else if error.is_parse() {
        "correct the syntax: https://protobuf.dev/programming-guides/proto3"
    } else {
        "define names and numbers once, and import each type's file, with no import going in a circle"
    };
    let mark = |start, length, note: &str| excerpt(&path, &source, start, length, note);
    let describe = |error: &dyn Diagnostic| {
        let labels = error.labels().into_iter().flatten();
        let mut places: String =
            labels.map(|l| mark(l.offset(), l.len(), l.label().unwrap_or_default())).collect();
        if places.is_empty() {
            // Only an end that comes too early, or the file as a whole, has no label.
            places = mark(source.trim_end().len(), 1, "");
        }
        let help = error.help().map(|help| help.to_string());
        let hint = suggest::for_undefined(&error.to_string());
        let help = hint.as_deref().or(help.as_deref()).unwrap_or(advice);
        format!("error: {error}\n{places}   = do: {help}\n")
    };
    let related = error.related().into_iter().flatten();
    std::iter::once(error as &dyn Diagnostic).chain(related).map(describe).collect()
}

/// The line that the mark of `length` bytes begins in, with carets below the mark.
fn excerpt(path: &str, source: &str, start: usize, length: usize, note: &str) -> String {
    let (before, after) = source.split_at_checked(start).unwrap_or((source, ""));
    let number = before.split('\n').count();
    let begun = before.rsplit('\n').next().unwrap_or_default();
    let rest = after.lines().next().unwrap_or_default();
    let carets = "^".repeat(rest.chars().count().clamp(1, length.max(1)));
    // Tabs are kept, so that the carets stand below the mark at every tab width.
    let indent: String = begun.chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
    let column = begun.chars().count() + 1;
    format!(
        "  --> {path}:{number}:{column}\n    |\n{number:>3} | {begun}{rest}\n    | {indent}{carets} {note}\n"
    )
}
