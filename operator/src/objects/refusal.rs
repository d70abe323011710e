//! What the API server says of an object, for whoever wrote the server's spec.

/// Where a Deployment has what `spec.podSpec` patches.
const POD_SPEC: &str = "spec.template.spec";

/// What it says of a text that is no amount, without a word on where it stands (apimachinery, `resource.ErrFormatWrong`).
const NO_QUANTITY: &str = "quantities must match";

/// The API server's refusal of a server's own object of this kind, with the fields of the MCPServer in the place of the
/// object's and a mend where one is known. The same refusal has the same words: addresses of its memory are left out.
pub fn refusal(kind: &str, message: &str) -> String {
    let message = without_addresses(message);
    if kind != "Deployment" {
        return message;
    }
    let message = message.trim_end().trim_end_matches('.');
    let (named, is_named) = of_pod_spec(message);
    if !is_named && !message.contains(NO_QUANTITY) {
        return named;
    }
    // Variables come from either.
    let fields = if named.contains("].env[") {
        "`spec.config.env` or `spec.podSpec`"
    } else {
        "`spec.podSpec`"
    };
    format!("{named}; correct {fields}")
}

/// With `spec.podSpec` for the pod template's spec, and whether it was there.
fn of_pod_spec(message: &str) -> (String, bool) {
    let mut named = String::with_capacity(message.len());
    let mut rest = message;
    let mut found = false;
    while let Some(start) = rest.find(POD_SPEC) {
        let (before, after) = (&rest[..start], &rest[start + POD_SPEC.len()..]);
        // Some paths begin with a dot.
        let begins = before.strip_suffix('.').unwrap_or(before);
        if begins.ends_with(is_word) || after.starts_with(is_word) {
            named += &rest[..start + POD_SPEC.len()];
        } else {
            named += begins;
            named += "spec.podSpec";
            found = true;
        }
        rest = after;
    }
    named += rest;
    (named, found)
}

/// Without the addresses that Go prints in the place of values, such as `(0xc00e1bd630)`.
pub fn without_addresses(message: &str) -> String {
    let mut kept = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find("0x") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        let digits = after
            .find(|c: char| !matches!(c, '0'..='9' | 'a'..='f'))
            .unwrap_or(after.len());
        let (address, after) = after.split_at(digits);
        if address.is_empty() || before.ends_with(is_word) || after.starts_with(is_word) {
            kept += before;
            kept += "0x";
            kept += address;
            rest = after;
            continue;
        }
        let bare = before.strip_suffix('(').zip(after.strip_prefix(')'));
        let (before, after) = bare.unwrap_or((before, after));
        kept += before;
        rest = after;
    }
    kept + rest
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_deployment_is_one_of_the_pod_spec() {
        for (message, expected) in [
            (
                r#"Deployment.apps "mcpserver-a" is invalid: spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#,
                r#"Deployment.apps "mcpserver-a" is invalid: spec.podSpec.restartPolicy: Unsupported value: "Never": supported values: "Always"; correct `spec.podSpec`"#,
            ),
            (
                r#"failed to create typed patch object (a/mcpserver-a; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="mcp-server"].args: expected list, got &{serve}"#,
                r#"failed to create typed patch object (a/mcpserver-a; apps/v1, Kind=Deployment): spec.podSpec.containers[name="mcp-server"].args: expected list, got &{serve}; correct `spec.podSpec`"#,
            ),
            (
                "[spec.template.spec.a: Required value, spec.template.spec.b: Required value]",
                "[spec.podSpec.a: Required value, spec.podSpec.b: Required value]; correct `spec.podSpec`",
            ),
            (
                r#"spec.template.spec.containers[0].env[3].valueFrom.resourceFieldRef.resource: Required value"#,
                r#"spec.podSpec.containers[0].env[3].valueFrom.resourceFieldRef.resource: Required value; correct `spec.config.env` or `spec.podSpec`"#,
            ),
            (
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'; correct `spec.podSpec`",
            ),
        ] {
            assert_eq!(refusal("Deployment", message), expected);
        }
    }

    #[test]
    fn what_is_not_of_the_pod_spec_is_left() {
        for (kind, message) in [
            (
                "Deployment",
                r#"admission webhook "policy.example" denied the request: no"#,
            ),
            ("Deployment", "xspec.template.spec.a, spec.template.specs"),
            ("Service", "spec.template.spec.a: Invalid value"),
        ] {
            assert_eq!(refusal(kind, message), message);
        }
    }

    #[test]
    fn the_same_refusal_has_the_same_words() {
        let told = |address: &str| {
            format!(
                "spec.template.spec.containers[0].securityContext: Invalid value: {{Privileged:(*bool)({address}), Port:0x, Id:a0x1f, Next:{address}}}: no"
            )
        };
        let expected = "spec.podSpec.containers[0].securityContext: Invalid value: {Privileged:(*bool), Port:0x, Id:a0x1f, Next:}: no; correct `spec.podSpec`";
        for address in ["0xc00e1bd630", "0xc0123456ff"] {
            assert_eq!(refusal("Deployment", &told(address)), expected);
        }
        assert_eq!(refusal("Service", "at 0xc00e1bd630"), "at ");
    }
}
