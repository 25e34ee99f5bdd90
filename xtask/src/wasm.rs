//! Ways to compile for `wasm32-unknown-unknown`, and the builds that a browser chooses from.
//!
//! A user's machine has the target from rustup. Where rustup cannot fetch it, Debian's `rustc-web`, `cargo-web` and
//! `rust-web-src` compile the standard library from source; `RUSTC_BOOTSTRAP` unlocks that one flag of theirs. The
//! instruction set is named by [`Build`] and nowhere else: it goes to cargo as `CARGO_ENCODED_RUSTFLAGS`, which replaces
//! whatever flags configuration or environment hold.

use std::path::{Path, PathBuf};

use anyhow::bail;
use xshell::{Cmd, Shell};

use crate::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";

/// The instructions that a module uses. A browser that lacks them refuses the whole module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// 128-bit vectors that multiply and add at once, rounding once or twice as the processor has it: Chromium since 2023.
    RelaxedSimd,
    /// 128-bit vectors: every browser since 2023.
    Simd128,
    /// WebAssembly as it began.
    Portable,
}

impl Build {
    pub(crate) const ALL: [Self; 3] = [Self::RelaxedSimd, Self::Simd128, Self::Portable];

    /// The name of the kernels that the build has.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RelaxedSimd => "relaxed-simd",
            Self::Simd128 => "simd128",
            Self::Portable => "portable",
        }
    }

    /// Flags with which node.js runs the module.
    pub(crate) fn flags_of_node(self, workspace: &Workspace) -> anyhow::Result<Vec<&'static str>> {
        const FUSED: &str = "--experimental-wasm-relaxed-simd";
        let known = workspace.shell.cmd("node").arg("--v8-options").quiet().read()?;
        let wanted = self == Self::RelaxedSimd && known.contains(FUSED);
        Ok(wanted.then_some(FUSED).into_iter().collect())
    }

    /// Flags of the compiler, each behind the other as cargo wants them.
    fn flags(self) -> &'static str {
        match self {
            Self::RelaxedSimd => "-C\x1ftarget-feature=+simd128,+relaxed-simd",
            Self::Simd128 => "-C\x1ftarget-feature=+simd128",
            Self::Portable => "",
        }
    }
}

/// A compiler that knows wasm32, found on this machine.
pub(crate) enum Toolchain {
    /// The target is installed beside the compiler in use.
    Installed,
    /// A distribution's compiler, with the sources of the standard library and a linker from elsewhere.
    FromSource { rustc: PathBuf, cargo: PathBuf, linker: Option<PathBuf> },
}

impl Toolchain {
    /// The first way that can work here.
    pub(crate) fn find(shell: &Shell) -> anyhow::Result<Self> {
        let library = shell
            .cmd("rustc")
            .args(["--print", "target-libdir", "--target", TARGET])
            .quiet()
            .ignore_stderr()
            .read();
        if library.is_ok_and(|folder| Path::new(folder.trim()).is_dir()) {
            return Ok(Self::Installed);
        }
        let (rustc, cargo) = (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo"));
        let root = shell.cmd(&rustc).args(["--print", "sysroot"]).quiet().ignore_stderr().read();
        let sources =
            root.ok().map(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library"));
        if cargo.is_file() && sources.is_some_and(|sources| sources.is_dir()) {
            return Ok(Self::FromSource { rustc, cargo, linker: linker(shell) });
        }
        bail!(
            "no compiler for {TARGET} here. Run `rustup target add {TARGET}`; where rustup cannot fetch it, on \
             Debian: `apt-get install rustc-web cargo-web rust-web-src lld`"
        )
    }

    /// How it was found, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Installed => format!("the installed target {TARGET}"),
            Self::FromSource { rustc, .. } => {
                format!("{} with a standard library from source", rustc.display())
            }
        }
    }

    /// Compiles the browser crate as it is served; returns the module.
    pub(crate) fn compile(&self, workspace: &Workspace, build: Build) -> anyhow::Result<PathBuf> {
        self.cargo(workspace, "build", build).args(["--profile", "web"]).run()?;
        Ok(Self::folder(workspace, build).join(TARGET).join("web/saddle_web.wasm"))
    }

    /// `cargo SUBCOMMAND --package saddle-web` for wasm32, in a target folder of its own.
    pub(crate) fn cargo<'a>(
        &self,
        workspace: &'a Workspace,
        subcommand: &str,
        build: Build,
    ) -> Cmd<'a> {
        let arguments = [subcommand, "--package", "saddle-web", "--target", TARGET];
        let command = match self {
            Self::Installed => workspace.cargo(&arguments),
            Self::FromSource { rustc, cargo, linker } => {
                let mut command =
                    workspace.shell.cmd(cargo).args(arguments).arg("-Zbuild-std=std,panic_abort");
                command = command
                    .env("RUSTC", rustc)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN");
                if let Some(linker) = linker {
                    command = command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                }
                command
            }
        };
        command
            .env("CARGO_TARGET_DIR", Self::folder(workspace, build))
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", build.flags())
    }

    fn folder(workspace: &Workspace, build: Build) -> PathBuf {
        workspace.target().join("wasm").join(build.name())
    }
}

/// `rust-lld` of the rustup toolchain, else a `lld` of the system; only linking needs it, checking does not.
fn linker(shell: &Shell) -> Option<PathBuf> {
    let root =
        shell.cmd("rustc").args(["--print", "sysroot"]).quiet().ignore_stderr().read().ok()?;
    let own = Path::new(root.trim())
        .join(format!("lib/rustlib/{}-unknown-linux-gnu/bin/rust-lld", std::env::consts::ARCH));
    let system = ["/usr/bin/wasm-ld", "/usr/bin/wasm-ld-19"].map(PathBuf::from);
    std::iter::once(own).chain(system).find(|path| path.is_file())
}
