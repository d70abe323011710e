//! The tools, prompts and resources that MCP's conformance suite asks for (`@modelcontextprotocol/conformance`), with
//! the names and texts that its scenarios give. Served by a host they take each scenario through the sandbox.

mod content;
mod jobs;
mod notices;
mod prompts;
mod questions;
mod resources;
mod rounds;
mod schema;

use content::{
    test_audio_content, test_embedded_resource, test_error_handling, test_image_content,
    test_multiple_content_types, test_simple_text,
};
use jobs::{
    confirm_delete, failing_job, greet, multi_input, protocol_error_job, slow_compute,
    test_tool_with_task,
};
use notices::{
    test_header, test_logging_tool, test_reconnection, test_tool_with_logging,
    test_tool_with_progress, test_update_resource,
};
use prompts::{
    test_input_required_result_prompt, test_prompt_with_arguments,
    test_prompt_with_embedded_resource, test_prompt_with_image, test_simple_prompt,
};
use questions::{
    test_elicitation, test_elicitation_sep1034_defaults, test_elicitation_sep1330_enums,
    test_elicitation_url, test_missing_capability, test_sampling, test_streaming_elicitation,
};
use resources::{static_binary, static_text, template, watched};
use rounds::{
    test_input_required_result_capabilities, test_input_required_result_elicitation,
    test_input_required_result_list_roots, test_input_required_result_multi_round,
    test_input_required_result_multiple_inputs, test_input_required_result_request_state,
    test_input_required_result_sampling, test_input_required_result_tampered_state, test_replay,
};

use schema::json_schema_2020_12_tool;

sandglass_sdk::export!(
    tools: [
        confirm_delete,
        failing_job,
        greet,
        json_schema_2020_12_tool,
        multi_input,
        protocol_error_job,
        slow_compute,
        test_tool_with_task,
        test_audio_content,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_elicitation_url,
        test_embedded_resource,
        test_error_handling,
        test_header,
        test_image_content,
        test_input_required_result_capabilities,
        test_input_required_result_elicitation,
        test_input_required_result_list_roots,
        test_input_required_result_multi_round,
        test_input_required_result_multiple_inputs,
        test_input_required_result_request_state,
        test_input_required_result_sampling,
        test_input_required_result_tampered_state,
        test_logging_tool,
        test_missing_capability,
        test_multiple_content_types,
        test_reconnection,
        test_replay,
        test_sampling,
        test_simple_text,
        test_streaming_elicitation,
        test_tool_with_logging,
        test_tool_with_progress,
        test_update_resource,
    ],
    prompts: [
        test_input_required_result_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
        test_simple_prompt,
    ],
    resources: [static_binary, static_text, template, watched],
);
