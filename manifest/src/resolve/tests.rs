//! What a manifest says about grants, stores, tenants, identity and audit.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Access, Audit, AuditTarget, ByteSize, Cosign, Fuel, JwtAlgorithm, Manifest, ManifestError,
    Placed, Scope, SecretRef, StoreKind, TenantName, TenantOf, TextOrSecret, TokenEntry,
    TokenValue, Tool,
    manifest::tests::{accept, tools},
};

pub(crate) const FULL: &str = "\
version: 1
defaults: { limits: { timeout: 8s, http: { requests: 3 } } }
tools:
  - source: ./weather.wasm
    limits: { http: { sent: 1KiB, received: 2KiB }, calls_per_minute: 60, fuel_per_minute: 1_000 }
    allow:
      env: { UNITS: metric, EMPTY: '', API_KEY: { secret: { file: key } }, TOKEN: { secret: { env: TOKEN } } }
      http:
        - api.weather.com
        - '*.example.com:8443'
        - host: 10.0.0.1
          port: 8080
          methods: [get, POST]
          path: /v1/
          private: true
          headers: { Authorization: { secret: { file: bearer } }, X-Version: '1' }
          ca: ca.pem
      files:
        - { host: data, guest: /data/ }
        - { host: /srv/out, guest: /, access: read-write }
      keyvalue: [cache, shared]
  - source: oci://ghcr.io/acme/mail:1
    verify: { cosign: { key: [acme.pub, 'file:/keys/old.pub'] } }
stores:
  cache: { kind: embedded, path: cache.redb, quota: 1MiB }
  shared: { kind: redis, url: { secret: { env: REDIS_URL } } }
  open: { kind: redis, url: 'rediss://user@cache.svc:6379/1' }
tasks: { store: shared }
require_signature:
  - { source: 'oci://ghcr.io/*', cosign: { key: 'file:company.pub' } }
  - { source: 'oci://ghcr.io/other/*', cosign: { key: other.pub } }
  - source: 'oci://a.io/*'
    cosign: { keyless: { identity: 'https://a.io/b@*', issuer: 'https://c.io', trust_root: 'file:root.json' } }
identity:
  tokens:
    - sha256: 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08
      name: Ada
      tenant: acme
      scopes: ['tools:*', management]
    - { secret: { file: token }, scopes: ['tools:get_weather'] }
    - file: tokens.yaml
  jwt:
    - { issuer: 'https://login.example/', audience: api://sandglass, tenant_claim: tid }
    - issuer: http://localhost:8080
      audience: [a, b]
      jwks: http://localhost:8080/keys
      ca: ca.pem
      tenant: acme
      scope_claims: [roles]
      algorithms: [EdDSA]
  resource: http://tools.svc:8000
tenants:
  default: { limits: { memory: 32MiB }, quota: { concurrency: 2 } }
  acme:
    tools: [{ source: ./acme.wasm, limits: { fuel: 5 } }]
    limits: { timeout: 1s, fuel: 7 }
    quota: { calls_per_minute: 600, fuel_per_minute: 60_000_000_000, concurrency: 64 }
  idle: { tools: [] }
audit: { to: file, path: audit.log, max_size: 1MiB, keep: 3, key: { secret: { env: AUDIT_KEY } } }
";

fn tenant(name: &str) -> TenantName {
    name.parse().expect("a tenant's name")
}

fn placed(path: &str) -> Placed<PathBuf> {
    PathBuf::from(path).into()
}

fn file(path: &str) -> SecretRef {
    SecretRef::File(path.into())
}

#[test]
fn grants_land_in_the_resolved_form() {
    let manifest = accept(FULL);
    let [weather, _] = tools(&manifest) else {
        panic!("two tools");
    };
    let allow = &weather.allow;
    assert_eq!(*allow.env["UNITS"], TextOrSecret::Text("metric".to_owned()));
    assert_eq!(*allow.env["EMPTY"], TextOrSecret::Text(String::new()));
    assert_eq!(
        *allow.env["API_KEY"],
        TextOrSecret::Secret {
            secret: file("/etc/key")
        }
    );
    let [weather_com, example, address] = &*allow.http else {
        panic!("three rules");
    };
    assert_eq!(
        (&*weather_com.host.to_string(), weather_com.port.get()),
        ("api.weather.com", 443)
    );
    assert!(weather_com.methods.is_empty() && !weather_com.private);
    assert_eq!(
        (&*example.host.to_string(), example.port.get()),
        ("*.example.com", 8443)
    );
    assert_eq!(
        (&*address.host.to_string(), address.port.get()),
        ("10.0.0.1", 8080)
    );
    assert_eq!(address.methods, ["GET", "POST"]);
    assert_eq!(address.path.as_str(), "/v1/");
    assert!(address.private);
    let headers: Vec<_> = address.headers.keys().collect();
    assert_eq!(headers, ["authorization", "x-version"]);
    assert_eq!(address.ca, Some(placed("/etc/ca.pem")));

    let [data, out] = &*allow.files else {
        panic!("two folders");
    };
    assert_eq!(*data.host, Path::new("/etc/data"));
    assert_eq!((&*data.guest, data.access), ("/data", Access::Read));
    assert_eq!((&*out.guest, out.access), ("/", Access::ReadWrite));
    let stores: Vec<_> = allow.keyvalue.iter().map(|name| name.as_str()).collect();
    assert_eq!(stores, ["cache", "shared"]);

    let limits = weather.limits;
    assert_eq!(limits.http.requests.get(), 3);
    assert_eq!(limits.http.sent, ByteSize::kib(1));
    assert_eq!(limits.http.received, ByteSize::kib(2));
    assert_eq!(limits.calls_per_minute.map(|n| n.get()), Some(60));
    assert_eq!(limits.fuel_per_minute.map(Fuel::get), Some(1000));
}

#[test]
fn stores_and_audit_land_in_the_resolved_form() {
    let manifest = accept(FULL);
    let store = |name: &str| &manifest.stores[&name.parse().expect("a store's name")];
    assert_eq!(store("cache").quota, ByteSize::mib(1));
    assert_eq!(
        store("cache").kind,
        StoreKind::Embedded {
            path: placed("/etc/cache.redb")
        }
    );
    assert_eq!(store("shared").quota, ByteSize::mib(64));
    let tasks = manifest.tasks.expect("tasks have a store");
    assert_eq!(tasks.store.as_str(), "shared");
    assert_eq!(
        store("shared").kind,
        StoreKind::Redis {
            url: TextOrSecret::Secret {
                secret: SecretRef::Env("REDIS_URL".to_owned())
            }
            .into()
        }
    );
    assert_eq!(
        manifest.audit,
        Some(Audit {
            to: AuditTarget::File {
                path: placed("/etc/audit.log"),
                max_size: ByteSize::mib(1),
                keep: "3".parse().expect("a count"),
            },
            key: Some(SecretRef::Env("AUDIT_KEY".to_owned()).into()),
        })
    );
    assert_eq!(
        accept("version: 1\naudit: { to: stdout }").audit,
        Some(Audit {
            to: AuditTarget::Stdout,
            key: None
        })
    );
}

#[test]
fn a_tenants_limits_stand_between_the_defaults_and_its_tools() {
    let manifest = accept(FULL);
    let [weather, _] = tools(&manifest) else {
        panic!("two tools");
    };
    let defaults = manifest.defaults.limits;
    assert_eq!(weather.limits.timeout, defaults.timeout);
    assert_eq!(weather.limits.memory, ByteSize::mib(32));
    assert_ne!(defaults.memory, weather.limits.memory);

    let acme = &manifest.tenants[&tenant("acme")];
    let [tool] = &*acme.tools else {
        panic!("one tool");
    };
    assert_eq!((acme.limits.fuel.get(), tool.limits.fuel.get()), (7, 5));
    assert_eq!(tool.limits.timeout, acme.limits.timeout);
    assert_eq!(tool.limits.memory, defaults.memory);
    assert_eq!(acme.quota.calls_per_minute.map(|n| n.get()), Some(600));
    assert!(manifest.tenants[&tenant("idle")].quota.is_unlimited());
    let default = &manifest.tenants[&TenantName::default()];
    assert_eq!(default.quota.concurrency.map(|n| n.get()), Some(2));
    assert!(default.tools.is_empty());
}

#[test]
fn a_source_must_carry_the_signatures_of_itself_and_of_each_rule_that_covers_it() {
    let manifest = accept(FULL);
    let [weather, mail] = tools(&manifest) else {
        panic!("two tools");
    };
    let signed_by = |keys: &[&str]| Cosign {
        key: keys.iter().map(Into::into).collect(),
        keyless: None,
    };
    let own = signed_by(&["/etc/acme.pub", "/keys/old.pub"]);
    assert_eq!(
        manifest.signatures(mail),
        [own, signed_by(&["/etc/company.pub"])]
    );
    assert!(manifest.signatures(weather).is_empty());
    let unsigned = Tool {
        verify: None,
        ..mail.clone()
    };
    assert_eq!(
        manifest.signatures(&unsigned),
        [signed_by(&["/etc/company.pub"])]
    );
}

#[test]
fn identity_lands_in_the_resolved_form() {
    let identity = accept(FULL).identity.expect("an identity");
    let [
        TokenEntry::Token(ada),
        TokenEntry::Token(secret),
        TokenEntry::File { file: tokens },
    ] = &*identity.tokens
    else {
        panic!("two tokens and a file");
    };
    assert!(matches!(
        ada.value,
        TokenValue::Sha256([0x9f, 0x86, .., 0x08])
    ));
    assert_eq!(ada.name.as_deref(), Some("Ada"));
    assert_eq!(ada.tenant, tenant("acme"));
    assert_eq!(
        ada.scopes,
        [Scope::AllTools.into(), Scope::Management.into()]
    );
    assert_eq!(secret.value, TokenValue::Secret(file("/etc/token").into()));
    assert_eq!(secret.tenant, TenantName::default());
    assert_eq!(**tokens, Path::new("/etc/tokens.yaml"));

    let [login, local] = &*identity.jwt else {
        panic!("two issuers");
    };
    assert_eq!(login.audience, ["api://sandglass"]);
    assert_eq!(login.tenant, TenantOf::Claim("tid".to_owned()));
    assert_eq!(login.scope_claims, ["scope", "scp", "roles"]);
    assert_eq!(login.algorithms, [JwtAlgorithm::RS256, JwtAlgorithm::ES256]);
    assert_eq!(local.audience, ["a", "b"]);
    assert_eq!(local.tenant, TenantOf::Fixed(tenant("acme")));
    assert_eq!(local.algorithms, [JwtAlgorithm::EdDSA]);
    assert_eq!(identity.resource.as_deref(), Some("http://tools.svc:8000"));
}

#[test]
fn the_resolved_form_of_every_key_is_a_manifest_of_the_same_meaning() {
    let manifest = accept(FULL);
    assert_eq!(accept(&manifest.to_yaml()), manifest);
    let json = serde_json::to_string(&manifest).expect("JSON");
    assert_eq!(accept(&json), manifest);
}

#[test]
fn what_refers_to_something_outside_knows_its_place() {
    let manifest = accept(FULL);
    let place = |error: ManifestError| {
        assert!(error.to_string().ends_with(": it is gone"), "{error}");
        let line = error.line().expect("a line") as usize;
        let rest = FULL.lines().nth(line - 1).expect("the line is there");
        let column = error.column().expect("a column") as usize;
        rest.chars().skip(column - 1).collect::<String>()
    };
    let store = |name: &str| &manifest.stores[&name.parse().expect("a store's name")].kind;
    let StoreKind::Embedded { path } = store("cache") else {
        panic!("a file");
    };
    assert!(place(path.error("it is gone")).starts_with("cache.redb"));
    let audit = manifest.audit.as_ref().expect("audit");
    let key = audit.key.as_ref().expect("a key");
    assert!(place(key.error("it is gone")).starts_with("AUDIT_KEY"));
    let allow = &tools(&manifest)[0].allow;
    assert!(place(allow.files[0].host.error("it is gone")).starts_with("data"));
    let unplaced = Placed::from(1).error("it is gone");
    assert_eq!(
        (unplaced.to_string().as_str(), unplaced.line()),
        ("it is gone", None)
    );
}

#[test]
fn a_file_of_tokens_is_read_with_the_manifests_tenants() {
    let folder = std::env::temp_dir().join(format!("sandglass-tokens-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("tokens.yaml");
    let read = |manifest: &Manifest, text: &str| {
        fs::write(&path, text).expect("a file");
        manifest.read_tokens(&path.clone().into())
    };
    let manifest = accept(FULL);
    let tokens = read(
        &manifest,
        "- { secret: { file: a }, tenant: acme, scopes: ['tools:*'] }\n- { secret: { env: B }, scopes: [management] }",
    )
    .expect("two tokens");
    assert_eq!(
        tokens[0].value,
        TokenValue::Secret(SecretRef::File(folder.join("a")).into())
    );
    assert_eq!(tokens[0].tenant, tenant("acme"));
    assert_eq!(tokens[1].scopes, [Scope::Management.into()]);
    assert_eq!(read(&manifest, "[]").expect("no token"), []);

    for (text, part) in [
        (
            "- { secret: { file: a }, tenant: acm, scopes: [management] }",
            ":1:34: there is no tenant `acm`",
        ),
        (
            "- { file: other.yaml }",
            ":1:11: a file of tokens names no other file",
        ),
        ("tokens: []", ":1:1: "),
        (
            "\n",
            ": the file is empty; list the tokens in it, or write `[]`",
        ),
    ] {
        let error = read(&manifest, text).expect_err(text).to_string();
        assert!(error.contains(&format!("tokens.yaml{part}")), "{error}");
    }
    fs::remove_dir_all(&folder).expect("its own folder");
    let manifest = accept(&format!(
        "version: 1\nidentity:\n  tokens: [ {{ file: {} }} ]",
        path.display()
    ));
    let identity = manifest.identity.as_ref().expect("identity");
    let [TokenEntry::File { file }] = &*identity.tokens else {
        panic!("a file");
    };
    let error = manifest.read_tokens(file).expect_err("gone").to_string();
    let begin = "/etc/sandglass.yaml:3:21: identity.tokens: the file ";
    assert!(error.starts_with(begin), "{error}");
    assert!(
        error.contains("cannot be read: ") && error.ends_with("make it, or correct the path"),
        "{error}"
    );
}
