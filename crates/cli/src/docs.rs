//! `ahoy docs`: OpenAPI documents and pages as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ahoy::protocol::docs;
use ahoy::protocol::openapi::Options;
use anyhow::Context as _;
use prost_reflect::DescriptorPool;

/// Writes OpenAPI documents and a page for each as files
///
/// A document has the services of all packages with the same first part, and is a folder of that
/// name: hello/openapi.json, hello/openapi.yaml and hello/index.html. The pages work from any web
/// server, and opened as files.
#[derive(Debug, clap::Args)]
pub(crate) struct DocsArgs {
    /// The folder to write to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Describes the .proto files below this folder [default: the contracts of this command]
    #[arg(long, value_name = "DIR")]
    proto: Option<PathBuf>,

    /// Where the services are, such as https://api.example.com, for the pages to send requests to
    /// [default: where the pages are]
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    server: Option<String>,
}

impl DocsArgs {
    pub(crate) fn run(self) -> ExitCode {
        match self.write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("ahoy: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn write(self) -> anyhow::Result<()> {
        let pool = match &self.proto {
            Some(folder) => compiled(folder)?,
            None => DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET)?,
        };
        let server = self.server.as_deref().unwrap_or("/");
        let files = docs::site(pool.services(), &Options { server, ..Options::default() })?;
        for (name, bytes) in &files {
            let path = self.out.join(name);
            let written = path.parent().map_or(Ok(()), fs::create_dir_all);
            written
                .and_then(|()| fs::write(&path, bytes))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        println!("{}", self.out.join("index.html").display());
        Ok(())
    }
}

/// Every contract below a folder, which imports are relative to.
fn compiled(folder: &Path) -> anyhow::Result<DescriptorPool> {
    let mut files = Vec::new();
    find(folder, &mut files).with_context(|| format!("cannot read {}", folder.display()))?;
    anyhow::ensure!(!files.is_empty(), "there is no .proto file below {}", folder.display());
    files.sort();
    let mut compiler = protox::Compiler::new([folder])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files).map_err(|error| match error.file() {
        Some(file) => anyhow::anyhow!("{}: {error}", folder.join(file).display()),
        None => anyhow::Error::from(error),
    })?;
    Ok(compiler.descriptor_pool())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Not through links, which may lead in a circle.
        if entry.file_type()?.is_dir() {
            find(&path, files)?;
        } else if path.extension() == Some("proto".as_ref()) {
            files.push(path);
        }
    }
    Ok(())
}

fn parse_server(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|_| "expected a URL".to_owned())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(text.to_owned()),
        _ => Err("expected a URL such as https://api.example.com".to_owned()),
    }
}
