//! What a tool finds outside a component: answers that the thread's test gives.

use std::cell::RefCell;

use ::http::{Request, Response};

use super::{Error, Target};

type Answer = dyn Fn(&Request<Vec<u8>>) -> Response<Vec<u8>>;

thread_local! {
    static ANSWER: RefCell<Option<Box<Answer>>> = const { RefCell::new(None) };
}

pub fn answer_with(answer: impl Fn(&Request<Vec<u8>>) -> Response<Vec<u8>> + 'static) {
    ANSWER.set(Some(Box::new(answer)));
}

pub fn blocking(target: &Target, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Error> {
    ANSWER.with_borrow(|answer| match answer {
        Some(answer) => Ok(answer(&request)),
        None => Err(Error::Unreachable {
            target: target.clone(),
            reason: "there is no host outside a component: let the test answer with \
                     `sandglass_sdk::testing::answer_http`"
                .to_owned(),
        }),
    })
}

pub async fn waiting(
    target: &Target,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Error> {
    blocking(target, request)
}
