//! Snippets of text under names, kept from one call to the next in the store
//! `snippets` that the operator grants.

use sandglass_sdk::{
    export,
    keyvalue::{Error, Store},
    tool,
};

fn snippets() -> Result<Store, Error> {
    Store::open("snippets")
}

/// Keep a snippet of text under a name; an earlier one of that name is replaced.
#[tool(read_only = false, destructive, idempotent, open_world = false)]
fn save_snippet(
    /// The snippet's name.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// The text to keep.
    text: String,
) -> Result<String, Error> {
    snippets()?.set(&name, text)?;
    Ok(format!("Saved {name}"))
}

/// Get the text of a snippet.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn get_snippet(
    /// The snippet's name.
    name: String,
) -> Result<String, String> {
    let text = snippets()
        .and_then(|store| store.get(&name))
        .map_err(|error| error.to_string())?
        .ok_or_else(|| unknown(&name))?;
    String::from_utf8(text).map_err(|_| format!("The snippet {name} is not text"))
}

/// List the names of all snippets.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn list_snippets() -> Result<Vec<String>, Error> {
    snippets()?.keys()
}

/// Delete a snippet.
#[tool(read_only = false, destructive, idempotent, open_world = false)]
fn delete_snippet(
    /// The snippet's name.
    name: String,
) -> Result<String, String> {
    delete(&name)
        .map_err(|error| error.to_string())?
        .then(|| format!("Deleted {name}"))
        .ok_or_else(|| unknown(&name))
}

/// Whether there was one.
fn delete(name: &str) -> Result<bool, Error> {
    let store = snippets()?;
    let known = store.exists(name)?;
    store.delete(name)?;
    Ok(known)
}

fn unknown(name: &str) -> String {
    format!("There is no snippet {name}: list_snippets tells which there are")
}

export!(save_snippet, get_snippet, list_snippets, delete_snippet);

#[cfg(test)]
mod tests {
    use sandglass_sdk::{
        CallError,
        serde_json::{Value, json},
        testing,
    };

    use super::{TOOLS, snippets};

    fn call(tool: &str, arguments: Value) -> Result<Value, String> {
        match testing::call(TOOLS, tool, arguments) {
            Ok(reply) => Ok(reply.value.expect("all tools give a value")),
            Err(CallError::Failed(message)) => Err(message),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn unknown(name: &str) -> Result<Value, String> {
        Err(format!(
            "There is no snippet {name}: list_snippets tells which there are"
        ))
    }

    #[test]
    fn a_saved_snippet_is_there_until_it_is_deleted() {
        let named = json!({"name": "größe"});
        assert_eq!(call("list_snippets", json!({})), Ok(json!([])));
        for text in ["first", "ls -la \"$HOME\"\n"] {
            assert_eq!(
                call("save_snippet", json!({"name": "größe", "text": text})),
                Ok(json!("Saved größe"))
            );
            assert_eq!(call("get_snippet", named.clone()), Ok(json!(text)));
        }
        assert_eq!(call("list_snippets", json!({})), Ok(json!(["größe"])));
        assert_eq!(
            call("delete_snippet", named.clone()),
            Ok(json!("Deleted größe"))
        );
        assert_eq!(call("get_snippet", named.clone()), unknown("größe"));
        assert_eq!(call("delete_snippet", named), unknown("größe"));
    }

    #[test]
    fn a_value_that_another_program_left_is_no_snippet_unless_it_is_text() {
        snippets().unwrap().set("binary", [0xff]).unwrap();
        assert_eq!(
            call("get_snippet", json!({"name": "binary"})),
            Err("The snippet binary is not text".to_owned())
        );
    }

    #[test]
    fn a_name_has_1_to_200_characters() {
        let schema = &testing::list(TOOLS)[0].input_schema;
        let schema: Value = schema.parse().unwrap();
        assert_eq!(schema["properties"]["name"]["minLength"], 1);
        assert_eq!(schema["properties"]["name"]["maxLength"], 200);
    }
}
