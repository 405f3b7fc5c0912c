//! Writes the custom resource definitions into the chart, or into the folder that is given.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use oidc_crds::resources::definitions::definitions;

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/oidc-operator/crds"),
        PathBuf::from,
    );
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    for (file, text) in definitions()? {
        std::fs::write(folder.join(file), text)?;
    }
    Ok(())
}
