use std::{
    collections::BTreeSet,
    time::{Duration as StdDuration, Instant},
};

use super::*;
use crate::{ByteSize, Count, Duration, Fuel, Queue};

pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        working_dir: "/work".into(),
        home: Some("/home/ada".into()),
        cache_home: None,
    }
}

pub(crate) fn origin() -> Origin {
    Origin::File("/etc/sandglass.yaml".into())
}

pub(crate) fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse_in(text, &origin(), &surroundings())
}

pub(crate) fn accept(text: &str) -> Manifest {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The error without the file's name, as `line:column: message`.
pub(crate) fn refuse(text: &str) -> String {
    let error = parse(text).expect_err(text).to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
        .strip_prefix("/etc/sandglass.yaml:")
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned()
}

pub(crate) fn tools(manifest: &Manifest) -> &[Tool] {
    manifest.tools.as_deref().expect("it speaks of tools")
}

fn file(path: &str) -> SourceRef {
    SourceRef::File(path.into())
}

pub(crate) const FULL: &str = "\
version: 1
defaults:
  limits:
    fuel: 3_000_000_000
    memory: 64MiB
    timeout: 8s
    concurrency: 16
    queue: { length: 10, wait: 500ms }
    output: 2MiB
    log: 1000
engine: { max_memory: 256MiB, max_instances: 100, cache_dir: ~/.cache/sg }
tools:
  - ./time.wasm
  - source: file:/srv/tools/
    name: weather
    prefix: acme
    include: [get_weather]
    limits: { timeout: 5s, queue: { wait: 1s } }
  - source: /x.wasm
    exclude: [no, on, 'yes', 12]
";

#[test]
fn every_key_lands_in_the_resolved_form() {
    let manifest = accept(FULL);
    let limits = manifest.defaults.limits;
    assert_eq!(
        limits,
        Limits {
            fuel: Fuel::new(3_000_000_000).expect("more than zero"),
            memory: ByteSize::mib(64),
            timeout: Duration::secs(8),
            concurrency: Count::new(16).expect("more than zero"),
            queue: Queue {
                length: 10,
                wait: "500ms".parse().expect("a duration"),
            },
            output: ByteSize::mib(2),
            log: ByteSize::bytes(1000),
            ..Limits::DEFAULT
        }
    );
    assert_eq!(manifest.engine.max_memory, ByteSize::mib(256));
    assert_eq!(manifest.engine.max_instances.get(), 100);
    assert_eq!(
        manifest.engine.cache_dir,
        Some("/home/ada/.cache/sg".into())
    );

    let [time, weather, x] = tools(&manifest) else {
        panic!("three tools");
    };
    assert_eq!(time.source, file("/etc/time.wasm"));
    assert_eq!((&time.name, &time.prefix), (&None, &None));
    assert_eq!(time.limits, limits);
    assert_eq!(weather.source, file("/srv/tools"));
    assert_eq!(weather.name, "weather".parse().ok());
    assert_eq!(weather.prefix, "acme".parse().ok());
    assert!(weather.filter.allows("get_weather") && !weather.filter.allows("other"));
    assert_eq!(weather.limits.timeout, Duration::secs(5));
    assert_eq!(weather.limits.queue.length, 10);
    assert_eq!(weather.limits.queue.wait, Duration::secs(1));
    assert_eq!(weather.limits.memory, limits.memory);
    let words = ["no", "on", "yes", "12"].map(str::to_owned);
    assert_eq!(x.filter, ToolFilter::Exclude(BTreeSet::from(words)));
}

#[test]
fn what_a_document_leaves_out_has_the_documented_defaults() {
    let manifest = accept("tools: []");
    assert_eq!(
        manifest,
        Manifest {
            tools: Some(Vec::new()),
            ..Manifest::absent(&surroundings())
        }
    );
    assert_eq!(
        manifest.to_yaml(),
        "\
version: 1
defaults:
  limits:
    fuel: 2000000000
    memory: 128MiB
    host_memory: 16MiB
    timeout: 10s
    concurrency: 32
    queue:
      length: 64
      wait: 2s
    output: 1MiB
    log: 256KiB
    http:
      requests: 64
      sent: 1MiB
      received: 8MiB
engine:
  max_memory: 512MiB
  max_instances: 512
  cache_dir: /home/ada/.cache/sandglass
  cache_size: 2GiB
  tag_interval: 5m
tools: []
"
    );
}

#[test]
fn the_resolved_form_is_a_manifest_of_the_same_meaning() {
    for text in [FULL, "./x.wasm", "{}", "version: 1"] {
        let manifest = accept(text);
        assert_eq!(accept(&manifest.to_yaml()), manifest);
        let json = serde_json::to_string(&manifest).expect("JSON");
        assert_eq!(accept(&json), manifest);
    }
}

#[test]
fn the_documentations_examples_are_manifests() {
    let page = include_str!("../../docs/manifest.md");
    let mut examples = 0;
    for example in page.split("```yaml\n").skip(1) {
        let (example, _) = example.split_once("```").expect("an end");
        // The policy that it names is not there.
        accept(&example.replace("    policy: ./policy.yaml", ""));
        examples += 1;
    }
    assert_eq!(examples, 7);
    let (first, _) = page.split_once("tools:\n").expect("the tools");
    let (_, settings) = first.split_once("```yaml\n").expect("an example");
    assert_eq!(
        accept(settings),
        Manifest::absent(&surroundings()),
        "the first example shows the defaults"
    );
}

#[test]
fn a_lone_reference_is_a_manifest_of_one_tool() {
    let environment = Origin::Environment("MCP_PARAMS");
    for text in ["./tools/x.wasm", "'./tools/x.wasm'", "\"./tools/x.wasm\"\n"] {
        let manifest = Manifest::parse_in(text, &environment, &surroundings()).expect(text);
        assert_eq!(manifest, accept("tools: [/work/tools/x.wasm]"));
    }
    let error =
        Manifest::parse_in("tools: 3", &environment, &surroundings()).expect_err("a number");
    assert!(error.to_string().starts_with("MCP_PARAMS:1:8: "), "{error}");
}

#[test]
fn silence_about_tools_differs_from_an_empty_list() {
    assert_eq!(accept("version: 1").tools, None);
    assert_eq!(accept("{}").tools, None);
    assert_eq!(accept("tools: []").tools, Some(Vec::new()));
}

#[test]
fn json_documents_are_read_tabs_escapes_and_all() {
    let json = "{\n\t\"version\": 1,\n\t\"defaults\": {\"limits\":{\"fuel\":2000000000,\"memory\":\"64MiB\",\
                \"log\":1024,\"concurrency\":8}},\r\n\t\t\"tools\"\t:\t[\t\".\\/time.wasm\",\n\t\
                {\"source\":\"./\\u0078.wasm\",\t\"include\":[\"a\"]}\t]\n}\n";
    let manifest = accept(json);
    assert_eq!(manifest.defaults.limits.memory, ByteSize::mib(64));
    let [time, x] = tools(&manifest) else {
        panic!("two tools");
    };
    assert_eq!(time.source, file("/etc/time.wasm"));
    assert_eq!(x.source, file("/etc/x.wasm"));

    assert_eq!(
        refuse("{\n\t\"version\": 1,\n\t\"tols\": []\n}"),
        "3:2: unknown key `tols`, did you mean `tools`?"
    );
    assert_eq!(
        refuse("{\"tools\": [],\n\"tools\": []}"),
        "2:1: the key `tools` is there twice; remove one"
    );
}

#[test]
fn numbers_may_be_written_as_numbers_or_as_text() {
    for fuel in ["2000000", "2_000_000", "'2000000'", "\"2_000_000\"", "2e6"] {
        let manifest = accept(&format!(
            "version: 1\ndefaults: {{limits: {{fuel: {fuel}}}}}"
        ));
        assert_eq!(manifest.defaults.limits.fuel.get(), 2_000_000, "{fuel}");
    }
    for memory in ["1048576", "1_048_576", "1MiB", "'1MiB'", "1024KiB"] {
        let manifest = accept(&format!(
            "version: 1\ndefaults: {{limits: {{memory: {memory}}}}}"
        ));
        assert_eq!(
            manifest.defaults.limits.memory,
            ByteSize::mib(1),
            "{memory}"
        );
    }
}

#[test]
fn errors_name_the_place_what_is_wrong_and_what_to_do() {
    for (text, error) in [
        // Keys.
        ("tols: []", "1:1: unknown key `tols`, did you mean `tools`?"),
        (
            "version: 1\ntools:\n  - source: ./x.wasm\n    prefx: a",
            "4:5: unknown key `prefx`, did you mean `prefix`?",
        ),
        (
            "version: 1\ndefaults:\n  limits:\n    feul: 1",
            "4:5: unknown key `feul`, did you mean `fuel`?",
        ),
        (
            "version: 1\ndefaults: { limits: { queue: { len: 1 } } }",
            "2:32: unknown key `len`, the keys here are length, wait",
        ),
        (
            "version: 1\nengine: { max_memroy: 1GiB }",
            "2:11: unknown key `max_memroy`, did you mean `max_memory`?",
        ),
        (
            "tools: []\ntools: []",
            "2:1: the key `tools` is there twice; remove one",
        ),
        (
            "tools:\n  - source: ./x.wasm\n    name: a\n    name: b",
            "4:5: the key `name` is there twice; remove one",
        ),
        (
            "tools: [{ name: a }]",
            "1:9: the key `source` is missing; write `source`, or `python` or `javascript` with source text",
        ),
        (
            "engine: { max_instances: 1 }",
            "1:9: the key `version` is missing; write `version: 1` at the beginning",
        ),
        (
            "tools:\n  - oci://ghcr.io/acme/time",
            "2:5: `oci://ghcr.io/acme/time` is not a source: it has neither tag nor digest; \
             write `ghcr.io/acme/time:latest` if that is what you mean",
        ),
        (
            "tools:\n  - source: secret://a/b",
            "2:13: `secret://a/b` is not a source: write `secret://NAMESPACE/NAME/KEY`",
        ),
        (
            "tools:\n  - source: [./a.part0, 'oci://a.io/b:1']",
            "2:25: `oci://a.io/b:1` is not a part of a component: parts are files, and keys of ConfigMaps and Secrets",
        ),
        // Values.
        (
            "version: 2",
            "1:10: `2` is not a version that this program knows: it knows version 1",
        ),
        (
            "version: 1\ndefaults:\n  limits:\n    memory: 12XiB",
            "4:13: `12XiB` is not a size such as 128MiB: unknown unit `XiB`, \
             use KiB, MiB, GiB or plain bytes",
        ),
        (
            "version: 1\ndefaults:\n  limits:\n    timeout: 10",
            "4:14: `10` is not a duration such as 10s: it has no unit, write 10s or 10ms",
        ),
        (
            "tools: [{source: ./x.wasm, limits: {fuel: 0}}]",
            "1:43: `0` is not an amount of fuel such as 2_000_000_000: it must be at least 1",
        ),
        (
            "tools: [{source: ./x.wasm, limits: {concurrency: 0}}]",
            "1:50: `0` is not a count such as 32: it must be at least 1",
        ),
        (
            "tools: [{source: ./x.wasm, limits: {timeout: 0s}}]",
            "1:46: `0s` is not a duration such as 10s: it must be more than zero",
        ),
        (
            "tools: [{source: ./x.wasm, limits: {fuel: true}}]",
            "1:37: expected an amount of fuel such as 2_000_000_000, found boolean `true`",
        ),
        (
            "tools: [{source: ./x.wasm, prefix: 'a b'}]",
            "1:36: `a b` is not a prefix for tool names: ` ` is not allowed, \
             use letters, digits, `_`, `-` and `.`",
        ),
        (
            "version: 1\nengine: { cache_dir: '' }",
            "2:22: engine.cache_dir `` is not a path",
        ),
        // Values that do not go together.
        (
            "tools: [{source: ./x.wasm, limits: {memory: 1000}}]",
            "1:45: limits.memory 1000 is less than 64KiB, one WebAssembly page; raise it",
        ),
        (
            "version: 1\nengine: { max_memory: 1KiB }",
            "2:23: engine.max_memory 1KiB is less than 64KiB, one WebAssembly page; raise it",
        ),
        (
            "tools: [{source: ./x.wasm, limits: {memory: 1GiB}}]",
            "1:45: limits.memory 1GiB is over engine.max_memory 512MiB; \
             lower the one or raise the other",
        ),
        (
            "version: 1\ndefaults: { limits: { memory: 1GiB } }",
            "2:31: limits.memory 1GiB is over engine.max_memory 512MiB; \
             lower the one or raise the other",
        ),
        (
            "version: 1\nengine: { max_memory: 64MiB }",
            "2:23: engine.max_memory 64MiB is under the default limits.memory 128MiB; \
             set defaults.limits.memory to 64MiB or less",
        ),
        (
            "tools: [{source: ./x.wasm, limits: {output: 0}}]",
            "1:45: limits.output 0 leaves no room for any result; raise it",
        ),
        (
            "tools: [{source: ./x.wasm, include: [a], exclude: [b]}]",
            "1:51: `include` and `exclude` cannot stand together; keep one of them",
        ),
        (
            "tools: [{source: ./x.wasm, include: []}]",
            "1:37: the list names no tool; name one or remove the key",
        ),
        (
            "tools:\n- {source: ./x.wasm, name: a}\n- {source: ./y.wasm, name: a}",
            "3:28: the name `a` is given in line 2 already; choose another",
        ),
        // Shapes.
        ("", "1:1: the document is empty or ends too early"),
        (
            "[./x.wasm]",
            "1:1: expected a manifest: an object with `tools`, or one source, found sequence",
        ),
        (
            "tools: [[./x.wasm]]",
            "1:9: expected a tool: a source, or an object with `source`, `python` or `javascript`, found sequence",
        ),
        (
            "tools: [no, true]",
            "1:9: `no` is not a source: a path starts with ./, ../, ~/ or /, or ends with .wasm, .py, .js or /; \
             or write `file:` or `oci://` before it",
        ),
        (
            "hello",
            "1:1: `hello` is not a source: a path starts with ./, ../, ~/ or /, \
             or ends with .wasm, .py, .js or /; or write `file:` or `oci://` before it",
        ),
        (
            "limits: &a { fuel: 1 }",
            "1:1: unknown key `limits`, the keys here are version, defaults, engine, tools, stores, \
             tasks, identity, tenants, audit, require_signature",
        ),
        (
            "version: 1\ndefaults: &d { limits: {} }\nengine: { <<: *d }",
            "3:11: merge keys (`<<`) are not supported; write the keys out",
        ),
    ] {
        assert_eq!(refuse(text), error, "{text}");
    }
}

#[test]
fn a_key_without_a_value_is_refused_never_ignored() {
    for text in [
        "tools:",
        "tools: ~",
        "version:",
        "version: 1\ndefaults:",
        "version: 1\ndefaults:\n  limits:",
        "version: 1\ndefaults: { limits: { fuel: null } }",
        "version: 1\nengine: { cache_dir: }",
        "tools: [{ source: ./x.wasm, name: }]",
        "tools: [{ source: ./x.wasm, limits: }]",
        "tools: [{ source: }]",
        "tools: [~]",
    ] {
        let error = refuse(text);
        assert!(error.starts_with(|c: char| c.is_ascii_digit()), "{error}");
    }
}

#[test]
fn syntax_errors_have_a_place_and_stay_on_one_line() {
    for text in [
        "tools: [",
        "tools: ]",
        "tools:\n  - a\n b: 1",
        "tools: 'open",
        "{\"tools\": [}",
        "tools: *nowhere",
        "tools: !custom []",
        "version: 1\n---\nversion: 1",
        "\"a\\qb\": 1",
        "a\u{0}b: 1",
    ] {
        let error = refuse(text);
        assert!(
            error.starts_with(|c: char| c.is_ascii_digit()),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = FULL.replace('\n', "\r\n");
    assert_eq!(accept(&format!("\u{feff}{text}")), accept(FULL));
}

#[test]
fn an_alias_repeats_a_value() {
    let text = "\
tools:
  - { source: ./a.wasm, limits: &small { memory: 1MiB, timeout: 1s } }
  - { source: ./b.wasm, limits: *small }
";
    let manifest = accept(text);
    let [a, b] = tools(&manifest) else {
        panic!("two tools");
    };
    assert_eq!(a.limits, b.limits);
    // The place of an error is where the alias stands.
    let twice = "tools:\n  - &x { source: ./a.wasm, name: a }\n  - *x";
    assert!(
        refuse(twice).contains("the name `a` is given in line 2"),
        "{}",
        refuse(twice)
    );
}

#[test]
fn bombs_are_refused_quickly() {
    let mut laughs = "a: &a [ha,ha,ha,ha,ha,ha,ha,ha,ha]\n".to_owned();
    for (this, last) in ('b'..='z').zip('a'..) {
        laughs += &format!(
            "{this}: &{this} [{}]\n",
            vec![format!("*{last}"); 9].join(",")
        );
    }
    let nested = "tools:\n- &a {source: ./x.wasm, include: &i [".to_owned()
        + &"a,".repeat(5000)
        + "]}\n"
        + &"- *a\n".repeat(20_000);
    let in_tools = format!(
        "tools:\n{}",
        laughs.replace("\n", "\n  ").replacen("a:", "  a:", 1)
    );
    let flow = "[".repeat(100_000);
    let block = (0..1000)
        .map(|depth| " ".repeat(depth) + "- \n")
        .collect::<String>();
    let names = "tools:\n".to_owned() + &"- &a ./x.wasm\n".repeat(1000) + &"- *a\n".repeat(50_000);
    let start = Instant::now();
    for text in [laughs, in_tools, nested, flow, block, names] {
        let error = refuse(&text);
        assert!(error.len() < 300, "{error}");
    }
    assert!(
        start.elapsed() < StdDuration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_document_over_a_mebibyte_is_refused_unread() {
    let text = format!("tools: []\n#{}", " ".repeat(1 << 20));
    assert_eq!(
        refuse(&text),
        " the document is larger than 1MiB; split it or shorten it"
    );
    accept(&text[..1 << 20]);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_one_line() {
    let missing = Manifest::read(Path::new("/nowhere/sandglass.yaml")).expect_err("missing");
    assert!(
        missing
            .to_string()
            .starts_with("/nowhere/sandglass.yaml: cannot be read: "),
        "{missing}"
    );
    let endless = Manifest::read(Path::new("/dev/zero")).expect_err("endless");
    assert!(
        endless.to_string().contains("larger than 1MiB"),
        "{endless}"
    );
}

#[test]
fn a_home_that_is_asked_for_must_be_known() {
    let homeless = Surroundings {
        home: None,
        ..surroundings()
    };
    let text = "version: 1\nengine: { cache_dir: ~/cache }";
    let error = Manifest::parse_in(text, &origin(), &homeless).expect_err("no home");
    assert_eq!((error.line(), error.column()), (Some(2), Some(22)));
    assert!(error.message().contains("HOME is not set"), "{error}");
    let silent = Manifest::parse_in("{}", &origin(), &homeless).expect("no word about the cache");
    assert_eq!(silent.engine.cache_dir, None);
}
