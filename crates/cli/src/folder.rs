//! A folder of contracts, compiled, with the examples beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::builder::{PathBufValueParser, TypedValueParser};
use examples::{EXTENSION, Examples, suggest};
use prost_reflect::DescriptorPool;
use protox::Compiler;
use protox::file::{
    ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver,
};

/// How many files are looked at: a folder with more is not one of contracts.
const MAX_FILES: usize = 10_000;

/// What a folder holds.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The contracts and what they import, as an encoded `FileDescriptorSet`.
    pub(crate) descriptors: Vec<u8>,
    /// The same.
    pub(crate) pool: DescriptorPool,
    /// The full names of the services that the folder's own files declare, sorted.
    pub(crate) services: Vec<String>,
    pub(crate) examples: Examples,
    /// The files that they are from: paths below the folder, and texts.
    pub(crate) sources: Vec<(String, String)>,
}

/// A compiler that looks for imports in these folders, and then among the files that come with
/// this program, such as `google/api/annotations.proto` and `buf/validate/validate.proto`.
pub(crate) fn compiler<P: AsRef<Path>>(include: &[P]) -> anyhow::Result<Compiler> {
    let mut resolver = ChainFileResolver::new();
    for folder in include {
        resolver.add(IncludeFileResolver::new(folder.as_ref().to_owned()));
    }
    resolver.add(GoogleFileResolver::new());
    resolver.add(DescriptorSetFileResolver::decode(contracts::FILE_DESCRIPTOR_SET)?);
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    Ok(compiler)
}

/// What is wrong, and where.
pub(crate) fn explain(error: &protox::Error) -> String {
    let text = format!("{error:?}");
    match error.file() {
        // An end that comes too early has no line.
        Some(file) if error.is_parse() && !text.starts_with(file) => format!("{file}: {text}"),
        _ => text,
    }
}

/// Takes a flag's folder, and refuses under the flag's name one that is not there.
pub(crate) fn parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|folder| match folder.is_dir() {
        true => Ok(folder),
        false => Err("there is no such folder"),
    })
}

impl Folder {
    /// Compiles every `.proto` of a folder, and reads every file of examples.
    ///
    /// # Errors
    /// What is wrong with a file, and where.
    pub(crate) fn load(folder: &Path, import_path: &[PathBuf]) -> anyhow::Result<Self> {
        let files = find(folder)?;
        let mut include = vec![folder.to_owned()];
        include.extend_from_slice(import_path);
        let mut compiler = compiler(&include)?;
        let mut count = 0;
        for (file, _) in files.iter().filter(|(file, _)| is_proto(file)) {
            // It prints the line, and a mark below what is wrong.
            compiler.open_file(file).map_err(|error| {
                let hint = suggest::for_undefined(&error.to_string());
                let hint = hint.map(|hint| format!("\n  do: {hint}")).unwrap_or_default();
                anyhow::anyhow!("{}{hint}", explain(&error).trim_end())
            })?;
            count += 1;
        }
        if count == 0 {
            bail!("there is no .proto file in {}", folder.display());
        }
        let descriptors = compiler.encode_file_descriptor_set();
        let pool = DescriptorPool::decode(descriptors.as_slice())?;
        let own: Vec<_> = compiler.files().filter(|file| !file.is_import()).collect();
        let declared = own.iter().filter_map(|file| pool.get_file_by_name(file.name()));
        let mut services: Vec<_> = declared
            .flat_map(|file| file.services().map(|s| s.full_name().to_owned()).collect::<Vec<_>>())
            .collect();
        services.sort();

        let mut sources = Vec::new();
        for (file, _) in files.iter().filter(|(file, _)| !is_proto(file)) {
            let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
            let text = fs::read_to_string(file);
            sources.push((name, text.with_context(|| format!("cannot read {}", file.display()))?));
        }
        let texts = sources.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let examples = Examples::read(texts, &pool).map_err(|problems| {
            let lines = problems.iter().map(|problem| format!("{}/{problem}", folder.display()));
            anyhow::anyhow!("{}", lines.collect::<Vec<_>>().join("\n"))
        })?;
        Ok(Self { descriptors, pool, services, examples, sources })
    }
}

fn is_proto(file: &Path) -> bool {
    file.extension() == Some("proto".as_ref())
}

/// The contracts and examples of a folder, sorted, and when each was changed.
pub(crate) fn find(folder: &Path) -> anyhow::Result<Vec<(PathBuf, SystemTime)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            seen += 1;
            if seen > MAX_FILES {
                bail!(
                    "there are more than {MAX_FILES} files in it; name the folder of the contracts"
                );
            }
            let kind = entry.file_type()?;
            let hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let is_ours =
                || is_proto(&path) || path.to_str().is_some_and(|p| p.ends_with(EXTENSION));
            if kind.is_dir() {
                if !hidden {
                    folders.push(path);
                }
            } else if is_ours() {
                // One that is gone again was not there.
                if let Ok(metadata) = fs::metadata(&path) {
                    files.push((path, metadata.modified()?));
                }
            }
        }
    }
    files.sort();
    Ok(files)
}
