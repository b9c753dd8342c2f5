//! The suite: what is asked of every builder.

use build::Builder;
use build::receive::BuiltImage;
use serde_json::Value;

use crate::bench::{BASE, Bench, files};

fn config(image: &BuiltImage) -> Value {
    serde_json::from_slice(&image.config.raw).unwrap()
}

pub async fn everyday(builder: &Builder) {
    let mut bench = Bench::new();
    let dockerfile = format!(
        "ARG FROM=base\n{BASE}FROM base AS made\nARG WHO=nobody\nRUN echo \"made for $WHO\" > /made; echo to-stderr >&2\n\
         FROM ${{FROM}}\nCOPY --from=made /made /made\nADD some.tar /unpacked/\n\
         RUN --mount=type=secret,id=token test $(wc -c < /run/secrets/token) = 14\n\
         RUN echo 'app:x:1000:1000::/:/bin/sh' >> /etc/passwd\n\
         HEALTHCHECK --interval=7s CMD /bin/true\nUSER 1000\nENTRYPOINT [\"/bin/sh\"]\n"
    );
    let (job, mut request) =
        bench.job(&[("Dockerfile", &dockerfile), ("ignored/secret", "x"), (".dockerignore", "ignored\n")]);
    let mut tar = tar::Builder::new(std::fs::File::create(job.context().join("some.tar")).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(6);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "inside", &b"packed"[..]).unwrap();
    tar.finish().unwrap();
    request.args.insert("WHO".into(), "somebody".into());
    request.secrets.push(("token".into(), "hunter2-secret".to_owned().into()));
    let images =
        bench.build(builder, &job, &request).await.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
    let [image] = images.as_slice() else { panic!("one image, not {}", images.len()) };
    let found = files(&bench.shelf, image);
    assert_eq!(found["made"], "made for somebody\n");
    assert_eq!(found["unpacked/inside"], "packed");
    assert!(!found.keys().any(|path| path.contains("secret") && path.contains("token")), "{found:?}");
    assert!(!found.values().any(|text| text.contains("hunter2")));
    let config = config(image);
    assert_eq!(config["config"]["User"], "1000");
    assert_eq!(config["config"]["Entrypoint"][0], "/bin/sh");
    assert_eq!(config["config"]["Healthcheck"]["Interval"], 7_000_000_000u64, "{config:#}");
    let log = bench.log();
    assert!(log.contains("STEP ") && log.contains("COPY --from=made"), "{log}");
    assert!(log.contains("to-stderr"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    drop(job);

    // The same once more: nothing is built, and nothing sent that is known.
    bench.said.lock().unwrap().clear();
    let before = bench.shelf.taken.lock().unwrap().len();
    let (job, mut again) = bench.job(&[("Dockerfile", &dockerfile), (".dockerignore", "ignored\n")]);
    let mut tar = tar::Builder::new(std::fs::File::create(job.context().join("some.tar")).unwrap());
    tar.append_data(&mut header, "inside", &b"packed"[..]).unwrap();
    tar.finish().unwrap();
    again.args = request.args.clone();
    again.secrets = request.secrets.clone();
    bench.build(builder, &job, &again).await.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
    assert!(bench.log().contains("CACHED"), "{}", bench.log());
    assert_eq!(bench.shelf.taken.lock().unwrap().len(), before, "{}", bench.log());
}

pub async fn target(builder: &Builder) {
    let mut bench = Bench::new();
    let dockerfile =
        format!("{BASE}FROM base AS one\nRUN echo 1 > /one\nFROM base AS two\nRUN echo 2 > /two\n");
    let (job, mut request) = bench.job(&[("sub/Other.Dockerfile", &dockerfile)]);
    request.build_file = "sub/Other.Dockerfile".into();
    request.target = Some("one".into());
    let images =
        bench.build(builder, &job, &request).await.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
    let found = files(&bench.shelf, &images[0]);
    assert!(found.contains_key("one") && !found.contains_key("two"));
}

pub async fn cache_mount(builder: &Builder) {
    let mut bench = Bench::new();
    for (round, expected) in [("first", "0\n"), ("second", "1\n")] {
        let dockerfile = format!(
            "{BASE}RUN echo {round} && --mount\nRUN true\n"
        )
        .replace(
            &format!("RUN echo {round} && --mount\n"),
            &format!("RUN --mount=type=cache,target=/cache ls /cache | wc -l | tr -d ' ' > /count; touch /cache/{round}\n"),
        );
        let (job, request) = bench.job(&[("Dockerfile", &dockerfile)]);
        let images =
            bench.build(builder, &job, &request).await.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
        assert_eq!(files(&bench.shelf, &images[0])["count"], expected, "{round}: {}", bench.log());
    }
}

pub async fn failures(builder: &Builder) {
    for (dockerfile, code, told) in [
        (format!("{BASE}RUN exit 7\n"), "build.failed", "exit code 7"),
        ("FORM x\n".to_owned(), "build.dockerfile", "Dockerfile"),
        ("FROM scratch\nCOPY missing /x\n".to_owned(), "build.failed", "missing"),
    ] {
        let mut bench = Bench::new();
        let (job, request) = bench.job(&[("Dockerfile", &dockerfile)]);
        let error = bench.build(builder, &job, &request).await.expect_err(&dockerfile);
        assert_eq!(error.code(), code, "{error}\n{}", bench.log());
        assert!(error.is_permanent() && error.to_string().contains(told), "{error}");
    }
}
