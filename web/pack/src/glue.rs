//! JavaScript glue by wasm-bindgen.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use wasm_bindgen_cli_support::Bindgen;

/// Write `NAME.js` and, for each build, `NAME.BUILD.wasm`.
#[derive(Args)]
pub(crate) struct Glue {
    /// A build of the module; repeatable.
    #[arg(long = "build", value_name = "BUILD=FILE", required = true, value_parser = build)]
    builds: Vec<(String, PathBuf)>,
    /// Who loads it.
    #[arg(long, value_enum, default_value = "web")]
    target: Target,
    /// Name of the files.
    #[arg(long)]
    name: String,
    /// Folder of the files.
    #[arg(long)]
    out: PathBuf,
}

/// Hosts of the module.
#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// ES modules, for browsers; the page says which build to load.
    Web,
    /// CommonJS, which loads its one build by itself.
    Nodejs,
}

fn build(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("expected BUILD=FILE")?;
    Ok((name.to_owned(), file.into()))
}

impl Glue {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if matches!(self.target, Target::Nodejs) && self.builds.len() > 1 {
            bail!("the glue for node.js loads one build; ask for one");
        }
        std::fs::create_dir_all(&self.out)?;
        let mut glue: Option<(&str, String)> = None;
        for (build, file) in &self.builds {
            let (module, own) = self.bindgen(file).with_context(|| file.display().to_string())?;
            let name = match self.target {
                Target::Web => format!("{}.{build}.wasm", self.name),
                // The name that the glue itself looks for.
                Target::Nodejs => format!("{}_bg.wasm", self.name),
            };
            std::fs::write(self.out.join(name), module)?;
            match &glue {
                None => glue = Some((build, own)),
                Some((_, first)) if *first == own => {}
                Some((first, _)) => {
                    bail!(
                        "the builds `{first}` and `{build}` need different glue: their interfaces differ"
                    )
                }
            }
        }
        let (_, glue) = glue.ok_or_else(|| anyhow!("no build"))?;
        write(&self.out.join(format!("{}.js", self.name)), &glue)
    }

    /// The module as the host gets it, and its glue.
    fn bindgen(&self, file: &Path) -> anyhow::Result<(Vec<u8>, String)> {
        let mut bindgen = Bindgen::new();
        bindgen
            .input_path(file)
            .out_name(&self.name)
            .typescript(false)
            .omit_default_module_path(true)
            .remove_name_section(true)
            .remove_producers_section(true);
        match self.target {
            Target::Web => bindgen.web(true)?,
            Target::Nodejs => bindgen.nodejs(true)?,
        };
        let mut output = bindgen.generate_output()?;
        let module = output.wasm_mut().emit_wasm();
        // Every crate has a list of snippets; it is empty unless the crate brings some.
        let snippets = output.snippets().values().any(|snippets| !snippets.is_empty());
        if snippets || !output.local_modules().is_empty() {
            bail!("the module brings JavaScript of its own along; there is no place for it");
        }
        Ok((module, output.js().to_owned()))
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
