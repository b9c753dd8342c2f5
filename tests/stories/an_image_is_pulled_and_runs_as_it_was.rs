//! Registry → import → live → pulled with skopeo and with podman, run, and the same files as the layers give.

use std::fs;
use std::process::Command;

use embedded::Program;
use testkit::{Factory, Image, Registry, image, tools, tree};

#[test]
fn a_flat_image_is_the_same_file_system() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let dir = tempfile::tempdir().unwrap();
    let source = Image::busybox();
    let reference = registry.push(&source, "demo/busybox:1");
    // umoci of Debian 12 reads gzip only.
    let flat = factory.import(&reference, &["--codec", "gzip"]);
    assert_eq!(flat["flat"]["layers_in"], 3);
    assert_eq!(flat["flat"]["certificate"], flat["flat"]["verified"]);
    assert_eq!(flat["config"]["config"]["Healthcheck"]["Test"][1], "true");
    factory.skopeo_pull(flat["pull"].as_str().unwrap(), &dir.path().join("flat"));
    image::write_dir(&source.layout(), &dir.path().join("layered")).unwrap();
    let flat = tree::unpack(&dir.path().join("flat"), &dir.path().join("a"));
    let layered = tree::unpack(&dir.path().join("layered"), &dir.path().join("b"));
    let (flat, layered) = (tree::listing(&flat, &[]), tree::listing(&layered, &[]));
    assert!(flat.len() > 15, "{flat:#?}");
    assert_eq!(flat, layered);
    crate::assert_sound(&factory);
}

#[test]
fn podman_pulls_and_runs_it() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let dir = tempfile::tempdir().unwrap();
    let flat = factory.import(&registry.push(&Image::busybox(), "demo/busybox:1"), &[]);
    let pull = flat["pull"].as_str().unwrap();
    let settings = "[engine]\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\nevents_logger = \"file\"\n\
        [containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";
    fs::write(dir.path().join("containers.conf"), settings).unwrap();
    let podman = || {
        let mut podman: Command = tools::command(Program::Podman);
        podman.env("CONTAINERS_CONF", dir.path().join("containers.conf"));
        podman.arg("--root").arg(dir.path().join("root")).arg("--runroot").arg(dir.path().join("run"));
        podman.args(["--storage-driver", "vfs"]);
        podman
    };
    let login = format!("any:{}", factory.env("PLATEN_API_KEY"));
    tools::run(podman().args(["pull", "--quiet", "--tls-verify=false", "--creds", &login, pull]));
    let said = tools::run(podman().args(["run", "--rm", "--network", "none", pull]));
    assert_eq!(said, "flat and running\n");
    tools::run(podman().args(["rmi", "--all", "--force"]));
    // A pull is a use.
    assert!(factory.image(flat["id"].as_str().unwrap())["last_used"].is_string());
}
