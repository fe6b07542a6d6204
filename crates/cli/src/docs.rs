//! `ahoy docs`: OpenAPI documents and pages as files.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use ahoy::protocol::docs;
use ahoy::protocol::openapi::Options;
use anyhow::Context as _;
use examples::Examples;
use prost_reflect::DescriptorPool;

use crate::folder::{self, Folder};

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

    /// Describes the contracts in this folder, with the examples beside them [default: the contracts of this command]
    #[arg(long, value_name = "DIR", value_parser = folder::parser())]
    proto: Option<PathBuf>,

    /// Where else imports are looked for
    #[arg(short = 'I', long = "import-path", value_name = "DIR", requires = "proto")]
    import_path: Vec<PathBuf>,

    /// Where the services are, such as https://api.example.com, for the pages to send requests to;
    /// pages that are opened as files need it [default: where the pages are]
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
        let (pool, names, examples);
        match &self.proto {
            Some(folder) => {
                let folder = Folder::load(folder, &self.import_path)?;
                (pool, names, examples) = (folder.pool, folder.services, folder.examples);
            }
            None => {
                pool = DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET)?;
                names = pool.services().map(|service| service.full_name().to_owned()).collect();
                examples = Examples::read(contracts::EXAMPLES.iter().copied(), &pool)
                    .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
            }
        }
        let services = pool.services().filter(|s| names.iter().any(|name| name == s.full_name()));
        let server = self.server.as_deref().unwrap_or("/");
        let files = docs::site(services, &Options { server, ..Options::new(&examples) })?;
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

fn parse_server(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|_| "expected a URL".to_owned())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(text.to_owned()),
        _ => Err("expected a URL such as https://api.example.com".to_owned()),
    }
}
